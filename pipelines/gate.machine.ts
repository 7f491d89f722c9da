/**
 * A step that waits (I5): for a time, the next time of a schedule, a signal to the run, or somebody's
 * approval. It costs nothing. Every wait is for a stored time, a signal of a name, or a person of a
 * name. Started by a run; tells it `step.ended`. Who may approve is checked where the word comes in
 * (`agents/user/control.ts`, I8).
 */
import { assign, createMachine, enqueueActions } from 'xstate'
import type { ErrorBody } from '../schemas/error.ts'
import { defineActor, effect } from '../runtime/actors/actor.ts'
import { nextTime } from '../runtime/actors/schedule.ts'
import { LATE, stops } from './overdue.ts'
import { unitName, type StepEnded, type StepInput } from './step.ts'

/** Output of a step with `approve`; `by` is null where nobody answered in time and that means yes. */
export interface Approval {
  readonly approved: boolean
  readonly by: string | null
  readonly at: number
  readonly comment: string | null
}

export interface GateContext extends StepInput {
  readonly self: string
  readonly state: 'running' | 'done' | 'skipped' | 'failed' | 'cancelled'
  readonly error: ErrorBody | null
  readonly output: unknown
  /** What an approver reads. */
  readonly message: string | null
  /** When the wait is over, in ms since the epoch; null for a signal that is waited for without an end. */
  readonly until: number | null
}

export type GateEvent = { at: number } & (
  | { type: 'step.prepare.done'; skip?: true; until?: number; message?: string | null }
  | { type: 'step.prepare.failed'; error: ErrorBody }
  | { type: 'signal'; data: unknown }
  | { type: 'answer'; approved: boolean; by: string; comment: string | null }
  | { type: 'due' }
  | { type: 'over' }
  | { type: 'cancel' }
)

/** Signals belong to the run that was asked for, whatever runs inside it. */
const runOf = ({ run }: GateContext): string => `run/${run.split('/', 1)[0]!}`

const stop: any = assign(({ event }: any) => (event.type === 'over' ? { state: 'failed', error: LATE } : { state: 'cancelled' }))

/** When the wait is over. */
function untilOf({ plan: { wait, approve } }: GateContext, event: any): number | null {
  if (approve) return event.at + approve.timeoutMs
  if (wait!.forMs !== undefined) return event.at + wait!.forMs
  if (wait!.schedule) return nextTime(wait!.schedule, event.at) ?? event.at
  if (wait!.signal !== undefined) return wait!.timeoutMs === undefined ? null : event.at + wait!.timeoutMs
  return event.until
}

const answered: any = assign(({ event }: any) => {
  const output: Approval = { approved: event.approved, by: event.by, at: event.at, comment: event.comment }
  return event.approved ? { state: 'done', output } : { state: 'failed', output, error: { code: 'step.rejected', message: `The step was rejected.${event.comment === null ? '' : ` (${event.comment})`}` } }
})

/** What it means that nothing came in time. */
const late: any = assign(({ context, event }: any) => {
  const { wait, approve } = context.plan
  if (approve) {
    const output: Approval = { approved: approve.late === 'approve', by: null, at: event.at, comment: null }
    return approve.late === 'approve' ? { state: 'done', output } : { state: 'failed', output, error: { code: 'step.rejected', message: 'Nobody approved the step in time.' } }
  }
  return wait.signal !== undefined && wait.late === 'fail' ? { state: 'failed', error: { code: 'step.timeout', message: `No signal ${wait.signal} came in time.` } } : { state: 'done' }
})

const machine = createMachine({
  id: 'gate',
  types: {} as { context: GateContext; events: GateEvent; input: StepInput & { at: number } },
  context: ({ input: { at: _at, ...input } }) => ({ ...input, self: `gate/${input.run}/${unitName(input.plan.name, input.index)}`, state: 'running', error: null, output: null, message: null, until: null }),
  initial: 'preparing',
  entry: enqueueActions(({ context: { plan }, enqueue }) => {
    if (plan.timeoutMs !== undefined) enqueue.raise({ type: 'over', at: 0 }, { delay: plan.timeoutMs, id: 'over' })
  }),
  states: {
    preparing: {
      entry: effect<GateContext, any>('step.prepare', ({ context }) => ({ run: context.run, step: context.plan.name, index: context.index })),
      on: {
        'step.prepare.done': [
          { guard: ({ event }) => event.skip === true, target: 'ended', actions: assign({ state: 'skipped' }) },
          { guard: ({ context, event }) => (untilOf(context, event) ?? Infinity) <= event.at, target: 'ended', actions: late },
          { target: 'waiting', actions: assign(({ context, event }) => ({ message: event.message ?? null, until: untilOf(context, event) })) },
        ],
        'step.prepare.failed': { target: 'ended', actions: assign({ state: 'failed', error: ({ event }) => event.error }) },
        ...stops({ target: 'ended', actions: [stop, { type: 'abort', params: { kind: 'step.prepare' } } as any] }),
      },
    },
    waiting: {
      entry: enqueueActions(({ context, event, enqueue }) => {
        if (context.until !== null) enqueue.raise({ type: 'due', at: 0 }, { delay: context.until - event.at, id: 'due' })
        if (context.plan.wait?.signal !== undefined) enqueue({ type: 'tell', params: { to: runOf(context), event: { type: 'await', name: context.plan.wait.signal, to: context.self } } } as any)
      }),
      on: {
        signal: { guard: ({ context }) => context.plan.wait?.signal !== undefined, target: 'ended', actions: assign({ state: 'done', output: ({ event }) => event.data }) },
        answer: { guard: ({ context }) => context.plan.approve !== undefined, target: 'ended', actions: answered },
        due: { target: 'ended', actions: late },
        ...stops({ target: 'ended', actions: stop }),
      },
      exit: enqueueActions(({ context, event, enqueue }) => {
        if (context.until !== null) enqueue.cancel('due')
        if (context.plan.wait?.signal !== undefined && event.type !== 'signal') enqueue({ type: 'tell', params: { to: runOf(context), event: { type: 'forget', to: context.self } } } as any)
      }),
    },
    ended: {
      type: 'final',
      entry: enqueueActions(({ context: { parent, plan, index, state, error }, enqueue }) => {
        if (plan.timeoutMs !== undefined) enqueue.cancel('over')
        const ended: StepEnded = { type: 'step.ended', step: plan.name, index, state: state === 'running' ? 'cancelled' : state, charged: '0', ...(error ? { error } : {}) }
        enqueue({ type: 'tell', params: { to: parent, event: ended } } as any)
      }),
    },
  },
})

export const gate = defineActor('gate', '1', machine, {
  pays: [],
  holds: [],
  waits: { waiting: [{ event: 'answer', who: 'whoever is to approve, until a stored time' }, { event: 'signal', from: 'run' }] },
  ignores: { pause: 'a run that is paused waits on', resume: 'it waited on' },
}, { passivates: 'ended' })
