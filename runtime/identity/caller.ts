/**
 * The asking half of the wire (D3, D5): one attempt of one call, sealed anew. The caller's durable
 * effect repeats attempts; here a second one is made only to heal a session that the other side lost.
 */
import { LRUCache } from 'lru-cache'
import { AigenError, type ErrorCode } from '../../schemas/error.ts'
import { nodeId, type NodeId, type ParticipantId } from '../../schemas/id.ts'
import type { Bus } from '../ports/bus.ts'
import type { Span, Telemetry, Trace } from '../telemetry/trace.ts'
import { ENVELOPE_OVERHEAD, open, readError, readRefusal, sealBytes } from './envelope.ts'
import { pack } from './pack.ts'
import { isCurrent, openHello, type Exchange, type OpenHello, type Session } from './session.ts'
import { callSubject, helloSubject } from './subject.ts'
import { within } from './within.ts'

export interface CallOptions<T = unknown> {
  /** The same for every attempt of a call; the callee knows a repeated call by it. 1–200 printable ASCII. */
  readonly callId: string
  /** Of this attempt. */
  readonly timeoutMs: number
  /** When the call is given up for good (milliseconds since the epoch); default when this attempt ends. */
  readonly expiresAt?: number
  readonly signal?: AbortSignal
  /** A certain node and no other; default whichever answers hello, and who that one says has moved on to it. */
  readonly node?: NodeId
  /**
   * What the call is about, where several nodes of the participant share its work: a lane. Calls of
   * one route go first where the last was answered. At most 200 characters.
   */
  readonly route?: string
  readonly trace?: Trace
  /** Checks the answer's shape (I8); default: the answer as it is. */
  readonly validate?: (answer: unknown) => T
}

/** What hello told of another participant's node. */
export interface Peer {
  readonly participant: ParticipantId
  readonly node: NodeId
  readonly partitions: readonly string[]
}

export interface Caller {
  call<T = unknown>(to: ParticipantId, verb: string, body: unknown, options: CallOptions<T>): Promise<T>
  meet(to: ParticipantId, options: { timeoutMs: number; signal?: AbortSignal; node?: NodeId }): Promise<Peer>
  /** Forgets every session, as a restart does. */
  forget(): void
}

interface Line {
  readonly session: Session
  /** Monotonic time of the last authentic answer. */
  heardAt: number
}

const LINES_MAX = 4_096
const ROUTES_MAX = 16_384
/** A hello that a node does not answer: one that stands still may be asked where another would answer. */
const HELLO_MS = 2_000
/** Nodes that one attempt is sent on to. */
const HOPS_MAX = 2

/** An unsealed refusal of these may mean that our session is no good to the other side: say hello again. */
const HEALED_BY_HELLO: readonly ErrorCode[] = ['auth.unknown-session', 'auth.forged']
/** Unsealed refusals that are told, since they may help; none of them says anything about what is owed. */
const HINTS: readonly ErrorCode[] = ['auth.version', 'node.busy']
const HELLO_HINTS: readonly ErrorCode[] = [
  'auth.version', 'node.busy', 'auth.expired', 'auth.unauthorised', 'auth.forged', 'network.moved',
]

