/**
 * A delivery's body as the text that is signed and hashed, and the hash by which it is owed, paid, billed
 * and received: both come of one serialisation, whichever is asked for first. Used by `delivery` and
 * `delivery-group`.
 */
import { canonicalText, hashOfBytes } from '../../schemas/canonical.ts'
import type { DeliveryBody, Hash } from '../../schemas/documents.gen.ts'

/** By body, while that is in memory. Nobody changes one. */
const hashes = new WeakMap<DeliveryBody, Hash>()

/** Its canonical text (RFC 8785). */
export function deliveryText(body: DeliveryBody): string {
  const text = canonicalText(body)
  if (!hashes.has(body)) hashes.set(body, hashOfBytes(text))
  return text
}

/** SHA-256 over its canonical text. */
export function bodyHash(body: DeliveryBody): Hash {
  const known = hashes.get(body)
  if (known !== undefined) return known
  deliveryText(body)
  return hashes.get(body)!
}
