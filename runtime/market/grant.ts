/**
 * A hub's word that a payer may have one call paid on the hub's own lane (payments.md): signed, so that
 * the provider takes the lane from a payer that does not own it. Made by a hub, carried by the payer,
 * checked by the provider.
 */
import type { Address, Hex32, LaneGrant, LaneGrantBody, Terms } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import type { Credentials } from '../identity/credentials.ts'
import type { Verifier } from '../identity/signed.ts'

/** The capability by which a hub is paid for paying on. */
export const HUB_CAPABILITY = 'payment.hub@1'

export function signGrant(body: LaneGrantBody, { sign, authorisation }: Pick<Credentials, 'sign' | 'authorisation'>): LaneGrant {
  return { body, signature: sign('lane-grant', body), authorisation }
}

/** What a grant is held against. */
export interface GrantFacts {
  readonly lane: Hex32
  readonly payer: Address
  readonly payee: Address
}

/**
 * Checks a grant as of `at` (ms since the epoch).
 * Errors: `auth.*`; `voucher.lane` for another lane, payer or payee; `market.expired`.
 */
export function verifyGrant({ body, signature, authorisation }: LaneGrant, facts: GrantFacts, verifier: Verifier, at: number): void {
  if (signature.by !== body.hub) throw new AigenError('auth.unauthorised', 'the grant is signed by another than its hub', { path: 'grant.signature.by' })
  if (body.lane !== facts.lane || body.payer !== facts.payer || body.payee !== facts.payee) throw new AigenError('voucher.lane', 'the grant is for another lane, payer or payee', { path: 'grant.body' })
  if (body.until <= at) throw new AigenError('market.expired', 'the grant is past', { path: 'grant.body.until' })
  verifier.authorisations.admit(authorisation)
  verifier.verify('lane-grant', body, signature, at)
}

/** Error `market.refused`: these terms are not for a hub's lane. */
export function checkGranted({ settle, cap }: Pick<Terms, 'settle' | 'cap'>, { body: { amount } }: LaneGrant): void {
  if (settle !== 'locked') throw new AigenError('market.refused', 'a call on a hub\'s lane settles locked', { path: 'terms.settle' })
  if (BigInt(cap) > BigInt(amount)) throw new AigenError('market.refused', `the hub pays ${amount} at most, the call may cost ${cap}`, { path: 'grant.body.amount' })
}
