/**
 * `aigen simulate`: the whole network in this process under faults drawn from seeds, its invariants
 * checked after each event (D10). The last line sums up; exit 1 at a violation, with the seed, the
 * fewest faults that still break it and what happened.
 */
import { AigenError } from '../../schemas/error.ts'
import type { Output } from '../output.ts'

export interface SimulateOptions {
  readonly seed?: number
  readonly seeds?: number
  readonly jobs?: number
  readonly partitions?: number
}

/** How often progress is told, in seeds. */
const TELL_EVERY = 50

export async function simulate(options: SimulateOptions, output: Output): Promise<boolean> {
  const room = await import('../../agents/simulation/simulate.ts').catch((cause: unknown) => {
    throw new AigenError('usage.invalid', 'The simulator is not part of this installation; it comes with a clone of the repository.', { cause })
  })
  const seeds = options.seeds ?? (options.seed === undefined ? 200 : 1)
  const began = performance.now()
  let ended = 0
  const report = await room.simulate({
    seeds, from: options.seed ?? 0, jobs: options.jobs ?? 1, partitions: options.partitions ?? 1,
    onSeed: () => {
      if (++ended % TELL_EVERY === 0) output.say(`${ended} of ${seeds} seeds, ${(ended * 1_000 / (performance.now() - began)).toFixed(1)} a second`)
    },
  })
  const { events, violations, done, failed, paid, paidOn, failure } = report
  if (failure) output.say(room.describeFailure(failure))
  output.say(`runs: ${done} done, ${failed} failed; ${paid} calls paid, ${paidOn} of them through the hub; ${((performance.now() - began) / 1_000).toFixed(1)} s`)
  output.streams.stdout.write(`${JSON.stringify({ simulate: { seeds: report.seeds, events, violations, ...(failure ? { seed: failure.seed, invariant: failure.violation.invariant, faults: failure.faults } : {}) } })}\n`)
  return violations === 0
}
