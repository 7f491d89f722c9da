/**
 * Payments under way on a payer's lanes: what is to be signed, what is handed over, which lanes are free
 * again. Pure; used by the purse.
 */
import { foldRef } from './fold.ts'
import type { Payment, PurseContext, PurseLane } from './lane.ts'
import { staked } from './stake.ts'

/** Whether a payment or a stake on the lane waits for its signature. */
export function isUnsigned(lane: PurseLane | undefined): boolean {
  if (!lane) return false
  // A free call leaves the total as it was: only the ref tells which delivery was signed for.
  return lane.payment ? lane.voucher?.ref !== lane.ref || (lane.payment.group !== undefined && lane.payment.group.signed < lane.payment.group.items.length) : !!lane.escrow && lane.escrow.voucher === null
}

/** Every lane that `user` holds, given back: where a part of its call is on its way, when that has arrived. */
export function freed(context: PurseContext, user: string): Record<string, PurseLane> {
  return Object.fromEntries(Object.entries(context.lanes).map(([key, lane]) => [key, lane.use?.for === user && !lane.escrow ? givenBack(lane) : lane]))
}

function givenBack(lane: PurseLane): PurseLane {
  if (lane.payment === null) return { ...lane, use: null }
  const { keep: _keep, ...payment } = lane.payment
  return { ...lane, payment }
}

/** What the effect `voucher.sign` signs on the lane. */
export function unsigned(context: PurseContext, key: string): object {
  const { id, cumulative, ref, payment, escrow } = context.lanes[key]!
  if (payment || !escrow) return { lane: key, id, cumulative, ref }
  const { tell: _tell, voucher: _voucher, ...stake } = escrow
  return { lane: key, id, ...staked({ cumulative, ref }, stake), stake }
}

/** What the effect `voucher.pay` hands over: the lane's voucher with the delivery that it pays, or those. */
export function handedOver(context: PurseContext, key: string): object {
  const { provider, voucher, cumulative, payment } = context.lanes[key]!
  const { delivery, amount, group } = payment!
  const deliveries = group ? group.items.slice(0, group.signed).map((one) => one.delivery) : [delivery]
  return { lane: key, to: provider, voucher, deliveries, before: (BigInt(cumulative) - BigInt(amount)).toString() }
}

/** The lane with a voucher under way for a delivery. */
export function paying(lane: PurseLane, { tell, delivery, amount, keep }: Pick<Payment, 'tell' | 'delivery' | 'amount' | 'keep'>): PurseLane {
  return { ...lane, cumulative: (BigInt(lane.cumulative) + BigInt(amount)).toString(), ref: foldRef(lane.ref, delivery, amount), payment: { tell, delivery, amount, previousRef: lane.ref, ...(keep ? { keep } : {}) } }
}
