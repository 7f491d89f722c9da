/**
 * One partition: events in, one append in flight, group commit (D2). What arrived while an append
 * was under way goes into the next record. Keeps I6 (a failed compare-and-swap ends ownership) and
 * I7 (live and replayed events take the same path into the fold). Used by `host` only.
 */
import { AigenError, asError } from '../../schemas/error.ts'
import type { Clock } from '../ports/clock.ts'
import type { Log } from '../ports/journal.ts'
import type { ActorEvent, ActorId } from './actor.ts'
import { appendSurely } from './append.ts'
import { Fold, noChanges, type Changes, type LiveActor } from './fold.ts'
import type { Image } from './image.ts'
import type { Item } from './item.ts'
import { Keeper, type Limits } from './keeper.ts'
import type { Kinds } from './kinds.ts'
import { actorsOf, decodeRecord, encodeRecord, type Entry, type JournalRecord } from './record.ts'
import { replay } from './replay.ts'
import { SnapshotLog } from './snapshot-log.ts'
import { stage, type Stage, type Staged } from './stage.ts'

/** Events that may wait for the journal; beyond it `send` is refused with `node.busy`. */
const QUEUE_MAX = 20_000
/** Events of one record, what they tell inside the partition included. */
const GROUP_MAX = 512
/** Bytes of one record: below the bus's largest message with room for headers. */
const RECORD_BYTES_MAX = 1_000_000
/** Times a recovery is begun again because the owner before wrote snapshots meanwhile. */
const RECOVERIES = 10

const NOBODY: ReadonlySet<ActorId> = new Set()

export interface PartitionEvents {
  /** After a record is durable: dispatch what it opened, stop what it closed. */
  committed(changes: Changes, touched: ReadonlyMap<ActorId, Entry>): void
  /** Ownership has ended, or the journal cannot be written any more. */
  lost(error: AigenError): void
  /** After an event was read from the journal; `problem` says why this code cannot follow it. */
  replayed?(entry: Entry, problem?: AigenError): void
  /** After an actor came in from a snapshot; `problem` says why this code cannot go on from it. */
  restored?(image: Image, problem?: AigenError): void
}

export interface PartitionOptions {
  readonly log: Log
  readonly snapshots: Log
  /** Names this process in record ids: two that recover at once write the same fence, and must not pass for one (I6). */
  readonly owner: string
  readonly kinds: Kinds
  readonly clock: Clock
  readonly limits?: Limits
  readonly events: PartitionEvents
}

export class Partition {
  fold!: Fold
  #snapshots!: SnapshotLog
  keeper!: Keeper
  readonly #options: PartitionOptions
  #queue: Item[] = []
  /** What the group under way holds, and the actors it is for. */
  #taken: readonly Item[] = []
  #held: ReadonlySet<ActorId> = new Set()
  #ended: string[] = []
  #last = 0
  #epoch = 0
  #working: Promise<void> | undefined
  #closed: AigenError | undefined

  constructor(options: PartitionOptions) {
    this.#options = options
    this.#clear()
  }

  get epoch(): number {
    return this.#epoch
  }

  get last(): number {
    return this.#last
  }

  /** Folds the journal from the last checkpoint on, then fences it: from here on this process owns the partition. */
  async recover(): Promise<void> {
    const { log } = this.#options
    for (let attempt = 1; ; attempt++) {
      await this.open()
      this.#epoch += 1
      await this.#append(encodeRecord({ version: 1, partition: log.partition, epoch: this.#epoch, fence: true, lines: [] }))
      try {
        return await this.#snapshots.fence(this.#epoch)
      } catch (thrown) {
        // The owner before may have given up records that this index names: read what it left.
        if (asError(thrown).code !== 'journal.conflict' || attempt >= RECOVERIES) throw thrown
      }
    }
  }

