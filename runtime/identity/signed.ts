/**
 * Signed documents (D5): what must convince a third party. The bytes signed are
 * `utf8("aigen/v1/" + kind + "\n") ‖ canonical(body)` (RFC 8785), so a signature on one kind of
 * document never stands for another; the signature names the wallet's authorisation by hash.
 * A signature that was checked, or made here, is remembered by hash, so that a card met often and an
 * own quote that comes back are not verified again.
 */
import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { canonicalBytes } from '../../schemas/canonical.ts'
import type { Address, Hash, NodeAuthorisation, Signature } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import type { NodeSigner } from '../ports/signer.ts'
import { checkTerm, SKEW_MS, type Authorisations } from './authorisation.ts'
import { verifyNode } from './ed25519.ts'
import { fromText, toText } from './text-bytes.ts'

/** Signs a participant's documents with its node key. */
export type Sign = (kind: string, body: unknown) => Signature

export interface Verifier {
  /** The authorisations that signatures may name. */
  readonly authorisations: Authorisations
  /**
   * Checks that `signature` is one of `kind` over `body` by a node key that its participant
   * authorised for the time `at`, and comes back with that authorisation.
   *
   * - `input.unparsable`: it is not a signature.
   * - `auth.unauthorised`: the authorisation is unknown, or is for another wallet or node key.
   * - `auth.expired`: the authorisation does not hold at `at`.
   * - `auth.forged`: the signature is not over this body.
   */
  verify(kind: string, body: unknown, signature: unknown, at: number): NodeAuthorisation
  /** Takes a signature for good that this process itself has just made with the key of `node` (32 bytes). */
  remember(node: Uint8Array, bytes: Uint8Array, sig: Uint8Array): void
}

/** The bytes that a signature of `kind` over `body` covers. Errors as `canonicalBytes`. */
export function signedBytes(kind: string, body: unknown): Uint8Array {
  if (!/^[a-z][a-z0-9-]{0,63}$/.test(kind)) throw new AigenError('internal', `A document cannot be of kind ${JSON.stringify(kind)}.`)
  return Buffer.concat([Buffer.from(`aigen/v1/${kind}\n`), canonicalBytes(body)])
}

/** A function that signs as participant `by`, under the authorisation with hash `auth`, and tells `onSigned` what it signed. */
export function documentSigner(by: Address, node: NodeSigner, auth: Hash, onSigned: (bytes: Uint8Array, sig: Uint8Array) => void = () => {}): Sign {
  const key = toText(node.publicKey)
  return (kind, body) => {
    const bytes = signedBytes(kind, body)
    const sig = node.sign(bytes)
    onSigned(bytes, sig)
    return { by, node: key, auth, sig: toText(sig) }
  }
}

/** A verifier that remembers the last `limit` signatures found good. */
export function createVerifier(authorisations: Authorisations, limit = 20_000): Verifier {
  const good = new LRUCache<string, true>({ max: limit })
  return {
    authorisations,
    verify: (kind, body, candidate, at) => {
      const signature = parseSignature(candidate)
      const authorisation = authorisations.get(signature.auth)
      if (!authorisation) throw new AigenError('auth.unauthorised', 'The signature names an authorisation that is not known here.')
      if (authorisation.wallet !== signature.by || authorisation.node !== signature.node) {
        throw new AigenError('auth.unauthorised', 'The authorisation is for another wallet or node key.')
      }
      checkTerm(authorisation, at)
      const key = fromText(signature.node, 32)
      const sig = fromText(signature.sig, 64)
      if (!key || !sig) throw new AigenError('auth.forged', 'The signature is malformed.')
      const bytes = signedBytes(kind, body)
      const mark = markOf(key, bytes, sig)
      if (good.get(mark)) return authorisation
      if (!verifyNode(key, bytes, sig)) throw new AigenError('auth.forged', `The ${kind} is not signed by the node key named.`)
      good.set(mark, true)
      return authorisation
    },
    remember: (node, bytes, sig) => good.set(markOf(node, bytes, sig), true),
  }
}

/** Lengths of key and signature are fixed, so the parts cannot run into each other. */
function markOf(key: Uint8Array, bytes: Uint8Array, sig: Uint8Array): string {
  return createHash('sha256').update(key).update(sig).update(bytes).digest('base64')
}

/**
 * Error `auth.expired` unless a document with these times is current at `now`: not past its
 * `expiresAt`, and not issued more than the clocks' allowed skew in the future.
 */
export function checkFresh(times: { issuedAt?: unknown; expiresAt?: unknown }, now: number): void {
  const { issuedAt, expiresAt } = times
  if (!Number.isSafeInteger(expiresAt)) throw new AigenError('input.invalid', 'expiresAt is missing.', { path: 'expiresAt' })
  if ((expiresAt as number) <= now) throw new AigenError('auth.expired')
  if (issuedAt === undefined) return
  if (!Number.isSafeInteger(issuedAt)) throw new AigenError('input.invalid', 'issuedAt is not a time.', { path: 'issuedAt' })
  if ((issuedAt as number) > now + SKEW_MS) throw new AigenError('auth.expired', 'It was issued in the future.')
}

function parseSignature(candidate: unknown): Signature {
  if (typeof candidate !== 'object' || candidate === null || Object.keys(candidate).length !== 4) throw broken()
  const { by, node, auth, sig } = candidate as Record<string, unknown>
  if (typeof by !== 'string' || typeof node !== 'string' || typeof auth !== 'string' || typeof sig !== 'string') throw broken()
  return { by: by as Address, node, auth: auth as Hash, sig }
}

function broken(): AigenError {
  return new AigenError('input.unparsable', 'It is not a signature.')
}
