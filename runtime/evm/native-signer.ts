/**
 * secp256k1 keys in native code: wallets and voucher keys (port `signer.ts`). Signing is RFC 6979,
 * s is always low; recovery refuses everything that the Vault contract refuses, so both sides of a
 * voucher agree with the chain. Used by the rails, `runtime/identity` and the command line.
 */
import secp256k1 from 'secp256k1'
import { AigenError } from '../../schemas/error.ts'
import type { Random } from '../ports/random.ts'
import type { Hex, WalletSigner } from '../ports/signer.ts'
import { fromHex, toHex } from './hex.ts'
import { keccak } from './keccak.ts'

/** Half of the group's order: a signature with an s above it is malleable and refused (EIP-2). */
const HALF_ORDER = Buffer.from('7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0', 'hex')
const KEY_TRIES_MAX = 16

/** A new 32-byte private key from `random`; never zero and below the group's order. */
export function generateWalletKey(random: Random): Uint8Array {
  for (let tries = 0; tries < KEY_TRIES_MAX; tries += 1) {
    const key = random.bytes(32)
    if (secp256k1.privateKeyVerify(key)) return key
  }
  throw new AigenError('internal', 'The random source gives no valid key.')
}

/** EIP-55 checksummed form of an address; `input.invalid` for anything but 20 bytes of hex. */
export function checksumAddress(address: string): Hex {
  const lower = toHex(fromHex(address, 20)).slice(2)
  const hash = Buffer.from(keccak(Buffer.from(lower, 'ascii'))).toString('hex')
  let text = ''
  for (let i = 0; i < 40; i += 1) text += hash.charCodeAt(i) >= 0x38 ? lower.charAt(i).toUpperCase() : lower.charAt(i)
  return `0x${text}`
}

/** Lower-case address of an uncompressed public key (65 bytes). */
function addressOf(publicKey: Uint8Array): Hex {
  return toHex(keccak(publicKey.subarray(1)).subarray(12))
}

/**
 * A signer over a 32-byte private key. `input.invalid` when it is not one.
 *
 * @example nativeSigner(generateWalletKey(random)).address // '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266'
 */
export function nativeSigner(privateKey: Uint8Array): WalletSigner {
  if (privateKey.length !== 32 || !secp256k1.privateKeyVerify(privateKey)) {
    throw new AigenError('input.invalid', 'The private key is not a secp256k1 key.')
  }
  const key = Uint8Array.from(privateKey)
  const address = checksumAddress(addressOf(secp256k1.publicKeyCreate(key, false)))
  return {
    address,
    sign(digest) {
      if (digest.length !== 32) throw new AigenError('input.invalid', 'A digest has 32 bytes.')
      const { signature, recid } = secp256k1.ecdsaSign(digest, key)
      const bytes = Buffer.alloc(65)
      bytes.set(signature, 0)
      bytes[64] = 27 + recid
      return toHex(bytes)
    },
  }
}

/**
 * Lower-case address of whoever signed `digest`.
 *
 * Error `auth.forged`: not 65 bytes, v other than 27 or 28, a high s, or nothing to recover.
 * A wrong digest or another key's signature recovers some other address: compare it.
 */
export function recoverAddress(digest: Uint8Array, signature: Hex): Hex {
  let bytes: Uint8Array
  try {
    bytes = fromHex(signature, 65)
  } catch {
    throw new AigenError('auth.forged', 'A signature has 65 bytes.')
  }
  const v = bytes[64]
  if (v !== 27 && v !== 28) throw new AigenError('auth.forged', 'v must be 27 or 28.')
  if (Buffer.compare(bytes.subarray(32, 64), HALF_ORDER) > 0) throw new AigenError('auth.forged', 's must be low.')
  try {
    return addressOf(secp256k1.ecdsaRecover(bytes.subarray(0, 64), v - 27, digest, false))
  } catch (cause) {
    throw new AigenError('auth.forged', undefined, { cause })
  }
}
