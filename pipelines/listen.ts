/**
 * Listening to a call's output while it is made: the pieces that a provider sends ahead, checked
 * against the capability's `chunk` schema and told to whoever listens in this process. Nothing here
 * is durable: a process that is started anew asks for the pieces again, from the first one on.
 */
import { createHmac } from 'node:crypto'
import type { Capability, Hash } from '../schemas/documents.gen.ts'
import { AigenError, asError } from '../schemas/error.ts'
import { compileFixed } from '../schemas/fixed.ts'
import { flowSubject, type PieceMeter } from '../runtime/identity/flow.ts'
import { openFlowListener } from '../runtime/identity/flow-listener.ts'
import { toText } from '../runtime/identity/text-bytes.ts'
import type { Bus } from '../runtime/ports/bus.ts'
import type { Clock } from '../runtime/ports/clock.ts'
import type { Random } from '../runtime/ports/random.ts'

/** After the delivery, pieces still on their way are waited for and asked for: this often in vain, this long each, in ms. */
const LAST_TRIES = 4
const LAST_MS = 150

/** One piece of a step's output. */
export interface Piece {
  readonly step: string
  /** Place in a forEach, or null. */
  readonly index: number | null
  readonly chunk: unknown
}

/** Who listens in this process, by run. */
export type Listeners = Map<string, (piece: Piece) => void>

export interface ListenOptions {
  readonly bus: Bus
  readonly clock: Clock
  readonly random: Random
  /** The run's secret for flows, as it is journaled. */
  readonly secret: string
  readonly agreement: Hash
  readonly call: number
  readonly contract: Capability
  readonly take: ((chunk: unknown, meter?: PieceMeter) => void) | undefined
  /** Hears why the flow ended before its time: a piece outside of the contract, or one that `take` threw for. */
  readonly broken?: (error: AigenError) => void
}

export interface Listening {
  /** What the invoke says, the same at each repeat and after a restart. */
  readonly flow: { readonly secret: string }
  /** Whether any piece was passed on. */
  passed(): boolean
  /** Whether all there were are. */
  complete(): boolean
  /** Waits, a little, for pieces that are still on their way. */
  last(): Promise<void>
  /** Asks for what is missing. */
  nudge(): void
  stop(): Promise<void>
}

/** Begins to listen to one call; undefined when its capability is not streamed. */
export async function listen({ bus, clock, random, secret, agreement, call, contract, take, broken }: ListenOptions): Promise<Listening | undefined> {
  if (contract.chunk === undefined) return undefined
  const own = createHmac('sha256', Buffer.from(secret, 'base64url')).update(`${agreement} ${call}`).digest()
  const flow = { secret: toText(own) }
  if (!take) return { flow, passed: () => false, complete: () => false, last: async () => undefined, nudge: () => undefined, stop: async () => undefined }
  const schema = compileFixed(contract.chunk)
  const listener = await openFlowListener({
    bus, random, subject: flowSubject(agreement, call), secret: own,
    take: (piece, meter) => {
      try {
        if (schema.issues(piece).length > 0) throw new AigenError('step.output', 'a piece does not fit the chunk schema')
        take(piece, meter)
      } catch (thrown) {
        broken?.(asError(thrown))
        throw thrown
      }
    },
  })
  return {
    flow,
    passed: () => listener.passed > 0,
    complete: () => listener.complete,
    last: async () => {
      for (let vain = 0; vain < LAST_TRIES && !listener.complete;) {
        const before = listener.passed
        const waited = new AbortController()
        await Promise.race([listener.ended, clock.sleep(LAST_MS, waited.signal).catch(() => undefined)])
        waited.abort()
        if (listener.passed > before) continue
        vain++
        listener.nudge()
      }
    },
    nudge: () => listener.nudge(),
    stop: () => listener.close(),
  }
}
