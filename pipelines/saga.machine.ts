/**
 * Undoes what a failed run had done (D8): the steps with `compensate` that were done, the last one
 * first, one after the other, also after a crash. A second one undoes what was delivered after its
 * step had been given up, whatever became of the run. A compensation that fails is written down and
 * does not stop the others. Started by a run; tells it `saga.ended`.
 */
import { assign, createMachine, enqueueActions } from 'xstate'
import { defineActor } from '../runtime/actors/actor.ts'
import type { StepPlan } from './plan.ts'
import { stepId, unitName, type StepEnded, type StepInput } from './step.ts'

/** A step, or an item of it, that was done. */
export interface Done {
  readonly step: string
  readonly index: number | null
  /** Of a delivery that came to light after the step was given up: the inquiry or dispute that has it. */
  readonly late?: string
}

/** What is to be undone, and how. */
export interface Undo extends Done {
  readonly plan: StepPlan
}

export interface SagaInput {
  readonly run: string
  readonly trace: string | null
  /** In the order they were done. */
  readonly undo: readonly Undo[]
  /** Whether all of it came to light late: the second saga of its run. */
  readonly late?: true
}

export interface SagaContext extends SagaInput {
  readonly ended: number
  readonly spent: string
  /** Names of those that could not be undone. */
  readonly failed: readonly string[]
}

export type SagaEvent = { at: number } & StepEnded

/**
 * Name of the step that undoes another, as bills and actors have it; of a late delivery, with the attempt that made it.
 *
 * @example undoName({ step: 'rows', index: 3 }) // 'rows[3]/undo'
 * @example undoName({ step: 'book', index: null, late: 'inquiry/r/book/0' }) // 'book/undo~0'
 */
export function undoName({ step, index, late }: Done): string {
  if (late === undefined) return `${unitName(step, index)}/undo`
  const [unit, attempt] = late.split('/').slice(-2)
  return `${unit}/undo~${attempt}`
}

/** Actor id of a run's saga. */
export function sagaId({ run, late }: Pick<SagaInput, 'run' | 'late'>): string {
  return `saga/${run}${late ? '/late' : ''}`
}

/** Begins with the last one that is left. */
const undo: any = enqueueActions(({ context, enqueue }: any) => {
  const { run, trace, undo: all, ended } = context as SagaContext
  const one = all[all.length - 1 - ended]
  if (!one) return
  const { plan, ...of } = one
  const input: StepInput = { run, parent: sagaId(context), plan: { ...plan, name: undoName(of) }, index: null, item: null, trace, of }
  enqueue({ type: 'tell', params: { to: stepId(run, input.plan.name, null), event: { type: 'start', input } } })
})

const machine = createMachine({
  id: 'saga',
  types: {} as { context: SagaContext; events: SagaEvent; input: SagaInput & { at: number } },
  context: ({ input: { at: _at, ...input } }) => ({ ...input, ended: 0, spent: '0', failed: [] }),
  initial: 'undoing',
  states: {
    undoing: {
      entry: undo,
      on: {
        'step.ended': {
          actions: [assign(({ context, event }) => ({
            ended: context.ended + 1, spent: (BigInt(context.spent) + BigInt(event.charged)).toString(), failed: event.state === 'done' ? context.failed : [...context.failed, event.step],
          })), undo],
        },
      },
      always: { guard: ({ context }) => context.ended >= context.undo.length, target: 'ended' },
    },
    ended: {
      type: 'final',
      entry: { type: 'tell', params: ({ context }: any) => ({ to: `run/${context.run}`, event: { type: 'saga.ended', charged: context.spent, failed: context.failed } }) } as any,
    },
  },
})

export const saga = defineActor('saga', '1', machine, {
  // Each compensation hires for itself, within what the run holds.
  pays: [{ by: ['tell step start'], after: ['on start', 'on step.ended'] }],
  holds: [],
  waits: { undoing: [{ event: 'step.ended', from: 'step' }] },
}, { passivates: 'ended' })
