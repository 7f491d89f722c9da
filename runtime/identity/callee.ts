/**
 * The answering half of the wire (D3, D5): hellos and calls come in, pass the door (I8), and go to
 * the handler of their verb; its answer or error goes back sealed.
 */
import { hashOf } from '../../schemas/canonical.ts'
import type { Hash } from '../../schemas/documents.gen.ts'
import { AigenError, asError } from '../../schemas/error.ts'
import type { NodeId, ParticipantId } from '../../schemas/id.ts'
import type { Bus, BusAnswer, BusMessage, Subscription } from '../ports/bus.ts'
import { traceOf, type Span, type Telemetry, type Trace } from '../telemetry/trace.ts'
import { admitSealed, Refused, type SealedCall } from './door.ts'
import { ENVELOPE_OVERHEAD, refusal, sealBytes, tellable, type Header } from './envelope.ts'
import { Flight, type FlightLimits } from './flight.ts'
import { pack } from './pack.ts'
import type { Exchange, Session } from './session.ts'
import { createSessionTable, type SessionTable } from './session-table.ts'
import { callSubject, HELLO, helloSubject } from './subject.ts'

/** What a handler knows of a call besides its body. (caller, callId, bodyHash) identifies it for ever (D3). */
export interface Call {
  readonly caller: ParticipantId
  readonly callerNode: NodeId
  readonly verb: string
  readonly callId: string
  /** Of the canonical body as it came. */
  readonly bodyHash: Hash
  /** When the caller gives the call up (milliseconds since the epoch, the caller's clock). */
  readonly deadline: number
  /** Parent for what the handler does. */
  readonly trace: Trace
}

export interface ServeOptions {
  /**
   * Lets calls in for this long after their expiry, for a handler that answers known calls from its
   * store and refuses unknown ones itself (D3 asks five minutes). Default 0.
   */
  readonly lateMs?: number
}

export type CallHandler<T> = (body: T, call: Call) => Promise<unknown>

export interface Callee {
  serve<T>(verb: string, validate: (body: unknown) => T, handler: CallHandler<T>, options?: ServeOptions): void
  start(): Promise<void>
  stop(): Promise<void>
  readonly sessions: SessionTable
}

export interface CalleeOptions {
  readonly limits: FlightLimits
  readonly partitions: () => readonly string[]
  readonly bytesMax: number
  readonly hellosPerSecond?: number
  readonly stands?: () => () => Promise<void>
}

interface Served {
  readonly validate: (body: unknown) => unknown
  readonly handler: CallHandler<unknown>
  readonly lateMs: number
}

/** A call holds its place at most this long, whatever expiry it names. */
const PLACE_MS_MAX = 600_000

