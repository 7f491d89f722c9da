/**
 * Sealing to a public key of somebody without a session: HPKE base mode (RFC 9180) with X25519,
 * HKDF-SHA256 and AES-256-GCM. Used for access keys, which reach their holder as a file (D5: traffic
 * between nodes has sessions instead).
 */
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core'
import { AigenError } from '../../schemas/error.ts'
import { importPrivate, publicBytes } from './raw-key.ts'

const suite = new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() })

/** What is sealed: the encapsulated key (32 bytes) and the ciphertext. */
export interface Sealed {
  readonly enc: Uint8Array
  readonly ciphertext: Uint8Array
}

/** The 32-byte X25519 public key of a private one. */
export function publicKeyOf(privateKey: Uint8Array): Uint8Array {
  return publicBytes(importPrivate('X25519', privateKey))
}

/**
 * Seals `plaintext` to `publicKey` (32 bytes), bound to `info` and `aad`. Error `input.invalid` for a
 * key that is none.
 *
 * @example const { enc, ciphertext } = await sealTo(theirs, utf8('aigen/v1/access-key'), aad, bytes)
 */
export async function sealTo(publicKey: Uint8Array, info: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Promise<Sealed> {
  try {
    const recipientPublicKey = await suite.kem.deserializePublicKey(whole(publicKey))
    const sender = await suite.createSenderContext({ recipientPublicKey, info: whole(info) })
    const ciphertext = await sender.seal(whole(plaintext), whole(aad))
    return { enc: new Uint8Array(sender.enc), ciphertext: new Uint8Array(ciphertext) }
  } catch (cause) {
    throw new AigenError('input.invalid', 'It cannot be sealed to this public key.', { cause })
  }
}

/** What was sealed to the public part of `privateKey` (32 bytes). Error `auth.forged` for anything else. */
export async function openSealed(privateKey: Uint8Array, info: Uint8Array, aad: Uint8Array, { enc, ciphertext }: Sealed): Promise<Uint8Array> {
  try {
    const recipientKey = await suite.kem.deserializePrivateKey(whole(privateKey))
    const recipient = await suite.createRecipientContext({ recipientKey, enc: whole(enc), info: whole(info) })
    return new Uint8Array(await recipient.open(whole(ciphertext), whole(aad)))
  } catch (cause) {
    throw new AigenError('auth.forged', 'It was not sealed to this key, or was changed.', { cause })
  }
}

/** A buffer of its own: views into a larger one would be read whole. */
function whole(bytes: Uint8Array): ArrayBuffer {
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer
}
