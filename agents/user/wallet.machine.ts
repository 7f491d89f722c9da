/**
 * The wallet: one hold of the worst case for each run, before it spends (D7, I4). Funds are what is
 * in the vault and not yet signed away; what all open runs could spend never exceeds them, however
 * many start at once, because holds are taken one event at a time; the spending policy is applied in
 * the same event. What is withdrawn is set aside before the chain is asked. One actor per participant.
 */
import { assign, createMachine, enqueueActions } from 'xstate'
import type { Address } from '../../schemas/documents.gen.ts'
import { defineActor } from '../../runtime/actors/actor.ts'
import { formatMoney } from '../../schemas/money.ts'
import { refusal, spend, type DaySpending, type SpendingPolicy } from './policy.ts'

/** Runs that may be open at once. */
const HOLDS_MAX = 10_000
/** Withdrawals that are remembered, those of the past included. */
const WITHDRAWALS_MAX = 10_000
/** Payments beside the vault that are remembered. */
const OUTSIDE_MAX = 1_000

/** Money on its way out of the vault. */
export interface Withdrawal {
  readonly to: Address
  /** Atomic. */
  readonly amount: string
  /** Whether the chain has done it. */
  readonly done: boolean
}

export interface WalletContext {
  /** Deposits by the id of what brought them; atomic. A deposit told twice counts once. */
  readonly deposits: Readonly<Record<string, string>>
  readonly spent: string
  readonly holds: Readonly<Record<string, string>>
  /** By run, what of its hold is for which capability; only of runs that said so. */
  readonly parts?: Readonly<Record<string, Readonly<Record<string, string>>>>
  readonly policy?: SpendingPolicy
  readonly day?: DaySpending
  /** By the id of what asked for it; one that the chain refused is gone again. */
  readonly withdrawals?: Readonly<Record<string, Withdrawal>>
  /** Ids of what the policy has allowed to be paid beside the vault. */
  readonly outside?: readonly string[]
}

export type WalletEvent = { at?: number } & (
  | { type: 'deposited'; id: string; amount: string }
  | { type: 'hold'; run: string; amount: string; capabilities?: Readonly<Record<string, string>> }
  | { type: 'close'; run: string; spent: string }
  | { type: 'outside'; id: string; amount: string; for: string }
  | { type: 'policy'; policy: SpendingPolicy }
  | { type: 'withdraw'; id: string; amount: string; to: Address }
  | { type: 'withdraw.done'; id: string }
  | { type: 'withdraw.failed'; id: string }
)

/** Atomic amount that a new run could hold. */
export function available(context: WalletContext): bigint {
  const sum = (amounts: Readonly<Record<string, string>>): bigint => Object.values(amounts).reduce((total, one) => total + BigInt(one), 0n)
  const withdrawn = Object.values(context.withdrawals ?? {}).reduce((total, one) => total + BigInt(one.amount), 0n)
  return sum(context.deposits) - BigInt(context.spent) - sum(context.holds) - withdrawn
}

const machine = createMachine({
  id: 'wallet',
  types: {} as { context: WalletContext; events: WalletEvent },
  context: { deposits: {}, spent: '0', holds: {} },
  initial: 'open',
  states: {
    open: {
      on: {
        deposited: { actions: assign({ deposits: ({ context, event }) => ({ ...context.deposits, [event.id]: event.amount }) }) },
        hold: {
          actions: enqueueActions(({ context, event, enqueue }) => {
            const refuse = (code: string, message: string): void => enqueue({ type: 'tell', params: { to: event.run, event: { type: 'refused', error: { code, message } } } } as any)
            if (context.holds[event.run] === undefined) {
              const free = available(context)
              if (BigInt(event.amount) > free) {
                return refuse('wallet.empty', `The wallet does not hold enough. The run may cost ${formatMoney(BigInt(event.amount))}, ${formatMoney(free < 0n ? 0n : free)} is free.`)
              }
              if (Object.keys(context.holds).length >= HOLDS_MAX) return refuse('node.busy', 'Too much is under way. (open runs)')
              const refused = refusal(context, event, event.at ?? 0)
              if (refused) return enqueue({ type: 'tell', params: { to: event.run, event: { type: 'refused', error: refused } } } as any)
              enqueue.assign({
                holds: { ...context.holds, [event.run]: event.amount },
                ...(event.capabilities ? { parts: { ...context.parts, [event.run]: event.capabilities } } : {}),
              })
            }
            enqueue({ type: 'tell', params: { to: event.run, event: { type: 'held' } } } as any)
          }),
        },
        close: {
          guard: ({ context, event }) => context.holds[event.run] !== undefined,
          actions: assign(({ context, event }) => {
            const { [event.run]: _held, ...holds } = context.holds
            const { [event.run]: part = {}, ...parts } = context.parts ?? {}
            return { holds, parts, day: spend(context, part, event.spent, event.at ?? 0), spent: (BigInt(context.spent) + BigInt(event.spent)).toString() }
          }),
        },
        // Paid from the account itself, beside the vault: only the policy is asked, and the day counts it. Of one id only the first counts.
        outside: {
          actions: enqueueActions(({ context, event, enqueue }) => {
            const say = (answer: object): void => enqueue({ type: 'tell', params: { to: event.for, event: answer } } as any)
            const known = context.outside ?? []
            if (known.includes(event.id)) return say({ type: 'allowed' })
            const error = refusal(context, { amount: event.amount }, event.at ?? 0)
            if (error) return say({ type: 'refused', error })
            enqueue.assign({ outside: [...known.slice(-OUTSIDE_MAX + 1), event.id], day: spend(context, {}, event.amount, event.at ?? 0) })
            say({ type: 'allowed' })
          }),
        },
        policy: { actions: assign({ policy: ({ event }) => event.policy }) },
        // Of one id only the first counts; who asked sees in the context whether it was set aside.
        withdraw: {
          guard: ({ context, event }) => context.withdrawals?.[event.id] === undefined && BigInt(event.amount) > 0n && BigInt(event.amount) <= available(context)
            && Object.keys(context.withdrawals ?? {}).length < WITHDRAWALS_MAX,
          actions: assign({ withdrawals: ({ context, event: { id, amount, to } }) => ({ ...context.withdrawals, [id]: { to, amount, done: false } }) }),
        },
        'withdraw.done': {
          guard: ({ context, event }) => context.withdrawals?.[event.id] !== undefined,
          actions: assign({ withdrawals: ({ context, event }) => ({ ...context.withdrawals, [event.id]: { ...context.withdrawals![event.id]!, done: true } }) }),
        },
        'withdraw.failed': {
          guard: ({ context, event }) => context.withdrawals?.[event.id]?.done === false,
          actions: assign({ withdrawals: ({ context, event }) => {
            const { [event.id]: _gone, ...withdrawals } = context.withdrawals!
            return withdrawals
          } }),
        },
      },
    },
  },
})

export const wallet = defineActor('wallet', '3', machine, { pays: [], holds: [], rests: { open: 'asked by runs, by subscriptions and by its owner' } }, {
  // The first version knew neither policies nor withdrawals, the second nothing beside the vault: they go on without any.
  migrate: (state, machine) => machine.startsWith('wallet@1:') || machine.startsWith('wallet@2:') ? state : undefined,
})
