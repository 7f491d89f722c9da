/**
 * The payment of a sealed output (D6, payments.md): its price is locked for the key, the key opens the
 * output, a plain voucher folds the lock. Where no key comes in the step's time the step goes on
 * without, and the lane stays held until the key is seen on the chain or the lock has expired (I5):
 * then the money is back. Started by a step; tells it `opened` or `unopened`, and its run
 * `doubt.closed` with what it cost where the step was told that it has nothing.
 */
import { assign, createMachine, enqueueActions } from 'xstate'
import type { Agreement, Delivery, Hash, Hex32, Hop, LockedVoucher, PlainVoucher } from '../schemas/documents.gen.ts'
import type { ErrorBody } from '../schemas/error.ts'
import { defineActor, effect } from '../runtime/actors/actor.ts'
import type { Lane } from '../runtime/market/negotiation.machine.ts'
import { deliveryHash } from '../runtime/payments/delivery.ts'
import { HUB_LOCK_MS, LOCK_MS } from '../runtime/payments/seal.ts'
import type { Verdict } from './step.ts'

/** A key is asked for so long before the step goes on without it, in ms. */
const KEY_MS = 12_000
/** Pause after a look that failed for good, in ms. */
const AGAIN_MS = 60_000

export interface UnlockInput {
  readonly run: string
  /** Who holds the lane in the purse. */
  readonly holder: string
  readonly step: string
  readonly agreement: Agreement
  readonly id: Hash
  readonly lane: Lane
  readonly delivery: Delivery
  /** The ciphertext, as base64. */
  readonly sealed: string
}

export interface UnlockContext extends UnlockInput {
  /** Ms since the epoch; the lock's time counts from here. */
  readonly begunAt: number
  readonly voucher: LockedVoucher | PlainVoucher | null
  readonly previousRef: Hex32 | null
  readonly output: unknown
  /** By a hub: what it paid in turn for the key. */
  readonly hop?: Hop | null
  readonly verdict: Verdict | null
  /** What was paid for, once it has come: with delivery and ciphertext it proves a wrong content. */
  readonly key?: Hex32
  /** Whether the step was told that it has nothing. */
  readonly late: boolean
  /** Whether the money is gone: the lock was opened or claimed. */
  readonly spent: boolean
}

export type UnlockEvent = { at: number } & (
  | { type: 'staked'; voucher: LockedVoucher; previousRef: Hex32 }
  | { type: 'lock.open.done'; key?: Hex32; hop?: Hop; output: unknown; verdict: Verdict }
  | { type: 'lock.open.taken'; key?: Hex32; output: unknown; verdict: Verdict }
  | { type: 'lock.open.gone' }
  | { type: 'lock.open.failed'; error: ErrorBody }
  | { type: 'paid'; voucher: PlainVoucher; previousRef: Hex32 }
)

/** Actor id of the lock of what `negotiation` had agreed. */
export function unlockId(negotiation: string): string {
  return `unlock/${negotiation.slice('negotiation/'.length)}`
}

/** What a lock that its step had nothing of has cost, atomic. */
export function lockCost({ spent, delivery }: Pick<UnlockContext, 'spent' | 'delivery'>): string {
  return spent ? delivery.body.amount : '0'
}

const opened = assign<UnlockContext, any, undefined, any, never>(({ event: { output, verdict, key, hop } }: any) => ({ output, verdict, spent: true, ...(key === undefined ? {} : { key }), ...(hop === undefined ? {} : { hop }) }))
/** The step goes on without it; from here on the run waits for what becomes of the lock. */
const giveUp: any = enqueueActions(({ context, event, enqueue }: any) => {
  if (context.late) return
  const error: ErrorBody = event.verdict?.error ?? { ...event.error, code: 'step.output', message: `The key of the output did not come. (${event.error.message})` }
  enqueue({ type: 'tell', params: { to: context.run, event: { type: 'doubt.opened' } } })
  enqueue({ type: 'tell', params: { to: context.step, event: { type: 'unopened', error } } })
  enqueue.assign({ late: true })
})
const toPurse = (type: 'unstake' | 'decided'): any => ({
  type: 'tell', params: ({ context }: any) => ({ to: 'purse', event: { type, lane: context.lane.key, for: context.holder, ...(type === 'decided' ? { payeeAmount: context.delivery.body.amount } : {}) } }),
})
const asking = (patient: boolean): any => effect<UnlockContext, any>('lock.open', ({ context, event }: any) => ({ to: context.agreement.terms.provider, until: event.at + KEY_MS, patient }))

