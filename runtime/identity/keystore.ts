/**
 * Encrypted key files: Web3 Secret Storage version 3, as geth, MetaMask and others read and write
 * them. The passphrase goes through scrypt (or PBKDF2 in files of others), its first half is the key
 * of AES-128-CTR, its second that of a keccak-256 check, so that a wrong passphrase is told apart from
 * a key. node:crypto does all but the keccak and what OpenSSL refuses. Used by `openKeys` and `aigen wallet create|import`.
 */
import { createCipheriv, createDecipheriv, pbkdf2, randomUUID, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { scryptAsync as slowScrypt } from '@noble/hashes/scrypt.js'
import { AigenError } from '../../schemas/error.ts'
import { keccak } from '../evm/keccak.ts'
import { nativeSigner } from '../evm/native-signer.ts'
import type { Random } from '../ports/random.ts'

/** Of new files: 128 MB and about half a second on an idle core (OWASP's first choice for scrypt). */
const NEW = { n: 131_072, r: 8, p: 1 } as const
/** What a file may ask for: more memory or rounds than this and it is not opened (I8). */
const MEMORY_MAX = 512 * 1024 * 1024
const PARALLEL_MAX = 16
const ROUNDS_MAX = 10_000_000
const FILE_MAX = 16 * 1024
const PASSPHRASE_MIN = 8

const scryptAsync = promisify<Uint8Array, Uint8Array, number, object, Buffer>(scrypt)
const pbkdf2Async = promisify(pbkdf2)

/** A key file as JSON. */
export interface Keystore {
  readonly version: 3
  readonly id: string
  /** Lower-case hex without 0x; files may leave it out. */
  readonly address?: string
  readonly crypto: {
    readonly cipher: 'aes-128-ctr'
    readonly cipherparams: { readonly iv: string }
    readonly ciphertext: string
    readonly kdf: 'scrypt' | 'pbkdf2'
    readonly kdfparams: Readonly<Record<string, unknown>>
    readonly mac: string
  }
}

/**
 * The key under the passphrase. `cost` is for tests: the n of scrypt, a power of two.
 * Error `input.invalid`: the passphrase is shorter than 8 characters, or the key is none.
 *
 * @example await encryptKey(generateWalletKey(random), 'correct horse battery staple', random)
 */
export async function encryptKey(key: Uint8Array, passphrase: string, random: Random, cost: number = NEW.n): Promise<Keystore> {
  if ([...passphrase].length < PASSPHRASE_MIN) throw new AigenError('input.invalid', `A passphrase has at least ${PASSPHRASE_MIN} characters.`, { path: 'passphrase' })
  const { address } = nativeSigner(key)
  const [salt, iv] = [random.bytes(32), random.bytes(16)]
  const kdfparams = { dklen: 32, ...NEW, n: cost, salt: hex(salt) }
  const derived = await derive('scrypt', kdfparams, passphrase)
  const cipher = createCipheriv('aes-128-ctr', derived.subarray(0, 16), iv)
  const ciphertext = Buffer.concat([cipher.update(key), cipher.final()])
  return {
    version: 3, id: randomUUID(), address: address.slice(2).toLowerCase(),
    crypto: { cipher: 'aes-128-ctr', cipherparams: { iv: hex(iv) }, ciphertext: hex(ciphertext), kdf: 'scrypt', kdfparams, mac: hex(macOf(derived, ciphertext)) },
  }
}

/**
 * The 32-byte key of a file's text.
 *
 * - `keys.broken`: not a version 3 key file, or it asks for more than is allowed, or names another address.
 * - `keys.locked`: the passphrase is wrong, or the file was changed.
 */
export async function decryptKey(text: string, passphrase: string): Promise<Uint8Array> {
  const { crypto, address } = parseKeystore(text)
  const derived = await derive(crypto.kdf, crypto.kdfparams, passphrase)
  const ciphertext = Buffer.from(crypto.ciphertext, 'hex')
  if (!timingSafeEqual(macOf(derived, ciphertext), Buffer.from(crypto.mac, 'hex'))) throw new AigenError('keys.locked', 'The passphrase is wrong.')
  const cipher = createDecipheriv('aes-128-ctr', derived.subarray(0, 16), Buffer.from(crypto.cipherparams.iv, 'hex'))
  const key = Buffer.alloc(32)
  // Old clients dropped leading zeros.
  key.set(Buffer.concat([cipher.update(ciphertext), cipher.final()]), 32 - ciphertext.length)
  if (address !== undefined && nativeSigner(key).address.slice(2).toLowerCase() !== address) throw broken('it holds the key of another address')
  return key
}

/** Shape and bounds of a key file. Error `keys.broken`. */
export function parseKeystore(text: string): Keystore {
  if (text.length > FILE_MAX) throw broken(`${text.length} characters`)
  let file: any
  try {
    file = JSON.parse(text)
  } catch (cause) {
    throw new AigenError('keys.broken', 'It is not JSON.', { cause })
  }
  // Some clients write Crypto with a capital.
  const crypto = file?.crypto ?? file?.Crypto
  if (file?.version !== 3) throw broken('it is not of version 3')
  if (crypto?.cipher !== 'aes-128-ctr' || !isHex(crypto.cipherparams?.iv, 16, 16) || !isHex(crypto.ciphertext, 1, 32) || !isHex(crypto.mac, 32, 32)) throw broken('its cipher is not aes-128-ctr, or its parts have other lengths')
  if (crypto.kdf !== 'scrypt' && crypto.kdf !== 'pbkdf2') throw broken('its key derivation is neither scrypt nor pbkdf2')
  const { address } = file
  if (address !== undefined && (typeof address !== 'string' || !/^(0x)?[0-9a-fA-F]{40}$/.test(address))) throw broken('its address is none')
  return { version: 3, id: String(file.id), ...(address === undefined ? {} : { address: address.toLowerCase().replace('0x', '') }), crypto }
}

async function derive(kdf: 'scrypt' | 'pbkdf2', given: Readonly<Record<string, unknown>>, passphrase: string): Promise<Buffer> {
  const { n, r, p, c, salt, dklen, prf } = (given ?? {}) as { readonly n: number; readonly r: number; readonly p: number; readonly c: number; readonly salt: string; readonly dklen: number; readonly prf?: string }
  const whole = (value: unknown, most: number): boolean => Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= most
  if (!isHex(salt, 8, 64) || dklen !== 32) throw broken('its key derivation has other parameters')
  const secret = Buffer.from(passphrase, 'utf8')
  if (kdf === 'pbkdf2') {
    if (!whole(c, ROUNDS_MAX) || prf !== 'hmac-sha256') throw broken('its key derivation has other parameters')
    return pbkdf2Async(secret, Buffer.from(salt, 'hex'), c, dklen, 'sha256')
  }
  if (!whole(n, MEMORY_MAX) || n < 2 || (n & (n - 1)) !== 0 || !whole(r, 1024) || !whole(p, PARALLEL_MAX) || 128 * n * r > MEMORY_MAX) throw broken('its key derivation asks for too much')
  // Old files have r = 1 with an n that RFC 7914 forbids then and OpenSSL refuses.
  if (n >= 2 ** (16 * r)) return Buffer.from(await slowScrypt(secret, Buffer.from(salt, 'hex'), { N: n, r, p, dkLen: dklen }))
  return scryptAsync(secret, Buffer.from(salt, 'hex'), dklen, { N: n, r, p, maxmem: 128 * n * r + 128 * r * p + 1024 * 1024 })
}

const macOf = (derived: Buffer, ciphertext: Buffer): Uint8Array => keccak(Buffer.concat([derived.subarray(16, 32), ciphertext]))
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const broken = (why: string): AigenError => new AigenError('keys.broken', `It is not a key file that can be opened: ${why}.`)

function isHex(text: unknown, least: number, most: number): text is string {
  return typeof text === 'string' && /^([0-9a-fA-F]{2})+$/.test(text) && text.length >= 2 * least && text.length <= 2 * most
}
