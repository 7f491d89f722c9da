/** The actor of `actors`: it adds up what it is told, asks for nothing and never ends. */
import { assign, createMachine } from 'xstate'
import { defineActor } from '../runtime/actors/actor.ts'

export interface TallyContext {
  readonly sum: number
  readonly count: number
}

export const tally = defineActor('tally', '1', createMachine({
  id: 'tally',
  types: {} as { context: TallyContext; events: any; input: object },
  context: () => ({ sum: 0, count: 0 }),
  initial: 'open',
  states: {
    open: {
      on: { add: { actions: assign<TallyContext, any, undefined, any, never>({ sum: ({ context, event }) => context.sum + event.n, count: ({ context }) => context.count + 1 }) } },
    },
  },
}))