export function createCaller(exchange: Exchange, bus: Bus, telemetry: Telemetry, bytesMax: number): Caller {
  const { clock } = exchange
  const lines = new LRUCache<string, Line>({ max: LINES_MAX })
  /** Participant → key of the line to whichever node answered. */
  const routes = new LRUCache<string, string>({ max: LINES_MAX })
  /** Participant and route → the node that answered last. */
  const placed = new LRUCache<string, NodeId>({ max: ROUTES_MAX })
  /** Hellos under way, shared by the calls that need them. */
  const hellos = new Map<string, Promise<Line>>()

  const known = (to: ParticipantId, node: NodeId | undefined): Line | undefined => {
    const key = node === undefined ? routes.get(to) : lineKey(to, node)
    const line = key === undefined ? undefined : lines.get(key)
    if (!line) return undefined
    if (isCurrent(line.session, clock)) return line
    drop(line)
    return undefined
  }
  const drop = (line: Line): void => {
    const { peer, peerNode } = line.session
    const key = lineKey(peer, peerNode)
    if (lines.peek(key) === line) lines.delete(key)
    if (routes.peek(peer) === key) routes.delete(peer)
  }
  const sayHello = async (to: ParticipantId, node: NodeId | undefined): Promise<Line> => {
    const hello = openHello(exchange, to, node ?? null)
    const answer = await bus.request(helloSubject(to, node), hello.bytes, { timeoutMs: HELLO_MS })
    const refused = authentic(() => asRefusal(answer.data, bytesMax))
    if (refused) throw HELLO_HINTS.includes(refused.code) ? hint(refused) : garbled(refused)
    const session = finishHello(hello, answer.data)
    const line = { session, heardAt: clock.monotonic() }
    const key = lineKey(to, session.peerNode)
    lines.set(key, line)
    if (node === undefined) routes.set(to, key)
    return line
  }
  const lineTo = async (to: ParticipantId, node: NodeId | undefined, ms: number, signal?: AbortSignal): Promise<Line> => {
    const line = known(to, node)
    if (line) return line
    const key = node === undefined ? to : lineKey(to, node)
    let hello = hellos.get(key)
    if (!hello) {
      hello = sayHello(to, node).finally(() => hellos.delete(key))
      hellos.set(key, hello)
    }
    return within(hello, clock, ms, signal)
  }

  const attempt = async <T>(to: ParticipantId, verb: string, text: Uint8Array, options: CallOptions<T>, span: Span): Promise<T> => {
    const startedAt = clock.monotonic()
    const left = (): number => {
      const ms = options.timeoutMs - (clock.monotonic() - startedAt)
      if (ms <= 0) throw new AigenError('network.timeout', `${verb} to ${to}`)
      return ms
    }
    const { signal } = options
    const place = options.route === undefined || options.node !== undefined ? undefined : `${to} ${options.route.slice(0, 200)}`
    const forget = (): void => void (place !== undefined && placed.delete(place))
    let node = options.node ?? (place === undefined ? undefined : placed.get(place))
    /** Goes on with another node; false where that is not for this attempt. */
    const turn = (other: NodeId | undefined): boolean => {
      forget()
      if (options.node !== undefined || hops >= HOPS_MAX) return false
      hops += 1
      healed = false
      node = other
      return true
    }
    let [hops, healed] = [0, false]
    for (;;) {
      let line: Line
      try {
        line = await lineTo(to, node, left(), signal)
      } catch (error) {
        forget()
        // The node that it was known at, or that another named, is gone: whoever is there may know more.
        if (node !== undefined && error instanceof AigenError && error.code === 'network.no-responders' && options.node === undefined) {
          if (turn(undefined)) continue
          throw new AigenError('network.moved', `${verb} to ${to}`, { cause: error })
        }
        throw error
      }
      const { session } = line
      const subject = callSubject(to, session.peerNode, verb)
      const { envelope, counter } = sealBytes(session, { kind: 'request', subject }, text)
      let data: Uint8Array
      try {
        data = (await bus.request(subject, envelope, { timeoutMs: left(), headers: span.trace, ...(signal ? { signal } : {}) })).data
      } catch (error) {
        const code = error instanceof AigenError ? error.code : undefined
        // a node that is gone, or was not heard for the whole attempt: next time any other may answer
        if (code === 'network.no-responders' || (code === 'network.timeout' && line.heardAt < startedAt)) {
          drop(line)
          forget()
        }
        // nobody got it, so it is safe to ask another node at once
        if (code === 'network.no-responders' && turn(undefined)) continue
        throw error
      }
      const refused = authentic(() => asRefusal(data, bytesMax))
      if (refused) {
        if (!healed && HEALED_BY_HELLO.includes(refused.code)) {
          healed = true
          drop(line)
          continue
        }
        throw HINTS.includes(refused.code) ? hint(refused) : garbled(refused)
      }
      const answer = authentic(() => open(session, { kind: 'answer', subject, request: counter }, data))
      line.heardAt = clock.monotonic()
      if (!Array.isArray(answer) || answer.length !== 2) throw new AigenError('network.garbled', 'The answer has another form.')
      const [state, value] = answer as [unknown, unknown]
      const failure = state === 0 ? undefined : readError(value)
      if (failure?.code === 'network.moved') {
        // Sealed, so it is the participant's word; whether the node named is its own, that node's hello proves.
        const other = readNode(failure.node)
        if (other !== undefined && other !== session.peerNode && turn(other)) continue
        forget()
        throw new AigenError('network.moved', `${verb} to ${to}`)
      }
      if (place !== undefined) placed.set(place, session.peerNode)
      if (failure) throw failure
      return options.validate ? options.validate(value) : (value as T)
    }
  }

  return {
    call: (to, verb, body, options) => {
      const attributes = { 'rpc.system': 'aigen', 'rpc.service': 'aigen.v1', 'rpc.method': verb, 'messaging.system': 'nats',
        'messaging.operation.type': 'send', 'messaging.message.id': options.callId, 'aigen.peer': to }
      return telemetry.withSpan(`aigen.v1/${verb}`, attributes, options.trace, async (span) => {
        const text = pack([options.callId, options.expiresAt ?? clock.now() + options.timeoutMs, body])
        const size = text.length + ENVELOPE_OVERHEAD
        if (size > bytesMax) throw new AigenError('input.too-large', `${size} bytes of at most ${bytesMax}.`)
        span.set({ 'messaging.message.body.size': size })
        return attempt(to, verb, text, options, span)
      }, 'client')
    },
    meet: async (to, { timeoutMs, signal, node }) => {
      const { session } = await lineTo(to, node, timeoutMs, signal)
      return { participant: session.peer, node: session.peerNode, partitions: session.partitions }
    },
    forget: () => {
      lines.clear()
      routes.clear()
      placed.clear()
    },
  }
}

