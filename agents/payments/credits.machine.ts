/**
 * The book of a payment provider's credit accounts: what each deposited, has held for calls under
 * way, spent and paid as fees. Every posting has a key and happens once (I1); a call is held at its
 * worst before it is hired, so credit never goes below zero however many are bought at once (I4).
 * deposited = free + held + spent + fees, per account, after every event (I2). One actor a node.
 */
import { assign, createMachine, enqueueActions } from 'xstate'
import type { Address } from '../../schemas/documents.gen.ts'
import { defineActor } from '../../runtime/actors/actor.ts'

export interface Account {
  readonly deposited: string
  readonly held: string
  readonly spent: string
  readonly fees: string
}

export interface CreditsContext {
  readonly accounts: Readonly<Record<string, Account>>
  /** Deposits that were posted, by the call that was paid for them. */
  readonly posted: Readonly<Record<string, true>>
  /** Calls under way, by the purchase. */
  readonly holds: Readonly<Record<string, { readonly account: Address; readonly amount: string }>>
}

export type CreditsEvent =
  | { type: 'deposit'; id: string; account: Address; amount: string }
  | { type: 'hold'; id: string; account: Address; amount: string }
  | { type: 'settle'; id: string; spent: string; fee: string }

const EMPTY: Account = { deposited: '0', held: '0', spent: '0', fees: '0' }
const add = (one: string, other: string | bigint): string => (BigInt(one) + BigInt(other)).toString()

export function accountOf(context: CreditsContext | undefined, account: Address): Account {
  return context?.accounts[account] ?? EMPTY
}

/** What an account could spend now, atomic. */
export function freeOf({ deposited, held, spent, fees }: Account): bigint {
  return BigInt(deposited) - BigInt(held) - BigInt(spent) - BigInt(fees)
}

const machine = createMachine({
  id: 'credits',
  types: {} as { context: CreditsContext; events: CreditsEvent },
  context: { accounts: {}, posted: {}, holds: {} },
  initial: 'open',
  states: {
    open: {
      on: {
        deposit: {
          guard: ({ context, event }) => context.posted[event.id] === undefined,
          actions: assign(({ context, event: { id, account, amount } }) => {
            const before = accountOf(context, account)
            return { posted: { ...context.posted, [id]: true as const }, accounts: { ...context.accounts, [account]: { ...before, deposited: add(before.deposited, amount) } } }
          }),
        },
        hold: {
          actions: enqueueActions(({ context, event: { id, account, amount }, enqueue }) => {
            const tell = (type: string): void => enqueue({ type: 'tell', params: { to: id, event: { type } } } as any)
            if (context.holds[id]) return tell('held')
            const before = accountOf(context, account)
            if (freeOf(before) < BigInt(amount)) return tell('short')
            enqueue.assign({ holds: { ...context.holds, [id]: { account, amount } }, accounts: { ...context.accounts, [account]: { ...before, held: add(before.held, amount) } } })
            return tell('held')
          }),
        },
        settle: {
          guard: ({ context, event }) => context.holds[event.id] !== undefined,
          actions: assign(({ context, event: { id, spent, fee } }) => {
            const { [id]: hold, ...holds } = context.holds
            const before = accountOf(context, hold!.account)
            const after = { ...before, held: add(before.held, -BigInt(hold!.amount)), spent: add(before.spent, spent), fees: add(before.fees, fee) }
            return { holds, accounts: { ...context.accounts, [hold!.account]: after } }
          }),
        },
      },
    },
  },
})

export const credits = defineActor('credits', '1', machine, { pays: [], holds: [], rests: { open: 'asked by purchases and deposits' } })
