/**
 * Calls that cost nothing: their terms say so, and nothing is reserved, signed for or claimed. They are
 * agreed, delivered and signed like any other; the lane that they name is no lane of the chain, only a
 * place for their actors. A call under a pass or a subscription is on a real lane, for its receipt. Used by both sides.
 */
import { hashOf } from '../../schemas/canonical.ts'
import type { Hex32, Terms } from '../../schemas/documents.gen.ts'

/** Whether a call under these terms costs nothing, whatever it uses. */
export function isFree({ unitPrice, cap, settle, pass, subscription }: Pick<Terms, 'unitPrice' | 'cap' | 'settle' | 'pass' | 'subscription'>): boolean {
  return unitPrice === '0' && cap === '0' && settle === 'postpaid' && pass === undefined && subscription === undefined
}

/** The place of a free agreement: it names the quote and both sides, so that it is nobody's lane. */
export function freeLane({ quote, provider, payer }: Pick<Terms, 'quote' | 'provider' | 'payer'>): Hex32 {
  return `0x${hashOf(['free', provider, payer, quote]).slice('sha256-'.length)}`
}