function lineKey(to: ParticipantId, node: NodeId): string {
  return `${to}/${node}`
}

/** The node that an error names; `undefined` for none and for what is no node's id. */
function readNode(text: string | undefined): NodeId | undefined {
  try {
    return text === undefined ? undefined : nodeId(text)
  } catch {
    return undefined
  }
}

/** The error in an unsealed refusal (of any version), or `undefined` for anything else. */
function asRefusal(data: Uint8Array, bytesMax: number): AigenError | undefined {
  if (data.length > bytesMax) throw new AigenError('input.too-large')
  // a welcome is JSON, so it starts with a brace
  return data[0] !== 0x7b && data[1] === 0 ? readRefusal(data) : undefined
}

/** The session that the welcome makes; that it is of another version is told. */
function finishHello(hello: OpenHello, welcome: Uint8Array): Session {
  try {
    return hello.finish(welcome)
  } catch (error) {
    throw error instanceof AigenError && error.code === 'auth.version' ? hint(error) : garbled(error)
  }
}

/**
 * What `read` makes of an answer. What does not authenticate is nobody's word, so it is a fault of
 * the network and may be tried again.
 */
function authentic<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw garbled(error)
  }
}

/** One bit changed on the way gives such a refusal too: nobody may give up for good because of it. */
function hint(refused: AigenError): AigenError {
  return refused.rule.retry ? refused : new AigenError('network.refused', refused.message, { cause: refused })
}

function garbled(cause: unknown): AigenError {
  return new AigenError('network.garbled', cause instanceof Error ? cause.message : undefined, { cause })
}
