/**
 * The network in memory: one broker, and a bus for each connection to it (DESIGN D10). It keeps the
 * participants' permissions as the server does (D4) and delivers nothing inside a call. The
 * simulator takes over delivery by `deliver`: calling it never drops, twice duplicates, later delays.
 */
import { AigenError } from '../../schemas/error.ts'
import { HandlerQueue } from '../ports/handler-queue.ts'
import { inboxPrefix, networkPermissions } from '../ports/network-permissions.ts'
import { matchesSubject, validSubject } from '../ports/subject.ts'
import type { NetworkPermissions } from '../ports/network-permissions.ts'
import type { Bus, BusHandler, BusMessage, GatherOptions, SubscribeOptions, Subscription } from '../ports/bus.ts'
import type { Clock } from '../ports/clock.ts'

/** One message on its way to one subscriber. */
export interface Hop { readonly from: string; readonly to: string; readonly message: BusMessage }

export interface MemoryNetworkOptions {
  readonly clock: Clock
  /** Bytes, headers included (default 1 MB + 64 KB, as the embedded server). */
  readonly maxPayload?: number
  /** Fault injection; by default each message is delivered once, a microtask later. */
  readonly deliver?: (hop: Hop, deliver: () => void) => void
}

export interface MemoryNetwork {
  /** A participant's connection, with its permissions; without a name, an operator's. */
  bus(participant?: string, options?: { readonly guardian?: boolean }): Bus
}

interface Subscriber {
  readonly owner: string
  readonly pattern: string
  readonly queue: string | undefined
  readonly take: (message: BusMessage) => void
}

/** Subjects whose last value is kept; the streams of `runtime/nats/network-streams.ts`. */
const KEPT = ['aigen.v1.card.*', 'aigen.v1.reputation.*']

/** A network whose buses share one broker. */
export function memoryNetwork(options: MemoryNetworkOptions): MemoryNetwork {
  const broker = new Broker(options)
  let count = 0
  return {
    bus(participant, roles) {
      const name = participant ?? `operator-${count}`
      const permissions = participant === undefined ? undefined : networkPermissions(participant, roles)
      return new MemoryBus(broker, name, `${inboxPrefix(participant ?? 'operator')}.${count++}`, permissions)
    },
  }
}

class Broker {
  readonly clock: Clock
  readonly maxPayload: number
  readonly subscribers = new Set<Subscriber>()
  readonly kept = new Map<string, BusMessage>()
  readonly #deliver: (hop: Hop, deliver: () => void) => void
  #turn = 0

  constructor(options: MemoryNetworkOptions) {
    this.clock = options.clock
    this.maxPayload = options.maxPayload ?? 1_114_112
    this.#deliver = options.deliver ?? ((_hop, deliver) => queueMicrotask(deliver))
  }

