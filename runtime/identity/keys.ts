/**
 * A participant's keys on disk (D5): the wallet and the voucher key (secp256k1) and this node's key
 * (Ed25519), each one line of hex in a file of mode 0600 in a folder of mode 0700, made on first use.
 *
 * A key is written to a temporary file, fsynced and then linked under its name, so that it is either
 * whole or absent, and of two processes that start at once both end with the same one. A file that
 * others can read, that is a symbolic link or that another user owns is refused, never mended: its
 * key may already be known. The wallet's key may instead lie encrypted in `wallet.json` (`keystore.ts`),
 * to be opened with a passphrase, or in a device or service that a command asks (`wallet.signer.json`), and
 * then the node's authorisation is kept, so that a restart asks nobody. Used by `runtime/node` and `aigen wallet|key`.
 */
import { constants } from 'node:fs'
import { link, lstat, mkdir, open, rename, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AigenError } from '../../schemas/error.ts'
import { nodeId, participantId, type NodeId, type ParticipantId } from '../../schemas/id.ts'
import { checksumAddress, generateWalletKey, nativeSigner } from '../evm/native-signer.ts'
import type { Random } from '../ports/random.ts'
import type { Hex, NodeSigner, OwnerSigner, WalletSigner } from '../ports/signer.ts'
import type { KeptAuthorisation } from './authorisation.ts'
import { nodeSigner } from './ed25519.ts'
import { decryptKey, encryptKey, parseKeystore } from './keystore.ts'
import { toText } from './text-bytes.ts'

export interface Keys {
  /** The participant's id: the wallet's address in lower case. */
  readonly participant: ParticipantId
  /** This node's id: its public key as base64url. */
  readonly nodeId: NodeId
  readonly wallet: OwnerSigner
  readonly voucher: WalletSigner
  readonly node: NodeSigner
  /** Of this node's key, where the wallet lies outside this process. */
  readonly authorisation?: KeptAuthorisation
}

export interface KeyOptions {
  /** Folder of the key files; made when absent. */
  readonly home: string
  readonly random: Random
  /** File name of this node's key, for several nodes in one home; default `node`. */
  readonly nodeName?: string
  /** Asked once where the wallet's key is encrypted; without it such a wallet is `keys.locked`. */
  readonly passphrase?: () => Promise<string>
  /** Opens a signer outside this process; without it a wallet that lies there is `signer.absent`. */
  readonly signer?: (outside: OutsideWallet) => OwnerSigner
}

/** A wallet whose key is not here: the command that signs for it. */
export interface OutsideWallet {
  /** EIP-55 checksummed. */
  readonly address: Hex
  readonly command: string
}

/** Encrypted file of the wallet's key. */
const KEYSTORE = 'wallet.json'
/** Names the command of a wallet whose key is not here. */
const OUTSIDE = 'wallet.signer.json'
/** No key file is longer. */
const KEYSTORE_MAX = 16 * 1024

/**
 * Opens the three keys of `home`, making those that are not there yet.
 *
 * - `keys.exposed`: the folder or a file can be read by others, or belongs to another user.
 * - `keys.broken`: a file does not hold a key, or is not a plain file.
 * - `keys.locked`: the wallet is encrypted and there is no passphrase, or a wrong one.
 * - `signer.absent`: the wallet's key is not here, and no `signer` to ask.
 *
 * @example const keys = await openKeys({ home, random: systemRandom })
 */
export async function openKeys(options: KeyOptions): Promise<Keys> {
  const { home, random } = options
  const outside = await outsideWallet(home)
  if (outside && !options.signer) throw new AigenError('signer.absent', outside.address)
  const wallet = outside ? options.signer!(outside) : (await openEncrypted(options)) ?? (await openSigner(home, 'wallet', random))
  const voucher = await openSigner(home, 'voucher', random)
  const nodeName = options.nodeName ?? 'node'
  const node = nodeSigner(await openKey(home, nodeName, () => random.bytes(32), random))
  return { participant: participantId(wallet.address), nodeId: nodeId(toText(node.publicKey)), wallet, voucher, node, ...(outside ? { authorisation: keptIn(home, nodeName, random) } : {}) }
}

