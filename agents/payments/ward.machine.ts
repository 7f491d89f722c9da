/**
 * A ward: one lane that a watchtower looks after for its payee, which may be asleep. It waits until the
 * payer begins to leave, or until a voucher under a condition is about to expire, then claims what the
 * payee's vouchers are good for, which anybody may do and which pays the payee alone. It rests, without
 * looking, while everything it holds is paid, and ends when the lane is closed. Told by the verb `guard`;
 * keeps I1 (the highest voucher stands in for all before it).
 */
import { assign, createMachine } from 'xstate'
import type { Address, EscrowVoucher, Hex32, LockedVoucher, PlainVoucher } from '../../schemas/documents.gen.ts'
import type { ErrorBody } from '../../schemas/error.ts'
import { defineActor, effect } from '../../runtime/actors/actor.ts'

/** On top of the plain voucher: locked, with its key, or in escrow. */
export interface Conditional {
  readonly voucher: LockedVoucher | EscrowVoucher
  /** The lock's preimage. */
  readonly key?: Hex32
}

export interface WardInput {
  readonly lane?: Hex32
  readonly voucher: PlainVoucher | null
  readonly conditional?: Conditional | null
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
  /** The time has come for what hangs on a condition. */
  readonly due?: boolean
  /** All that was held has been paid for a while. */
  readonly settled?: boolean
}

type Guard = { type: 'guard'; voucher?: PlainVoucher; conditional?: Conditional }

export type WardEvent =
  | Guard
  | ({ type: 'ward.look.done' } & WardLook)
  | { type: 'ward.look.failed'; error: ErrorBody }
  | ({ type: 'ward.claim.done'; spent?: Hex32 } & WardLook)
  | { type: 'ward.claim.failed'; error: ErrorBody }

/** The ward of a lane. @example wardActor('0xcd…') // 'ward/0xcd…' */
export function wardActor(lane: Hex32): string {
  return `ward/${lane}`
}

/** What the lane is good for with all that is held of it, atomic. */
export function heldOf({ voucher, conditional }: Pick<WardContext, 'voucher' | 'conditional'>): bigint {
  const [plain, hanging] = [BigInt(voucher?.cumulative ?? 0), BigInt(conditional?.voucher.cumulative ?? 0)]
  return plain > hanging ? plain : hanging
}

/** Pause after a look or a claim that failed for good, in ms: much shorter than any delay that is worked for. */
const AGAIN_MS = 60_000
/** Left of a lock when it is claimed, in seconds: its payee has had the rest. */
const LOCK_LEFT_S = 300

/** From which second on the conditional voucher is claimed: late, since its payee may do it, but for a lane that is left. */
export function dueOf({ voucher }: Conditional, leaving: boolean): number {
  if (voucher.kind === 'locked') return leaving ? 0 : voucher.lockExpiry - LOCK_LEFT_S
  return leaving ? voucher.challengeEnd : Math.floor((voucher.challengeEnd + voucher.expiry) / 2)
}

const higher = ({ context, event }: { context: WardContext; event: Guard }): boolean => BigInt(event.voucher?.cumulative ?? 0) > BigInt(context.voucher?.cumulative ?? 0)
const hangs = ({ context, event }: { context: WardContext; event: Guard }): boolean =>
  event.conditional !== undefined && event.conditional.voucher.ref !== context.conditional?.voucher.ref && BigInt(event.conditional.voucher.cumulative) > BigInt(context.voucher?.cumulative ?? 0)
const anything = (at: { context: WardContext; event: Guard }): boolean => higher(at) || hangs(at)

// A plain voucher of as much folds what hung on a condition.
const take: any = assign(({ context, event }: { context: WardContext; event: Guard }) => {
  const voucher = higher({ context, event }) ? event.voucher! : context.voucher
  const conditional = hangs({ context, event }) ? event.conditional! : context.conditional ?? null
  return { voucher, conditional: conditional && BigInt(conditional.voucher.cumulative) > BigInt(voucher?.cumulative ?? 0) ? conditional : null }
})
const note: any = assign(({ context, event }: { context: WardContext; event: Extract<WardEvent, { type: 'ward.claim.done' | 'ward.look.done' }> }) => ({
  claimed: event.claimed, ...('spent' in event && event.spent === context.conditional?.voucher.ref ? { conditional: null } : {}),
}))
const stopLooking = { type: 'abort', params: { kind: 'ward.look' } } as any
const look = (leaving: boolean): any => effect<WardContext, any>('ward.look', ({ context }) => ({
  lane: laneOf(context), leaving, held: heldOf(context).toString(), due: context.conditional ? dueOf(context.conditional, leaving) : null,
}))

