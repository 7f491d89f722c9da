/**
 * The wire: call and answer between two participants' nodes, and signed messages to many, over any
 * bus (D3, D5). What the market and the payments speak through; nothing here is durable. An attempt
 * that fails may or may not have been heard: the caller's journaled effect repeats it under the same
 * call id, and the callee's actor deduplicates by (caller, callId, bodyHash).
 */
import type { NodeAuthorisation } from '../../schemas/documents.gen.ts'
import type { NodeId, ParticipantId } from '../../schemas/id.ts'
import type { Bus } from '../ports/bus.ts'
import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'
import type { NodeSigner } from '../ports/signer.ts'
import { noTelemetry, type Telemetry } from '../telemetry/trace.ts'
import type { Authorisations } from './authorisation.ts'
import { createBroadcast, type Broadcast } from './broadcast.ts'
import { createCallee, type Callee } from './callee.ts'
import { createCaller, type Caller } from './caller.ts'
import { createCredentials, type Credentials } from './credentials.ts'
import { ENVELOPE_BYTES_MAX } from './envelope.ts'

export interface WireOptions {
  readonly bus: Bus
  readonly clock: Clock
  readonly random: Random
  /** This node's key and the wallet's authorisation of it; the participant is that wallet. */
  readonly node: NodeSigner
  readonly authorisation: NodeAuthorisation
  /** Shared with the receipts of this process; default an own one. */
  readonly authorisations?: Authorisations
  readonly telemetry?: Telemetry
  /** Partitions this node owns now, told in the welcome. */
  readonly partitions?: () => readonly string[]
  /**
   * Called when something comes; what it gives is asked before the answer goes, and rejects when another
   * node has taken over what the answer may rest on: with `network.moved` the caller is told so, else nothing is said.
   */
  readonly stands?: () => () => Promise<void>
  /** Calls handled at once, in all (default 256) and of one caller (default 64). */
  readonly concurrency?: number
  readonly concurrencyPerCaller?: number
  /** Hellos answered a second (each costs about a millisecond); default 200. */
  readonly hellosPerSecond?: number
}

export interface Wire extends Broadcast {
  readonly participant: ParticipantId
  readonly node: NodeId
  readonly credentials: Credentials
  /**
   * One attempt of a call: hello where there is no session, one re-hello where the other side lost it.
   *
   * - `network.*`: nobody answered in time, or not authentically; repeat under the same call id.
   * - `network.moved`: none of the participant's nodes that were asked has it; the same.
   * - `node.busy`, `node.unsupported`, `market.conflict`, `auth.*`, `input.*`: refused before the handler.
   * - any other code is the handler's own.
   *
   * @example await wire.call(provider, 'status', { agreement, call: 3 }, { callId: 'call_01…', timeoutMs: 2_000 })
   */
  call: Caller['call']
  /** Makes a session if there is none, and tells the node and its partitions. */
  meet: Caller['meet']
  /** Answers `verb`; before `start`, or later. A handler's `AigenError` travels to the caller. */
  serve: Callee['serve']
  /** Listens for hellos and calls. A node that only asks need not. */
  start(): Promise<void>
  /** Stops listening; resolves when the handlers under way have ended. */
  stop(): Promise<void>
  /** Forgets every session on both sides, as a restart of the process does. */
  forget(): void
}

/** Headers of a message (trace context) take from the bus's largest payload. */
const HEADER_ROOM = 1_024

/** Errors `auth.forged` and `auth.unauthorised` when the authorisation does not fit the key. */
export function createWire(options: WireOptions): Wire {
  const { bus, clock, random, telemetry = noTelemetry } = options
  const self = createCredentials(options.node, options.authorisation, options.authorisations)
  const exchange = { self, clock, random }
  const bytesMax = Math.min(ENVELOPE_BYTES_MAX, bus.maxPayload - HEADER_ROOM)
  const caller = createCaller(exchange, bus, telemetry, bytesMax)
  const callee = createCallee(exchange, bus, telemetry, {
    bytesMax,
    limits: { total: options.concurrency ?? 256, perCaller: options.concurrencyPerCaller ?? 64 },
    partitions: options.partitions ?? (() => []),
    ...(options.stands ? { stands: options.stands } : {}),
    ...(options.hellosPerSecond === undefined ? {} : { hellosPerSecond: options.hellosPerSecond }),
  })
  return {
    ...createBroadcast(self, bus, clock, telemetry),
    participant: self.participant,
    node: self.node,
    credentials: self,
    call: caller.call,
    meet: caller.meet,
    serve: callee.serve,
    start: callee.start,
    stop: callee.stop,
    forget: () => {
      caller.forget()
      callee.sessions.clear()
    },
  }
}
