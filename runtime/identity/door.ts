/**
 * The door (I8): everything from outside passes here, in this order: size, depth, seal or
 * signature, schema, freshness, replay. Sealed messages come by `admitSealed`, signed ones by
 * `admitSigned`; hellos, which make the sessions, by `session-table.ts`.
 * What comes out was said by the participant named, recently, once, and has its promised shape.
 */
import { hashOf } from '../../schemas/canonical.ts'
import type { Hash, NodeAuthorisation, Signature } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { participantId, type ParticipantId } from '../../schemas/id.ts'
import { SKEW_MS } from './authorisation.ts'
import { open, readHeader, type Header } from './envelope.ts'
import { readJson } from './read-json.ts'
import type { Session } from './session.ts'
import { checkFresh, type Verifier } from './signed.ts'

/** A call as the envelope carries it: `[callId, expiresAt, body]`. */
export interface SealedCall {
  readonly callId: string
  /** When the caller gives the call up for good (milliseconds since the epoch, the caller's clock). */
  readonly expiresAt: number
  readonly body: unknown
}

const CALL_ID = /^[\x21-\x7e]{1,200}$/

/**
 * Opens a request on `subject`. The session it names is looked up by `find`. `lateMs` is how long
 * after its expiry a call is still let through, for handlers that answer known calls from their store.
 * Errors `input.*`, `auth.version`, `auth.unknown-session`, `auth.forged`, `auth.replayed`, `auth.expired`.
 */
export function admitSealed(
  envelope: Uint8Array,
  subject: string,
  find: (header: Header) => Session,
  now: () => number,
  lateMs: number,
): { session: Session; header: Header; call: SealedCall } {
  const header = readHeader(envelope)
  if (header.kind !== 'request') throw new AigenError('auth.forged', 'It is not a request.')
  const session = find(header)
  const value = open(session, { kind: 'request', subject }, envelope, header)
  try {
    return { session, header, call: readCall(value, now(), lateMs) }
  } catch (error) {
    // it was authentic: the refusal goes back sealed
    throw error instanceof AigenError ? new Refused(error, session, header) : error
  }
}

/** A refusal of an authentic message, with what is needed to seal the answer. */
export class Refused extends Error {
  override readonly name = 'Refused'
  readonly error: AigenError
  readonly session: Session
  readonly header: Header

  constructor(error: AigenError, session: Session, header: Header) {
    super(error.message, { cause: error })
    this.error = error
    this.session = session
    this.header = header
  }
}

function readCall(value: unknown, now: number, lateMs: number): SealedCall {
  if (!Array.isArray(value) || value.length !== 3) throw new AigenError('input.invalid', 'It is not a call.')
  const [callId, expiresAt, body] = value as [unknown, unknown, unknown]
  if (typeof callId !== 'string' || !CALL_ID.test(callId)) throw new AigenError('input.invalid', 'The call id is malformed.', { path: 'callId' })
  if (!Number.isSafeInteger(expiresAt)) throw new AigenError('input.invalid', 'The expiry is no time.', { path: 'expiresAt' })
  if ((expiresAt as number) + SKEW_MS + lateMs < now) throw new AigenError('auth.expired', 'The call is past its expiry.')
  return { callId, expiresAt: expiresAt as number, body }
}

/** A signed message as it travels to many: self-contained, so that strangers can check it. */
export interface SignedMessage<Body = unknown> {
  readonly kind: string
  readonly body: Body
  readonly signature: Signature
  readonly authorisation: NodeAuthorisation
}

/** A signed message that passed the door. */
export interface Admitted<Body> extends SignedMessage<Body> {
  readonly by: ParticipantId
  /** Hash of the body and signature together: names this message for ever. */
  readonly hash: Hash
}

/** Largest signed message to or from many. */
export const SIGNED_BYTES_MAX = 65_536

/**
 * Reads a signed message of `kind`. Its body must carry `expiresAt`, and may carry `issuedAt`.
 * Replays are for the caller to see by `hash`: a call for quotes may well come twice.
 * Errors `input.*`, `auth.forged`, `auth.unauthorised`, `auth.expired`.
 */
export function admitSigned<Body>(
  bytes: Uint8Array,
  kind: string,
  validate: (body: unknown) => Body,
  verifier: Verifier,
  now: number,
): Admitted<Body> {
  const message = readJson(bytes, SIGNED_BYTES_MAX)
  if (typeof message !== 'object' || message === null) throw new AigenError('input.unparsable', 'It is not a signed message.')
  const { kind: said, body, signature, authorisation } = message as Record<string, unknown>
  if (said !== kind) throw new AigenError('input.invalid', `Expected a ${kind}.`, { path: 'kind' })
  if (typeof body !== 'object' || body === null) throw new AigenError('input.invalid', 'The body is missing.', { path: 'body' })
  // times are read before the costly check; they are under the signature, so nobody can mend them
  checkFresh(body, now)
  verifier.authorisations.admit(authorisation)
  const proven = verifier.verify(kind, body, signature, now)
  return {
    kind,
    body: validate(body),
    signature: signature as Signature,
    authorisation: proven,
    by: participantId(proven.wallet),
    hash: hashOf({ body, signature }),
  }
}
