/**
 * The vouchers of a standing agreement at its payer: what came while one was signed is signed for by the
 * next, on top; one at a time is handed over, the latest, with all that its payee was not heard to take. So
 * nobody who was delivered to waits for a payee that is away. Pure: each answers what the purse does then;
 * used by the purse.
 */
import type { Folded, Hash, PlainVoucher } from '../../schemas/documents.gen.ts'
import { foldAll, sumOf } from './fold.ts'
import { leftOn, type Group, type PurseContext, type PurseLane } from './lane.ts'
import { handedOver, unsigned } from './payment.ts'

/** What the purse does: its lanes from then on, and what it asks for and tells. */
export interface Doing {
  readonly lanes: Readonly<Record<string, PurseLane>>
  readonly actions: readonly { readonly type: string; readonly params: object }[]
}

const groupOf = (lane: PurseLane): Group => lane.payment!.group!
const tell = (to: string, event: object): Doing['actions'][number] => ({ type: 'tell', params: { to, event } })
const withGroup = (lane: PurseLane, group: Group): PurseLane => ({ ...lane, payment: { ...lane.payment!, group } })

/** The lanes with `lane` in its place, and the effects it waits for then. */
function after(context: PurseContext, key: string, lane: PurseLane, does: { readonly told?: Doing['actions']; readonly sign?: boolean; readonly hand?: boolean }): Doing {
  const lanes = { ...context.lanes, [key]: lane }
  const now = { ...context, lanes }
  return { lanes, actions: [
    ...(does.told ?? []), ...(does.sign ? [{ type: 'voucher.sign', params: unsigned(now, key) }] : []), ...(does.hand ? [{ type: 'voucher.pay', params: handedOver(now, key) }] : []),
  ] }
}

/** Whether the payment under way on the lane is of a standing agreement. */
export function isGroup({ lanes }: PurseContext, key: string): boolean {
  return lanes[key]?.payment?.group !== undefined
}

/** Whether more can be signed for on the lane now: no signature is under way. */
export function takesMore({ payment, escrow }: PurseLane): boolean {
  return !escrow && (payment === null || (payment.group !== undefined && payment.group.signed === payment.group.items.length))
}

/** These are to be signed for as well. */
export function payGroup(context: PurseContext, key: string, to: string, more: readonly Folded[]): Doing {
  const lane = context.lanes[key]!
  const known = lane.payment?.group ?? { items: [], signed: 0, handing: 0 }
  const items = [...known.items, ...more]
  return after(context, key, {
    ...lane,
    cumulative: (BigInt(lane.cumulative) + sumOf(more)).toString(),
    ref: foldAll(lane.ref, more),
    payment: { tell: to, delivery: items[0]!.delivery, amount: sumOf(items).toString(), previousRef: lane.payment?.previousRef ?? lane.ref, group: { ...known, items } },
  }, { sign: true })
}

/** Its voucher is signed: those it pays for the first time hear of it, and it is handed over where none is on its way. */
export function signedGroup(context: PurseContext, key: string, voucher: PlainVoucher): Doing {
  const lane = { ...context.lanes[key]!, voucher }
  const group = groupOf(lane)
  const { items, signed } = group
  const hand = group.handing === 0
  const news = { type: 'paid', lane: key, group: items.slice(signed), previousRef: foldAll(lane.payment!.previousRef, items.slice(0, signed)), voucher, left: leftOn(lane) }
  return after(context, key, withGroup(lane, { ...group, signed: items.length, handing: hand ? items.length : group.handing }), { told: [tell(lane.payment!.tell, news)], hand })
}

/** Its latest voucher is handed over once more. */
export function againGroup(context: PurseContext, key: string): Doing {
  const lane = context.lanes[key]!
  const group = groupOf(lane)
  return after(context, key, withGroup(lane, { ...group, handing: group.signed }), { hand: true })
}

/** Its payee has what was handed over, or refuses it for good: a later voucher is handed over next. */
export function heardGroup(context: PurseContext, key: string, said: { readonly window?: number; readonly refused?: true }, handing: number = groupOf(context.lanes[key]!).handing): Doing {
  const lane = context.lanes[key]!
  const { items, signed } = groupOf(lane)
  const [heard, rest] = [items.slice(0, handing), items.slice(handing)]
  const spent = (amount: string): string => { const left = BigInt(amount) - sumOf(heard); return (left > 0n ? left : 0n).toString() }
  const used = lane.use?.amount === undefined ? lane : { ...lane, use: { ...lane.use, amount: spent(lane.use.amount) } }
  const told = [tell(lane.payment!.tell, { type: 'handed', lane: key, count: handing, ...said })]
  if (rest.length === 0) return after(context, key, { ...used, payment: null }, { told })
  const payment = { ...lane.payment!, delivery: rest[0]!.delivery, amount: sumOf(rest).toString(), previousRef: foldAll(lane.payment!.previousRef, heard) }
  const left = signed - handing
  return after(context, key, withGroup({ ...used, payment }, { items: rest, signed: left, handing: left }), { told, hand: left > 0 })
}

/**
 * Its payee shows `voucher`, which we have signed, and another than was handed over: what that pays of the group is
 * heard to be taken. Where we did not know of it, what is owed still, by what its payee `owes` or since it was not
 * handed over yet, is signed for anew on top of it; the others are paid. Without `part`, as an earlier version has
 * journaled it, nobody looked for what the voucher pays of the group.
 */
export function outdoneGroup(context: PurseContext, key: string, voucher: PlainVoucher, owes: readonly Hash[], part = false): Doing {
  const lane = context.lanes[key]!
  const { items, signed, handing } = groupOf(lane)
  const taken = !part ? 0 : items.findIndex((_, place) => foldAll(lane.payment!.previousRef, items.slice(0, place + 1)) === voucher.ref) + 1
  // It was told our latest at its start, while an earlier one was under way to it.
  if (taken > 0 && taken <= signed) return heardGroup(context, key, {}, taken)
  const rest = taken > 0 ? items.slice(taken) : items.filter(({ delivery }, place) => place >= handing || owes.includes(delivery))
  const count = items.length - rest.length
  const told = count > 0 ? [tell(lane.payment!.tell, { type: 'handed', lane: key, count })] : []
  if (rest.length === 0) return after(context, key, { ...lane, voucher, cumulative: voucher.cumulative, ref: voucher.ref, payment: null }, { told })
  const { cumulative, ref } = voucher
  const payment = { ...lane.payment!, delivery: rest[0]!.delivery, amount: sumOf(rest).toString(), previousRef: ref, group: { items: rest, signed: 0, handing: 0 } }
  return after(context, key, { ...lane, voucher, cumulative: (BigInt(cumulative) + sumOf(rest)).toString(), ref: foldAll(ref, rest), payment }, { told, sign: true })
}

/** Those whose lanes were widened hear what these have now. */
export function widenedNews(lanes: Readonly<Record<string, PurseLane>>, keys: readonly string[]): Doing['actions'] {
  return keys.flatMap((key) => (lanes[key]?.use?.tell === undefined ? [] : [tell(lanes[key].use.tell, { type: 'widened', lane: key, left: leftOn(lanes[key]) })]))
}
