/**
 * Sessions between two nodes (D5): one signed key exchange, then cheap sealed messages.
 *
 * An authenticated Diffie-Hellman exchange in two messages: the signed form of ISO/IEC 9798-3 and
 * SIGMA (Krawczyk, CRYPTO 2003) with the key schedule of TLS 1.3 (RFC 8446 section 7.1):
 *
 *   hello    caller → callee  {v, from, to, toNode, ephemeral, nonce, issuedAt}          signed, kind "hello"
 *   welcome  callee → caller  {v, from, to, hello: hash, ephemeral, session, partitions} signed, kind "welcome", + confirm
 *
 *   th   = SHA-256(label ‖ hash(hello) ‖ hash(welcome))        both with their signatures
 *   keys = HKDF-SHA256(salt = th, ikm = X25519, info = label)   RFC 5869, one expand, cut in five
 *   confirm = HMAC-SHA256(confirm key, th)
 *
 * - Forward secrecy: both X25519 keys live for this exchange only.
 * - Identity binding: each signature covers both participants, and welcome's covers the whole hello
 *   by hash, so neither side can be led to share a key with one while believing it is another
 *   (unknown key share). Node keys count only with the wallet's authorisation, carried along.
 * - Reflection: kinds and directions have their own signature domains and keys.
 * - Freshness: hello by time (±60 s) and a replay cache (`session-table.ts`), welcome by hello's nonce.
 *   A replayed hello gains nothing: without the ephemeral private key the session stays unconfirmed.
 * - Key confirmation: callee's by `confirm`, caller's by its first envelope that opens.
 *
 * Keys are in memory only; sessions end after an hour, with the process, or after 2^24 messages
 * (RFC 8446 section 5.5 bounds AES-GCM near 2^24.5 records).
 */
import { createHash, createHmac, createSecretKey, hkdfSync, timingSafeEqual, type KeyObject } from 'node:crypto'
import { canonicalBytes, hashOf } from '../../schemas/canonical.ts'
import type { Hash, NodeAuthorisation, Signature } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { nodeId, participantId, type NodeId, type ParticipantId } from '../../schemas/id.ts'
import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'
import { SKEW_MS } from './authorisation.ts'
import type { Credentials } from './credentials.ts'
import { readJson } from './read-json.ts'
import { ReplayWindow } from './replay-window.ts'
import { fromText, toText } from './text-bytes.ts'
import { ephemeral, type Ephemeral } from './x25519.ts'

export const SESSION_VERSION = 1
/** A caller makes a new session after this time; the callee keeps the old one a little longer. */
export const SESSION_MS = 3_600_000
export const SESSION_GRACE_MS = 300_000
export const SESSION_MESSAGES_MAX = 2 ** 24
export const HELLO_BYTES_MAX = 16_384
const PARTITIONS_MAX = 256
const LABEL = 'aigen/v1/session'

/** Keys of one direction. */
export interface Direction {
  readonly key: KeyObject
  /** 12 bytes that the counter is mixed into (RFC 8446 section 5.3). */
  readonly iv: Uint8Array
}

export interface Session {
  /** 16 bytes as hex. */
  readonly id: string
  readonly peer: ParticipantId
  readonly peerNode: NodeId
  readonly peerAuth: Hash
  /** Partitions that the callee's node owned at the welcome. */
  readonly partitions: readonly string[]
  readonly sending: Direction
  readonly receiving: Direction
  /** Of what is received. */
  readonly window: ReplayWindow
  /** On the monotonic clock. */
  readonly startedAt: number
  /** Milliseconds since the epoch at which the peer's authorisation ends. */
  readonly notAfter: number
  /** Counter of the next message sent. */
  sent: number
}

interface HelloBody {
  readonly v: number
  readonly from: ParticipantId
  readonly to: ParticipantId
  /** One node of the callee, or null for any. */
  readonly toNode: NodeId | null
  readonly ephemeral: string
  readonly nonce: string
  readonly issuedAt: number
}

interface WelcomeBody {
  readonly v: number
  readonly from: ParticipantId
  readonly to: ParticipantId
  readonly hello: Hash
  readonly ephemeral: string
  readonly session: string
  readonly partitions: readonly string[]
}

interface Signed<Body> {
  readonly body: Body
  readonly signature: Signature
  readonly authorisation: NodeAuthorisation
}

/** What each side of the exchange works with. */
export interface Exchange {
  readonly self: Credentials
  readonly clock: Clock
  readonly random: Random
}

