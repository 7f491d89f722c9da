/**
 * The actors of a journal that another process may own: folded as they stand, nothing fenced,
 * nothing dispatched (I6, I7). Used by the commands that only look: `aigen bill`, `aigen runs ls`,
 * and, reading on as the owner writes, `aigen runs watch`.
 */
import { AigenError, asError } from '../../schemas/error.ts'
import type { OwnBlobs } from '../ports/blobs.ts'
import type { Clock } from '../ports/clock.ts'
import type { Journal, Log } from '../ports/journal.ts'
import type { ActorId, ActorKind } from './actor.ts'
import type { LiveActor, ParkedActor } from './fold.ts'
import type { Image } from './image.ts'
import { Kinds } from './kinds.ts'
import { PartitionReader } from './partition-reader.ts'
import { partitionName, Placement } from './placement.ts'
import type { Entry } from './record.ts'
import { snapshotsOf } from './snapshot-log.ts'
import type { Watcher } from './watcher.ts'

/** Times a journal is read anew because its owner compacts it. */
const READINGS = 5

/** What can be asked of actors, live or read; a `Host` has it too. */
export interface Actors {
  load(id: ActorId): Promise<LiveActor | undefined>
  /** Context of an actor, or undefined; the caller knows its kind. */
  look<C>(id: ActorId): Promise<C | undefined>
  /** The same of many, in their order. */
  lookEach<C>(ids: readonly ActorId[]): Promise<(C | undefined)[]>
  /** Every actor of a kind, in no order. */
  all(kind: string): AsyncIterable<LiveActor>
  /** Actors that take no more events, and why. */
  parked(): Iterable<ParkedActor>
}

export interface ReadActors extends Actors {
  peek(id: ActorId): LiveActor | undefined
  context<C>(id: ActorId): C | undefined
  list(kind: string): Iterable<LiveActor>
  /** Reads on to what is the last record now. Errors: `journal.*`, `network.*`. */
  refresh(): Promise<void>
  /** Calls `watcher` after each event that `refresh` reads; returns how to stop. */
  watch(watcher: Watcher): () => void
}

export interface ReadOptions {
  readonly journal: Journal
  /** The participant's own shelf: without it, actors whose large values are there are parked, with that as the reason. */
  readonly blobs?: OwnBlobs | undefined
  /** Of the partitions' names; default `p`. */
  readonly prefix?: string
  readonly clock: Clock
  readonly kinds: readonly ActorKind[]
  /** Told of each event, the first reading's included; `problem` says why this code cannot follow it. */
  readonly onEvent?: (entry: Entry, problem?: AigenError) => void
  /** Told of each actor that comes from a snapshot, in place of the events before it. */
  readonly onImage?: (image: Image, problem?: AigenError) => void
}

/** The actors as of the last record at the time of the call. Errors: `journal.*`, `network.*`. */
export async function readActors({ journal, blobs, prefix = 'p', clock, kinds, onEvent, onImage }: ReadOptions): Promise<ReadActors> {
  const readOnly = (): never => {
    throw new AigenError('internal', 'these actors are read only')
  }
  const watchers = new Set<Watcher>()
  const readings: Reading[] = []
  const replayed = (entry: Entry, problem?: AigenError): void => {
    onEvent?.(entry, problem)
    const actor = problem ? undefined : readings.map(({ reader }) => reader.fold.actors.get(entry.actor)).find(Boolean)
    if (actor) for (const watcher of [...watchers]) watcher(actor, entry)
  }
  const known = new Kinds(kinds)
  const events = { committed: readOnly, lost: readOnly, replayed, ...(onImage ? { restored: onImage } : {}) }
  const open = async (index: number): Promise<Reading> => {
    const name = partitionName(prefix, index)
    const log = await journal.open(name)
    const reader = new PartitionReader({ index, placement: readOnly, log, snapshots: await journal.open(snapshotsOf(name)), blobs, owner: 'reader', kinds: known, clock, events })
    for (let attempt = 1; ; attempt++) {
      try {
        await reader.open()
        await reader.keeper.loadAll()
        return { log, reader }
      } catch (thrown) {
        // Its owner gave up old records while they were read: what it left in their place is there.
        if (asError(thrown).code !== 'journal.corrupt' || attempt >= READINGS) throw thrown
      }
    }
  }
  readings.push(await open(0))
  const count = readings[0]!.reader.partitions ?? 1
  readings.push(...await Promise.all(Array.from({ length: count - 1 }, (_, index) => open(index + 1))))
  const placement = new Placement(count, known)
  const actorsOf = (id: ActorId): ReadonlyMap<ActorId, LiveActor> => readings[placement.of(id)]!.reader.fold.actors
  return {
    load: async (id) => actorsOf(id).get(id),
    look: async <C>(id: ActorId) => actorsOf(id).get(id)?.snapshot.context as C | undefined,
    lookEach: async <C>(ids: readonly ActorId[]) => ids.map((id) => actorsOf(id).get(id)?.snapshot.context as C | undefined),
    all: async function* (kind) {
      for (const { reader } of readings) for (const actor of [...reader.fold.actors.values()]) if (actor.kind.name === kind) yield actor
    },
    peek: (id) => actorsOf(id).get(id),
    context: <C>(id: ActorId) => actorsOf(id).get(id)?.snapshot.context as C | undefined,
    list: function* (kind) {
      for (const { reader } of readings) for (const actor of reader.fold.actors.values()) if (actor.kind.name === kind) yield actor
    },
    parked: function* () {
      for (const { reader } of readings) yield* reader.fold.parked()
    },
    refresh: async () => {
      for (const { log, reader } of readings) if ((await log.last()) > reader.last) await reader.readOn()
    },
    watch: (watcher) => {
      watchers.add(watcher)
      return () => void watchers.delete(watcher)
    },
  }
}

interface Reading {
  readonly log: Log
  readonly reader: PartitionReader
}
