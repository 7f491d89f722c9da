/**
 * Deliveries: the provider's signed statement of one call's result (D6). The provider makes one,
 * the payer checks it against what it sent, what it got and what was agreed.
 */
import { hashOf } from '../../schemas/canonical.ts'
import type { Delivery, DeliveryBody, Hash, Terms } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import type { Sign, Verifier } from '../identity/signed.ts'
import { verifySigned } from './delivery-group.ts'
import { bodyHash } from './delivery-text.ts'
import { charge } from './meter.ts'

/** Clocks may differ by this much where a delivery's time counts, in ms. */
export const CLOCKS_MS = 5_000

/** The delivery's hash, which vouchers fold: of its body, so that a signature made again changes nothing. */
export function deliveryHash({ body }: Delivery): Hash {
  return bodyHash(body)
}

export function signDelivery(body: DeliveryBody, sign: Sign): Delivery {
  return { body, signature: sign('delivery', body) }
}

/** What the payer knows of the call. */
export interface CallFacts {
  readonly terms: Terms
  readonly agreement: Hash
  readonly call: number
  readonly inputHash: Hash
  readonly output: unknown
}

/**
 * Checks what a delivery says without its output: whose it is, of which call and at which price.
 * Errors as `verifyDelivery`.
 */
export function verifyStatement(delivery: Delivery, facts: Omit<CallFacts, 'output'>, verifier: Verifier, at: number): void {
  const { body, signature } = delivery
  if (signature.by !== facts.terms.provider) throw new AigenError('auth.unauthorised', 'the delivery is signed by another than the provider')
  verifySigned(delivery, verifier, at)
  if (body.agreement !== facts.agreement || body.call !== facts.call) throw new AigenError('step.output', 'the delivery is for another call')
  if (body.inputHash !== facts.inputHash) throw new AigenError('step.output', 'the delivery is for another input')
  const due = charge(facts.terms, body.units)
  if (BigInt(body.amount) !== due) throw new AigenError('step.output', `${body.amount} is charged, ${due} is due by the terms`)
}

/**
 * Checks a delivery against the call it claims to answer, as of `at`.
 *
 * - `auth.*`: not signed by the agreement's provider.
 * - `step.output`: another call, another input, another output, or another price than agreed.
 */
export function verifyDelivery(delivery: Delivery, facts: CallFacts, verifier: Verifier, at: number): void {
  verifyStatement(delivery, facts, verifier, at)
  if (delivery.body.outputHash !== hashOf(facts.output)) throw new AigenError('step.output', 'the output is not the one delivered')
}
