/**
 * The wallet: one hold of the worst case for each run, before it spends (D7, I4). Funds are what is
 * in the vault and not yet signed away; what all open runs could spend never exceeds them, however
 * many start at once, because holds are taken one event at a time. One actor per participant.
 */
import { assign, createMachine, enqueueActions } from 'xstate'
import { defineActor } from '../../runtime/actors/actor.ts'
import { formatMoney } from '../../schemas/money.ts'

/** Runs that may be open at once. */
const HOLDS_MAX = 10_000

export interface WalletContext {
  /** Deposits by the id of what brought them; atomic. A deposit told twice counts once. */
  readonly deposits: Readonly<Record<string, string>>
  readonly spent: string
  readonly holds: Readonly<Record<string, string>>
}

export type WalletEvent =
  | { type: 'deposited'; id: string; amount: string }
  | { type: 'hold'; run: string; amount: string }
  | { type: 'close'; run: string; spent: string }

/** Atomic amount that a new run could hold. */
export function available(context: WalletContext): bigint {
  const sum = (amounts: Readonly<Record<string, string>>): bigint => Object.values(amounts).reduce((total, one) => total + BigInt(one), 0n)
  return sum(context.deposits) - BigInt(context.spent) - sum(context.holds)
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
              enqueue.assign({ holds: { ...context.holds, [event.run]: event.amount } })
            }
            enqueue({ type: 'tell', params: { to: event.run, event: { type: 'held' } } } as any)
          }),
        },
        close: {
          guard: ({ context, event }) => context.holds[event.run] !== undefined,
          actions: assign(({ context, event }) => {
            const { [event.run]: _held, ...holds } = context.holds
            return { holds, spent: (BigInt(context.spent) + BigInt(event.spent)).toString() }
          }),
        },
      },
    },
  },
})

export const wallet = defineActor('wallet', '1', machine, { pays: [], holds: [], rests: { open: 'asked by runs' } })
