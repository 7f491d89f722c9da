/**
 * One partition: events in, one append in flight, group commit (D2). What arrived while an append
 * was under way goes into the next record. Keeps I6 (a failed compare-and-swap ends ownership) and
 * I7 (live and replayed events take the same path into the fold). Used by `host` only.
 */
import { AigenError, asError } from '../../schemas/error.ts'
import type { Clock } from '../ports/clock.ts'
import type { Log } from '../ports/journal.ts'
import { kindOf, type ActorEvent, type ActorId, type ActorKind } from './actor.ts'
import { Fold, noChanges, type Changes, type LiveActor } from './fold.ts'
import type { Item } from './item.ts'
import { decodeRecord, effectRecord, encodeRecord, sameEffects, type Entry, type JournalRecord, type Line } from './record.ts'
import { stage, type Staged } from './stage.ts'
import { advance } from './transition.ts'

/** Events that may wait for the journal; beyond it `send` is refused with `node.busy`. */
const QUEUE_MAX = 20_000
/** Events of one record, what they tell inside the partition included. */
const GROUP_MAX = 512
/** Bytes of one record: below the bus's largest message with room for headers. */
const RECORD_BYTES_MAX = 1_000_000
/** Times one record is sent again when its append was not confirmed, before ownership is given up. */
const APPEND_ATTEMPTS = 20

export interface PartitionEvents {
  /** After a record is durable: dispatch what it opened, stop what it closed. */
  committed(changes: Changes, touched: ReadonlyMap<ActorId, Entry>): void
  /** Ownership has ended, or the journal cannot be written any more. */
  lost(error: AigenError): void
  /** After an event was read from the journal; `problem` says why this code cannot follow it. */
  replayed?(entry: Entry, problem?: AigenError): void
}

export class Partition {
  readonly fold = new Fold()
  readonly #log: Log
  readonly #kinds: ReadonlyMap<string, ActorKind>
  readonly #clock: Clock
  readonly #events: PartitionEvents
  readonly #owner: string
  #queue: Item[] = []
  /** What the append under way holds. */
  #written: readonly Item[] = []
  #ended: string[] = []
  #last = 0
  #epoch = 0
  #working: Promise<void> | undefined
  #closed: AigenError | undefined

  /** `owner` names this process in record ids: two that recover at once write the same fence, and must not pass for one (I6). */
  constructor(log: Log, owner: string, kinds: ReadonlyMap<string, ActorKind>, clock: Clock, events: PartitionEvents) {
    this.#log = log
    this.#owner = owner
    this.#kinds = kinds
    this.#clock = clock
    this.#events = events
  }

  get epoch(): number {
    return this.#epoch
  }

  get last(): number {
    return this.#last
  }

  /** Folds the whole journal, then fences it: from here on this process owns the partition. */
  async recover(): Promise<void> {
    await this.replay()
    this.#epoch += 1
    await this.#append({ version: 1, partition: this.#log.partition, epoch: this.#epoch, fence: true, lines: [] })
  }