export interface WalletOptions extends Pick<KeyOptions, 'home' | 'random'> {
  /** 32 bytes that are imported; default a new key. */
  readonly key?: Uint8Array
  /** Encrypts it; without one the key lies in a plain private file. */
  readonly passphrase?: string
  /** Of scrypt; for tests. */
  readonly cost?: number
}

/**
 * Makes or imports the wallet of `home`. Errors: those of `openKeys`; `keys.present` where there is one
 * already, which is never overwritten; `input.invalid` for a key that is none, or a short passphrase.
 */
export async function createWallet({ home, random, key = generateWalletKey(random), passphrase, cost }: WalletOptions): Promise<WalletSigner> {
  const signer = nativeSigner(key)
  await openHome(home)
  if (await hasWallet(home)) throw new AigenError('keys.present', home)
  const suffix = toText(random.bytes(9))
  if (passphrase === undefined) await writeKey(home, join(home, 'wallet.key'), `${Buffer.from(key).toString('hex')}\n`, suffix)
  else await writeKey(home, join(home, KEYSTORE), `${JSON.stringify(await encryptKey(key, passphrase, random, cost), null, 1)}\n`, suffix)
  // Of two that were made at once one stands.
  const kept = (await openEncrypted({ home, ...(passphrase === undefined ? {} : { passphrase: async () => passphrase }) })) ?? (await openSigner(home, 'wallet', random))
  if (kept.address !== signer.address) throw new AigenError('keys.present', home)
  return kept
}

/** Whether a participant has a wallet there, encrypted or not. */
export async function hasWallet(home: string): Promise<boolean> {
  return (await outsideWallet(home)) !== undefined || (await readPrivate(join(home, KEYSTORE), KEYSTORE_MAX)) !== undefined || (await readKey(join(home, 'wallet.key'))) !== undefined
}

/** Has the wallet of `home` be one whose key lies outside. Errors: those of `createWallet`. */
export async function keepOutside({ home, random, address, command }: Pick<KeyOptions, 'home' | 'random'> & OutsideWallet): Promise<void> {
  await openHome(home)
  if (await hasWallet(home)) throw new AigenError('keys.present', home)
  await writeKey(home, join(home, OUTSIDE), `${JSON.stringify({ address, command } satisfies OutsideWallet, null, 1)}\n`, toText(random.bytes(9)))
}

