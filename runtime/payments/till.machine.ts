/**
 * The till: one lane as its payee sees it (D2, D6). One call at a time; the next is taken only when
 * the last is paid, so the provider's worst loss is one step's price. The handlers in front of it
 * have verified every signature (I8); the arithmetic is checked again here, where nothing races (I1).
 */
import { assign, createMachine } from 'xstate'
import type { Address, Hash, Hex32, Voucher } from '../../schemas/documents.gen.ts'
import { defineActor } from '../actors/actor.ts'
import { foldRef, NO_REF } from './fold.ts'

export interface TillInput {
  readonly lane: Hex32
  readonly payer: Address
  readonly payee: Address
  readonly voucherKey: Address
}

export interface Owed {
  readonly agreement: Hash
  readonly delivery: Hash
  readonly amount: string
}

export interface TillContext extends TillInput {
  /** What the vouchers received so far add up to. */
  readonly cumulative: string
  readonly ref: Hex32
  /** Agreement that has the lane; a newer one replaces it until it is invoked. */
  readonly open: { readonly agreement: Hash; readonly cap: string; readonly invoked: boolean } | null
  readonly owed: Owed | null
  readonly voucher: Voucher | null
  /** What the chain has paid out, as far as this provider has seen. */
  readonly claimed: string
}

export type TillEvent =
  | { type: 'take'; agreement: Hash; cap: string }
  | { type: 'invoked'; agreement: Hash; call: string }
  | { type: 'free'; agreement: Hash }
  | { type: 'owe'; owed: Owed }
  | { type: 'pay'; voucher: Voucher; call: string }
  | { type: 'claimed'; claimed: string }
  | { type: 'unclaimed' }

/** Cumulative and ref that the voucher for what is owed must carry. */
export function expected(context: Pick<TillContext, 'cumulative' | 'ref' | 'owed'>): { readonly cumulative: string; readonly ref: Hex32 } {
  if (!context.owed) return { cumulative: context.cumulative, ref: context.ref }
  const { delivery, amount } = context.owed
  return { cumulative: (BigInt(context.cumulative) + BigInt(amount)).toString(), ref: foldRef(context.ref, delivery, amount) }
}

const answer = (type: 'lane.held' | 'lane.lost'): any => ({ type: 'tell', params: ({ event }: any) => ({ to: event.call, event: { type } }) })

const machine = createMachine({
  id: 'till',
  types: {} as { context: TillContext; events: TillEvent; input: TillInput },
  context: ({ input }) => ({
    lane: input.lane,
    payer: input.payer,
    payee: input.payee,
    voucherKey: input.voucherKey,
    cumulative: '0',
    ref: NO_REF,
    open: null,
    owed: null,
    voucher: null,
    claimed: '0',
  }),
  initial: 'open',
  states: {
    open: {
      on: {
        take: {
          guard: ({ context }) => context.owed === null && (context.open === null || !context.open.invoked),
          actions: assign({ open: ({ event }) => ({ agreement: event.agreement, cap: event.cap, invoked: false }) }),
        },
        // The call works only once the lane is its own: two agreements raced onto one lane get one result.
        invoked: [
          {
            guard: ({ context, event }) => context.open?.agreement === event.agreement,
            actions: [assign({ open: ({ context }) => ({ ...context.open!, invoked: true }) }), answer('lane.held')],
          },
          { actions: answer('lane.lost') },
        ],
        free: {
          guard: ({ context, event }) => context.open?.agreement === event.agreement && context.owed === null,
          actions: assign({ open: null }),
        },
        owe: {
          guard: ({ context, event }) => context.owed === null && context.open?.agreement === event.owed.agreement && BigInt(event.owed.amount) <= BigInt(context.open.cap),
          actions: assign({ owed: ({ event }) => event.owed }),
        },
        pay: {
          guard: ({ context, event }) => {
            const due = expected(context)
            return context.owed !== null && event.voucher.kind === 'plain' && event.voucher.cumulative === due.cumulative && event.voucher.ref === due.ref
          },
          actions: [
            { type: 'tell', params: ({ context, event }: any) => ({ to: event.call, event: { type: 'paid', agreement: context.owed.agreement } }) } as any,
            assign(({ event }) => ({ cumulative: event.voucher.cumulative, ref: event.voucher.ref, voucher: event.voucher, owed: null, open: null })),
          ],
        },
        claimed: {
          guard: ({ context, event }) => BigInt(event.claimed) > BigInt(context.claimed),
          actions: assign({ claimed: ({ event }) => event.claimed }),
        },
        // The chain has lost blocks: what it has paid is looked up again before the next claim.
        unclaimed: { actions: assign({ claimed: '0' }) },
      },
    },
  },
})

export const till = defineActor('till', '1', machine)
