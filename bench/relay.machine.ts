/**
 * The shape of a run of constant steps, and nothing of the interpreter: one actor starts so many
 * others one after another, each asks for one effect and tells its result. Used by `pipeline-runs`, to
 * say what of a step's cost is the host's.
 */
import { assign, createMachine, enqueueActions } from 'xstate'
import { defineActor, effect } from '../runtime/actors/actor.ts'

interface RelayContext {
  readonly self: string
  readonly legs: number
  readonly done: number
}

interface LegContext {
  readonly parent: string
  readonly number: number
  readonly value: unknown
}

const startNext: any = enqueueActions(({ context, enqueue }: any) => {
  const { self, done } = context as RelayContext
  enqueue({ type: 'tell', params: { to: `leg/${self.slice('relay/'.length)}/${done}`, event: { type: 'start', input: { parent: self, number: done } } } })
})

export const relay = defineActor('relay', '1', createMachine({
  id: 'relay',
  types: {} as { context: RelayContext; events: any; input: { self: string; legs: number } },
  context: ({ input: { self, legs } }) => ({ self, legs, done: 0 }),
  initial: 'running',
  states: {
    running: {
      entry: startNext,
      on: {
        'leg.ended': [
          { guard: ({ context }) => context.done + 1 < context.legs, target: 'running', reenter: true, actions: assign({ done: ({ context }) => context.done + 1 }) },
          { target: 'done', actions: assign({ done: ({ context }) => context.done + 1 }) },
        ],
      },
    },
    done: { type: 'final' },
  },
}), undefined, { passivates: 'ended' })

export const leg = defineActor('leg', '1', createMachine({
  id: 'leg',
  types: {} as { context: LegContext; events: any; input: { parent: string; number: number } },
  context: ({ input: { parent, number } }) => ({ parent, number, value: null }),
  initial: 'asking',
  states: {
    asking: {
      entry: effect<LegContext, any>('leg.ask', ({ context }) => ({ number: context.number })) as any,
      on: { 'leg.ask.done': { target: 'ended', actions: assign({ value: ({ event }) => event.value }) } },
    },
    ended: {
      type: 'final',
      entry: enqueueActions(({ context, enqueue }: any) => enqueue({ type: 'tell', params: { to: context.parent, event: { type: 'leg.ended', number: context.number } } })),
    },
  },
}), undefined, { passivates: 'ended' })