  /** Folds the journal from the last checkpoint on and writes nothing: who owns it goes on owning it. */
  async open(): Promise<void> {
    const { log } = this.#options
    this.#clear()
    let checkpoint = await this.#snapshots.open()
    const first = await log.first()
    if (checkpoint && (checkpoint.seen > (await log.last()) || checkpoint.through + 1 < first)) {
      // The journal has lost its end: what the snapshots know of it never was.
      this.#snapshots.discard()
      checkpoint = undefined
    }
    if (!checkpoint && first > 1) throw new AigenError('journal.corrupt', `${log.partition} begins at record ${first}, and no snapshot holds what was before`)
    this.fold.births = checkpoint?.births ?? 0
    for (const { actor, number, event } of checkpoint?.kept ?? []) this.fold.keep({ kept: actor, number, event })
    this.#last = checkpoint?.through ?? 0
    this.#epoch = checkpoint?.epoch ?? 0
    await this.keeper.loadHot()
    await this.readOn()
    this.fold.sort()
  }

  /** Folds what the journal has more than was folded, and writes nothing. */
  async readOn(): Promise<void> {
    const { log, kinds, events } = this.#options
    for await (const { sequence, data } of log.read(this.#last + 1)) {
      const record = decodeRecord(data)
      this.#last = sequence
      if (record.epoch < this.#epoch) continue
      this.#epoch = record.epoch
      const ids = actorsOf(record)
      if (ids.some((id) => this.keeper.cold(id))) await this.keeper.load(ids)
      for (const line of record.lines) replay(this.fold, kinds, line, events.replayed)
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
    await this.keeper.stop()
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
      this.#taken = items
      const { staged, answers } = await this.#stage(items, ended)
      if (staged.length === 0) {
        for (const answer of answers) answer()
        continue
      }
      const record: JournalRecord = { version: 1, partition: this.#options.log.partition, epoch: this.#epoch, lines: staged.map((one) => one.line) }
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
      await this.#append(data)
      this.#taken = []
      this.#held = NOBODY
      this.#commit(staged)
      for (const answer of answers) answer()
      this.keeper.committed(data.length)
    }
    this.#taken = []
    this.#held = NOBODY
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
    this.#options.events.committed(changes, touched)
  }

  /** The lines of a group; whom they are for is brought into memory first. */
  async #stage(items: readonly Item[], ended: readonly string[]): Promise<Stage> {
    const { kinds, clock } = this.#options
    const held = new Set(items.map(({ actor }) => actor))
    this.#held = held
    const cold = (id: ActorId): boolean => this.keeper.cold(id)
    for (let missing = [...held].filter(cold); ;) {
      if (missing.length > 0) await this.keeper.load(missing)
      const staged = stage({ fold: this.fold, kinds, cold, at: clock.now() }, items, ended)
      missing = [...staged.missing]
      if (missing.length === 0) {
        for (const { line } of staged.staged) if ('actor' in line) held.add(line.actor)
        return staged
      }
      for (const id of missing) held.add(id)
    }
  }

  async #append(data: Uint8Array): Promise<void> {
    const { log, clock, owner } = this.#options
    this.#last = await appendSurely(log, clock, data, this.#last, `${log.partition}.${this.#epoch}.${this.#last + 1}.${owner}`)
  }

  #clear(): void {
    const { log, snapshots, clock, owner, kinds, events, limits = {} } = this.#options
    this.fold = new Fold()
    this.#snapshots = new SnapshotLog(snapshots, clock, owner)
    this.keeper = new Keeper({
      fold: this.fold, kinds, journal: log, snapshots: this.#snapshots, limits, last: () => this.#last, held: (actor) => this.#held.has(actor), failed: (error) => this.#lose(error), restored: events.restored,
    })
    this.#last = 0
    this.#epoch = 0
  }

  #lose(error: AigenError): void {
    this.#closed = error
    void this.keeper.stop()
    for (const item of [...this.#taken, ...this.#queue]) item.reject?.(error)
    this.#taken = []
    this.#queue = []
    this.#ended = []
    this.#options.events.lost(error)
  }
}
