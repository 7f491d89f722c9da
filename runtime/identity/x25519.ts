/**
 * X25519 (RFC 7748) by node:crypto: the ephemeral keys of a session (D5). Used by `session.ts` only.
 */
import { diffieHellman } from 'node:crypto'
import { AigenError } from '../../schemas/error.ts'
import type { Random } from '../ports/random.ts'
import { importPrivate, importPublic, publicBytes } from './raw-key.ts'

export interface Ephemeral {
  /** 32 bytes. */
  readonly publicKey: Uint8Array
  /** The shared secret with the other side's public key; error `auth.forged` for a point of small order. */
  agree(theirs: Uint8Array): Uint8Array
}

export function ephemeral(random: Random): Ephemeral {
  const key = importPrivate('X25519', random.bytes(32))
  return {
    publicKey: publicBytes(key),
    agree: (theirs) => {
      try {
        // OpenSSL refuses an all-zero result, as RFC 7748 section 6.1 asks
        return diffieHellman({ privateKey: key, publicKey: importPublic('X25519', theirs) })
      } catch (cause) {
        throw new AigenError('auth.forged', 'The ephemeral key is not usable.', { cause })
      }
    },
  }
}
