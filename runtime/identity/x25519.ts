/**
 * X25519 (RFC 7748) by node:crypto: the ephemeral keys of a session (D5). Used by `session.ts` only.
 */
import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from 'node:crypto'
import { AigenError } from '../../schemas/error.ts'
import type { Random } from '../ports/random.ts'

const PRIVATE_PREFIX = Buffer.from('302e020100300506032b656e04220420', 'hex')
const PUBLIC_PREFIX = Buffer.from('302a300506032b656e032100', 'hex')

export interface Ephemeral {
  /** 32 bytes. */
  readonly publicKey: Uint8Array
  /** The shared secret with the other side's public key; error `auth.forged` for a point of small order. */
  agree(theirs: Uint8Array): Uint8Array
}

export function ephemeral(random: Random): Ephemeral {
  const seed = Buffer.concat([PRIVATE_PREFIX, random.bytes(32)])
  const key: KeyObject = createPrivateKey({ key: seed, format: 'der', type: 'pkcs8' })
  seed.fill(0)
  const publicKey = new Uint8Array(createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(PUBLIC_PREFIX.length))
  return {
    publicKey,
    agree: (theirs) => {
      try {
        const other = createPublicKey({ key: Buffer.concat([PUBLIC_PREFIX, theirs]), format: 'der', type: 'spki' })
        // OpenSSL refuses an all-zero result, as RFC 7748 section 6.1 asks
        return diffieHellman({ privateKey: key, publicKey: other })
      } catch (cause) {
        throw new AigenError('auth.forged', 'The ephemeral key is not usable.', { cause })
      }
    },
  }
}
