/**
 * Starts the steps of a run whose turn it is: as what each is done by, or not while the run is paused
 * or has failed. Pure but for what it enqueues; used by the run machine.
 */
import type { ErrorBody } from '../schemas/error.ts'
import { advance, type Advance, type Frontier } from './frontier.ts'
import type { RunPlan } from './plan.ts'
import { actorOf, type StepInput } from './step.ts'

/** Asks for an action of the transition under way. */
export type Enqueue = (action: any) => void

/** What of a run decides. */
export interface Following {
  readonly run: string
  readonly plan: RunPlan
  readonly trace?: string
  readonly running: readonly string[]
  readonly held: readonly string[]
  readonly paused: boolean
  readonly cancelled: boolean
  readonly error: ErrorBody | null
}

/** Starts what `next` names, or holds it back while the run is paused, and follows what it skips at once. */
export function follow(run: Following, next: Advance, enqueue: Enqueue): { readonly frontier: Frontier; readonly running: readonly string[]; readonly held: readonly string[] } {
  const stopped = run.error !== null || run.cancelled
  const running = [...run.running]
  const held = stopped ? [] : [...run.held]
  let { frontier } = next
  const open = [next]
  for (let one = open.shift(); one; one = open.shift()) {
    for (const name of stopped ? [] : one.start) {
      if (run.paused) {
        held.push(name)
        continue
      }
      running.push(name)
      const plan = run.plan.steps[name]!
      const input: StepInput = { run: run.run, parent: `run/${run.run}`, plan, index: null, item: null, trace: run.trace ?? null }
      enqueue({ type: 'tell', params: { to: actorOf(run.run, plan, null), event: { type: 'start', input } } })
    }
    for (const name of one.skip) {
      const after = advance(run.plan, frontier, name, 'skipped', false)
      frontier = after.frontier
      open.push(after)
    }
  }
  return { frontier, running, held }
}