/** A hello under way: its bytes, and what makes a session of the welcome that answers it. */
export interface OpenHello {
  readonly bytes: Uint8Array
  /** Errors `input.*`, `auth.version`, `auth.forged`, `auth.unauthorised`, `auth.expired`. */
  finish(welcome: Uint8Array): Session
}

/** Starts a session with participant `to`, with whichever of its nodes answers or with `toNode`. */
export function openHello(exchange: Exchange, to: ParticipantId, toNode: NodeId | null = null): OpenHello {
  const { self, clock, random } = exchange
  const mine = ephemeral(random)
  const body: HelloBody = {
    v: SESSION_VERSION,
    from: self.participant,
    to,
    toNode,
    ephemeral: toText(mine.publicKey),
    nonce: toText(random.bytes(16)),
    issuedAt: clock.now(),
  }
  const signature = self.sign('hello', body)
  const helloHash = hashOf({ body, signature })
  const bytes = canonicalBytes({ body, signature, authorisation: self.authorisation })
  return { bytes, finish: (welcome) => finishHello(exchange, { to, toNode, mine, helloHash }, welcome) }
}

function finishHello(
  { self, clock }: Exchange,
  hello: { to: ParticipantId; toNode: NodeId | null; mine: Ephemeral; helloHash: Hash },
  bytes: Uint8Array,
): Session {
  const { confirm, ...document } = readObject(readJson(bytes, HELLO_BYTES_MAX), ['body', 'signature', 'authorisation', 'confirm'])
  const body = readObject(document.body, ['v', 'from', 'to', 'hello', 'ephemeral', 'session', 'partitions']) as unknown as WelcomeBody
  if (body.from !== hello.to || body.to !== self.participant) throw new AigenError('auth.forged', 'The welcome is between others.')
  if (body.hello !== hello.helloHash) throw new AigenError('auth.forged', 'The welcome answers another hello.')
  const theirs = bytesOf(body.ephemeral, 32)
  const id = bytesOf(body.session, 16)
  const mac = bytesOf(confirm, 32)
  if (!isPartitions(body.partitions)) throw new AigenError('input.invalid', 'partitions', { path: 'partitions' })
  const { authorisation, signature, auth } = checkSigner(self, 'welcome', document as unknown as Signed<WelcomeBody>, clock.now())
  if (hello.toNode !== null && signature.node !== hello.toNode) throw new AigenError('auth.forged', 'Another node answered.')
  const keys = deriveKeys(hello.mine.agree(theirs), hello.helloHash, hashOf({ body, signature }))
  if (!timingSafeEqual(keys.confirm, mac)) throw new AigenError('auth.forged', 'The key confirmation is wrong.')
  return makeSession(clock, id, body.partitions, { authorisation, auth, sending: keys.callerToCallee, receiving: keys.calleeToCaller })
}

/** A hello that was checked in everything but replay, before the expensive part. */
export interface CheckedHello {
  readonly hash: Hash
  readonly from: ParticipantId
  /** Until when the same hello could come again (milliseconds since the epoch). */
  readonly staleAt: number
  /** Makes the session and the welcome that tells the caller of it. */
  accept(partitions: readonly string[]): { session: Session; welcome: Uint8Array }
}

/** Checks a hello to this node. Errors as `OpenHello.finish`. */
export function checkHello(exchange: Exchange, bytes: Uint8Array): CheckedHello {
  const { self, clock, random } = exchange
  const document = readObject(readJson(bytes, HELLO_BYTES_MAX), ['body', 'signature', 'authorisation'])
  const body = readObject(document.body, ['v', 'from', 'to', 'toNode', 'ephemeral', 'nonce', 'issuedAt']) as unknown as HelloBody
  if (body.to !== self.participant) throw new AigenError('auth.unauthorised', 'The hello is for another participant.')
  if (body.toNode !== null && body.toNode !== self.node) throw new AigenError('network.moved', 'The hello is for another node.')
  const now = clock.now()
  if (!Number.isSafeInteger(body.issuedAt) || Math.abs(body.issuedAt - now) > SKEW_MS) {
    throw new AigenError('auth.expired', `A hello is good for ${SKEW_MS / 1000} s.`)
  }
  const theirs = bytesOf(body.ephemeral, 32)
  bytesOf(body.nonce, 16)
  const { authorisation, signature, auth } = checkSigner(self, 'hello', document as unknown as Signed<HelloBody>, now)
  const helloHash = hashOf({ body, signature })
  return {
    hash: helloHash,
    from: participantId(authorisation.wallet),
    staleAt: body.issuedAt + SKEW_MS,
    accept: (partitions) => {
      const mine = ephemeral(random)
      const secret = mine.agree(theirs)
      const id = random.bytes(16)
      const answer: WelcomeBody = {
        v: SESSION_VERSION,
        from: self.participant,
        to: participantId(authorisation.wallet),
        hello: helloHash,
        ephemeral: toText(mine.publicKey),
        session: toText(id),
        partitions: partitions.slice(0, PARTITIONS_MAX),
      }
      const signed = self.sign('welcome', answer)
      const keys = deriveKeys(secret, helloHash, hashOf({ body: answer, signature: signed }))
      const welcome = { body: answer, signature: signed, authorisation: self.authorisation, confirm: toText(keys.confirm) }
      const session = makeSession(clock, id, [], { authorisation, auth, sending: keys.calleeToCaller, receiving: keys.callerToCallee })
      return { session, welcome: canonicalBytes(welcome) }
    },
  }
}

