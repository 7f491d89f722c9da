/** How long whoever wants a run's answer has to wait for it. Used by whoever follows runs to their end. */
import type { RunPlan } from './plan.ts'

/** As long as one timer can wait. */
const LONGEST_MS = 2_000_000_000

/** How long whoever wants its answer has to wait for it, without time to hire. */
export function patienceMs({ timeMs, openEnded }: Pick<RunPlan, 'timeMs' | 'openEnded'>): number {
  return openEnded ? LONGEST_MS : Math.min(timeMs, LONGEST_MS)
}
