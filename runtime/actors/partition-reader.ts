/**
 * A partition as its journal tells it: the newest checkpoint, then the tail, then on as the owner
 * writes (I7). Writes nothing and takes nothing over. The owner (`partition`) begins as one; used by
 * itself in `read-actors`.
 */
import { AigenError } from '../../schemas/error.ts'
import type { Clock } from '../ports/clock.ts'
import type { Journal, Log } from '../ports/journal.ts'
import type { ActorId } from './actor.ts'
import { Fold, type Changes } from './fold.ts'
import type { Image } from './image.ts'
import { Keeper, type Limits } from './keeper.ts'
import type { Kinds } from './kinds.ts'
import { partitionName, type Placement } from './placement.ts'
import { actorsOf, decodeRecord, type Entry } from './record.ts'
import { replay } from './replay.ts'
import { SnapshotLog, snapshotsOf } from './snapshot-log.ts'

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
  /** Names this process in record ids: two that recover at once write the same fence, and must not pass for one (I6). */
  readonly owner: string
  readonly kinds: Kinds
  readonly clock: Clock
  readonly limits?: Limits
  readonly events: PartitionEvents
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

  constructor(options: PartitionOptions) {
    this.options = options
    this.#clear()
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
    for (const { actor, number, event } of checkpoint?.kept ?? []) this.fold.keep({ kept: actor, number, event })
    this.last = checkpoint?.through ?? 0
    this.epoch = checkpoint?.epoch ?? 0
    this.partitions = checkpoint?.partitions
    if (checkpoint) this.fold.channels.restore(checkpoint.channels)
    await this.keeper.loadHot()
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
      for (const line of record.lines) replay(this.fold, kinds, line, events.replayed)
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
    const { log, snapshots, clock, owner, kinds, events, limits = {} } = this.options
    this.fold = new Fold()
    this.snapshots = new SnapshotLog(snapshots, clock, owner)
    this.keeper = new Keeper({
      fold: this.fold, kinds, journal: log, snapshots: this.snapshots, limits, last: () => this.last, partitions: () => this.partitions ?? 1, held: (actor) => this.held(actor), failed: (error) => this.failed(error), restored: events.restored,
    })
    this.last = 0
    this.epoch = 0
    this.partitions = undefined
  }
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
