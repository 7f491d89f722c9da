/**
 * The bus over NATS (DESIGN D3, D4): requests by one inbox, handlers in bounded number, kept subjects
 * by streams that hold one message per subject and are read without consumers. What the server
 * refuses comes back as `network.denied`.
 */
import { delay, headers as newHeaders } from '@nats-io/nats-core'
import { AigenError } from '../../schemas/error.ts'
import { HandlerQueue } from '../ports/handler-queue.ts'
import { validSubject } from '../ports/subject.ts'
import { checkOpen } from './connection.ts'
import { KEPT_HEADER, KeptGuard } from './kept-guard.ts'
import { next } from './direct-get.ts'
import { natsError } from './nats-error.ts'
import { KEPT } from './network-streams.ts'
import { requestsOf } from './requests.ts'
import type { Msg, MsgHdrs } from '@nats-io/nats-core'
import type { Bus, BusHandler, BusMessage, GatherOptions, PublishOptions, RequestOptions, SubscribeOptions, Subscription } from '../ports/bus.ts'
import type { Connection } from './connection.ts'

const KEEP_MS = 5_000
const KEEP_ATTEMPTS = 5
/** Values one `kept` gives at most. */
const KEPT_MAX = 100_000
/** Largest status line and framing that headers add. */
const HEADER_FRAME = 12

type Headers = Readonly<Record<string, string>>

/** A bus on `connection`; closing it closes the connection. */
export function natsBus(connection: Connection): Bus {
  return new NatsBus(connection)
}

class NatsBus implements Bus {
  readonly #connection: Connection
  readonly #subscriptions = new Set<Subscription>()
  readonly #guard: KeptGuard

  constructor(connection: Connection) {
    this.#connection = connection
    this.#guard = new KeptGuard(this, (subject, data) => this.#store(subject, data))
  }

  get maxPayload(): number {
    return this.#connection.nc.info?.max_payload ?? 2 ** 20
  }

