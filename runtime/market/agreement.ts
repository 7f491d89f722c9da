/**
 * The agreement: a quote with both signatures, which alone decides what is owed (D6). Used by both
 * sides when they sign and by whoever verifies a receipt.
 */
import { hashOf } from '../../schemas/canonical.ts'
import type { Agreement, Hash, Hex32, Quote, Signature, Terms } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import type { Sign, Verifier } from '../identity/signed.ts'

/** What both sides sign. */
export interface AgreementBody {
  readonly terms: Terms
  readonly lane: Hex32
}

/** The agreement's id: the hash of {terms, lane}. */
export function agreementId(body: AgreementBody): Hash {
  return hashOf({ terms: body.terms, lane: body.lane })
}

export function signAgreement(body: AgreementBody, sign: Sign): Signature {
  return sign('agreement', { terms: body.terms, lane: body.lane })
}

/**
 * Checks that `quote` is its provider's and still stands at `at`.
 * Errors: `auth.*`, `market.expired`, and `auth.unauthorised` where somebody else signed.
 */
export function verifyQuote(quote: Quote, verifier: Verifier, at: number): void {
  if (quote.signature.by !== quote.terms.provider) throw new AigenError('auth.unauthorised', 'the quote is signed by another than its provider', { path: 'signature.by' })
  if (quote.terms.expiresAt <= at) throw new AigenError('market.expired')
  verifier.verify('quote', quote.terms, quote.signature, at)
}

/** Checks one side's signature on an agreement. Errors: `auth.*`. */
export function verifySide(body: AgreementBody, side: 'payer' | 'provider', signature: Signature, verifier: Verifier, at: number): void {
  if (signature.by !== body.terms[side]) throw new AigenError('auth.unauthorised', `the agreement is signed by another than its ${side}`, { path: `${side}.by` })
  verifier.verify('agreement', { terms: body.terms, lane: body.lane }, signature, at)
}

/** Checks both signatures of an agreement as of `at` (ms since the epoch). Errors: `auth.*`. */
export function verifyAgreement(agreement: Agreement, verifier: Verifier, at: number): void {
  verifySide(agreement, 'payer', agreement.payer, verifier, at)
  verifySide(agreement, 'provider', agreement.provider, verifier, at)
}
