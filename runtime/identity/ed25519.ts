/**
 * Ed25519 node keys by node:crypto (RFC 8032): sign documents and session handshakes (D5).
 *
 * Keys are raw bytes outside and become KeyObjects here, once. OpenSSL accepts public keys of small
 * order, for which one signature verifies under many messages; such a key is refused, so that a
 * signature always convinces a third party of one text only.
 */
import { sign as signBytes, verify as verifyBytes, type KeyObject } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { AigenError } from '../../schemas/error.ts'
import type { NodeSigner } from '../ports/signer.ts'
import { importPrivate, importPublic, publicBytes } from './raw-key.ts'

/** The encodings of points of order 1, 2, 4 and 8, canonical or not, without their sign bit. */
const SMALL_ORDER = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
])

/** Importing a key costs about as much as a verification: keep those in use. */
const imported = new LRUCache<string, KeyObject>({ max: 4_096 })

/** A signer from a 32-byte seed (RFC 8032 private key). Error `keys.broken` for another length. */
export function nodeSigner(seed: Uint8Array): NodeSigner {
  if (seed.length !== 32) throw new AigenError('keys.broken', 'An Ed25519 private key has 32 bytes.')
  const key = importPrivate('Ed25519', seed)
  return { publicKey: publicBytes(key), sign: (message) => new Uint8Array(signBytes(null, message, key)) }
}

/** Whether `publicKey` is 32 bytes that may stand for a node: not of small order. */
export function isNodeKey(publicKey: Uint8Array): boolean {
  if (publicKey.length !== 32) return false
  const bare = Buffer.from(publicKey)
  bare[31]! &= 0x7f
  return !SMALL_ORDER.has(bare.toString('hex'))
}

/** Whether `signature` (64 bytes) is `publicKey`'s over `message`. Never throws. */
export function verifyNode(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== 64) return false
  const name = Buffer.from(publicKey).toString('latin1')
  let key = imported.get(name)
  if (!key) {
    if (!isNodeKey(publicKey)) return false
    try {
      key = importPublic('Ed25519', publicKey)
    } catch {
      return false
    }
    imported.set(name, key)
  }
  try {
    return verifyBytes(null, message, key, signature)
  } catch {
    return false
  }
}
