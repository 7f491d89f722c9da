/**
 * One partition: events in, one append in flight, group commit (D2). What arrived while an append
 * was under way goes into the next record. Keeps I6 (a failed compare-and-swap ends ownership) and
 * I7 (live and replayed events take the same path into the fold). Used by `host` only.
 */
import { AigenError, asError } from '../../schemas/error.ts'
import { Acknowledged } from './acknowledged.ts'
import type { ActorEvent, ActorId } from './actor.ts'
import { appendSurely } from './append.ts'
import { noChanges, type LiveActor } from './fold.ts'
import type { Item } from './item.ts'
import { pack } from './pack.ts'
import { PartitionReader } from './partition-reader.ts'
import { encodeRecord, type Entry, type JournalRecord, type Send } from './record.ts'
import { stage, type Stage, type Staged } from './stage.ts'

/** Events that may wait for the journal; beyond it `send` is refused with `node.busy`. */
const QUEUE_MAX = 20_000
/** Events of one record, what they tell inside the partition included. */
const GROUP_MAX = 512
/** How long a proof of ownership counts, in ms. */
const PROVEN_MS = 1_000
/** Times a recovery is begun again because the owner before wrote snapshots meanwhile. */
const RECOVERIES = 10

const NOBODY: ReadonlySet<ActorId> = new Set()

export class Partition extends PartitionReader {
  #queue: Item[] = []
  /** What the group under way holds, and the actors it is for. */
  #taken: readonly Item[] = []
  #held: ReadonlySet<ActorId> = NOBODY
  #ended: string[] = []
  readonly #acknowledged = new Acknowledged()
  #confirming = false
  /** Monotonic time at which this process was the owner for certain. */
  #provenAt = -PROVEN_MS
  #working: Promise<void> | undefined
  /** Why nothing new is taken; what was taken is still written. */
  #closing: AigenError | undefined
  /** Why nothing is written any more. */
  #closed: AigenError | undefined

