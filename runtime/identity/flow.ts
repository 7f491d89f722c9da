/**
 * Flows: the pieces of a call's output on their way to its payer, ahead of the delivery (DESIGN,
 * Wire). A piece is numbered and sealed (AES-256-GCM) under a key made from the secret in the sealed
 * invoke and a random name for each attempt at the work, so that a provider that starts anew never
 * seals two pieces alike. A piece that the network lost is asked for again; whatever is missing at
 * the end, the delivery has the whole. Used by `provider/streaming` and `pipelines/listen`.
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import type { Hash } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import type { Bus, Subscription } from '../ports/bus.ts'
import type { Random } from '../ports/random.ts'
import { pack, unpack } from './pack.ts'

const NAME_BYTES = 12
const HEAD_BYTES = NAME_BYTES + 4
const TAG_BYTES = 16
/** Pieces kept for a payer that missed one, and ahead of one that is missing. */
const KEPT_MAX = 1_024
const PIECES_MAX = 1_000_000
/** Bytes of one sealed piece, and of all that either side holds at once. */
const PIECE_BYTES_MAX = 64 * 1024
const HELD_BYTES_MAX = 4 * 2 ** 20
/** Times one piece is sent again. */
const ASKED_MAX = 8

/** `[0, value]` is a piece, `[1, count]` the end. */
type Line = readonly [0, unknown] | readonly [1, number]

/** @example flowSubject('sha256-ab…', 0) // 'aigen.v1.flow.sha256-ab….0' */
export function flowSubject(agreement: Hash, call: number): string {
  return `aigen.v1.flow.${agreement}.${call}`
}

const backSubject = (subject: string): string => `${subject}.again`
const keyOf = (secret: Uint8Array, name: Uint8Array, subject: string): Buffer => Buffer.from(hkdfSync('sha256', secret, name, `aigen/v1/flow\n${subject}`, 32))

function seal(key: Buffer, name: Uint8Array, number: number, line: Line): Buffer {
  const head = Buffer.alloc(HEAD_BYTES)
  head.set(name)
  head.writeUInt32BE(number, NAME_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key, nonce(number))
  cipher.setAAD(head)
  return Buffer.concat([head, cipher.update(pack(line)), cipher.final(), cipher.getAuthTag()])
}

/** The line in `data`, or undefined for whatever was not sealed under this key. */
function open(key: Buffer, data: Uint8Array): { readonly number: number; readonly line: Line } | undefined {
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
function request(key: Buffer, name: Uint8Array, number: number): Buffer {
  const head = Buffer.alloc(HEAD_BYTES)
  head.set(name)
  head.writeUInt32BE(number, NAME_BYTES)
  return Buffer.concat([head, createHmac('sha256', key).update(head).digest()])
}

export interface FlowSender {
  /** Sends a piece. Error `step.failed` for one above 64 KB. */
  send(piece: unknown): void
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
  const again = await bus.subscribe(backSubject(subject), ({ data }) => {
    if (!isOf(data, name) || data.length !== HEAD_BYTES + 32) return
    const from = Buffer.from(data).readUInt32BE(NAME_BYTES)
    // Anybody may repeat what he saw on the network: each piece is asked for a few times at most.
    const times = asked.get(from) ?? 0
    if (from >= next || times >= ASKED_MAX || !timingSafeEqual(request(key, name, from), data)) return
    asked.set(from, times + 1)
    // From the first that is missing on: what follows it was held back.
    for (let number = from; number < next; number++) {
      const bytes = kept.get(number)
      if (bytes) bus.publish(subject, bytes)
    }
  })
  return {
    send: (piece) => {
      if (next >= PIECES_MAX) throw new AigenError('step.failed', `${PIECES_MAX} pieces are sent at most`)
      publish([0, piece])
    },
    end: () => publish([1, next]),
    close: () => again.stop(),
  }
}

export interface FlowListener {
  /** Pieces passed on so far. */
  readonly passed: number
  /** Whether every piece was passed on, as far as the end has come. */
  readonly complete: boolean
  /** Resolves when complete; the caller bounds the wait. */
  readonly ended: Promise<void>
  /** Asks for what is missing, if anything is known to be. */
  nudge(): void
  close(): Promise<void>
}

/**
 * The receiving half: `take` hears each piece once, in order. Anything forged, repeated or of another
 * attempt than the first one heard is dropped. A `take` that throws ends the flow, not the call.
 */
export async function openFlowListener(bus: Bus, subject: string, secret: Uint8Array, take: (piece: unknown) => void): Promise<FlowListener> {
  const ahead = new Map<number, { readonly line: Line; readonly size: number }>()
  let held = 0
  let heard: { readonly name: Uint8Array; readonly key: Buffer } | undefined
  let next = 0
  let askedFor = -1
  let state: 'open' | 'complete' | 'dropped' = 'open'
  let resolve!: () => void
  const ended = new Promise<void>((done) => { resolve = done })

  const ask = (): void => {
    if (!heard || state !== 'open') return
    askedFor = next
    bus.publish(backSubject(subject), request(heard.key, heard.name, next))
  }
  const drain = (): void => {
    for (let piece = ahead.get(next); piece && state === 'open'; piece = ahead.get(next)) {
      const { line, size } = piece
      ahead.delete(next)
      held -= size
      if (line[0] === 1) {
        state = 'complete'
        return resolve()
      }
      try {
        take(line[1])
      } catch {
        state = 'dropped'
        return
      }
      next++
    }
  }
  const subscription: Subscription = await bus.subscribe(subject, ({ data }) => {
    if (state !== 'open' || data.length < HEAD_BYTES + TAG_BYTES || data.length > PIECE_BYTES_MAX || (heard && !isOf(data, heard.name))) return
    const name = heard?.name ?? data.slice(0, NAME_BYTES)
    const key = heard?.key ?? keyOf(secret, name, subject)
    const piece = open(key, data)
    if (!piece || (piece.line[0] !== 0 && piece.line[0] !== 1)) return
    heard ??= { name, key }
    if (piece.number < next || piece.number >= next + KEPT_MAX || ahead.has(piece.number)) return
    // What does not fit is asked for again once the one that is missing has come.
    if (piece.number > next && held + data.length > HELD_BYTES_MAX) return
    ahead.set(piece.number, { line: piece.line, size: data.length })
    held += data.length
    drain()
    // Once by itself; after that the caller's nudge.
    if (ahead.size > 0 && askedFor !== next) ask()
  }, { concurrency: 1 })
  return {
    get passed() { return next },
    get complete() { return state === 'complete' },
    ended,
    nudge: ask,
    close: () => subscription.stop(),
  }
}

function isOf(data: Uint8Array, name: Uint8Array): boolean {
  return data.length >= HEAD_BYTES + TAG_BYTES && Buffer.compare(data.subarray(0, NAME_BYTES), name) === 0
}
