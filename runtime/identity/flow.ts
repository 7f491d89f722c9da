/**
 * Flows: the pieces of a call's output on their way to its payer, ahead of the delivery (DESIGN,
 * Wire). A piece is numbered and sealed (AES-256-GCM) under a key made from the secret in the sealed
 * invoke and a random name for each attempt at the work, so that a provider that starts anew never
 * seals two pieces alike. A piece that the network lost is asked for again, and a payer that starts
 * anew asks for all there were; whatever is missing at the end, the delivery has the whole. Used by
 * `agents/provider` and `pipelines/listen`; the receiving half is in `flow-listener.ts`.
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import type { Hash } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import type { Bus } from '../ports/bus.ts'
import type { Random } from '../ports/random.ts'
import { pack, unpack } from './pack.ts'

export const NAME_BYTES = 12
export const HEAD_BYTES = NAME_BYTES + 4
export const TAG_BYTES = 16
/** Pieces kept for a payer that missed some; more than a forEach has items. */
const KEPT_MAX = 16_384
const PIECES_MAX = 1_000_000
/** Bytes of one sealed piece, and of all that either side holds at once. */
export const PIECE_BYTES_MAX = 64 * 1024
export const HELD_BYTES_MAX = 4 * 2 ** 20
/** Pieces sent again at once, well within what a subscription holds; the listener asks on when it has them. */
export const WINDOW = 512
/** Times one piece is sent again, and times that a listener which starts anew is given all. */
const ASKED_MAX = 8
const GREETED_MAX = 16

/** What a piece says of its price, where it is paid for by itself: units so far, and the link of a hash chain. */
export type PieceMeter = readonly [number, string]
/** `[0, value]` is a piece, `[1, count]` the end. */
export type Line = readonly [0, unknown, PieceMeter?] | readonly [1, number]

/** @example flowSubject('sha256-ab…', 0) // 'aigen.v1.flow.sha256-ab….0' */
export function flowSubject(agreement: Hash, call: number): string {
  return `aigen.v1.flow.${agreement}.${call}`
}

export const backSubject = (subject: string): string => `${subject}.again`
export const keyOf = (secret: Uint8Array, name: Uint8Array, subject: string): Buffer => Buffer.from(hkdfSync('sha256', secret, name, `aigen/v1/flow\n${subject}`, 32))

function seal(key: Buffer, name: Uint8Array, number: number, line: Line): Buffer {
  const head = Buffer.alloc(HEAD_BYTES)
  head.set(name)
  head.writeUInt32BE(number, NAME_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key, nonce(number))
  cipher.setAAD(head)
  return Buffer.concat([head, cipher.update(pack(line)), cipher.final(), cipher.getAuthTag()])
}

/** The line in `data`, or undefined for whatever was not sealed under this key. */
export function open(key: Buffer, data: Uint8Array): { readonly number: number; readonly line: Line } | undefined {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  const number = bytes.readUInt32BE(NAME_BYTES)
  const decipher = createDecipheriv('aes-256-gcm', key, nonce(number))
  decipher.setAAD(bytes.subarray(0, HEAD_BYTES))
  decipher.setAuthTag(bytes.subarray(bytes.length - TAG_BYTES))
  try {
    const text = Buffer.concat([decipher.update(bytes.subarray(HEAD_BYTES, bytes.length - TAG_BYTES)), decipher.final()])
    return { number, line: unpack(text) as Line }
  } catch {
    return undefined
  }
}

function nonce(number: number): Buffer {
  const bytes = Buffer.alloc(12)
  bytes.writeUInt32BE(number, 8)
  return bytes
}

/** Asks for the pieces of attempt `name` from `number` on. A tag, not a seal: two listeners may ask for the same. */
export function request(key: Buffer, name: Uint8Array, number: number): Buffer {
  const head = Buffer.alloc(HEAD_BYTES)
  head.set(name)
  head.writeUInt32BE(number, NAME_BYTES)
  return Buffer.concat([head, createHmac('sha256', key).update(head).digest()])
}

const greetingKey = (secret: Uint8Array, subject: string): Buffer => Buffer.from(hkdfSync('sha256', secret, new Uint8Array(), `aigen/v1/flow/greeting\n${subject}`, 32))

/** Asks for all there are, of whatever attempt: of a listener that has heard none. `nonce` makes each different from one that somebody repeats. */
export function greeting(secret: Uint8Array, subject: string, nonce: Uint8Array): Buffer {
  return request(greetingKey(secret, subject), nonce, 0)
}

export interface FlowSender {
  /** Bytes kept of it. */
  readonly held: number
  /** Sends a piece. Error `step.failed` for one above 64 KB. */
  send(piece: unknown, meter?: PieceMeter): void
  /** Tells how many pieces there were; what was missed can be asked for until `close`. */
  end(): void
  close(): Promise<void>
}

/** The sending half of a flow: at the provider, one for each attempt at the work. */
export async function openFlowSender(bus: Bus, random: Random, subject: string, secret: Uint8Array): Promise<FlowSender> {
  const name = random.bytes(NAME_BYTES)
  const key = keyOf(secret, name, subject)
  const kept = new Map<number, Buffer>()
  const asked = new Map<number, number>()
  const greeted = new Set<string>()
  let next = 0
  let held = 0
  const publish = (line: Line): void => {
    const bytes = seal(key, name, next, line)
    if (bytes.length > Math.min(PIECE_BYTES_MAX, bus.maxPayload)) throw new AigenError('step.failed', `a piece of ${bytes.length} bytes, at most ${PIECE_BYTES_MAX}`)
    kept.set(next++, bytes)
    held += bytes.length
    // The oldest is forgotten first: who missed it has the delivery.
    for (const [number, old] of kept) {
      if (kept.size <= KEPT_MAX && held <= HELD_BYTES_MAX) break
      kept.delete(number)
      held -= old.length
    }
    bus.publish(subject, bytes)
  }
  // From the first that is missing on: what follows it was held back. Where that one is forgotten nothing can be passed on.
  const repeat = (from: number): void => {
    if (kept.has(from)) for (let number = from; number < Math.min(next, from + WINDOW); number++) bus.publish(subject, kept.get(number)!)
  }
  // Anybody may repeat what he saw on the network: each piece is asked for a few times at most, and each greeting counts once.
  const again = await bus.subscribe(backSubject(subject), ({ data }) => {
    if (data.length !== HEAD_BYTES + 32) return
    const from = Buffer.from(data).readUInt32BE(NAME_BYTES)
    const times = asked.get(from) ?? 0
    if (isOf(data, name)) {
      if (from >= next || times >= ASKED_MAX || !timingSafeEqual(request(key, name, from), data)) return
      asked.set(from, times + 1)
      return repeat(from)
    }
    const nonce = data.slice(0, NAME_BYTES)
    const known = Buffer.from(nonce).toString('hex')
    if (next === 0 || from !== 0 || greeted.size >= GREETED_MAX || greeted.has(known) || !timingSafeEqual(greeting(secret, subject, nonce), data)) return
    greeted.add(known)
    repeat(0)
  })
  return {
    get held() { return held },
    send: (piece, meter) => {
      if (next >= PIECES_MAX) throw new AigenError('step.failed', `${PIECES_MAX} pieces are sent at most`)
      publish(meter ? [0, piece, meter] : [0, piece])
    },
    end: () => publish([1, next]),
    close: () => again.stop(),
  }
}

export function isOf(data: Uint8Array, name: Uint8Array): boolean {
  return data.length >= HEAD_BYTES + TAG_BYTES && Buffer.compare(data.subarray(0, NAME_BYTES), name) === 0
}
