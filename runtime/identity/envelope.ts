/**
 * Envelopes (D5): one message sealed in a session with AES-256-GCM by node:crypto (measured faster
 * than ChaCha20-Poly1305 wherever the processor has AES instructions: README).
 *
 *   version 1 │ kind 1 │ session 16 │ counter 4 │ ciphertext … │ tag 16
 *
 * Authenticated beside the text: version, kind, session and counter as they stand, the counter of
 * the request that an answer belongs to, and the subject it travels on, so that no envelope can be
 * moved to another verb, node, session, direction or request. Each direction has its own key, and the
 * nonce is its IV mixed with a counter that only grows, so no nonce is used twice.
 * A message is at most 1 MB, checked before anything else is looked at (I8).
 */
import { createCipheriv, createDecipheriv } from 'node:crypto'
import { AigenError, ERRORS, fromBody, type ErrorBody, type ErrorCode, type Issue } from '../../schemas/error.ts'
import { pack, unpack } from './pack.ts'
import { SESSION_MESSAGES_MAX, type Direction, type Session } from './session.ts'

export const ENVELOPE_VERSION = 1
export const ENVELOPE_BYTES_MAX = 1_048_576
const HEADER = 22
const TAG = 16
/** Bytes that sealing adds. */
export const ENVELOPE_OVERHEAD = HEADER + TAG

/** What an envelope is; a refusal is the one kind that is not sealed. */
export type EnvelopeKind = 'refusal' | 'request' | 'answer' | 'chunk'
const KINDS: readonly EnvelopeKind[] = ['refusal', 'request', 'answer', 'chunk']

export interface Place {
  readonly kind: EnvelopeKind
  /** The subject of the request (of an answer too: its own is a private inbox). */
  readonly subject: string
  /** Counter of the request that an answer or chunk belongs to. */
  readonly request?: number
}

export interface Header {
  readonly kind: EnvelopeKind
  readonly session: string
  readonly counter: number
}

/**
 * Reads the clear header. Errors `input.too-large`, `auth.version`, `input.unparsable`.
 */
export function readHeader(envelope: Uint8Array, bytesMax = ENVELOPE_BYTES_MAX): Header {
  if (envelope.length > bytesMax) throw new AigenError('input.too-large', `${envelope.length} bytes of at most ${bytesMax}.`)
  const view = asBuffer(envelope)
  const kind = KINDS[view[1] ?? 255]
  if (view.length > 0 && view[0] !== ENVELOPE_VERSION && kind !== 'refusal') {
    throw new AigenError('auth.version', `Expected version ${ENVELOPE_VERSION}, got ${view[0]}.`)
  }
  if (kind === undefined) throw new AigenError('input.unparsable', 'It is not an envelope.')
  if (kind === 'refusal') return { kind, session: '', counter: 0 }
  if (view.length < ENVELOPE_OVERHEAD) throw new AigenError('input.unparsable', 'It is not an envelope.')
  return { kind, session: view.toString('hex', 2, 18), counter: view.readUInt32BE(18) }
}

/** Seals `text` for the other side of `session`; `counter` names it in its answer. */
export function sealBytes(session: Session, place: Place, text: Uint8Array): { envelope: Buffer; counter: number } {
  const counter = session.sent
  // the counter is used up first: whatever happens below, it never seals twice
  session.sent += 1
  if (counter >= SESSION_MESSAGES_MAX) throw new AigenError('auth.unknown-session', 'The session is used up.')
  const size = HEADER + text.length + TAG
  if (size > ENVELOPE_BYTES_MAX) throw new AigenError('input.too-large', `${size} bytes of at most ${ENVELOPE_BYTES_MAX}.`)
  const envelope = Buffer.allocUnsafe(size)
  envelope[0] = ENVELOPE_VERSION
  envelope[1] = KINDS.indexOf(place.kind)
  envelope.write(session.id, 2, 16, 'hex')
  envelope.writeUInt32BE(counter, 18)
  const cipher = createCipheriv('aes-256-gcm', session.sending.key, nonce(session.sending, counter), { authTagLength: TAG })
  cipher.setAAD(beside(envelope, place))
  envelope.set(cipher.update(text), HEADER)
  cipher.final()
  envelope.set(cipher.getAuthTag(), HEADER + text.length)
  return { envelope, counter }
}

/**
 * The text of an envelope from the other side of `session`.
 *
 * - `auth.forged`: it was not sealed by the other side for this place, or was changed.
 * - `auth.replayed`: its counter was seen, or is older than the window (requests and chunks; an
 *   answer is bound to its request, which takes one only).
 */