export function createCallee(exchange: Exchange, bus: Bus, telemetry: Telemetry, options: CalleeOptions): Callee {
  const { self, clock } = exchange
  const { bytesMax } = options
  const sessions = createSessionTable(exchange, options.partitions, options.hellosPerSecond)
  const served = new Map<string, Served>()
  const flight = new Flight(options.limits)
  let subscriptions: Subscription[] = []

  /**
   * The answer to what did not pass the door. To a replay there is none: it may be a duplicate that
   * the network made, and a refusal would overtake the true answer on its way to the same inbox.
   */
  const refuse = (thrown: unknown): BusAnswer | void => {
    const error = asError(thrown)
    return error.code === 'auth.replayed' ? undefined : { data: refusal(error) }
  }

  const stands = options.stands ?? (() => async () => undefined)
  /** Why this node does not speak for the participant any more, as far as a call that came at `standing` goes; nothing where it does. */
  const fallen = async (standing: () => Promise<void>): Promise<AigenError | undefined> => {
    try {
      await standing()
      return undefined
    } catch (thrown) {
      return asError(thrown)
    }
  }

  const onHello = async ({ data }: BusMessage): Promise<BusAnswer | void> => {
    if (await fallen(stands())) return
    try {
      return { data: sessions.welcome(data) }
    } catch (error) {
      return refuse(error)
    }
  }

  const onCall = async (message: BusMessage): Promise<BusAnswer | void> => {
    // without a reply subject nobody could hear the answer, so nothing is done
    if (message.reply === undefined) return
    const { subject } = message
    const verb = subject.slice(subject.lastIndexOf('.') + 1)
    if (verb === HELLO) return onHello(message)
    const entry = served.get(verb)
    let admitted: { session: Session; header: Header; call: SealedCall }
    try {
      if (message.data.length > bytesMax) throw new AigenError('input.too-large')
      admitted = admitSealed(message.data, subject, sessions.find, clock.now, entry?.lateMs ?? 0)
    } catch (error) {
      if (!(error instanceof Refused)) return refuse(error)
      sessions.confirm(error.session)
      return { data: sealAnswer(error.session, error.header, subject, [1, tellable(error.error)]) }
    }
    const { session, header, call } = admitted
    sessions.confirm(session)
    const attributes = { 'rpc.system': 'aigen', 'rpc.service': 'aigen.v1', 'rpc.method': verb, 'messaging.system': 'nats',
      'messaging.operation.type': 'process', 'messaging.message.id': call.callId, 'messaging.message.body.size': message.data.length,
      'aigen.peer': session.peer }
    const span = telemetry.start(`aigen.v1/${verb}`, attributes, traceOf(message.headers), 'server')
    const standing = stands()
    let answer: [0, unknown] | [1, unknown]
    try {
      answer = [0, await handle(entry, verb, session, call, span)]
    } catch (thrown) {
      const error = asError(thrown)
      span.fail(error)
      answer = [1, tellable(error)]
    } finally {
      span.end()
    }
    const fell = await fallen(standing)
    // Another node has what this one answered from. Where that node is one of several that stand, the caller is told; else silence makes it look for another.
    if (fell && fell.code !== 'network.moved') return
    return { data: sealAnswer(session, header, subject, fell ? [1, tellable(fell)] : answer) }
  }

  const handle = async (entry: Served | undefined, verb: string, session: Session, sealed: SealedCall, span: Span): Promise<unknown> => {
    if (!entry) throw new AigenError('node.unsupported', verb)
    const { callId, expiresAt } = sealed
    const body = entry.validate(sealed.body)
    const bodyHash = hashOf(sealed.body)
    const now = clock.monotonic()
    const until = now + Math.min(Math.max(expiresAt - clock.now(), 0) + entry.lateMs, PLACE_MS_MAX)
    const { peer: caller, peerNode: callerNode } = session
    const call: Call = { caller, callerNode, verb, callId, bodyHash, deadline: expiresAt, trace: span.trace }
    // async, so that a handler which throws at once is an answer too
    return flight.run({ caller, callId, verb, bodyHash, until }, now, async () => entry.handler(body, call))
  }

  const sealAnswer = (session: Session, header: Header, subject: string, answer: [0 | 1, unknown]): Uint8Array => {
    let text: Uint8Array
    try {
      // a handler with nothing to say answers null
      text = pack(answer[1] === undefined ? [answer[0], null] : answer)
      if (text.length + ENVELOPE_OVERHEAD > bytesMax) throw new AigenError('input.too-large', 'The answer is too large for a message.')
    } catch (error) {
      text = pack([1, tellable(asError(error))])
    }
    return sealBytes(session, { kind: 'answer', subject, request: header.counter }, text).envelope
  }

  return {
    sessions,
    serve: (verb, validate, handler, serveOptions) => {
      callSubject(self.participant, self.node, verb)
      if (verb === HELLO || verb === '*' || served.has(verb)) throw new AigenError('internal', `The verb ${verb} is taken.`)
      served.set(verb, { validate, handler: handler as CallHandler<unknown>, lateMs: serveOptions?.lateMs ?? 0 })
    },
    start: async () => {
      if (subscriptions.length > 0) return
      // more than are handled at once: those beyond are told busy instead of waiting
      const concurrency = options.limits.total * 2
      subscriptions = await Promise.all([
        bus.subscribe(callSubject(self.participant, self.node, '*'), onCall, { concurrency }),
        bus.subscribe(helloSubject(self.participant), onHello, { queue: 'hello' }),
      ])
    },
    stop: async () => {
      const stopping = subscriptions
      subscriptions = []
      await Promise.all(stopping.map((subscription) => subscription.stop()))
    },
  }
}
