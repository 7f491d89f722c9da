/**
 * A ward: one lane that a watchtower looks after for its payee, which may be asleep. It waits until the
 * payer begins to leave, then claims what the payee's voucher is good for, which anybody may do and which
 * pays the payee alone; it ends when the lane is closed. Told by the verb `guard`; keeps I1 (the
 * highest voucher stands in for all before it).
 */
import { assign, createMachine } from 'xstate'
import type { Address, Hex32, PlainVoucher } from '../../schemas/documents.gen.ts'
import type { ErrorBody } from '../../schemas/error.ts'
import { defineActor, effect } from '../../runtime/actors/actor.ts'

export interface WardInput {
  readonly voucher: PlainVoucher
  /** Whom it pays. */
  readonly payee: Address
}

export interface WardContext extends WardInput {
  /** What the chain has paid out, as far as was seen. */
  readonly claimed: string
}

/** How the lane stands, as the chain shows it. */
export interface WardLook {
  readonly claimed: string
  readonly closed: boolean
  /** Whether its payer is on the way out. */
  readonly leaves: boolean
}

export type WardEvent =
  | { type: 'guard'; voucher: PlainVoucher }
  | ({ type: 'ward.look.done' } & WardLook)
  | { type: 'ward.look.failed'; error: ErrorBody }
  | ({ type: 'ward.claim.done' } & WardLook)
  | { type: 'ward.claim.failed'; error: ErrorBody }

/** The ward of a lane. @example wardActor('0xcd…') // 'ward/0xcd…' */
export function wardActor(lane: Hex32): string {
  return `ward/${lane}`
}

/** Pause after a look or a claim that failed for good, in ms: much shorter than any delay that is worked for. */
const AGAIN_MS = 60_000

const higher = ({ context, event }: { context: WardContext; event: { voucher: PlainVoucher } }): boolean => BigInt(event.voucher.cumulative) > BigInt(context.voucher.cumulative)
const take = assign<WardContext, Extract<WardEvent, { type: 'guard' }>, undefined, WardEvent, never>({ voucher: ({ event }) => event.voucher })
const note: any = assign<WardContext, Extract<WardEvent, { type: 'ward.look.done' }>, undefined, WardEvent, never>({ claimed: ({ event }) => event.claimed })
const look = (leaving: boolean): any => effect<WardContext, any>('ward.look', ({ context: { voucher } }) => ({ lane: voucher.lane, leaving }))

const machine = createMachine({
  id: 'ward',
  types: {} as { context: WardContext; events: WardEvent; input: WardInput },
  context: ({ input: { voucher, payee } }) => ({ voucher, payee, claimed: '0' }),
  initial: 'watching',
  states: {
    watching: {
      entry: look(false),
      on: {
        guard: { guard: higher, actions: take },
        'ward.look.done': [
          { guard: ({ event }) => event.closed, target: 'over', actions: note },
          { target: 'leaving', actions: note },
        ],
        'ward.look.failed': 'pausing',
      },
    },
    pausing: { after: { [AGAIN_MS]: 'watching' }, on: { guard: { guard: higher, actions: take } } },
    // The payer leaves: what is not claimed when the delay is over is lost to the payee.
    leaving: { always: [{ guard: ({ context }) => BigInt(context.voucher.cumulative) > BigInt(context.claimed), target: 'claiming' }, { target: 'claimed' }] },
    claimed: {
      entry: look(true),
      on: {
        guard: { guard: higher, target: 'claiming', actions: [take, { type: 'abort', params: { kind: 'ward.look' } } as any] },
        'ward.look.done': [
          { guard: ({ event }) => event.closed, target: 'over', actions: note },
          // The chain has lost the exit, and perhaps the claim with it.
          { target: 'watching', actions: note },
        ],
        'ward.look.failed': 'pausing',
      },
    },
    claiming: {
      entry: effect<WardContext, any>('ward.claim', ({ context: { voucher } }) => ({ voucher })),
      on: {
        guard: { guard: higher, actions: take },
        'ward.claim.done': [
          { guard: ({ event }) => event.closed, target: 'over', actions: note },
          { guard: ({ event }) => !event.leaves, target: 'watching', actions: note },
          { guard: ({ context, event }) => BigInt(context.voucher.cumulative) > BigInt(event.claimed), target: 'resting', actions: note },
          { target: 'claimed', actions: note },
        ],
        'ward.claim.failed': 'resting',
      },
    },
    resting: { after: { [AGAIN_MS]: 'claiming' }, on: { guard: { guard: higher, actions: take } } },
    over: { type: 'final' },
  },
})

export const ward = defineActor('ward', '1', machine, { pays: [], holds: [] }, { passivates: 'ended' })
