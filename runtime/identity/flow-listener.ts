/**
 * The receiving half of a flow (`flow.ts`): each piece once, in order, whatever the network loses,
 * and whichever of several attempts at the work says it: a provider that starts anew sends all its
 * pieces again, and while they are the same ones the flow goes on with them. Used by `pipelines/listen`.
 */
import { createHash } from 'node:crypto'
import type { Bus, Subscription } from '../ports/bus.ts'
import type { Random } from '../ports/random.ts'
import { backSubject, greeting, HEAD_BYTES, HELD_BYTES_MAX, keyOf, NAME_BYTES, open, PIECE_BYTES_MAX, request, TAG_BYTES, WINDOW, type Line, type PieceMeter } from './flow.ts'

/** Pieces held ahead of one that is missing. */
const AHEAD_MAX = 1_024
/** Attempts at one call that are known; of more, one that said other words is forgotten, or one that is behind. */
const ATTEMPTS_MAX = 4

export interface FlowListener {
  /** Pieces passed on so far. */
  readonly passed: number
  /** Whether every piece was passed on, as far as the end has come. */
  readonly complete: boolean
  /** Resolves when complete; the caller bounds the wait. */
  readonly ended: Promise<void>
  /** Asks for what is missing: of the attempts heard, or of any when none was. */
  nudge(): void
  close(): Promise<void>
}

export interface FlowListenerOptions {
  readonly bus: Bus
  readonly random: Random
  readonly subject: string
  readonly secret: Uint8Array
  /** Hears each piece. What it throws ends the flow, not the call. */
  readonly take: (piece: unknown, meter?: PieceMeter) => void
}

/** One attempt at the work, as far as it was heard. */
interface Attempt {
  readonly name: Uint8Array
  readonly key: Buffer
  readonly ahead: Map<number, { readonly line: Line; readonly size: number }>
  /** Its next piece, and what all before it come to. */
  next: number
  sum: string
  askedFor: number
  /** Whether it said other words than those passed on. */
  wrong: boolean
}

const NOTHING = ''
const add = (sum: string, [, piece, meter]: Line): string => createHash('sha256').update(sum).update(JSON.stringify(piece) ?? 'null').update(meter ? JSON.stringify(meter) : '').digest('base64')

/** Begins to listen, and asks for what was said before: anything forged, repeated or of an attempt that says other words is dropped. */
export async function openFlowListener({ bus, random, subject, secret, take }: FlowListenerOptions): Promise<FlowListener> {
  const attempts = new Map<string, Attempt>()
  let held = 0
  let passed = 0
  let sum = NOTHING
  let state: 'open' | 'complete' | 'dropped' = 'open'
  let resolve!: () => void
  const ended = new Promise<void>((done) => { resolve = done })

  const ask = (attempt: Attempt): void => {
    attempt.askedFor = attempt.next
    bus.publish(backSubject(subject), request(attempt.key, attempt.name, attempt.next))
  }
  const greet = (): void => bus.publish(backSubject(subject), greeting(secret, subject, random.bytes(NAME_BYTES)))
  const empty = (attempt: Attempt): void => {
    for (const { size } of attempt.ahead.values()) held -= size
    attempt.ahead.clear()
  }
  const refuse = (attempt: Attempt): void => {
    attempt.wrong = true
    empty(attempt)
  }
  const remember = (attempt: Attempt): void => {
    const known = [...attempts.values()]
    const old = known.length < ATTEMPTS_MAX ? undefined : known.find(({ wrong }) => wrong) ?? known.find(({ next }) => next < passed) ?? known[0]
    if (old) {
      empty(old)
      attempts.delete(nameOf(old.name))
    }
    attempts.set(nameOf(attempt.name), attempt)
  }

  const drain = (attempt: Attempt): void => {
    for (let piece = attempt.ahead.get(attempt.next); piece && state === 'open'; piece = attempt.ahead.get(attempt.next)) {
      const { line, size } = piece
      attempt.ahead.delete(attempt.next)
      held -= size
      if (line[0] === 1) {
        if (attempt.next !== passed || attempt.sum !== sum) return refuse(attempt)
        state = 'complete'
        return resolve()
      }
      if (attempt.next === passed) {
        try {
          take(line[1], meterOf(line))
        } catch {
          state = 'dropped'
          return
        }
        sum = add(sum, line)
        passed++
        attempt.sum = sum
      } else attempt.sum = add(attempt.sum, line)
      attempt.next++
      // A later attempt is believed once it has said all that was passed on.
      if (attempt.next === passed && attempt.sum !== sum) return refuse(attempt)
    }
  }
  const attemptOf = (data: Uint8Array): Attempt => {
    const name = data.slice(0, NAME_BYTES)
    return attempts.get(nameOf(name)) ?? { name, key: keyOf(secret, name, subject), ahead: new Map(), next: 0, sum: NOTHING, askedFor: -1, wrong: false }
  }
  const subscription: Subscription = await bus.subscribe(subject, ({ data }) => {
    if (state !== 'open' || data.length < HEAD_BYTES + TAG_BYTES || data.length > PIECE_BYTES_MAX) return
    const attempt = attemptOf(data)
    const piece = attempt.wrong ? undefined : open(attempt.key, data)
    if (!piece || (piece.line[0] !== 0 && piece.line[0] !== 1)) return
    if (!attempts.has(nameOf(attempt.name))) remember(attempt)
    const { next, ahead } = attempt
    if (piece.number < next || piece.number >= next + AHEAD_MAX || ahead.has(piece.number)) return
    // What does not fit is asked for again once the one that is missing has come.
    if (piece.number > next && held + data.length > HELD_BYTES_MAX) return
    ahead.set(piece.number, { line: piece.line, size: data.length })
    held += data.length
    drain(attempt)
    // A gap once by itself, after that at the caller's nudge; and on, where what is sent again comes in windows.
    if (attempt.askedFor !== attempt.next && (ahead.size > 0 || (attempt.next > next && attempt.next % WINDOW === 0))) ask(attempt)
  }, { concurrency: 1 })
  greet()
  return {
    get passed() { return passed },
    get complete() { return state === 'complete' },
    ended,
    nudge: () => {
      if (state !== 'open') return
      if (attempts.size === 0) greet()
      for (const attempt of attempts.values()) if (!attempt.wrong) ask(attempt)
    },
    close: () => subscription.stop(),
  }
}

/** Undefined where it says none, or what is none. */
function meterOf([, , meter]: Line): PieceMeter | undefined {
  return Array.isArray(meter) && typeof meter[0] === 'number' && typeof meter[1] === 'string' ? [meter[0], meter[1]] : undefined
}

const nameOf = (name: Uint8Array): string => Buffer.from(name).toString('hex')
