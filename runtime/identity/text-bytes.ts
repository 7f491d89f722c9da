/**
 * Bytes as base64url text, strictly: exactly the expected length and the one canonical spelling, so
 * that two texts never stand for the same key, signature or nonce. Used by every document here.
 */
const PATTERN = /^[A-Za-z0-9_-]*$/

export function toText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url')
}

/** The `length` bytes that `text` spells, or `undefined` when it is anything else. */
export function fromText(text: unknown, length: number): Uint8Array | undefined {
  if (typeof text !== 'string' || text.length !== Math.ceil((length * 4) / 3) || !PATTERN.test(text)) return undefined
  const bytes = Buffer.from(text, 'base64url')
  return bytes.length === length && bytes.toString('base64url') === text ? bytes : undefined
}
