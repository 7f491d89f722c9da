/**
 * A partition as its journal tells it: the newest checkpoint, then the tail, then on as the owner
 * writes (I7). Writes nothing and takes nothing over. The owner (`partition`) begins as one; used by
 * itself in `read-actors`.
 */
import { AigenError, asError } from '../../schemas/error.ts'
import type { OwnBlobs } from '../ports/blobs.ts'
import type { Clock } from '../ports/clock.ts'
import type { Journal, Log } from '../ports/journal.ts'
import type { ActorEvent, ActorId } from './actor.ts'
import { Fold, type Changes } from './fold.ts'
import type { Image } from './image.ts'
import type { Item } from './item.ts'
import { Keeper, type Limits } from './keeper.ts'
import type { Kinds } from './kinds.ts'
import { partitionName, type Placement } from './placement.ts'
import type { Large } from './large.ts'
import { actorsOf, decodeRecord, type Entry, type JournalRecord } from './record.ts'
import { replay } from './replay.ts'
import { SnapshotLog, snapshotsOf } from './snapshot-log.ts'
import type { Checkpoint } from './snapshot-record.ts'
import type { Instants } from './stage.ts'
import { ValueShelf } from './value-shelf.ts'

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
  /** From 0. */
  readonly index: number
  readonly placement: () => Placement
  readonly log: Log
  readonly snapshots: Log
  /** Where the large values are; without it they stay in the records, and those that are there are missing. */
  readonly blobs?: OwnBlobs | undefined
  /** Names this process in record ids: two that recover at once write the same fence, and must not pass for one (I6). */
  readonly owner: string
  readonly kinds: Kinds
  readonly clock: Clock
  readonly limits?: Limits
  /** Whether other nodes of the participant run beside this one: what they took is asked of them, so that it is worth asking again. */
  readonly shared?: boolean
  readonly events: PartitionEvents
  /** Effects that are computed in the record that asks for them; none for whoever only reads. */
  /** What may be written with the next record, whatever that is. */
  readonly later?: () => readonly Item[]
  readonly instants?: Instants
}

export class PartitionReader {
  fold!: Fold
  keeper!: Keeper
  /** Sequence of the last record that is folded. */
  last = 0
  epoch = 0
  /** With how many partitions the participant was created; undefined while nothing is written. */
  partitions: number | undefined
  protected readonly options: PartitionOptions
  protected snapshots!: SnapshotLog
  protected values!: ValueShelf

  constructor(options: PartitionOptions) {
    this.options = options
    this.#clear()
  }

  get index(): number {
    return this.options.index
  }

  /** Folds the journal from the last checkpoint on and writes nothing: who owns it goes on owning it. */
  async open(): Promise<void> {
    const { log } = this.options
    this.#clear()
    let checkpoint = await this.snapshots.open()
    const first = await log.first()
    if (checkpoint && (checkpoint.seen > (await log.last()) || checkpoint.through + 1 < first)) {
      // The journal has lost its end: what the snapshots know of it never was.
      this.snapshots.discard()
      checkpoint = undefined
    }
    if (!checkpoint && first > 1) throw new AigenError('journal.corrupt', `${log.partition} begins at record ${first}, and no snapshot holds what was before`)
    this.fold.births = checkpoint?.births ?? 0
    const lost = checkpoint?.large ? await this.#fillCheckpoint(checkpoint, checkpoint.large) : undefined
    for (const { actor, number, event } of checkpoint?.kept ?? []) this.fold.keep({ kept: actor, number, event })
    this.last = checkpoint?.through ?? 0
    this.epoch = checkpoint?.epoch ?? 0
    this.partitions = checkpoint?.partitions
    if (checkpoint) this.fold.channels.restore(checkpoint.channels)
    await this.keeper.loadHot()
    for (const [actor, problem] of lost ?? []) this.fold.lose(actor, problem.message)
    await this.readOn()
    this.fold.sort()
  }

