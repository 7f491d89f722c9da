/**
 * What a call costs by its terms (D6, D7): units times unit price, at most the cap. Both sides
 * compute it, so that neither has to believe the other.
 */
import type { Terms, Units } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'

/** Units one call may be billed for at most; beyond it a meter is broken. */
const UNITS_MAX = 1_000_000_000

/** Atomic amount of `count` units at the price of `terms`, rounded up to a whole one. */
export function priceOf({ unitPrice, per = 1 }: Pick<Terms, 'unitPrice' | 'per'>, count: number): bigint {
  return (BigInt(Math.ceil(count)) * BigInt(unitPrice) + BigInt(per) - 1n) / BigInt(per)
}

/**
 * Atomic units of the asset. Fractions of a unit count as a whole one. A call in escrow or
 * prepaid costs its cap whatever it used: what is signed for before the work is then just what it costs.
 *
 * - `step.output`: the delivery counts other units than the terms, or a count that is not one.
 */
export function charge(terms: Pick<Terms, 'unit' | 'unitPrice' | 'per' | 'cap'> & { readonly settle?: Terms['settle'] }, units: Units): bigint {
  const names = Object.keys(units)
  const count = units[terms.unit]
  if (names.length !== 1 || count === undefined) throw new AigenError('step.output', `metered in ${names.join(', ') || 'nothing'}, agreed in ${terms.unit}`)
  if (!Number.isFinite(count) || count < 0 || count > UNITS_MAX) throw new AigenError('step.output', `${count} ${terms.unit} is not a count`)
  const full = priceOf(terms, count)
  const cap = BigInt(terms.cap)
  return full < cap && terms.settle !== 'escrow' && terms.settle !== 'prepaid' ? full : cap
}