  /**
   * Folds the journal from the last checkpoint on, then fences it: from here on this process owns the
   * partition. `partitions` counts where nothing was written yet.
   */
  async recover(partitions: number): Promise<void> {
    const { log } = this.options
    for (let attempt = 1, fenced = 0; ; attempt++) {
      await this.open()
      if (attempt > 1 && this.epoch > fenced) throw new AigenError('journal.conflict', `another has taken ${log.partition}`)
      fenced = this.values.epoch = this.epoch += 1
      await this.#append(encodeRecord({ version: 1, partition: log.partition, epoch: this.epoch, fence: true, partitions: (this.partitions ??= partitions), lines: [] }))
      try {
        return await this.snapshots.fence(this.epoch)
      } catch (thrown) {
        // The owner before may have given up records that this index names: read what it left.
        if (asError(thrown).code !== 'journal.conflict' || attempt >= RECOVERIES) throw thrown
      }
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

  /**
   * Resolves once this process was the owner within the last second: an append of its own says so, or
   * a look at the journal. Rejects when it is not, or cannot know.
   */
  async prove(): Promise<void> {
    const { clock, log } = this.options
    const fresh = (): boolean => clock.monotonic() - this.#provenAt < PROVEN_MS
    while (!this.#closed && !fresh()) {
      if (this.#working) {
        await this.#working
        continue
      }
      const at = clock.monotonic()
      const last = await log.last()
      if (this.#working || this.#closed) continue
      if (last > this.last) this.#lose(new AigenError('journal.conflict', 'another owns this partition'))
      else this.#provenAt = at
    }
    if (this.#closed) throw this.#closed
  }

  /** Writes a record, if only to learn whether this process still owns the partition. */
  confirm(): void {
    this.#confirming = true
    this.#kick()
  }

  /**
   * Resolves when all these messages from partition `from` are durably heard, whatever became of them.
   * Rejects when one before them was not, and when ownership ends.
   */
  hear(from: number, sends: readonly Send[]): Promise<void> {
    return new Promise((resolve, reject) => {
      for (const { to, event, number } of sends) this.#enqueue({ actor: to, event, from: [from, number], missed: reject, ...(number === sends.at(-1)!.number ? { heard: resolve } : {}) })
    })
  }

  /** Partition `to` has heard all up to `through`; journaled with what comes next, or when much has piled up. */
  heard(to: number, through: number): void {
    this.#acknowledged.take(to, through)
    if (this.#overdue) this.#kick()
  }

  /** The last message that partition `to` is known, here or in the journal, to have heard. */
  heardBy(to: number): number {
    return this.#acknowledged.by(to)
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

  /** Waits for what was taken and refuses new events, with `reason`. */
  async close(reason = new AigenError('network.closed', 'the node stops')): Promise<void> {
    this.#closing ??= reason
    while (this.#working) await this.#working
    this.#closed ??= reason
    await this.keeper.stop()
  }

  #enqueue(item: Item): void {
    const refused = this.#closed ?? this.#closing
    if (refused) {
      ;(item.reject ?? item.missed)?.(refused)
      return
    }
    this.#queue.push(item)
    this.#kick()
  }

  /** Whether there is anything that must be written. */
  get #due(): boolean {
    return this.#queue.length > 0 || this.#ended.length > 0 || this.#overdue || this.#confirming
  }

  get #overdue(): boolean {
    return this.#acknowledged.overdue(this.fold.channels.outbox)
  }

  #kick(): void {
    if (this.#working || this.#closed) return
    // One turn of the event loop first: what the same burst brings joins the same record.
    this.#working = new Promise<void>((resolve) => setImmediate(resolve))
      .then(() => this.#work())
      .catch((thrown) => this.#lose(asError(thrown)))
      .finally(() => {
        this.#working = undefined
        if (this.#due) this.#kick()
      })
  }

  async #work(): Promise<void> {
    let most = GROUP_MAX
    while (this.#due && !this.#closed) {
      const items = [...this.#queue.splice(0, most), ...(this.options.later?.() ?? [])]
      const ended = this.#ended.splice(0, GROUP_MAX)
      this.#taken = items
      const { staged: lines, answers } = await this.#stage(items, ended)
      if (lines.length === 0 && !this.#overdue && !this.#confirming) {
        for (const answer of answers) answer()
        continue
      }
      const heard = this.#acknowledged.lines()
      const staged: readonly Staged[] = [...lines, ...heard.map((line) => ({ line }))]
      const record: JournalRecord = { version: 1, partition: this.options.log.partition, epoch: this.epoch, lines: staged.map((one) => one.line) }
      const made = pack(record, this.values)
      const packed = made instanceof Promise ? await made : made
      if ('refused' in packed) {
        this.#ended.unshift(...ended)
        if (items.length > 1) {
          this.#queue.unshift(...items)
          most = Math.max(1, items.length >> 1)
        } else {
          this.#refuse(items[0], packed.refused)
        }
        continue
      }
      const { data, large, bytes } = packed
      most = GROUP_MAX
      await this.#append(data)
      if (large) {
        this.values.named(this.last, large)
        this.values.settle(large.map(({ key }) => key))
      }
      this.#confirming = false
      this.#acknowledged.written(heard)
      this.#taken = []
      this.#held = NOBODY
      this.#commit(staged)
      for (const answer of answers) answer()
      this.keeper.committed(bytes)
      if (this.keeper.full) await this.keeper.room()
    }
    this.#taken = []
    this.#held = NOBODY
  }

  /** An event that cannot be stored: its sender hears it; an effect's actor gets the failure instead of the value. */
  #refuse(item: Item | undefined, error: AigenError): void {
    if (!item) return
    if (item.reject) item.reject(error)
    else if (item.cause !== undefined) {
      const kind = item.event.type.replace(/\.done$/, '')
      this.#queue.unshift({ actor: item.actor, cause: item.cause, event: { type: `${kind}.failed`, error: error.toJSON(), params: {} } })
    } else if (item.from) {
      // Nobody can be told; those behind it must not wait.
      this.#queue.unshift({ ...item, event: { type: 'too-large', error: error.toJSON() } })
    }
  }

  #commit(staged: readonly Staged[]): void {
    const changes = noChanges()
    const touched = new Map<ActorId, Entry>()
    for (const { line, kind, outcome } of staged) {
      if (!('actor' in line)) this.fold.take(line, changes)
      else {
        this.fold.commit(line, kind!, outcome!, changes)
        touched.set(line.actor, line)
      }
    }
    if (changes.unparked.length > 0 || staged.some(({ line }) => 'kept' in line)) this.redeliver()
    this.options.events.committed(changes, touched)
  }

  /** The lines of a group; whom they are for is brought into memory first. */
  async #stage(items: readonly Item[], ended: readonly string[]): Promise<Stage> {
    const { kinds, clock, placement, index, instants } = this.options
    const held = new Set(items.map(({ actor }) => actor))
    this.#held = held
    const cold = (id: ActorId): boolean => this.keeper.cold(id)
    for (let missing = [...held].filter(cold); ;) {
      if (missing.length > 0) await this.keeper.load(missing)
      const staged = stage({ fold: this.fold, kinds, cold, at: clock.now(), placement: placement(), here: index, instants }, items, ended)
      missing = [...staged.missing]
      if (missing.length === 0) {
        for (const { line } of staged.staged) if ('actor' in line) held.add(line.actor)
        return staged
      }
      for (const id of missing) held.add(id)
    }
  }

  async #append(data: Uint8Array): Promise<void> {
    const { log, clock, owner } = this.options
    const at = clock.monotonic()
    this.last = await appendSurely(log, clock, data, this.last, `${log.partition}.${this.epoch}.${this.last + 1}.${owner}`)
    this.#provenAt = at
  }

  protected override held(actor: ActorId): boolean {
    return this.#held.has(actor)
  }

  protected override failed(error: AigenError): void {
    this.#lose(error)
  }

  #lose(error: AigenError): void {
    const reason = this.#closed = this.options.shared && error.code === 'journal.conflict' ? new AigenError('network.moved', error.message, { cause: error }) : error
    void this.keeper.stop()
    for (const item of [...this.#taken, ...this.#queue]) (item.reject ?? item.missed)?.(reason)
    this.#taken = []
    this.#queue = []
    this.#ended = []
    this.options.events.lost(error)
  }
}