/** The wallet whose key lies outside; undefined where it lies here. Error `keys.broken`. */
export async function outsideWallet(home: string): Promise<OutsideWallet | undefined> {
  const text = await readPrivate(join(home, OUTSIDE), KEYSTORE_MAX)
  if (text === undefined) return undefined
  const { address, command } = (parsed(text) ?? {}) as Partial<OutsideWallet>
  if (typeof command !== 'string' || command === '' || typeof address !== 'string' || !/^0x[0-9a-fA-F]{40}$/.test(address)) throw new AigenError('keys.broken', `${join(home, OUTSIDE)} names no signer.`)
  return { address: checksumAddress(address), command }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Kept beside the key it is of. */
function keptIn(home: string, nodeName: string, random: Random): KeptAuthorisation {
  const path = join(home, `${nodeName}.authorisation.json`)
  return {
    read: async () => parsed((await readPrivate(path, KEYSTORE_MAX)) ?? ''),
    write: async (authorisation) => {
      const draft = `${path}.${toText(random.bytes(9))}`
      await writeFile(draft, `${JSON.stringify(authorisation)}\n`, { mode: 0o600, flag: 'wx', flush: true })
      await rename(draft, path)
    },
  }
}

/** The wallet's address as its encrypted file says, without its passphrase; undefined where it is not encrypted. */
export async function encryptedAddress(home: string): Promise<string | undefined> {
  const text = await readPrivate(join(home, KEYSTORE), KEYSTORE_MAX)
  return text === undefined ? undefined : parseKeystore(text).address
}

async function openEncrypted({ home, passphrase }: Pick<KeyOptions, 'home' | 'passphrase'>): Promise<WalletSigner | undefined> {
  const text = await readPrivate(join(home, KEYSTORE), KEYSTORE_MAX)
  if (text === undefined) return undefined
  if (!passphrase) throw new AigenError('keys.locked', join(home, KEYSTORE))
  return nativeSigner(await decryptKey(text, await passphrase()))
}

async function openSigner(home: string, name: string, random: Random): Promise<WalletSigner> {
  const key = await openKey(home, name, () => generateWalletKey(random), random)
  try {
    return nativeSigner(key)
  } catch (cause) {
    throw new AigenError('keys.broken', `${join(home, `${name}.key`)} does not hold a secp256k1 key.`, { cause })
  }
}

/** The 32 bytes kept in `<home>/<name>.key`, made by `make` when the file is absent. Errors as `openKeys`. */
export async function openKey(home: string, name: string, make: () => Uint8Array, random: Random): Promise<Uint8Array> {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(name)) throw new AigenError('keys.broken', `A key cannot be named ${JSON.stringify(name)}.`)
  await openHome(home)
  const path = join(home, `${name}.key`)
  const kept = await readKey(path)
  if (kept) return kept
  await writeKey(home, path, `${Buffer.from(make()).toString('hex')}\n`, toText(random.bytes(9)))
  // read back what is there now, whichever process wrote it
  const key = await readKey(path)
  if (!key) throw new AigenError('keys.broken', `${path} vanished.`)
  return key
}

async function openHome(home: string): Promise<void> {
  await mkdir(home, { recursive: true, mode: 0o700 })
  const folder = await lstat(home)
  if (!folder.isDirectory()) throw new AigenError('keys.broken', `${home} is not a folder.`)
  refuseExposed(home, folder)
}

async function readKey(path: string): Promise<Uint8Array | undefined> {
  const text = (await readPrivate(path, 100))?.trim()
  if (text === undefined) return undefined
  if (!/^[0-9a-f]{64}$/.test(text)) throw new AigenError('keys.broken', `${path} does not hold 64 hex digits.`)
  return Buffer.from(text, 'hex')
}

/** Text of a private file of at most `most` bytes; undefined where there is none. */
async function readPrivate(path: string, most: number): Promise<string | undefined> {
  let file
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code
    if (code === 'ENOENT') return undefined
    if (code === 'ELOOP') throw new AigenError('keys.broken', `${path} is a symbolic link.`)
    throw new AigenError('keys.broken', `${path} cannot be read.`, { cause })
  }
  try {
    // checked on the open file, so that it cannot be exchanged in between
    const stat = await file.stat()
    if (!stat.isFile() || stat.size > most) throw new AigenError('keys.broken', `${path} is not a key file.`)
    refuseExposed(path, stat)
    return await file.readFile('utf8')
  } finally {
    await file.close()
  }
}

async function writeKey(home: string, path: string, text: string, suffix: string): Promise<void> {
  const draft = `${path}.${suffix}`
  const file = await open(draft, 'wx', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  try {
    // not rename, which would overwrite the key that another process made in the meantime
    await link(draft, path)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw new AigenError('keys.broken', `${path} cannot be written.`, { cause })
  } finally {
    await unlink(draft)
  }
  const folder = await open(home, constants.O_RDONLY)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

function refuseExposed(path: string, stat: { mode: number; uid: number }): void {
  // Windows has no such modes: its per-user folders keep others out
  if (process.platform === 'win32') return
  if ((stat.mode & 0o077) !== 0) throw new AigenError('keys.exposed', `${path} has mode ${(stat.mode & 0o777).toString(8)}.`)
  const user = process.getuid?.()
  if (user !== undefined && stat.uid !== user) throw new AigenError('keys.exposed', `${path} belongs to another user.`)
}
