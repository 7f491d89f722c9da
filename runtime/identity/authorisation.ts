/**
 * Node authorisations (D5): a wallet's EIP-712 statement that an Ed25519 node key signs for it, from
 * one time to another, on any chain. Every signature names one by hash; this file issues and checks
 * them and keeps those in use by hash. Checking costs a secp256k1 recovery, so it is done once for
 * each: what is in the store is genuine, whatever the time (validity in time is asked separately,
 * because an old document is checked against the time it was made).
 */
import { LRUCache } from 'lru-cache'
import { hashOf } from '../../schemas/canonical.ts'
import type { Address, Hash, NodeAuthorisation } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { recoverAddress } from '../evm/native-signer.ts'
import { ownerSignature } from '../evm/owner-signature.ts'
import { nodeAuthorisationDigest } from '../evm/typed-data.ts'
import { nodeAuthorisationRequest } from '../evm/typed-request.ts'
import type { Hex, OwnerSigner, WalletSigner } from '../ports/signer.ts'
import { isNodeKey } from './ed25519.ts'
import { fromText, toText } from './text-bytes.ts'

/** Clocks of honest nodes may differ by this much. */
export const SKEW_MS = 60_000

/** How long a wallet may authorise a node key: it cannot be called back before. */
export const AUTHORISATION_MS_MAX = 366 * 24 * 3_600_000

export interface Term {
  /** Milliseconds since the epoch. */
  readonly notBefore: number
  readonly notAfter: number
}

/** The statement, signed by `wallet`, whose key is in this process, that `nodeKey` (32 bytes) signs for it during `term`. */
export function authoriseNode(wallet: WalletSigner, nodeKey: Uint8Array, term: Term): NodeAuthorisation {
  const { notBefore, notAfter } = term
  const address = wallet.address.toLowerCase() as Address
  const digest = nodeAuthorisationDigest({ wallet: address, node: nodeKey, notBefore, notAfter })
  return { wallet: address, node: toText(nodeKey), notBefore, notAfter, signature: wallet.sign(digest).toLowerCase() as Hex }
}

/** Where the authorisation of a node key is kept whose wallet is not asked lightly. */
export interface KeptAuthorisation {
  /** What was kept, whatever it is; undefined where nothing was. */
  read(): Promise<unknown>
  write(authorisation: NodeAuthorisation): Promise<void>
}

/** Less than this is left of a kept authorisation, or of half its term: the wallet is asked anew. */
const RENEW_MS = 7 * 24 * 3_600_000

/**
 * The same by a wallet that may lie outside this process. With `kept` it is asked only where what is kept
 * is not of this wallet and key, or ends soon after `at`: a restart asks nobody. Errors `signer.*`.
 */
export async function authorise(wallet: OwnerSigner, nodeKey: Uint8Array, term: Term, at: number, kept?: KeptAuthorisation): Promise<NodeAuthorisation> {
  const fields = { wallet: wallet.address.toLowerCase() as Address, node: nodeKey, notBefore: term.notBefore, notAfter: term.notAfter }
  const known = kept && genuine(await kept.read())
  const lasts = Math.min(RENEW_MS, (term.notAfter - term.notBefore) / 2)
  if (known && known.wallet === fields.wallet && known.node === toText(nodeKey) && known.notBefore <= at && known.notAfter - at >= lasts) return known
  const signature = (await ownerSignature(wallet, nodeAuthorisationDigest(fields), nodeAuthorisationRequest(fields))).toLowerCase() as Hex
  const authorisation = { ...fields, node: toText(nodeKey), signature }
  await kept?.write(authorisation)
  return authorisation
}

/** What was kept, where it is whole. */
function genuine(candidate: unknown): NodeAuthorisation | undefined {
  try {
    const authorisation = parse(candidate)
    checkSigned(authorisation)
    return authorisation
  } catch {
    return undefined
  }
}

/** Authorisations that were checked, by hash. Bounded: those used longest ago are asked for again. */
export interface Authorisations {
  /**
   * Checks `candidate` and keeps it; comes back with its hash.
   *
   * - `input.unparsable`: it is not an authorisation.
   * - `auth.forged`: the wallet did not sign it, or the node key is not a proper one.
   */
  admit(candidate: unknown): { hash: Hash; authorisation: NodeAuthorisation }
  get(hash: string): NodeAuthorisation | undefined
}

export function createAuthorisations(limit = 10_000): Authorisations {
  const known = new LRUCache<string, NodeAuthorisation>({ max: limit })
  return {
    admit: (candidate) => {
      const authorisation = parse(candidate)
      const hash = hashOf(authorisation)
      const kept = known.get(hash)
      if (kept) return { hash, authorisation: kept }
      checkSigned(authorisation)
      known.set(hash, authorisation)
      return { hash, authorisation }
    },
    get: (hash) => known.get(hash),
  }
}

/** Error `auth.expired` unless `authorisation` holds at `at` (milliseconds since the epoch). */
export function checkTerm(authorisation: NodeAuthorisation, at: number): void {
  if (at < authorisation.notBefore - SKEW_MS) throw new AigenError('auth.expired', 'The node key is not authorised yet.')
  if (at > authorisation.notAfter) throw new AigenError('auth.expired', 'The node key is not authorised any more.')
}

function parse(candidate: unknown): NodeAuthorisation {
  if (typeof candidate !== 'object' || candidate === null || Object.keys(candidate).length !== 5) throw broken()
  const { wallet, node, notBefore, notAfter, signature } = candidate as Record<string, unknown>
  if (typeof wallet !== 'string' || !/^0x[0-9a-f]{40}$/.test(wallet)) throw broken()
  if (typeof signature !== 'string' || !/^0x[0-9a-f]{130}$/.test(signature)) throw broken()
  if (typeof node !== 'string' || !isTime(notBefore) || !isTime(notAfter)) throw broken()
  if (notAfter <= notBefore || notAfter - notBefore > AUTHORISATION_MS_MAX) throw broken()
  // a fresh object: what is kept cannot be changed by who gave it
  return { wallet: wallet as Address, node, notBefore, notAfter, signature: signature as Hex }
}

function checkSigned(authorisation: NodeAuthorisation): void {
  const { wallet, node, notBefore, notAfter, signature } = authorisation
  const key = fromText(node, 32)
  if (!key || !isNodeKey(key)) throw new AigenError('auth.forged', 'The node key is not a proper Ed25519 key.')
  let signer: string
  try {
    signer = recoverAddress(nodeAuthorisationDigest({ wallet, node: key, notBefore, notAfter }), signature).toLowerCase()
  } catch (cause) {
    throw new AigenError('auth.forged', 'The wallet\'s signature is malformed.', { cause })
  }
  if (signer !== wallet) throw new AigenError('auth.forged', 'The wallet did not authorise this node key.')
}

function isTime(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function broken(): AigenError {
  return new AigenError('input.unparsable', 'It is not a node authorisation.')
}