/** Whether `session` may still be used at this time; `graceMs` is what a callee adds. */
export function isCurrent(session: Session, clock: Clock, graceMs = 0): boolean {
  return clock.monotonic() - session.startedAt < SESSION_MS + graceMs
    && clock.now() <= session.notAfter
    && session.sent < SESSION_MESSAGES_MAX
}

/** The signer of one side of the exchange: `body.from`, by the authorisation that comes along. */
function checkSigner(
  self: Credentials,
  kind: 'hello' | 'welcome',
  document: Signed<{ from: ParticipantId }>,
  now: number,
): { authorisation: NodeAuthorisation; signature: Signature; auth: Hash } {
  const { hash } = self.verifier.authorisations.admit(document.authorisation)
  const signature = document.signature
  if (signature?.auth !== hash || signature.by !== document.body.from) {
    throw new AigenError('auth.unauthorised', `The ${kind} is signed by another participant.`)
  }
  return { authorisation: self.verifier.verify(kind, document.body, signature, now), signature, auth: hash }
}

function deriveKeys(secret: Uint8Array, hello: Hash, welcome: Hash) {
  const transcript = createHash('sha256').update(`${LABEL}\n${hello}\n${welcome}\n`).digest()
  const bytes = Buffer.from(hkdfSync('sha256', secret, transcript, `${LABEL} keys`, 120))
  const keys = {
    callerToCallee: { key: createSecretKey(bytes.subarray(0, 32)), iv: Uint8Array.from(bytes.subarray(96, 108)) },
    calleeToCaller: { key: createSecretKey(bytes.subarray(32, 64)), iv: Uint8Array.from(bytes.subarray(108, 120)) },
    confirm: createHmac('sha256', bytes.subarray(64, 96)).update(transcript).digest(),
  }
  bytes.fill(0)
  secret.fill(0)
  return keys
}

function makeSession(
  clock: Clock,
  id: Uint8Array,
  partitions: readonly string[],
  peer: { authorisation: NodeAuthorisation; auth: Hash; sending: Direction; receiving: Direction },
): Session {
  return {
    id: Buffer.from(id).toString('hex'),
    peer: participantId(peer.authorisation.wallet),
    peerNode: nodeId(peer.authorisation.node),
    peerAuth: peer.auth,
    partitions,
    sending: peer.sending,
    receiving: peer.receiving,
    window: new ReplayWindow(),
    startedAt: clock.monotonic(),
    notAfter: peer.authorisation.notAfter,
    sent: 0,
  }
}

/** `value` as an object with exactly these members; a `v` among them must be ours. */
function readObject<Key extends string>(value: unknown, keys: readonly Key[]): Record<Key, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new AigenError('input.unparsable', 'Expected an object.')
  // the version first: another version may well have other members
  if ('v' in value && value.v !== SESSION_VERSION) throw new AigenError('auth.version', `Expected ${SESSION_VERSION}.`)
  const found = Object.keys(value)
  if (found.length !== keys.length || keys.some((key) => !Object.hasOwn(value, key))) {
    throw new AigenError('input.invalid', `Expected the members ${keys.join(', ')}.`)
  }
  return value as Record<Key, unknown>
}

function bytesOf(text: unknown, length: number): Uint8Array {
  const bytes = fromText(text, length)
  if (!bytes) throw new AigenError('input.invalid', `Expected ${length} bytes as base64url.`)
  return bytes
}

function isPartitions(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.length <= PARTITIONS_MAX
    && value.every((name) => typeof name === 'string' && name.length > 0 && name.length <= 128)
}