  /** Folds what the journal has more than was folded, and writes nothing. */
  async readOn(): Promise<void> {
    const { log, kinds, events } = this.options
    for await (const { sequence, data } of log.read(this.last + 1)) {
      const record = decodeRecord(data)
      this.last = sequence
      if (record.epoch < this.epoch) continue
      this.epoch = record.epoch
      this.partitions = record.partitions ?? this.partitions ?? 1
      const ids = actorsOf(record)
      if (ids.some((id) => this.keeper.cold(id))) await this.keeper.load(ids)
      if (record.large) await this.#readLarge(record, record.large)
      else for (const line of record.lines) replay(this.fold, kinds, line, events.replayed)
    }
  }

  /** Takes a record some of whose values are on the shelf: those that count are put back, line by line. */
  async #readLarge(record: JournalRecord, large: readonly Large[]): Promise<void> {
    this.values.named(this.last, large)
    for (const [place, line] of record.lines.entries()) {
      // What a snapshot includes already is not computed again; what it sent is.
      const known = 'actor' in line && line.number <= (this.fold.actors.get(line.actor)?.number ?? 0)
      let lost: AigenError | undefined
      for (const one of large) {
        const sent = one.at[2] === 'sends'
        if (one.at[1] !== place || (known && !sent)) continue
        const problem = await this.#fill(record, one)
        lost ??= problem
        if (problem && sent) (line as any).sends[one.at[3]!].event = lostEvent(problem)
      }
      replay(this.fold, this.options.kinds, line, this.options.events.replayed, known ? undefined : lost)
    }
  }

  /** Actors to whose events of the checkpoint a value is missing, and why; a message without its value says so itself. */
  async #fillCheckpoint(checkpoint: Checkpoint, large: readonly Large[]): Promise<Map<ActorId, AigenError>> {
    const lost = new Map<ActorId, AigenError>()
    for (const one of large) this.values.noted(one.key, one.size)
    this.values.mark(large.map(({ key }) => key))
    for (const one of large) {
      const problem = await this.#fill(checkpoint, one)
      if (!problem) continue
      if (one.at[0] === 'kept') lost.set(checkpoint.kept[one.at[1] as number]!.actor, problem)
      else (checkpoint as any).channels.outbox[one.at[2]!].event = lostEvent(problem)
    }
    return lost
  }

  /** Puts a value back; what is the matter with it when that cannot be. Errors: `network.*`. */
  async #fill(target: object, one: Large): Promise<AigenError | undefined> {
    try {
      await this.values.fill(target, [one])
    } catch (thrown) {
      const error = asError(thrown)
      if (error.code !== 'journal.value') throw error
      return error
    }
  }

  /** Whether an event is on its way to the actor. */
  protected held(_actor: ActorId): boolean {
    return false
  }

  protected failed(error: AigenError): void {
    this.options.events.lost(error)
  }

  #clear(): void {
    const { log, snapshots, blobs, clock, owner, kinds, events, limits = {} } = this.options
    this.fold = new Fold()
    this.snapshots = new SnapshotLog(snapshots, clock, owner)
    this.values = new ValueShelf(blobs, clock, log.partition)
    this.keeper = new Keeper({
      fold: this.fold, kinds, journal: log, snapshots: this.snapshots, values: this.values, limits, last: () => this.last, partitions: () => this.partitions ?? 1, held: (actor) => this.held(actor), failed: (error) => this.failed(error), restored: events.restored,
    })
    this.last = 0
    this.epoch = 0
    this.partitions = undefined
  }
}

/** What is heard in place of a message whose value is gone: those behind it must not wait. */
function lostEvent(error: AigenError): ActorEvent {
  return { type: 'value-lost', error: error.toJSON() }
}

/** With how many partitions the participant was created; undefined when it is new. */
export async function partitionsOf(journal: Journal, prefix: string, kinds: Kinds, clock: Clock): Promise<number | undefined> {
  const name = partitionName(prefix, 0)
  const readOnly = (): never => {
    throw new AigenError('internal', 'this partition is only read')
  }
  const reader = new PartitionReader({
    index: 0, placement: readOnly, log: await journal.open(name), snapshots: await journal.open(snapshotsOf(name)), owner: 'reader', kinds, clock, events: { committed: readOnly, lost: readOnly },
  })
  await reader.open()
  return reader.partitions
}
