/**
 * The chain of refs that makes a voucher the payer's signature on every delivery it pays (D6).
 * Used by both sides of a lane and by whoever verifies a receipt.
 */
import { hash } from 'node:crypto'
import type { Folded, Hash, Hex32 } from '../../schemas/documents.gen.ts'

/** Written anew and hashed in one go: a voucher of many deliveries folds many. */
const link = Buffer.alloc(80)

/** The ref of a lane that has paid nothing yet. */
export const NO_REF: Hex32 = `0x${'0'.repeat(64)}`

/**
 * The ref after paying `amount` (atomic units) for `delivery`: SHA-256 over the 32 bytes of the
 * previous ref, the 32 bytes of the delivery's hash and the amount as a 16-byte big-endian integer.
 */
export function foldRef(previous: Hex32, delivery: Hash, amount: string): Hex32 {
  link.fill(0)
  link.write(previous.slice(2), 0, 'hex')
  link.write(delivery.slice('sha256-'.length), 32, 'hex')
  link.write(BigInt(amount).toString(16).padStart(32, '0'), 64, 'hex')
  return `0x${hash('sha256', link)}`
}

/** The ref after paying all of these, one after the other: each delivery of a group has a place of its own in the chain. */
export function foldAll(previous: Hex32, items: readonly Folded[]): Hex32 {
  return items.reduce((ref, { delivery, amount }) => foldRef(ref, delivery, amount), previous)
}

/** What these cost together, atomic. */
export function sumOf(items: readonly Pick<Folded, 'amount'>[]): bigint {
  return items.reduce((sum, { amount }) => sum + BigInt(amount), 0n)
}

/** Folded deliveries as one text, as journals keep them beside each that was paid together: cheaper to write than a list. */
export function foldedText(items: readonly Folded[]): string {
  return items.map(({ delivery, amount }) => `${delivery}:${amount}`).join(' ')
}

/** What `foldedText` wrote; a list, as earlier versions kept it, is one already. */
export function foldedItems(text: string | readonly Folded[]): readonly Folded[] {
  if (typeof text !== 'string') return text
  return text === '' ? [] : text.split(' ').map((one) => {
    const colon = one.indexOf(':')
    return { delivery: one.slice(0, colon) as Hash, amount: one.slice(colon + 1) }
  })
}