  /** Folds what the journal has more than was folded, and writes nothing: who owns it goes on owning it. */
  async replay(): Promise<void> {
    for await (const { sequence, data } of this.#log.read(this.#last + 1)) {
      const record = decodeRecord(data)
      this.#last = sequence
      if (record.epoch < this.#epoch) continue
      this.#epoch = record.epoch
      for (const line of record.lines) this.#replay(line)
    }
  }

  /** Resolves with the actor as it is once `event` is durable. Errors: `node.busy`, `run.unknown`, `network.closed`. */
  send(actor: ActorId, event: ActorEvent): Promise<LiveActor> {
    if (this.#queue.length >= QUEUE_MAX) return Promise.reject(new AigenError('node.busy', 'the journal is behind'))
    return new Promise((resolve, reject) => this.#enqueue({ actor, event, resolve, reject }))
  }

  /**
   * Makes a parked actor take events again; resolves with it once that is durable, at once when it is
   * not parked. Errors: `run.unknown`; `journal.machine-changed` when this code cannot replay it.
   */
  unpark(actor: ActorId): Promise<LiveActor> {
    return new Promise((resolve, reject) => this.#enqueue({ actor, event: { type: 'unpark' }, unpark: true, resolve, reject }))
  }

  /** Computes what waited for actors that are not parked: one that was mended, or at recovery by other code. */
  redeliver(): void {
    const { kept, actors } = this.fold
    const items = [...kept].filter(([, { actor }]) => actors.has(actor) && actors.get(actor)!.parked === undefined).map(([cause, { actor, event }]) => ({ actor, event, cause }))
    if (items.length === 0) return
    this.#queue.unshift(...items)
    this.#kick()
  }

  /** An effect's or a timer's event; dropped when its cause no longer stands. */
  result(actor: ActorId, event: ActorEvent, cause: string): void {
    this.#enqueue({ actor, event, cause })
  }

  /** An effect ended without an event. */
  ended(key: string): void {
    this.#ended.push(key)
    this.#kick()
  }

  /** Refuses new events, waits for what was taken. */
  async close(): Promise<void> {
    while (this.#working) await this.#working
    this.#closed ??= new AigenError('network.closed', 'the node stops')
  }

  #enqueue(item: Item): void {
    if (this.#closed) {
      item.reject?.(this.#closed)
      return
    }
    this.#queue.push(item)
    this.#kick()
  }

  #kick(): void {
    if (this.#working || this.#closed) return
    // One turn of the event loop first: what the same burst brings joins the same record.
    this.#working = new Promise<void>((resolve) => setImmediate(resolve))
      .then(() => this.#work())
      .catch((thrown) => this.#lose(asError(thrown)))
      .finally(() => {
        this.#working = undefined
        if (this.#queue.length > 0 || this.#ended.length > 0) this.#kick()
      })
  }

  async #work(): Promise<void> {
    let most = GROUP_MAX
    while ((this.#queue.length > 0 || this.#ended.length > 0) && !this.#closed) {
      const items = this.#queue.splice(0, most)
      const ended = this.#ended.splice(0, GROUP_MAX)
      const { staged, answers } = stage(this.fold, this.#kinds, items, ended, this.#clock.now())
      if (staged.length === 0) {
        for (const answer of answers) answer()
        continue
      }
      const record: JournalRecord = { version: 1, partition: this.#log.partition, epoch: this.#epoch, lines: staged.map((one) => one.line) }
      const data = encodeRecord(record)
      if (data.length > RECORD_BYTES_MAX) {
        this.#ended.unshift(...ended)
        if (items.length > 1) {
          this.#queue.unshift(...items)
          most = Math.max(1, items.length >> 1)
        } else {
          this.#refuse(items[0], new AigenError('input.too-large', `one event makes a record of ${data.length} bytes, at most ${RECORD_BYTES_MAX}`))
        }
        continue
      }
      most = GROUP_MAX
      this.#written = items
      await this.#appendData(data)
      this.#written = []
      this.#commit(staged)
      for (const answer of answers) answer()
    }
  }

  /** An event too large to journal: its sender hears it; an effect's actor gets the failure instead of the value. */
  #refuse(item: Item | undefined, error: AigenError): void {
    if (!item) return
    if (item.reject) item.reject(error)
    else if (item.cause !== undefined) {
      const kind = item.event.type.replace(/\.done$/, '')
      this.#queue.unshift({ actor: item.actor, cause: item.cause, event: { type: `${kind}.failed`, error: error.toJSON(), params: {} } })
    }
  }

  #commit(staged: readonly Staged[]): void {
    const changes = noChanges()
    const touched = new Map<ActorId, Entry>()
    for (const { line, kind, outcome } of staged) {
      if ('ended' in line) this.fold.end(line.ended, changes)
      else if ('parked' in line) this.fold.park(line.parked, line.reason)
      else if ('unparked' in line) this.fold.unpark(line.unparked, changes)
      else if ('kept' in line) this.fold.keep(line)
      else {
        this.fold.commit(line, kind!, outcome!, changes)
        touched.set(line.actor, line)
      }
    }
    if (changes.unparked.length > 0 || staged.some(({ line }) => 'kept' in line)) this.redeliver()
    this.#events.committed(changes, touched)
  }

  #replay(line: Line): void {
    const changes = noChanges()
    if ('ended' in line) return this.fold.end(line.ended, changes)
    if ('parked' in line) return this.fold.park(line.parked, line.reason)
    if ('unparked' in line) return this.fold.unpark(line.unparked, changes)
    if ('kept' in line) return this.fold.keep(line)
    const live = this.fold.actors.get(line.actor)
    if (live?.parked !== undefined || this.fold.broken.has(line.actor)) return
    const kind = live?.kind ?? this.#kinds.get(kindOf(line.actor))
    try {
      if (!kind) throw new AigenError('journal.machine-changed', `this node has no actor kind ${kindOf(line.actor)}`)
      const outcome = advance(kind, live?.snapshot, line.event)
      // The same machine makes the same effects: only another one's are packed and hashed again.
      if (line.machine !== kind.hash && !sameEffects(outcome.effects.map((one) => effectRecord(one.kind, one.params)), line.effects)) {
        throw new AigenError('journal.machine-changed', `${line.machine} wrote it, this is ${kind.hash}`)
      }
      this.fold.commit(line, kind, outcome, changes)
      this.#events.replayed?.(line)
    } catch (thrown) {
      const problem = asError(thrown)
      this.fold.lose(line.actor, problem.message)
      this.#events.replayed?.(line, problem)
    }
  }

  async #append(record: JournalRecord): Promise<void> {
    await this.#appendData(encodeRecord(record))
  }

  /** Appends, and sends the same bytes with the same id again while nobody confirmed them. */
  async #appendData(data: Uint8Array): Promise<void> {
    const id = `${this.#log.partition}.${this.#epoch}.${this.#last + 1}.${this.#owner}`
    for (let attempt = 1; ; attempt++) {
      try {
        this.#last = await this.#log.append(data, this.#last, id)
        return
      } catch (thrown) {
        const error = asError(thrown)
        if (error.code !== 'journal.unknown' || attempt >= APPEND_ATTEMPTS) throw error
        await this.#clock.sleep(Math.min(2_000, 50 * 2 ** attempt))
      }
    }
  }

  #lose(error: AigenError): void {
    this.#closed = error
    for (const item of [...this.#written, ...this.#queue]) item.reject?.(error)
    this.#written = []
    this.#queue = []
    this.#ended = []
    this.#events.lost(error)
  }
}
