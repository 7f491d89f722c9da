/**
 * A step that runs a sub-pipeline (D8): prepares its inputs and starts a run of its own below this
 * one, with a share of what this one holds (D7: no second hold). Started by a run or by a fan; tells
 * it `step.ended` when the answer is known. What is in doubt then is a doubt of the run above.
 */
import { assign, createMachine, enqueueActions } from 'xstate'
import type { ErrorBody } from '../schemas/error.ts'
import { defineActor, effect } from '../runtime/actors/actor.ts'
import { LATE, stops } from './overdue.ts'
import type { RunInput } from './run.machine.ts'
import { unitName, type StepEnded, type StepInput } from './step.ts'

export interface NestContext extends StepInput {
  readonly self: string
  /** Id of the run that it starts. */
  readonly child: string
  readonly state: 'running' | 'done' | 'skipped' | 'failed' | 'cancelled'
  readonly error: ErrorBody | null
  readonly input: unknown
  readonly output: unknown
  /** Atomic. */
  readonly spent: string
  readonly paused: boolean
}

export type NestEvent = { at: number } & (
  | { type: 'step.prepare.done'; skip?: true; input?: unknown }
  | { type: 'step.prepare.failed'; error: ErrorBody }
  | { type: 'run.ended'; state: 'done' | 'failed' | 'cancelled'; output: unknown; charged: string; error?: ErrorBody }
  | { type: 'over' }
  | { type: 'cancel' }
  | { type: 'pause' }
  | { type: 'resume' }
)

const tellChild = (type: string): any => ({ type: 'tell', params: ({ context }: any) => ({ to: `run/${context.child}`, event: { type } }) })
const stop: any = assign(({ context, event }: any) => (event.type === 'over' ? { state: 'failed', error: LATE } : { state: 'cancelled', error: context.error }))

const machine = createMachine({
  id: 'nest',
  types: {} as { context: NestContext; events: NestEvent; input: StepInput & { at: number } },
  context: ({ input: { at: _at, ...input } }) => {
    const name = unitName(input.plan.name, input.index)
    return { ...input, self: `nest/${input.run}/${name}`, child: `${input.run}/${name}`, state: 'running', error: null, input: null, output: null, spent: '0', paused: false }
  },
  initial: 'preparing',
  entry: enqueueActions(({ context: { plan, index }, enqueue }) => {
    if (plan.timeoutMs !== undefined && index === null) enqueue.raise({ type: 'over', at: 0 }, { delay: plan.timeoutMs, id: 'over' })
  }),
  states: {
    preparing: {
      entry: effect<NestContext, any>('step.prepare', ({ context }) => ({ run: context.run, step: context.plan.name, index: context.index })),
      on: {
        'step.prepare.done': [
          { guard: ({ event }) => event.skip === true, target: 'ended', actions: assign({ state: 'skipped' }) },
          { target: 'running', actions: assign({ input: ({ event }) => event.input }) },
        ],
        'step.prepare.failed': { target: 'ended', actions: assign({ state: 'failed', error: ({ event }) => event.error }) },
        pause: { actions: assign({ paused: true }) },
        resume: { actions: assign({ paused: false }) },
        ...stops({ target: 'ended', actions: [stop, { type: 'abort', params: { kind: 'step.prepare' } } as any] }),
      },
    },
    running: {
      entry: enqueueActions(({ context, event, enqueue }) => {
        const { child, plan, input, self, trace } = context
        const { plan: below, budget } = plan.nested!
        const start: RunInput = {
          run: child, pipeline: below.pipeline, document: null, plan: below, inputs: input, budget, hold: below.worst, parent: self, ...(trace === null ? {} : { trace }), at: event.at,
        }
        enqueue({ type: 'tell', params: { to: `run/${child}`, event: { type: 'start', input: start } } } as any)
        if (context.paused) enqueue(tellChild('pause'))
        // What the run above holds has its worst case in it.
        enqueue(tellChild('granted'))
      }),
      on: {
        'run.ended': {
          target: 'ended',
          actions: assign(({ context, event }) => ({ spent: event.charged, output: event.output, ...(context.state === 'running' ? { state: event.state, error: event.error ?? null } : {}) })),
        },
        pause: { actions: tellChild('pause') },
        resume: { actions: tellChild('resume') },
        ...stops({ actions: [stop, tellChild('cancel')] }),
      },
    },
    ended: {
      type: 'final',
      entry: enqueueActions(({ context: { parent, plan, index, state, spent, error }, enqueue }) => {
        if (plan.timeoutMs !== undefined && index === null) enqueue.cancel('over')
        const ended: StepEnded = {
          type: 'step.ended', step: plan.name, index, state: state === 'running' ? 'cancelled' : state, charged: spent,
          ...(state === 'done' && plan.compensate ? { done: [index] } : {}), ...(error && state !== 'done' ? { error } : {}),
        }
        enqueue({ type: 'tell', params: { to: parent, event: ended } } as any)
      }),
    },
  },
})

export const nest = defineActor('nest', '1', machine, {
  pays: [{ by: ['tell run granted'], after: ['on step.prepare.done'] }],
  holds: [],
  waits: { running: [{ event: 'run.ended', from: 'run' }] },
}, { passivates: 'ended' })
