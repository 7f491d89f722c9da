/**
 * Who hears the pieces of a call's output as they come: this process's own listeners, and the steps that
 * take them, whose pieces are journaled before those are told; heard again after a restart, they are known
 * by their number. Used by the effects of `invoke.ts` and `stream.ts`.
 */
import type { Host } from '../runtime/actors/host.ts'
import type { Listeners } from './listen.ts'
import type { RunContext } from './run.machine.ts'
import type { StepContext } from './step.ts'

export interface Hearing {
  /** The run's secret for flows, as it is journaled. */
  readonly secret: string | undefined
  /** Whether other steps take them. */
  readonly feeds: boolean
  /** Undefined where nobody hears them. */
  readonly take: ((chunk: unknown) => void) | undefined
  /** Whether all that steps take were journaled: one that could not be is as lost as one that did not come. */
  kept(): Promise<boolean>
}

/** For the step actor `actor`. */
export function hearing(host: Host, listeners: Listeners, actor: string, { run, plan, index, fallback }: StepContext): Hearing {
  const hears = listeners.get(run)
  const feeds = plan.feeds !== undefined && !fallback
  const journaled: Promise<boolean>[] = []
  const take = (chunk: unknown): void => {
    hears?.({ step: plan.name, index, chunk })
    if (feeds) journaled.push(host.send(actor, { type: 'piece', number: journaled.length, chunk }).then(() => true, () => false))
  }
  return {
    secret: host.context<RunContext>(`run/${run.split('/', 1)[0]!}`)?.flow,
    feeds, take: hears || feeds ? take : undefined,
    kept: async () => (await Promise.all(journaled)).every(Boolean),
  }
}
