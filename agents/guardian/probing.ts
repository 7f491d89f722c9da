/**
 * Probes as effects: `guardian.plan` draws them, `probe.call` hires and judges one (D9). To its
 * provider a probe is a call like any other: same market, same wire, same pay, no clause that would
 * give the answer away; it is judged here, after it is paid.
 */
import { type AigenError, asError } from '../../schemas/error.ts'
import type { EffectKind } from '../../runtime/actors/effects.ts'
import type { NodeParts } from '../../runtime/node/node.ts'
import { hire } from '../user/hire.ts'
import type { User } from '../user/user.ts'
import { drawProbes, type PlanLimits } from './plan.ts'
import { chanceFrom, type ProbeBook } from './probe-book.ts'
import type { Probe, Sample } from './probe.machine.ts'

/** A delivery is waited for so many times what was promised, within these bounds in ms. */
const PATIENCE = 3
const DEADLINE_MIN_MS = 4_000
const DEADLINE_MAX_MS = 60_000

export interface ProbingOptions {
  readonly book: ProbeBook
  readonly limits: PlanLimits
  /** There once the guardian's node is open. */
  readonly user: () => User
}

/** The effects `guardian.plan` and `probe.call`. */
export function probeEffects(parts: NodeParts, { book, limits, user }: ProbingOptions): Record<string, EffectKind> {
  const { clock, random, directory, participant } = parts
  const plan: EffectKind = {
    mode: 'idempotent',
    run: async ({ epoch, until }: { epoch: number; until: number }) => ({
      type: 'guardian.plan.done', probes: drawProbes({ directory, clock, random, self: participant }, book, limits, epoch, until),
    }),
  }
  const call: EffectKind = {
    mode: 'idempotent',
    attempts: 1,
    concurrency: 4,
    run: async (probe: Probe, { signal }) => {
      const { input, blobs, right } = book[probe.capability]!.make(chanceFrom(probe.seed))
      const sample = (delivered: boolean, judged: boolean, latencyMs: number | null): Sample => ({
        at: clock.now(), delivered, right: judged, latencyMs, late: latencyMs !== null && latencyMs > probe.promisedMs,
      })
      try {
        const deadlineMs = Math.min(DEADLINE_MAX_MS, Math.max(DEADLINE_MIN_MS, probe.promisedMs * PATIENCE))
        const { output, bill } = await hire(user(), {
          capability: probe.capability, input, maxPrice: probe.maxPrice, deadlineMs, only: [probe.provider], attempts: 1, fresh: true, key: `probe-${probe.id}-${probe.seed}`, signal,
          ...(blobs === undefined ? {} : { blobs }),
        })
        return { type: 'probe.call.done', sample: sample(true, judge(right, output), bill.steps[0]!.latencyMs ?? 0) }
      } catch (thrown) {
        if (signal.aborted) throw thrown
        return { type: 'probe.call.done', sample: blames(asError(thrown)) ? sample(false, false, null) : null }
      }
    },
  }
  return { 'guardian.plan': plan, 'probe.call': call }
}

/** Whether an error of a probe speaks against its provider, and not against this node, its money or its network. */
function blames({ code, rule }: AigenError): boolean {
  return code.startsWith('step.') ? code !== 'step.cancelled' && code !== 'step.input' && code !== 'step.expression' : rule.fault === 'provider' || code === 'market.no-provider'
}

function judge(right: (output: any) => boolean, output: unknown): boolean {
  try {
    return right(output)
  } catch {
    return false
  }
}
