/**
 * Lanes whose payer doubts what it knows of them: after a start, after a payee found too little on the chain or
 * showed more than was known. Which are looked up, and what they are after it. Pure; used by the purse.
 * Keeps I1: what is known of a lane never falls.
 */
import type { Address, Hex32, PlainVoucher } from '../../schemas/documents.gen.ts'
import { foldRef, NO_REF } from './fold.ts'
import type { PurseContext, PurseLane } from './lane.ts'

/** The lane as our own signature says it stands, where that is further than we know of and nothing is under way on it. */
export function caughtUp(lane: PurseLane, voucher: PlainVoucher): PurseLane {
  return lane.payment || lane.escrow || BigInt(voucher.cumulative) <= BigInt(lane.cumulative) ? lane : { ...lane, voucher, cumulative: voucher.cumulative, ref: voucher.ref }
}

/** Lanes looked up at a start: those that paid most first, the others when their ends disagree. */
const LOOKED_MAX = 256

/** Keys of the lanes that have paid and that nothing is under way on but perhaps a call. */
export function unsettledLanes({ lanes, doubted }: Pick<PurseContext, 'lanes' | 'doubted'>): readonly string[] {
  return Object.entries(lanes)
    .filter(([key, lane]) => lane.id !== NO_REF && !lane.lost && !lane.payment && !lane.escrow && !lane.reserving && BigInt(lane.cumulative) > 0n && !doubted.includes(key))
    .toSorted(([, one], [, other]) => (BigInt(one.cumulative) < BigInt(other.cumulative) ? 1 : -1))
    .slice(0, LOOKED_MAX).map(([key]) => key)
}

/** Parameters of `lanes.look`. */
export function lookAt({ lanes }: Pick<PurseContext, 'lanes'>, key: string): { readonly lane: string; readonly id: Hex32; readonly to: Address; readonly voucher: PlainVoucher | null } {
  const { id, provider, voucher } = lanes[key]!
  return { lane: key, id, to: provider, voucher }
}

/**
 * The lane as the chain has it. Where more was claimed than either end knows to have signed, a voucher on top of what
 * is known would pay nothing: the lane is left as it is, its rest comes back by an exit. `atStart` nobody doubted what is
 * reserved, which never falls: a chain that shows less is behind.
 */
export function lookedUp(lane: PurseLane, { reserved, claimed = '0', atStart = false }: { readonly reserved: string; readonly claimed?: string; readonly atStart?: boolean }): PurseLane {
  return { ...lane, reserved: atStart && BigInt(reserved) < BigInt(lane.reserved) ? lane.reserved : reserved, ...(BigInt(claimed) > BigInt(lane.cumulative) && !lane.payment && !lane.escrow ? { lost: true } : {}) }
}

/** The lane with its payment under way on top of `voucher`, which we have signed and did not know of. */
export function owedOn(lane: PurseLane, voucher: PlainVoucher): PurseLane {
  const { delivery, amount } = lane.payment!
  const { cumulative, ref } = voucher
  return { ...lane, voucher, cumulative: (BigInt(cumulative) + BigInt(amount)).toString(), ref: foldRef(ref, delivery, amount), payment: { ...lane.payment!, previousRef: ref } }
}
