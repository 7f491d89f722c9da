/**
 * What a call costs by its terms (D6, D7): units times unit price, less in later tiers and nothing for
 * the free ones, at least the minimum, at most the cap. Both sides compute it, so that neither has to
 * believe the other.
 */
import type { Terms, Units } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'

/** Units one call may be billed for at most; beyond it a meter is broken. */
const UNITS_MAX = 1_000_000_000

/** The part of terms that makes a price of a count. */
export type Tariff = Pick<Terms, 'unitPrice' | 'per' | 'min' | 'tiers' | 'free'>

/** The units that are billed, each at its price: atomic, times `per`. */
function total({ unitPrice, tiers = [], free = 0 }: Tariff, count: number): bigint {
  const billed = BigInt(Math.max(0, Math.ceil(count) - free))
  let [sum, from, price] = [0n, 0n, BigInt(unitPrice)]
  for (const tier of tiers.length > 1 ? tiers.toSorted((one, other) => one.above - other.above) : tiers) {
    const above = BigInt(tier.above)
    if (above >= billed) break
    sum += (above - from) * price
    from = above
    if (BigInt(tier.unitPrice) < price) price = BigInt(tier.unitPrice)
  }
  return sum + (billed - from) * price
}

/** Whether `count` units are no more than the free ones. */
const isFree = ({ free = 0 }: Tariff, count: number): boolean => free > 0 && Math.ceil(count) <= free

/** Atomic amount of `count` units by the tariff, rounded up to a whole one; what is free throughout has no minimum. */
export function priceOf(tariff: Tariff, count: number): bigint {
  if (isFree(tariff, count)) return 0n
  const per = BigInt(tariff.per ?? 1)
  const price = (total(tariff, count) + per - 1n) / per
  const min = BigInt(tariff.min ?? 0)
  return price < min ? min : price
}

/** The same without rounding, as a number to compare offers by. */
export function weightOf(tariff: Tariff, count: number): number {
  return isFree(tariff, count) ? 0 : Math.max(Number(total(tariff, count)) / (tariff.per ?? 1), Number(tariff.min ?? 0))
}

/**
 * Atomic units of the asset. Fractions of a unit count as a whole one. A call in escrow or
 * prepaid costs its cap whatever it used: what is signed for before the work is then just what it costs.
 *
 * - `step.output`: the delivery counts other units than the terms, or a count that is not one.
 */
export function charge(terms: Tariff & Pick<Terms, 'unit' | 'cap'> & { readonly settle?: Terms['settle'] }, units: Units): bigint {
  const names = Object.keys(units)
  const count = units[terms.unit]
  if (names.length !== 1 || count === undefined) throw new AigenError('step.output', `metered in ${names.join(', ') || 'nothing'}, agreed in ${terms.unit}`)
  if (!Number.isFinite(count) || count < 0 || count > UNITS_MAX) throw new AigenError('step.output', `${count} ${terms.unit} is not a count`)
  const full = priceOf(terms, count)
  const cap = BigInt(terms.cap)
  return full < cap && terms.settle !== 'escrow' && terms.settle !== 'prepaid' ? full : cap
}
