/** Bytes that were changed on their way (D10). Used by `world`. */

/** The same bytes with one bit changed. */
export function garbled(data: Uint8Array, seed: number): Uint8Array {
  const bytes = new Uint8Array(data)
  if (bytes.length > 0) bytes[(seed * 7_919) % bytes.length]! ^= 1 << (seed % 8)
  return bytes
}
