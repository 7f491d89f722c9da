/**
 * Tiers: how an account pays (free quota, pay as you go with a service fee, monthly plan), and how
 * the worst case of a call and its cost are shared among its purses. Pure; the ledger posts what
 * comes out. The free quota is spent first, then the plan, then the balance; only the balance bears
 * the fee, rounded up to the smallest unit (I4: a cost never exceeds what was held for it).
 */
import { AigenError } from '../../schemas/error.ts'
import { formatMoney, parseMoney } from '../../schemas/money.ts'

export interface Tier {
  /** Paid by the gateway each day (UTC): so many calls, so much money (decimal string). */
  readonly free?: { readonly calls: number; readonly amount: string }
  /** Service fee on what the balance pays, in hundredths of a per cent; without it the balance cannot be spent. */
  readonly feeBps?: number
  /** Price of 30 days, and what of the network's prices they include. */
  readonly plan?: { readonly price: string; readonly included: string }
}

/** What a gateway offers where its operator says nothing else. */
export const TIERS: Readonly<Record<string, Tier>> = {
  'free': { free: { calls: 20, amount: '0.02' } },
  'pay-as-you-go': { feeBps: 500 },
  'monthly': { feeBps: 500, plan: { price: '10', included: '11' } },
}

export const DAY_MS = 86_400_000
export const MONTH_MS = 30 * DAY_MS

/** Atomic amounts by the purse they come from. */
export interface Shares {
  readonly free: bigint
  readonly plan: bigint
  readonly paid: bigint
  /** On `paid`. */
  readonly fee: bigint
}

export interface Purses {
  readonly free: bigint
  readonly plan: bigint
  readonly balance: bigint
}

/** `amount`'s fee, rounded up. */
export function feeOf(amount: bigint, bps: number): bigint {
  return (amount * BigInt(bps) + 9_999n) / 10_000n
}

/** Whose money covers `worst`. Error `gateway.credit` when all of it together does not. */
export function share(worst: bigint, purses: Purses, feeBps: number | undefined): Shares {
  const free = min(worst, purses.free)
  const plan = min(worst - free, purses.plan)
  const paid = worst - free - plan
  const fee = paid === 0n ? 0n : feeOf(paid, feeBps ?? 0)
  if (paid > 0n && (feeBps === undefined || paid + fee > purses.balance)) {
    const has = free + plan + (feeBps === undefined ? 0n : purses.balance)
    throw new AigenError('gateway.credit', `It may cost ${formatMoney(worst + fee)}, ${formatMoney(has)} is there.`)
  }
  return { free, plan, paid, fee }
}

/** Who bears `cost` of what was held; `over` is what no hold covers, which the gateway bears. */
export function bear(cost: bigint, held: Omit<Shares, 'fee'>, feeBps: number): Shares & { readonly over: bigint } {
  const free = min(cost, held.free)
  const plan = min(cost - free, held.plan)
  const paid = min(cost - free - plan, held.paid)
  return { free, plan, paid, fee: feeOf(paid, feeBps), over: cost - free - plan - paid }
}

/** Error `usage.invalid` for a tier that cannot be kept. */
export function checkTiers(tiers: Readonly<Record<string, Tier>>): void {
  for (const [name, { free, feeBps, plan }] of Object.entries(tiers)) {
    for (const amount of [free?.amount, plan?.price, plan?.included]) if (amount !== undefined) parseMoney(amount)
    const whole = (value: number): boolean => Number.isSafeInteger(value) && value >= 0
    if ((feeBps !== undefined && (!whole(feeBps) || feeBps > 10_000)) || (free && !whole(free.calls))) throw new AigenError('usage.invalid', `tier ${name}`)
  }
}

function min(one: bigint, other: bigint): bigint {
  return one < other ? one : other
}
