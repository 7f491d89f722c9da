/**
 * The journal over JetStream (DESIGN D2): one stream per partition on the participant's own account,
 * compare-and-swap on the whole stream (per-subject CAS is broken on servers below 2.9.21), one
 * append in flight, which is what I6 rests on. Used by `runtime/actors`.
 *
 * An append whose answer was lost is sent again with the same id. The server knows ids for two
 * minutes only, so a conflict, whenever it comes, is settled by looking at the record itself.
 */
import { DeliverPolicy, DiscardPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { delay, headers as newHeaders, nuid } from '@nats-io/nats-core'
import { AigenError, asError } from '../../schemas/error.ts'
import { validPartition } from '../ports/journal.ts'
import { checkOpen } from './connection.ts'
import { at } from './direct-get.ts'
import { apiCode, natsError } from './nats-error.ts'
import { ensureStream, FILE_STREAM } from './network-streams.ts'
import { requestsOf } from './requests.ts'
import type { JetStreamManager } from '@nats-io/jetstream'
import type { Journal, Log, LogEntry } from '../ports/journal.ts'
import type { Connection } from './connection.ts'

const WRONG_LAST_SEQUENCE = 10071
const MESSAGE_TOO_LARGE = 10054
const NO_MESSAGE = 10037
const ID_HEADER = 'Nats-Msg-Id'
const READ_AHEAD = 2_000
/**
 * How long a leader that was just elected may take to have what the one before acknowledged, in ms:
 * until then it refuses the next record as out of place and has not the one it holds it against.
 */
const CATCH_UP_MS = 5_000
/** Consumers in a row that give nothing, before a read is given up. */
const SILENCES_MAX = 3

export interface NatsJournalOptions {
  /** Copies of each record (what the credentials say, else 1; 3 on a cluster). */
  readonly replicas?: number
  /** How long one attempt waits for its answer (2 s). */
  readonly attemptMs?: number
  /** After how long an append without an answer becomes `journal.unknown` (15 s). */
  readonly unknownMs?: number
  /** How long a read waits for its next record (10 s). */
  readonly idleMs?: number
}

/** A journal on the participant's own account; closing it closes the connection. */
export function natsJournal(connection: Connection, options: NatsJournalOptions = {}): Journal {
  const writer = nuid.next()
  const jsm = jetstreamManager(connection.nc, { checkAPI: false })
  const replicas = options.replicas ?? connection.credentials.replicas ?? 1
  return {
    async open(partition) {
      checkOpen(connection)
      if (!validPartition(partition)) throw new AigenError('input.invalid', `partition ${JSON.stringify(partition)}`)
      const { namespace } = connection.credentials
      const stream = namespace === undefined ? `JOURNAL_${partition}` : `JOURNAL_${namespace}_${partition}`
      const subject = namespace === undefined ? `journal.${partition}` : `journal.${namespace}.${partition}`
      await ensureStream(await jsm, {
        ...FILE_STREAM, name: stream, subjects: [subject], num_replicas: replicas, discard: DiscardPolicy.New,
      })
      return new NatsLog(connection, await jsm, partition, stream, subject, writer, { ...options, replicas })
    },
    close: () => connection.close(),
  }
}

type Outcome = { readonly kind: 'stored'; readonly sequence: number } | { readonly kind: 'look' } | { readonly kind: 'absent' } | { readonly kind: 'unknown'; readonly why: AigenError }

class NatsLog implements Log {
  readonly partition: string
  readonly #connection: Connection
  readonly #jsm: JetStreamManager
  readonly #stream: string
  readonly #subject: string
  readonly #writer: string
  readonly #attemptMs: number
  readonly #unknownMs: number
  readonly #idleMs: number
  readonly #replicated: boolean

  constructor(connection: Connection, jsm: JetStreamManager, partition: string, stream: string, subject: string, writer: string, options: NatsJournalOptions) {
    this.partition = partition
    this.#connection = connection
    this.#jsm = jsm
    this.#stream = stream
    this.#subject = subject
    this.#writer = writer
    this.#replicated = (options.replicas ?? 1) > 1
    this.#attemptMs = options.attemptMs ?? 2_000
    this.#unknownMs = options.unknownMs ?? 15_000
    this.#idleMs = options.idleMs ?? 10_000
  }

  async last(): Promise<number> {
    return (await this.#patiently('last record of', () => this.#jsm.streams.info(this.#stream))).state.last_seq
  }

  async first(): Promise<number> {
    return Math.max(1, (await this.#patiently('first record of', () => this.#jsm.streams.info(this.#stream))).state.first_seq)
  }

  async at(sequence: number): Promise<LogEntry | undefined> {
    const record = await this.#patiently('read', () => at(this.#connection, this.#stream, sequence))
    return record && { sequence, data: record.data }
  }

  async purge(before: number): Promise<void> {
    const seq = Math.min(before, await this.last())
    if (seq > 1) await this.#patiently('purge', () => this.#jsm.streams.purge(this.#stream, { seq }))
  }

  async append(data: Uint8Array, expectedLast: number, id: string): Promise<number> {
    checkOpen(this.#connection)
    if (!/^[!-~]{1,200}$/.test(id)) throw new AigenError('input.invalid', `record id ${JSON.stringify(id)}`)
    if (data.length + 1_024 > (this.#connection.nc.info?.max_payload ?? 2 ** 20)) {
      throw new AigenError('input.too-large', `a record of ${data.length} bytes`)
    }
    // two owners may make the same id for the same place: the writer's name keeps them apart
    const messageId = `${this.#writer}.${id}`
    const headers = newHeaders()
    headers.append(ID_HEADER, messageId)
    headers.append('Nats-Expected-Last-Sequence', `${expectedLast}`)
    const begun = performance.now()
    for (let attempt = 0; ; attempt++) {
      let outcome = await this.#send(data, headers)
      if (outcome.kind === 'stored' && outcome.sequence === expectedLast + 1) return outcome.sequence
      if (outcome.kind !== 'unknown') outcome = await this.#look(expectedLast + 1, messageId, data)
      if (outcome.kind === 'stored') return outcome.sequence
      const catchesUp = outcome.kind === 'absent' && this.#replicated && performance.now() < begun + CATCH_UP_MS
      if (outcome.kind !== 'unknown' && !catchesUp) throw new AigenError('journal.conflict', `${this.partition} is not at ${expectedLast}`)
      checkOpen(this.#connection)
      if (outcome.kind === 'unknown' && performance.now() > begun + this.#unknownMs) throw new AigenError('journal.unknown', this.partition, { cause: outcome.why })
      await delay(Math.min(1_000, 20 * 2 ** attempt))
    }
  }

  /** Asks again while nobody answers: a server that restarts, or a cluster that elects, is back in seconds. */
  async #patiently<T>(what: string, act: () => Promise<T>): Promise<T> {
    const until = performance.now() + this.#unknownMs
    for (let attempt = 0; ; attempt++) {
      checkOpen(this.#connection)
      try {
        return await act()
      } catch (thrown) {
        const error = natsError(thrown, `${what} ${this.partition}`)
        if (!error.rule.retry || error.code === 'network.closed' || performance.now() > until) throw error
      }
      await delay(Math.min(1_000, 20 * 2 ** attempt))
    }
  }

  /** One attempt. Never rejects but for errors that sending again would not mend. */
  async #send(data: Uint8Array, headers: ReturnType<typeof newHeaders>): Promise<Outcome> {
    let stopListening = (): void => {}
    const lost = new Promise<Outcome>((resolve) => {
      stopListening = this.#connection.onLost(() => resolve({ kind: 'unknown', why: new AigenError('network.closed') }))
    })
    try {
      const sent = requestsOf(this.#connection).request(this.#subject, data, this.#attemptMs, headers).then((message) => settle(message.data), (thrown: unknown) => {
        const why = natsError(thrown, this.partition)
        // no responders: the server is there and its JetStream is not yet
        if (why.code === 'network.denied' || why.code === 'input.invalid') throw why
        return { kind: 'unknown', why } as const
      })
      return await Promise.race([sent, lost])
    } finally {
      stopListening()
    }
  }

  /** Whether record `sequence` is the one that was to be appended. */
  async #look(sequence: number, messageId: string, data: Uint8Array): Promise<Outcome> {
    try {
      const record = await this.#stored(sequence)
      if (record === undefined) return { kind: 'absent' }
      const ours = record.headers[ID_HEADER] === messageId && Buffer.compare(record.data, data) === 0
      return ours ? { kind: 'stored', sequence } : { kind: 'look' }
    } catch (thrown) {
      return { kind: 'unknown', why: asError(thrown) }
    }
  }

  /** The record at `sequence` as the stream's leader has it: another copy may lag behind, and miss what was just stored. */
  async #stored(sequence: number): Promise<{ readonly data: Uint8Array; readonly headers: Readonly<Record<string, string>> } | undefined> {
    if (!this.#replicated) return at(this.#connection, this.#stream, sequence)
    try {
      const message = await this.#jsm.streams.getMessage(this.#stream, { seq: sequence })
      return message ? { data: message.data, headers: { [ID_HEADER]: message.header.get(ID_HEADER) } } : undefined
    } catch (thrown) {
      if (apiCode(thrown) === NO_MESSAGE) return undefined
      throw natsError(thrown, this.partition)
    }
  }

  async *read(from: number): AsyncIterable<LogEntry> {
    const last = await this.last()
    let next = from
    for (let silences = 0; next <= last;) {
      try {
        for await (const entry of this.#readOn(next, last)) {
          next = entry.sequence + 1
          silences = 0
          yield entry
        }
        return
      } catch (thrown) {
        const error = asError(thrown)
        // A consumer lives on one server, and dies with it: another one goes on where it stopped.
        if (error.code !== 'network.timeout' || ++silences > SILENCES_MAX) throw error
      }
    }
  }

  async *#readOn(from: number, last: number): AsyncIterable<LogEntry> {
    // every record of this stream matches, so a filter would only cost time
    const consumer = await this.#patiently('read', () => jetstream(this.#connection.nc).consumers.get(this.#stream, {
      deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: Math.max(1, from),
    }))
    const messages = await consumer.consume({ max_messages: READ_AHEAD })
    let idle: NodeJS.Timeout | undefined
    let failure: AigenError | undefined
    const guard = (): void => {
      clearTimeout(idle)
      idle = setTimeout(() => {
        failure = new AigenError('network.timeout', `read ${this.partition}`)
        messages.stop()
      }, this.#idleMs)
    }
    const stopListening = this.#connection.onLost(() => { if (this.#connection.closed) messages.stop(new AigenError('network.closed')) })
    try {
      guard()
      let reached = from - 1
      for await (const message of messages) {
        // the caller's own time does not count
        clearTimeout(idle)
        reached = message.seq
        if (reached > last) return
        yield { sequence: reached, data: message.data }
        if (reached === last) return
        guard()
      }
      if (reached < last) throw failure ?? new AigenError('network.closed', `read ${this.partition}`)
    } catch (thrown) {
      throw natsError(thrown, `read ${this.partition}`)
    } finally {
      clearTimeout(idle)
      stopListening()
      messages.stop()
      await consumer.delete().catch(() => {})
    }
  }
}

/** What JetStream said of an append. */
function settle(answer: Uint8Array): Outcome {
  let ack: { seq?: unknown; duplicate?: unknown; error?: { err_code?: number; description?: string } }
  try {
    ack = JSON.parse(new TextDecoder().decode(answer)) as typeof ack
  } catch (thrown) {
    return { kind: 'unknown', why: asError(thrown) }
  }
  // a duplicate is stored, but perhaps elsewhere or with other bytes
  if (ack.error?.err_code === WRONG_LAST_SEQUENCE || ack.duplicate === true) return { kind: 'look' }
  if (ack.error?.err_code === MESSAGE_TOO_LARGE) throw new AigenError('input.too-large', ack.error.description)
  if (typeof ack.seq !== 'number') return { kind: 'unknown', why: new AigenError('internal', `append: ${ack.error?.description ?? 'no sequence'}`) }
  return { kind: 'stored', sequence: ack.seq }
}
