/**
 * The bus: how nodes of different participants reach each other (DESIGN D3, D4).
 *
 * At-most-once publish/subscribe and request/reply, plus subjects that keep their last value
 * (cards). Nothing here is durable or authenticated: `runtime/identity` seals what travels on it
 * and `runtime/actors` makes the caller's retry durable. Implemented by `runtime/nats` and
 * `runtime/memory`; both pass `bus.contract.ts`.
 */

/** One message as it arrived. `reply` is the subject an answer goes to, absent on a plain publish. */
export interface BusMessage {
  readonly subject: string
  readonly data: Uint8Array
  readonly headers: Readonly<Record<string, string>>
  readonly reply?: string
}

/** What a handler of requests returns; `undefined` means "no answer from me" (others may). */
export interface BusAnswer {
  readonly data: Uint8Array
  readonly headers?: Readonly<Record<string, string>>
}

export interface PublishOptions {
  readonly headers?: Readonly<Record<string, string>>
  /** Subject that answers should go to. */
  readonly reply?: string
}

export interface RequestOptions {
  readonly headers?: Readonly<Record<string, string>>
  readonly timeoutMs: number
  readonly signal?: AbortSignal
}

export interface GatherOptions extends RequestOptions {
  /** Stop as soon as this many answers have come. */
  readonly max: number
}

export interface SubscribeOptions {
  /** Members of one queue group share the messages: each goes to one of them. */
  readonly queue?: string
  /** Handlers of this subscription that run at once; messages beyond wait (default 256), then drop. */
  readonly concurrency?: number
}

export interface Subscription {
  /** Stops delivery; resolves when the handlers under way have ended. */
  stop(): Promise<void>
}

export type BusHandler = (message: BusMessage) => Promise<BusAnswer | void> | BusAnswer | void

export interface Bus {
  /** Largest message, in bytes, headers included. */
  readonly maxPayload: number
  publish(subject: string, data: Uint8Array, options?: PublishOptions): void
  /**
   * Calls `handler` for each message on `subject` (NATS wildcards `*` and `>` allowed). What the
   * handler returns is sent to the message's reply subject. A handler that throws answers nothing.
   */
  subscribe(subject: string, handler: BusHandler, options?: SubscribeOptions): Promise<Subscription>
  /** First answer. Errors: `network.no-responders`, `network.timeout`, `network.closed`. */
  request(subject: string, data: Uint8Array, options: RequestOptions): Promise<BusMessage>
  /** Answers as they come, until `max` or the time-out; no answer at all is an empty stream. */
  gather(subject: string, data: Uint8Array, options: GatherOptions): AsyncIterable<BusMessage>
  /** Publishes to a subject that keeps its last value; resolves when it is stored. */
  keep(subject: string, data: Uint8Array): Promise<void>
  /** The kept values whose subject matches `filter`, in no order. */
  kept(filter: string): AsyncIterable<BusMessage>
  /** Resolves when everything published so far has reached the server. */
  flush(): Promise<void>
  close(): Promise<void>
}
