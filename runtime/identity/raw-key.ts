/**
 * Raw 32-byte Ed25519 and X25519 keys in and out of node:crypto (RFC 8032, 7748, 8037). As JWK, not
 * DER: OpenSSL 3's DER decoder takes 0.9 ms for a private key where the JWK way takes 0.08 ms, and
 * a hello imports several. Used by `ed25519.ts` and `x25519.ts`.
 */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { toText } from './text-bytes.ts'

export type Curve = 'Ed25519' | 'X25519'

/** PKCS#8 wrappers of a raw private key (RFC 8410). */
const PKCS8: Record<Curve, string> = { Ed25519: '302e020100300506032b657004220420', X25519: '302e020100300506032b656e04220420' }

/** The key whose private part is `seed` (32 bytes). */
export function importPrivate(curve: Curve, seed: Uint8Array): KeyObject {
  if (seed.length !== 32) throw new RangeError('a private key has 32 bytes')
  try {
    // a JWK names the public part too, but Node computes it from `d`; should it ever check, there is DER
    return createPrivateKey({ key: { kty: 'OKP', crv: curve, d: toText(seed), x: 'A'.repeat(43) }, format: 'jwk' })
  } catch {
    return createPrivateKey({ key: Buffer.concat([Buffer.from(PKCS8[curve], 'hex'), seed]), format: 'der', type: 'pkcs8' })
  }
}

/** The public key with these 32 bytes; throws when they are not 32. */
export function importPublic(curve: Curve, raw: Uint8Array): KeyObject {
  if (raw.length !== 32) throw new RangeError('a public key has 32 bytes')
  return createPublicKey({ key: { kty: 'OKP', crv: curve, x: toText(raw) }, format: 'jwk' })
}

/** The 32 bytes of `key`'s public part. */
export function publicBytes(key: KeyObject): Uint8Array {
  return new Uint8Array(Buffer.from(createPublicKey(key).export({ format: 'jwk' }).x!, 'base64url'))
}