function laneOf({ lane, voucher, conditional }: WardInput): Hex32 {
  return (lane ?? voucher?.lane ?? conditional?.voucher.lane)!
}

const machine = createMachine({
  id: 'ward',
  types: {} as { context: WardContext; events: WardEvent; input: WardInput },
  context: ({ input }) => ({ lane: laneOf(input), voucher: input.voucher, conditional: input.conditional ?? null, payee: input.payee, claimed: '0' }),
  initial: 'watching',
  states: {
    watching: {
      entry: look(false),
      on: {
        guard: [{ guard: hangs, target: 'watching', reenter: true, actions: [take, stopLooking] }, { guard: higher, actions: take }],
        'ward.look.done': [
          { guard: ({ event }) => event.closed, target: 'over', actions: note },
          { guard: ({ event }) => event.leaves, target: 'leaving', actions: note },
          { guard: ({ context, event }) => event.due === true && !!context.conditional, target: 'claiming', actions: note },
          { guard: ({ context, event }) => event.settled === true && heldOf(context) <= BigInt(event.claimed), target: 'settled', actions: note },
          // Of a voucher that was replaced meanwhile.
          { target: 'watching', reenter: true, actions: note },
        ],
        'ward.look.failed': 'pausing',
      },
    },
    pausing: { after: { [AGAIN_MS]: 'watching' }, on: { guard: { guard: anything, actions: take } } },
    // Nothing is at stake, so nothing is looked at.
    settled: { on: { guard: { guard: anything, target: 'watching', actions: take } } },
    // The payer leaves: what is not claimed when the delay is over is lost to the payee.
    leaving: {
      always: [
        { guard: ({ context }) => BigInt(context.voucher?.cumulative ?? 0) > BigInt(context.claimed) || context.conditional?.voucher.kind === 'locked', target: 'claiming' },
        { target: 'claimed' },
      ],
    },
    claimed: {
      entry: look(true),
      on: {
        guard: { guard: anything, target: 'claiming', actions: [take, stopLooking] },
        'ward.look.done': [
          { guard: ({ event }) => event.closed, target: 'over', actions: note },
          { guard: ({ context, event }) => event.due === true && !!context.conditional, target: 'claiming', actions: note },
          // The chain has lost the exit, and perhaps the claim with it.
          { target: 'watching', actions: note },
        ],
        'ward.look.failed': 'pausing',
      },
    },
    claiming: {
      entry: effect<WardContext, any>('ward.claim', ({ context }) => ({ lane: laneOf(context), voucher: context.voucher, conditional: context.conditional ?? null })),
      on: {
        guard: { guard: anything, actions: take },
        'ward.claim.done': [
          { guard: ({ event }) => event.closed, target: 'over', actions: note },
          { guard: ({ event }) => !event.leaves, target: 'watching', actions: note },
          { guard: ({ context, event }) => BigInt(context.voucher?.cumulative ?? 0) > BigInt(event.claimed), target: 'resting', actions: note },
          { target: 'claimed', actions: note },
        ],
        'ward.claim.failed': 'resting',
      },
    },
    resting: { after: { [AGAIN_MS]: 'claiming' }, on: { guard: { guard: anything, actions: take } } },
    over: { type: 'final' },
  },
})

export const ward = defineActor('ward', '2', machine, { pays: [], holds: [], rests: { settled: 'all that is held is paid; told by the verb guard' } }, {
  passivates: 'ended',
  // The version before knew plain vouchers only: it goes on with the one it has.
  migrate: (state, before) => (before.startsWith('ward@1:') ? state : undefined),
})
