/**
 * What may be paid to one payee in a day (UTC), and signed with the voucher key in all (I4). Checked
 * when a lane is asked for, so before anything is agreed or signed: what is in flight and what waits
 * counts in full. Each partition's purse has an equal share of every limit, so that no two of them can
 * exceed it together. A payee's limit counts from when it is set. Pure; used by the purse.
 */
import { AigenError, type ErrorBody } from '../../schemas/error.ts'
import { formatMoney } from '../../schemas/money.ts'
import type { LaneRequest, PaidDay, PurseContext } from './lane.ts'

const DAY_MS = 86_400_000

/** The day that counts at `at`, taken before anything is paid on it: a clock that goes back begins none anew. */
export function paidDay(context: PurseContext, at: number): PaidDay {
  const { day: known, limits } = context
  const day = Math.floor(at / DAY_MS)
  const payees = Object.keys(limits?.payees ?? {})
  const same = known !== undefined && known.day >= day
  return { day: same ? known.day : day, base: Object.fromEntries(payees.map((payee) => [payee, (same ? known.base[payee] : undefined) ?? promised(context, payee).toString()])) }
}

/** Why a lane is not given out for the request; undefined when it may be. `day` as `paidDay` says. */
export function beyondLimits(context: PurseContext, { payee, amount: single, most: amount = single, for: hirer }: LaneRequest): ErrorBody | undefined {
  const { limits = {}, partitions, day } = context
  const refuse = (rule: string, limit: string, used: bigint): ErrorBody | undefined => {
    const left = BigInt(limit) / BigInt(partitions) - used
    if (BigInt(amount) <= left) return undefined
    const share = partitions > 1 ? ` (a ${partitions}th of it here)` : ''
    return new AigenError('policy.refused', `${rule} allows ${formatMoney(BigInt(limit))}${share}, ${formatMoney(left < 0n ? 0n : left)} of it is left, the call may cost ${formatMoney(BigInt(amount))}.`, { path: rule }).toJSON()
  }
  const ofPayee = limits.payees?.[payee]
  const ofDay = (): bigint => promised(context, payee) - BigInt(day?.base[payee] ?? '0') + open(context, hirer, payee)
  return (ofPayee === undefined ? undefined : refuse(`payees.${payee}`, ofPayee, ofDay()))
    ?? (limits.key === undefined ? undefined : refuse('key', limits.key, promised(context) + open(context, hirer)))
}

/** How each limit stands at `at`, over the purses of every partition; atomic. */
export function limitsOf(purses: readonly PurseContext[], at: number): { readonly rule: string; readonly limit: bigint; readonly spent: bigint; readonly held: bigint }[] {
  const total = (amount: (purse: PurseContext) => bigint): bigint => purses.reduce((sum, purse) => sum + amount(purse), 0n)
  const { payees = {}, key } = purses[0]?.limits ?? {}
  return [
    ...Object.entries(payees).map(([payee, limit]) => ({
      rule: `payees.${payee}`, limit: BigInt(limit), spent: total((purse) => promised(purse, payee) - BigInt(paidDay(purse, at).base[payee] ?? '0')), held: total((purse) => open(purse, '', payee)),
    })),
    ...(key === undefined ? [] : [{ rule: 'key', limit: BigInt(key), spent: total((purse) => promised(purse)), held: total((purse) => open(purse, '')) }]),
  ]
}

/** Signed away so far, to one payee or to all. */
function promised({ lanes }: PurseContext, payee?: string): bigint {
  return Object.values(lanes).reduce((sum, lane) => (payee === undefined || lane.payee === payee ? sum + BigInt(lane.cumulative) : sum), 0n)
}

/** In flight or waiting for a lane, other than for `hirer` itself. */
function open({ lanes, waiting }: PurseContext, hirer: string, payee?: string): bigint {
  let sum = 0n
  for (const lane of Object.values(lanes)) {
    if (!lane.use || (lane.payment && !lane.payment.group) || (payee !== undefined && lane.payee !== payee)) continue
    // One that was given out before amounts were kept counts with all it could take.
    sum += lane.use.amount === undefined ? BigInt(lane.reserved) - BigInt(lane.cumulative) : BigInt(lane.use.amount) - BigInt(lane.payment?.amount ?? 0)
  }
  for (const request of waiting) if (!request.spare && request.for !== hirer && (payee === undefined || request.payee === payee)) sum += BigInt(request.most ?? request.amount)
  return sum
}
