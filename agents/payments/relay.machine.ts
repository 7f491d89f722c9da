/**
 * A relay's book: which orders of light nodes it took, what became of each, and how many each asker
 * has left. An order is in the journal before it goes to the sender, and known by its id, so it is
 * carried once however often it comes (D1, D3). Told by the verb `relay` (`relay.ts`).
 */
import { assign, createMachine, enqueueActions } from 'xstate'
import type { ErrorBody } from '../../schemas/error.ts'
import { defineActor } from '../../runtime/actors/actor.ts'
import type { RailWriteJson } from '../../runtime/ports/rail-json.ts'
import type { Hex } from '../../runtime/ports/signer.ts'

/** Orders remembered, and those of one asker in an hour. */
const ORDERS_MAX = 1_000
export const HOURLY_MAX = 240
const HOUR_MS = 3_600_000

export interface RelayOrderState {
  readonly account: Hex
  readonly at: number
  readonly state: 'pending' | 'done' | 'failed'
  readonly transaction: Hex | null
  readonly error: ErrorBody | null
}

export interface RelayContext {
  readonly sender: string
  readonly orders: Readonly<Record<string, RelayOrderState>>
}

export type RelayEvent =
  | { readonly type: 'order', readonly id: Hex, readonly account: Hex, readonly at: number, readonly write: RailWriteJson }
  | { readonly type: 'chain.write.done', readonly key: string, readonly hash: Hex }
  | { readonly type: 'chain.write.failed', readonly key: string, readonly hash: Hex | null, readonly error: ErrorBody }
  | { readonly type: 'chain.write.lost', readonly key: string, readonly hash: Hex }

/** Orders of `account` in the hour before `at`. */
export function recentOrders({ orders }: RelayContext, account: Hex, at: number): number {
  return Object.values(orders).filter((one) => one.account === account && at - one.at < HOUR_MS).length
}

const keyOf = (id: Hex): string => `relay.${id}`

const machine = createMachine({
  id: 'relay',
  types: {} as { context: RelayContext, events: RelayEvent, input: { readonly sender: string } },
  context: ({ input }) => ({ sender: input.sender, orders: {} }),
  initial: 'open',
  states: {
    open: {
      on: {
        order: {
          // What never left may be tried again; anything else is answered from the book.
          guard: ({ context, event }) => {
            const known = context.orders[event.id]
            return (known === undefined || (known.state === 'failed' && known.transaction === null)) && recentOrders(context, event.account, event.at) < HOURLY_MAX
          },
          actions: enqueueActions(({ context, event, enqueue }) => {
            const { id, account, at, write } = event
            const orders: Record<string, RelayOrderState> = { ...context.orders }
            delete orders[id]
            const over = Object.entries(orders).filter(([, one]) => one.state !== 'pending').slice(0, Math.max(0, Object.keys(orders).length - ORDERS_MAX + 1))
            for (const [old] of over) delete orders[old]
            orders[id] = { account, at, state: 'pending', transaction: null, error: null }
            enqueue.assign({ orders })
            enqueue({ type: 'tell', params: { to: context.sender, event: { type: 'send', key: keyOf(id), to: 'relay', write } } } as any)
          }),
        },
        'chain.write.done': { actions: assign({ orders: ({ context, event }) => ended(context, event.key, { state: 'done', transaction: event.hash, error: null }) }) },
        'chain.write.failed': { actions: assign({ orders: ({ context, event }) => ended(context, event.key, { state: 'failed', transaction: event.hash, error: event.error }) }) },
      },
    },
  },
})

function ended(context: RelayContext, key: string, end: Pick<RelayOrderState, 'state' | 'transaction' | 'error'>): Record<string, RelayOrderState> {
  const id = key.slice(keyOf('0x').length - 2)
  const known = context.orders[id]
  return known ? { ...context.orders, [id]: { ...known, ...end } } : { ...context.orders }
}

export const relay = defineActor('relay', '1', machine, { pays: [], holds: [], rests: { open: 'asked by light nodes, by the verb relay' }, ignores: { 'chain.write.lost': 'the sender has its bytes out again' } })
