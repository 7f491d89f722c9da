/** The actors of `actors`: they add up what they are told, ask for nothing and never end. */
import { assign, createMachine } from 'xstate'
import { defineActor } from '../runtime/actors/actor.ts'

export interface TallyContext {
  readonly sum: number
  readonly count: number
}

const machine = createMachine({
  id: 'tally',
  types: {} as { context: TallyContext; events: any; input: object },
  context: () => ({ sum: 0, count: 0 }),
  initial: 'open',
  states: {
    open: {
      on: { add: { actions: assign<TallyContext, any, undefined, any, never>({ sum: ({ context, event }) => context.sum + event.n, count: ({ context }) => context.count + 1 }) } },
    },
  },
})

export const tally = defineActor('tally', '1', machine)
/** The same, and it may leave memory. */
export const drowsy = defineActor('drowsy', '1', machine, undefined, { passivates: true })
