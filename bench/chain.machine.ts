/** A workflow of `durable` on our host: so many remote steps one after another, each with the answer of the one before. */
import { assign, createMachine } from 'xstate'
import { defineActor, effect } from '../runtime/actors/actor.ts'

export interface ChainContext {
  /** Steps that have not been answered yet. */
  readonly left: number
  readonly text: string
}

const take = assign<ChainContext, any, undefined, any, never>({ left: ({ context }) => context.left - 1, text: ({ event }) => event.text })

export const chain = defineActor('chain', '1', createMachine({
  id: 'chain',
  types: {} as { context: ChainContext; events: any; input: { steps: number; text: string } },
  context: ({ input }) => ({ left: input.steps, text: input.text }),
  initial: 'asking',
  states: {
    asking: {
      entry: effect<ChainContext, any>('ask', ({ context }) => ({ text: context.text })) as any,
      on: {
        'ask.done': [
          { guard: ({ context }) => context.left > 1, target: 'asking', reenter: true, actions: take },
          { target: 'done', actions: take },
        ],
        'ask.failed': 'failed',
      },
    },
    done: { type: 'final' },
    failed: { type: 'final' },
  },
}))
