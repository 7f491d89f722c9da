/**
 * Many seeds of the simulated network, one after the other or in several processes; at the first
 * seed that breaks an invariant, the fewest faults that still break it and what happened then (D10).
 * Used by `aigen simulate`.
 */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describeFault, type Fault } from '../../runtime/simulation/faults.ts'
import { shrink } from '../../runtime/simulation/shrink.ts'
import type { Violation } from '../../runtime/simulation/invariants.ts'
import { simulateNetwork, type Outcome } from './network.scenario.ts'

export interface SimulateOptions {
  readonly seeds: number
  /** The first one (default 0). */
  readonly from?: number
  /** Processes that work at once (default 1). */
  readonly jobs?: number
  /** Partitions of each participant's journal (default 1). */
  readonly partitions?: number
  /** Told of each seed that ended. */
  readonly onSeed?: (outcome: SeedResult) => void
}

/** One seed, as it is told between processes. */
export type SeedResult = Pick<Outcome, 'seed' | 'events' | 'violation' | 'runs'>

export interface Failure {
  readonly seed: number
  readonly violation: Violation
  /** The fewest faults found that still break it. */
  readonly faults: readonly Fault[]
  /** What happened under those. */
  readonly lines: readonly string[]
}

export interface SimulateReport {
  readonly seeds: number
  readonly events: number
  readonly violations: number
  readonly done: number
  readonly failed: number
  readonly paid: number
  readonly paidOn: number
  /** Of the lowest seed that failed. */
  readonly failure: Failure | undefined
}

/** Lines of a trace that are shown: its end is where it went wrong. */
const LINES_MAX = 400

/** Runs the seeds; a violation ends it. */
export async function simulate({ seeds, from = 0, jobs = 1, partitions = 1, onSeed }: SimulateOptions): Promise<SimulateReport> {
  const sum = { seeds: 0, events: 0, violations: 0, done: 0, failed: 0, paid: 0, paidOn: 0 }
  let broken: SeedResult | undefined
  const take = (result: SeedResult): void => {
    sum.seeds++
    sum.events += result.events
    sum.done += result.runs.done
    sum.failed += result.runs.failed
    sum.paid += result.runs.paid
    sum.paidOn += result.runs.paidOn
    if (result.violation) {
      sum.violations++
      if (!broken || result.seed < broken.seed) broken = result
    }
    onSeed?.(result)
  }
  if (jobs === 1) {
    for (let seed = from; seed < from + seeds && !broken; seed++) take(await simulateNetwork({ seed, partitions }))
  } else {
    let next = from
    await Promise.all(Array.from({ length: Math.min(jobs, seeds) }, () => inProcess(() => (broken || next >= from + seeds ? undefined : next++), partitions, take)))
  }
  return { ...sum, failure: broken && await explain(broken.seed, partitions) }
}

/** What such a process is told. */
interface Order { readonly seed: number; readonly partitions: number }

/** A process that takes seeds until there is none. */
function inProcess(next: () => number | undefined, partitions: number, take: (result: SeedResult) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(import.meta.url), ['seeds'], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    const give = (): void => {
      const seed = next()
      if (seed === undefined) child.disconnect()
      else child.send({ seed, partitions } satisfies Order)
    }
    child.on('message', (result: SeedResult) => {
      take(result)
      give()
    })
    child.once('error', reject)
    child.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`a process of the simulator ended with ${code}`))))
    give()
  })
}

/** The fewest faults under which `seed` fails, and the trace of that. Error when it does not fail. */
export async function explain(seed: number, partitions = 1): Promise<Failure> {
  const whole = await simulateNetwork({ seed, partitions })
  if (!whole.violation) throw new Error(`seed ${seed} does not fail again`)
  const { invariant } = whole.violation
  const faults = await shrink(whole.struck, async (some) => (await simulateNetwork({ seed, partitions, faults: some })).violation?.invariant === invariant)
  const again = await simulateNetwork({ seed, partitions, faults, traced: true })
  // What is left out can matter only by its absence: then the whole list is told.
  const told = again.violation ? again : await simulateNetwork({ seed, partitions, traced: true })
  return { seed, violation: told.violation!, faults: told.faults, lines: told.lines }
}

/** A failure for people. */
export function describeFailure({ seed, violation, faults, lines }: Failure): string {
  const left = lines.length - LINES_MAX
  return [
    ...(left > 0 ? [`… ${left} lines before these`] : []), ...lines.slice(-LINES_MAX),
    `seed ${seed} breaks ${violation.invariant}: ${violation.says}`,
    faults.length === 0 ? 'without any fault' : `with ${faults.length} faults:`,
    ...faults.map((fault) => `  ${describeFault(fault)}`),
  ].join('\n')
}

// As a process of `inProcess`: seeds in, results out.
if (process.argv[2] === 'seeds' && process.argv[1] === fileURLToPath(import.meta.url) && process.send) {
  process.on('message', ({ seed, partitions }: Order) => {
    void simulateNetwork({ seed, partitions }).then(({ events, violation, runs }) => process.send!({ seed, events, violation, runs } satisfies SeedResult))
  })
}
