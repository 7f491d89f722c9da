/**
 * Signed, unsealed messages to many and their signed answers (D5): calls for quotes and the like.
 * Generic over the kind of document. A message that comes again gets the answer it got before, so
 * neither a replay nor a repeated effect makes work or a second quote.
 */
import { LRUCache } from 'lru-cache'
import type { AigenError } from '../../schemas/error.ts'
import { asError } from '../../schemas/error.ts'
import type { Bus, BusAnswer, BusMessage, Subscription } from '../ports/bus.ts'
import type { Clock } from '../ports/clock.ts'
import { canonicalBytes } from '../../schemas/canonical.ts'
import { traceOf, type Telemetry, type Trace } from '../telemetry/trace.ts'
import type { Credentials } from './credentials.ts'
import { admitSigned, type Admitted, type SignedMessage } from './door.ts'

export interface GatherSignedOptions<T> {
  /** Kind of the answers, like `quote`. */
  readonly answerKind: string
  /** Checks an answer's shape, and that it answers this message; what it refuses is left out. */
  readonly validate: (body: unknown) => T
  /** Answers that pass; forged and malformed ones do not count, up to four times as many. */
  readonly max: number
  readonly timeoutMs: number
  readonly signal?: AbortSignal
  readonly trace?: Trace
  /** Told of each answer that was left out. */
  readonly onRefused?: (error: AigenError) => void
}

export interface ServeSignedOptions<T> {
  readonly kind: string
  readonly validate: (body: unknown) => T
  /** The signed answer (`Broadcast.sign`), or nothing when there is none to give. */
  readonly handler: (message: Admitted<T>, context: { readonly trace: Trace }) => Promise<SignedMessage | undefined>
  /** Nodes of one participant share the messages in a queue group. */
  readonly queue?: string
  readonly concurrency?: number
  readonly onRefused?: (error: AigenError) => void
}

export interface Broadcast {
  /** Signs `body` as a message of `kind`; it must carry `expiresAt`. The same body gives the same bytes. */
  sign<Body>(kind: string, body: Body): SignedMessage<Body>
  /** Sends `message` to all on `subject` and yields the answers that pass the door, as they come. */
  gatherSigned<T>(subject: string, message: SignedMessage, options: GatherSignedOptions<T>): AsyncIterable<Admitted<T>>
  serveSigned<T>(subject: string, options: ServeSignedOptions<T>): Promise<Subscription>
}

const ANSWERS_KEPT_MAX = 1_024

export function createBroadcast(self: Credentials, bus: Bus, clock: Clock, telemetry: Telemetry): Broadcast {
  return {
    sign: (kind, body) => ({ kind, body, signature: self.sign(kind, body), authorisation: self.authorisation }),

    gatherSigned: async function* (subject, message, options) {
      const { answerKind, validate, max, timeoutMs, signal, trace, onRefused } = options
      const attributes = { 'messaging.system': 'nats', 'messaging.operation.type': 'send', 'messaging.destination.name': subject }
      const span = telemetry.start(`send ${message.kind}`, attributes, trace, 'producer')
      const seen = new Set<string>()
      try {
        const answers = bus.gather(subject, canonicalBytes(message), {
          max: max * 4, timeoutMs, headers: span.trace, ...(signal ? { signal } : {}),
        })
        for await (const { data } of answers) {
          let admitted
          try {
            admitted = admitSigned(data, answerKind, validate, self.verifier, clock.now())
          } catch (error) {
            onRefused?.(asError(error))
            continue
          }
          if (seen.has(admitted.hash)) continue
          seen.add(admitted.hash)
          yield admitted
          if (seen.size >= max) break
        }
        span.set({ 'aigen.answers': seen.size })
      } catch (error) {
        span.fail(error)
        throw error
      } finally {
        span.end()
      }
    },

    serveSigned: (subject, options) => {
      const { kind, validate, handler, queue, concurrency, onRefused } = options
      /** Hash of a message → its answer, made or being made. */
      const answers = new LRUCache<string, Promise<SignedMessage | undefined>>({ max: ANSWERS_KEPT_MAX })
      const onMessage = async (message: BusMessage): Promise<BusAnswer | void> => {
        let admitted: Admitted<ReturnType<typeof validate>>
        try {
          admitted = admitSigned(message.data, kind, validate, self.verifier, clock.now())
        } catch (error) {
          // no answer: who sent it to many would get one from each
          onRefused?.(asError(error))
          return
        }
        let answer = answers.get(admitted.hash)
        if (!answer) {
          const attributes = { 'messaging.system': 'nats', 'messaging.operation.type': 'process', 'aigen.peer': admitted.by }
          const work = telemetry.withSpan(`process ${kind}`, attributes, traceOf(message.headers), (span) =>
            handler(admitted, { trace: span.trace }), 'consumer')
          answer = work.then((given) => {
            if (given === undefined) answers.delete(admitted.hash)
            return given
          }, (error: unknown) => {
            answers.delete(admitted.hash)
            onRefused?.(asError(error))
            return undefined
          })
          answers.set(admitted.hash, answer)
        }
        const given = await answer
        if (given) return { data: canonicalBytes(given) }
      }
      return bus.subscribe(subject, onMessage, {
        ...(queue === undefined ? {} : { queue }),
        ...(concurrency === undefined ? {} : { concurrency }),
      })
    },
  }
}