  publish(subject: string, data: Uint8Array, options: PublishOptions = {}): void {
    this.#check(subject, data, options.headers)
    this.#connection.nc.publish(subject, data, {
      ...(options.headers === undefined ? {} : { headers: toHeaders(options.headers) }),
      ...(options.reply === undefined ? {} : { reply: options.reply }),
    })
  }

  async subscribe(subject: string, handler: BusHandler, options: SubscribeOptions = {}): Promise<Subscription> {
    checkOpen(this.#connection)
    if (!validSubject(subject, true)) throw new AigenError('input.invalid', `subject ${JSON.stringify(subject)}`)
    const queue = new HandlerQueue<Msg>((message) => this.#handle(message, handler), options.concurrency)
    let refused: Error | undefined
    const inner = this.#connection.nc.subscribe(subject, {
      ...(options.queue === undefined ? {} : { queue: options.queue }),
      callback: (error, message) => {
        if (error === null) queue.push(message)
        else refused = error
      },
    })
    await this.flush()
    if (refused !== undefined) throw natsError(refused, `subscribe ${subject}`)
    const subscription: Subscription = {
      stop: async () => {
        this.#subscriptions.delete(subscription)
        if (!inner.isClosed()) inner.unsubscribe()
        await queue.stop()
        // from here on the server counts this subscriber out, so "no responders" is true
        if (!this.#connection.closed) await this.flush().catch(() => {})
      },
    }
    this.#subscriptions.add(subscription)
    return subscription
  }

  async request(subject: string, data: Uint8Array, options: RequestOptions): Promise<BusMessage> {
    options.signal?.throwIfAborted()
    this.#check(subject, data, options.headers)
    const asked = requestsOf(this.#connection).request(subject, data, Math.max(1, options.timeoutMs), options.headers === undefined ? undefined : toHeaders(options.headers))
    return toMessage(options.signal === undefined ? await asked : await untilAborted(asked, options.signal))
  }

  async *gather(subject: string, data: Uint8Array, options: GatherOptions): AsyncIterable<BusMessage> {
    options.signal?.throwIfAborted()
    this.#check(subject, data, options.headers)
    const abort = (): void => answers.stop(options.signal?.reason as Error)
    const answers = (await this.#connection.nc.requestMany(subject, data, {
      strategy: 'count', maxMessages: options.max, maxWait: Math.max(1, options.timeoutMs),
      ...(options.headers === undefined ? {} : { headers: toHeaders(options.headers) }),
    })) as AsyncIterable<Msg> & { stop(error?: Error): void }
    options.signal?.addEventListener('abort', abort, { once: true })
    let given = 0
    try {
      for await (const message of answers) {
        yield toMessage(message)
        if (++given >= options.max) return
      }
    } catch (thrown) {
      if (options.signal?.aborted) throw options.signal.reason
      const error = natsError(thrown, subject)
      if (error.code !== 'network.no-responders') throw error
    } finally {
      options.signal?.removeEventListener('abort', abort)
    }
  }

  async keep(subject: string, data: Uint8Array): Promise<void> {
    await this.#store(subject, data)
    await this.#guard.watch(subject, data)
  }

  async #store(subject: string, data: Uint8Array): Promise<void> {
    const ack = parseAck((await this.#stored(subject, data)).data)
    if (ack.error !== undefined) throw new AigenError('internal', `${subject} was not kept: ${ack.error}`)
    if (ack.seq === undefined) throw new AigenError('network.no-responders', `${subject} is not kept`)
  }

  async #stored(subject: string, data: Uint8Array): Promise<BusMessage> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.request(subject, data, { timeoutMs: KEEP_MS, headers: { [KEPT_HEADER]: '1' } })
      } catch (thrown) {
        // a server that has just started takes connections a moment before its streams
        if (!(thrown instanceof AigenError && thrown.code === 'network.no-responders') || attempt >= KEEP_ATTEMPTS) throw thrown
        await delay(25 * 2 ** attempt)
      }
    }
  }

  async *kept(filter: string): AsyncIterable<BusMessage> {
    checkOpen(this.#connection)
    const stream = KEPT.find(({ prefix }) => filter.startsWith(prefix))?.stream
    if (stream === undefined) return
    let sequence = 1
    for (let given = 0; given < KEPT_MAX; given++) {
      const message = await next(this.#connection, stream, sequence, filter)
      if (message === undefined) return
      sequence = message.sequence + 1
      yield { subject: message.subject, data: message.data, headers: message.headers }
    }
  }

  async flush(): Promise<void> {
    checkOpen(this.#connection)
    await this.#connection.nc.flush().catch((thrown: unknown) => { throw natsError(thrown, 'flush') })
  }

  async close(): Promise<void> {
    const stopping = [...this.#subscriptions].map((subscription) => subscription.stop())
    await Promise.all(stopping)
    await this.#connection.close()
  }

  async #handle(message: Msg, handler: BusHandler): Promise<void> {
    try {
      const answer = await handler(toMessage(message))
      if (!answer || !message.reply || this.#connection.closed) return
      this.publish(message.reply, answer.data, answer.headers === undefined ? {} : { headers: answer.headers })
    } catch {
      // a handler that throws answers nothing; its caller retries
    }
  }

  #check(subject: string, data: Uint8Array, headers?: Headers): void {
    checkOpen(this.#connection)
    if (!validSubject(subject)) throw new AigenError('input.invalid', `subject ${JSON.stringify(subject)}`)
    let size = data.length
    if (headers !== undefined) {
      size += HEADER_FRAME
      for (const name in headers) size += name.length + Buffer.byteLength(headers[name] ?? '') + 4
    }
    if (size > this.maxPayload) throw new AigenError('input.too-large', `${size} bytes, at most ${this.maxPayload}`)
  }
}

function toMessage(message: Msg): BusMessage {
  const headers: Record<string, string> = {}
  if (message.headers !== undefined) for (const [name, values] of message.headers) headers[name] = values.at(-1) ?? ''
  const { subject, data, reply } = message
  return reply === undefined || reply === '' ? { subject, data, headers } : { subject, data, headers, reply }
}

function toHeaders(record: Headers): MsgHdrs {
  const headers = newHeaders()
  for (const name in record) {
    try {
      headers.append(name, record[name] ?? '')
    } catch (thrown) {
      throw new AigenError('input.invalid', `header ${JSON.stringify(name)}`, { cause: thrown })
    }
  }
  return headers
}

/** JetStream's acknowledgement; what else answers there has neither field. */
function parseAck(data: Uint8Array): { seq?: number; error?: string } {
  try {
    const ack = JSON.parse(new TextDecoder().decode(data)) as { seq?: unknown; error?: { description?: unknown } }
    if (ack.error !== undefined) return { error: String(ack.error.description) }
    return typeof ack.seq === 'number' ? { seq: ack.seq } : {}
  } catch {
    return {}
  }
}

function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error)
    signal.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