const machine = createMachine({
  id: 'unlock',
  types: {} as { context: UnlockContext; events: UnlockEvent; input: UnlockInput & { at: number } },
  context: ({ input: { at, ...input } }) => ({ ...input, begunAt: at, voucher: null, previousRef: null, output: null, verdict: null, late: false, spent: false }),
  initial: 'locking',
  states: {
    locking: {
      entry: {
        type: 'tell',
        params: ({ context }: any) => ({
          to: 'purse',
          event: {
            type: 'stake', lane: context.lane.key, for: context.holder, tell: unlockId(context.holder),
            stake: { kind: 'locked', delivery: deliveryHash(context.delivery), amount: context.delivery.body.amount, lockHash: context.delivery.body.sealed.lockHash, lockExpiry: Math.ceil((context.begunAt + (context.delivery.body.sealed.open ? HUB_LOCK_MS : LOCK_MS)) / 1_000) },
          },
        }),
      } as any,
      on: { staked: { target: 'asking', actions: assign({ voucher: ({ event }) => event.voucher, previousRef: ({ event }) => event.previousRef }) } },
    },
    asking: {
      entry: asking(false),
      on: {
        'lock.open.done': [
          { guard: ({ event }) => event.verdict.ok, target: 'paying', actions: opened },
          // Wrong content: paid for, and proven by the delivery, the ciphertext and the key.
          { target: 'paying', actions: [opened, giveUp] },
        ],
        'lock.open.failed': { target: 'waiting', actions: giveUp },
      },
    },
    waiting: {
      entry: asking(true),
      on: {
        'lock.open.done': { target: 'paying', actions: opened },
        'lock.open.taken': { target: 'closed', actions: [opened, toPurse('decided')] },
        'lock.open.gone': { target: 'closed', actions: toPurse('unstake') },
        'lock.open.failed': 'resting',
      },
    },
    resting: { after: { [AGAIN_MS]: 'waiting' } },
    paying: {
      entry: {
        type: 'tell',
        params: ({ context }: any) => ({ to: 'purse', event: { type: 'pay', lane: context.lane.key, for: context.holder, tell: unlockId(context.holder), delivery: deliveryHash(context.delivery), amount: context.delivery.body.amount } }),
      } as any,
      on: { paid: { target: 'closed', actions: assign({ voucher: ({ event }) => event.voucher, previousRef: ({ event }) => event.previousRef }) } },
    },
    closed: {
      type: 'final',
      entry: enqueueActions(({ context, enqueue }: any) => {
        const { late, run, step, output, voucher, previousRef } = context as UnlockContext
        enqueue({ type: 'tell', params: late ? { to: run, event: { type: 'doubt.closed', charged: lockCost(context) } } : { to: step, event: { type: 'opened', output, voucher, previousRef } } } as any)
      }) as any,
    },
  },
})

export const unlock = defineActor('unlock', '2', machine, {
  pays: [{ by: ['tell purse stake', 'tell purse pay', 'do lock.open'], after: ['on start'] }],
  holds: [{ what: 'lane', taken: ['on start'], returned: ['tell purse unstake', 'tell purse decided', 'on paid'] }],
  waits: { locking: [{ event: 'staked', from: 'purse' }], paying: [{ event: 'paid', from: 'purse' }] },
}, {
  passivates: 'ended',
  // The version before kept no key.
  migrate: (state, machine) => (machine.startsWith('unlock@1:') ? state : undefined),
})