  /** Hands `message` to one member of each queue group and to every other subscriber; returns how many. */
  route(from: string, message: BusMessage): number {
    if (KEPT.some((pattern) => matchesSubject(pattern, message.subject))) this.kept.set(message.subject, message)
    const groups = new Map<string, Subscriber[]>()
    const chosen: Subscriber[] = []
    for (const one of this.subscribers) {
      if (!matchesSubject(one.pattern, message.subject)) continue
      if (one.queue === undefined) chosen.push(one)
      else groups.set(one.queue, [...(groups.get(one.queue) ?? []), one])
    }
    for (const members of groups.values()) chosen.push(members[this.#turn++ % members.length]!)
    for (const one of chosen) {
      this.#deliver({ from, to: one.owner, message }, () => { if (this.subscribers.has(one)) one.take(message) })
    }
    return chosen.length
  }
}

class MemoryBus implements Bus {
  readonly #broker: Broker
  readonly #name: string
  readonly #inbox: string
  readonly #permissions: NetworkPermissions | undefined
  readonly #open = new Map<Subscriber, HandlerQueue<BusMessage> | undefined>()
  readonly #enders = new Set<(error: AigenError) => void>()
  #closed = false
  #count = 0

  constructor(broker: Broker, name: string, inbox: string, permissions: NetworkPermissions | undefined) {
    this.#broker = broker
    this.#name = name
    this.#inbox = inbox
    this.#permissions = permissions
  }

  get maxPayload(): number {
    return this.#broker.maxPayload
  }

  publish(subject: string, data: Uint8Array, options: { headers?: Readonly<Record<string, string>>; reply?: string } = {}): void {
    this.#check(subject, data, options.headers)
    // a server drops what is not allowed and tells the connection, not the call
    if (this.#may('publish', subject)) this.#route(subject, data, options.headers, options.reply)
  }

  async subscribe(subject: string, handler: BusHandler, options: SubscribeOptions = {}): Promise<Subscription> {
    if (this.#closed) throw new AigenError('network.closed')
    if (!validSubject(subject, true)) throw new AigenError('input.invalid', `subject ${JSON.stringify(subject)}`)
    if (!this.#may('subscribe', subject)) throw new AigenError('network.denied', `subscribe ${subject}`)
    const queue = new HandlerQueue<BusMessage>((message) => this.#handle(message, handler), options.concurrency)
    const one: Subscriber = { owner: this.#name, pattern: subject, queue: options.queue, take: (message) => queue.push(message) }
    this.#broker.subscribers.add(one)
    this.#open.set(one, queue)
    return { stop: () => this.#stop(one) }
  }

  async request(subject: string, data: Uint8Array, options: Omit<GatherOptions, 'max'>): Promise<BusMessage> {
    for await (const message of this.#ask(subject, data, { ...options, max: 1 })) return message
    throw new AigenError('network.timeout', subject)
  }

  async *gather(subject: string, data: Uint8Array, options: GatherOptions): AsyncIterable<BusMessage> {
    try {
      yield* this.#ask(subject, data, options)
    } catch (thrown) {
      if (!(thrown instanceof AigenError && thrown.code === 'network.no-responders')) throw thrown
    }
  }

  async keep(subject: string, data: Uint8Array): Promise<void> {
    this.#check(subject, data)
    if (!this.#may('publish', subject)) throw new AigenError('network.denied', `publish ${subject}`)
    if (!KEPT.some((pattern) => matchesSubject(pattern, subject))) throw new AigenError('network.no-responders', `${subject} is not kept`)
    this.#route(subject, data)
  }

  async *kept(filter: string): AsyncIterable<BusMessage> {
    if (this.#closed) throw new AigenError('network.closed')
    for (const message of [...this.#broker.kept.values()]) if (matchesSubject(filter, message.subject)) yield message
  }

  async flush(): Promise<void> {
    if (this.#closed) throw new AigenError('network.closed')
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    for (const end of [...this.#enders]) end(new AigenError('network.closed'))
    await Promise.all([...this.#open.keys()].map((one) => this.#stop(one)))
  }

  async #stop(one: Subscriber): Promise<void> {
    this.#broker.subscribers.delete(one)
    const queue = this.#open.get(one)
    this.#open.delete(one)
    await queue?.stop()
  }

  async #handle(message: BusMessage, handler: BusHandler): Promise<void> {
    try {
      const answer = await handler(message)
      if (answer && message.reply !== undefined && !this.#closed) this.publish(message.reply, answer.data, { ...answer })
    } catch {
      // a handler that throws answers nothing; its caller retries
    }
  }

  async *#ask(subject: string, data: Uint8Array, options: GatherOptions): AsyncGenerator<BusMessage> {
    options.signal?.throwIfAborted()
    this.#check(subject, data, options.headers)
    if (!this.#may('publish', subject)) throw new AigenError('network.denied', `publish ${subject}`)
    const arrived: BusMessage[] = []
    let failure: unknown
    let over = false
    let wake: () => void = () => {}
    const end = (error?: unknown): void => { failure ??= error; over = true; wake() }
    const abort = (): void => end(options.signal?.reason)
    const one: Subscriber = {
      owner: this.#name, pattern: `${this.#inbox}.${this.#count++}`, queue: undefined,
      take: (message) => { if (arrived.length < options.max) arrived.push(message); wake() },
    }
    this.#broker.subscribers.add(one)
    this.#enders.add(end)
    options.signal?.addEventListener('abort', abort, { once: true })
    const timer = this.#broker.clock.timer(this.#broker.clock.now() + options.timeoutMs, () => end())
    try {
      if (this.#route(subject, data, options.headers, one.pattern) === 0) throw new AigenError('network.no-responders', subject)
      for (let given = 0; given < options.max;) {
        const message = arrived[given]
        if (message !== undefined) { given++; yield message } else if (failure !== undefined) throw failure
        else if (over) return
        else await new Promise<void>((resolve) => { wake = resolve })
      }
    } finally {
      timer.cancel()
      options.signal?.removeEventListener('abort', abort)
      this.#enders.delete(end)
      this.#broker.subscribers.delete(one)
    }
  }

  #route(subject: string, data: Uint8Array, headers: Readonly<Record<string, string>> = {}, reply?: string): number {
    return this.#broker.route(this.#name, { subject, data: new Uint8Array(data), headers: { ...headers }, ...(reply === undefined ? {} : { reply }) })
  }

  #check(subject: string, data: Uint8Array, headers: Readonly<Record<string, string>> = {}): void {
    if (this.#closed) throw new AigenError('network.closed')
    if (!validSubject(subject)) throw new AigenError('input.invalid', `subject ${JSON.stringify(subject)}`)
    let size = data.length
    for (const [name, value] of Object.entries(headers)) size += name.length + value.length + 4
    if (size > this.maxPayload) throw new AigenError('input.too-large', `${size} bytes, at most ${this.maxPayload}`)
  }

  #may(verb: 'publish' | 'subscribe', subject: string): boolean {
    return this.#permissions === undefined || this.#permissions[verb].some((pattern) => matchesSubject(pattern, subject))
  }
}