export function openBytes(session: Session, place: Place, envelope: Uint8Array, header = readHeader(envelope)): Buffer {
  if (header.session !== session.id || header.kind !== place.kind) throw new AigenError('auth.forged', 'It is for another session.')
  const once = place.kind !== 'answer'
  if (header.counter >= SESSION_MESSAGES_MAX) throw new AigenError('auth.forged')
  if (once && !session.window.fresh(header.counter)) throw new AigenError('auth.replayed')
  const view = asBuffer(envelope)
  const end = view.length - TAG
  const decipher = createDecipheriv('aes-256-gcm', session.receiving.key, nonce(session.receiving, header.counter), { authTagLength: TAG })
  decipher.setAAD(beside(view, place))
  decipher.setAuthTag(view.subarray(end))
  const text = decipher.update(view.subarray(HEADER, end))
  try {
    decipher.final()
  } catch {
    throw new AigenError('auth.forged')
  }
  if (once) session.window.mark(header.counter)
  return text
}

/** `sealBytes` of a packed value. */
export function seal(session: Session, place: Place, value: unknown): { envelope: Buffer; counter: number } {
  return sealBytes(session, place, pack(value))
}

/** The value in an envelope; errors as `openBytes`, and `input.unparsable`, `input.too-deep`. */
export function open(session: Session, place: Place, envelope: Uint8Array, header = readHeader(envelope)): unknown {
  return unpack(openBytes(session, place, envelope, header))
}

/** An error as it is told to who has no session to seal it in. */
export function refusal(error: AigenError): Buffer {
  return Buffer.concat([Buffer.from([ENVELOPE_VERSION, 0]), pack(tellable(error))])
}

/** The error in an unsealed refusal: a hint from nobody in particular, never a verdict. */
export function readRefusal(envelope: Uint8Array): AigenError {
  return readError(unpack(envelope.subarray(2)))
}

/** What strangers may know of an error: of a bug inside, only that there is one. */
export function tellable(error: AigenError): ErrorBody {
  return error.code === 'internal' ? { code: 'internal', message: ERRORS.internal.says } : cut(error.toJSON())
}

/** An error body from outside as an error; error `input.invalid` (thrown) when it is none. */
export function readError(value: unknown): AigenError {
  if (typeof value !== 'object' || value === null) throw new AigenError('input.invalid', 'It is not an error.')
  const { code, message, path, issues, node } = value as Record<string, unknown>
  if (typeof code !== 'string' || typeof message !== 'string') throw new AigenError('input.invalid', 'It is not an error.')
  return fromBody(cut({
    code: code as ErrorCode,
    message,
    ...(typeof path === 'string' ? { path } : {}),
    ...(Array.isArray(issues) ? { issues: issues.filter(isIssue) } : {}),
    ...(typeof node === 'string' ? { node } : {}),
  }))
}

const TEXT_MAX = 2_000
const ISSUES_MAX = 50
const NODE_MAX = 64

function cut(body: ErrorBody): ErrorBody {
  return {
    code: body.code,
    message: body.message.slice(0, TEXT_MAX),
    ...(body.path === undefined ? {} : { path: body.path.slice(0, TEXT_MAX) }),
    ...(body.node === undefined ? {} : { node: body.node.slice(0, NODE_MAX) }),
    ...(body.issues === undefined ? {} : {
      issues: body.issues.slice(0, ISSUES_MAX).map(({ path, message, hint }) => ({
        path: path.slice(0, TEXT_MAX),
        message: message.slice(0, TEXT_MAX),
        ...(hint === undefined ? {} : { hint: hint.slice(0, TEXT_MAX) }),
      })),
    }),
  }
}

function isIssue(value: unknown): value is Issue {
  if (typeof value !== 'object' || value === null) return false
  const { path, message, hint } = value as Record<string, unknown>
  return typeof path === 'string' && typeof message === 'string' && (hint === undefined || typeof hint === 'string')
}

function nonce({ iv }: Direction, counter: number): Uint8Array {
  const bytes = Uint8Array.from(iv)
  bytes[8]! ^= counter >>> 24
  bytes[9]! ^= counter >>> 16
  bytes[10]! ^= counter >>> 8
  bytes[11]! ^= counter
  return bytes
}

/** The additional authenticated data. */
function beside(envelope: Buffer, place: Place): Buffer {
  const data = Buffer.allocUnsafe(HEADER + 4 + Buffer.byteLength(place.subject))
  envelope.copy(data, 0, 0, HEADER)
  data.writeUInt32BE(place.request ?? 0xffff_ffff, HEADER)
  data.write(place.subject, HEADER + 4)
  return data
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
