/**
 * One payment through a hub: a lane of its own to the provider, granted to a payer; then, once the payer
 * has locked its money for the key of the provider's output, the same lock on that lane, for which the
 * provider gives the key; the key then opens the payer's lock. Nothing is locked downstream before the
 * upstream voucher is journaled, and the upstream lock expires `HUB_MARGIN_MS` later, so a hub that
 * dies anywhere loses nothing (I1). Started by the verb `route`; told of the delivery by the
 * hub's own call, and of the upstream voucher by that lane's till.
 */
import { assign, createMachine, enqueueActions } from 'xstate'
import type { Address, Delivery, Hex32, Hop, LockedVoucher } from '../../schemas/documents.gen.ts'
import type { ErrorBody } from '../../schemas/error.ts'
import { defineActor, effect } from '../../runtime/actors/actor.ts'
import type { Lane } from '../../runtime/market/negotiation.machine.ts'
import { deliveryHash } from '../../runtime/payments/delivery.ts'
import { HUB_MARGIN_MS } from '../../runtime/payments/seal.ts'

/** A lane is waited for so long, in ms. */
const LANE_MS = 20_000
/** Pause before a look that failed is made again, in ms. */
const AGAIN_MS = 5_000

export interface HopInput {
  readonly self: string
  readonly payer: Address
  readonly payee: Address
  /** Atomic; most that the call may cost. */
  readonly amount: string
  /** The payer may agree with the payee until then, in ms since the epoch. */
  readonly grantedUntil: number
  /** The lane is held until then, unless the payer has locked. */
  readonly until: number
}

export interface HopContext extends HopInput {
  readonly begunAt: number
  readonly lane: Lane | null
  readonly delivery: Delivery | null
  /** Till of the payer's own lane. */
  readonly till: string | null
  readonly upstream: LockedVoucher | null
  readonly voucher: LockedVoucher | null
  readonly key: Hex32 | null
  /** What the provider was paid with, for the payer's receipt. */
  readonly hop: Hop | null
  readonly error: ErrorBody | null
}

export type HopEvent = { at: number } & (
  | { type: 'lane.ready'; key: string; id: Hex32; number: number; vault: Hex32; voucherKey: Address }
  | { type: 'lane.refused'; error: ErrorBody }
  | { type: 'bind'; delivery: Delivery; till: string }
  | { type: 'locked'; voucher: LockedVoucher }
  | { type: 'staked'; voucher: LockedVoucher; previousRef: Hex32 }
  | { type: 'hop.ask.done'; key: Hex32 }
  | { type: 'hop.ask.taken'; key: Hex32 | null }
  | { type: 'hop.ask.gone' }
  | { type: 'hop.ask.failed'; error: ErrorBody }
  | { type: 'paid' }
)

const toPurse = (event: (context: HopContext) => object): any => ({ type: 'tell', params: ({ context }: any) => ({ to: 'purse', event: { ...event(context), for: context.self } }) })
const release = toPurse(() => ({ type: 'release' }))
const takeKey = [
  assign<HopContext, any, undefined, any, never>({ key: ({ event }: any) => event.key }),
  enqueueActions(({ context, enqueue }: any) => enqueue({ type: 'tell', params: { to: context.till, event: { type: 'keyed', key: context.key } } })) as any,
]

const machine = createMachine({
  id: 'hop',
  types: {} as { context: HopContext; events: HopEvent; input: HopInput & { at: number } },
  context: ({ input: { at, ...input } }) => ({ ...input, begunAt: at, lane: null, delivery: null, till: null, upstream: null, voucher: null, key: null, hop: null, error: null }),
  initial: 'routing',
  states: {
    routing: {
      entry: toPurse(({ self, payee, amount }) => ({ type: 'acquire', request: { for: self, payee, provider: payee, amount, spare: false } })),
      on: {
        'lane.ready': { target: 'held', actions: assign({ lane: ({ event: { key, id, number, vault, voucherKey } }) => ({ key, id, number, vault, voucherKey }) }) },
        'lane.refused': { target: 'closed', actions: assign({ error: ({ event }) => event.error }) },
      },
      after: { [LANE_MS]: { target: 'closed', actions: [assign({ error: { code: 'node.busy', message: 'Too much is under way. (no lane in time)' } satisfies ErrorBody }), release] } },
    },
    held: {
      on: {
        bind: {
          guard: ({ context, event }) => context.delivery === null || deliveryHash(context.delivery) === deliveryHash(event.delivery) && context.till === event.till,
          actions: assign({ delivery: ({ event }) => event.delivery, till: ({ event }) => event.till }),
        },
        locked: { guard: ({ context, event }) => context.delivery?.body.sealed?.lockHash === event.voucher.lockHash, target: 'locking', actions: assign({ upstream: ({ event }) => event.voucher }) },
      },
      after: { hold: { target: 'closed', actions: release } },
    },
    locking: {
      entry: toPurse(({ self, lane, delivery, upstream }) => ({
        type: 'stake', lane: lane!.key, tell: self,
        stake: { kind: 'locked', delivery: deliveryHash(delivery!), amount: delivery!.body.amount, lockHash: upstream!.lockHash, lockExpiry: upstream!.lockExpiry - HUB_MARGIN_MS / 1_000 },
      })),
      on: { staked: { target: 'asking', actions: assign({ voucher: ({ event }) => event.voucher, hop: ({ event: { voucher, previousRef } }) => ({ voucher, previousRef }) }) } },
    },
    asking: {
      entry: effect<HopContext, any>('hop.ask', ({ context: { payee } }) => ({ to: payee })),
      on: {
        'hop.ask.done': { target: 'paying', actions: takeKey },
        'hop.ask.taken': [
          // It was claimed, so its key is on the chain: it is looked for until it is found.
          { guard: ({ event }) => event.key === null, target: 'resting' },
          { target: 'closed', actions: [...takeKey, toPurse(({ lane, delivery }) => ({ type: 'decided', lane: lane!.key, payeeAmount: delivery!.body.amount }))] },
        ],
        'hop.ask.gone': { target: 'closed', actions: toPurse(({ lane }) => ({ type: 'unstake', lane: lane!.key })) },
        'hop.ask.failed': 'resting',
      },
    },
    resting: { after: { [AGAIN_MS]: 'asking' } },
    paying: {
      entry: toPurse(({ self, lane, delivery }) => ({ type: 'pay', lane: lane!.key, tell: self, delivery: deliveryHash(delivery!), amount: delivery!.body.amount })),
      on: { paid: 'closed' },
    },
    closed: { type: 'final' },
  },
}, { delays: { hold: ({ context }) => Math.max(0, context.until - context.begunAt) } })

export const hop = defineActor('hop', '1', machine, {
  // Its own money is locked for what another's was locked before.
  pays: [{ by: ['tell purse stake', 'tell purse pay', 'do hop.ask'], after: ['on locked'] }],
  holds: [{ what: 'lane', taken: ['on lane.ready'], returned: ['tell purse release', 'tell purse unstake', 'tell purse decided', 'on paid'] }],
  waits: { locking: [{ event: 'staked', from: 'purse' }], paying: [{ event: 'paid', from: 'purse' }] },
}, { passivates: 'ended' })

/** @example hopActor('0xab…', '0f…') // 'hop/0xab….0f…' */
export function hopActor(payer: Address, key: string): string {
  return `hop/${payer}.${key}`
}
