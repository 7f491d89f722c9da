/**
 * Keeps a partition's memory bounded and its start-up short (D2): saves images of what changed,
 * puts quiet actors out of memory and brings them back, and marks checkpoints so that recovery
 * replays a tail and not the history. Works beside the appends, one thing after another; images are
 * taken between groups, so each is of a committed state. Used by `partition` only.
 */
import { asError, type AigenError } from '../../schemas/error.ts'
import type { Log } from '../ports/journal.ts'
import type { ActorId } from './actor.ts'
import type { Fold, LiveActor } from './fold.ts'
import { fillImage, readImage, revive, type Image } from './image.ts'
import type { Kinds } from './kinds.ts'
import { LARGE_BYTES, type Path } from './large.ts'
import { passOver, passOverAll } from './pass-over.ts'
import type { SnapshotLog } from './snapshot-log.ts'
import type { Checkpoint, Fresh } from './snapshot-record.ts'
import { shelved, take } from './take.ts'
import type { ValueShelf } from './value-shelf.ts'

export interface Limits {
  /** Passivating actors that stay in memory; default 20,000. */
  readonly resident?: number
  /** Bytes of the journal's tail before a checkpoint; default 8 MB. */
  readonly tailBytes?: number
  /** Records of the tail before a checkpoint; default 20,000. */
  readonly tailRecords?: number
  /** Records of the journal that are kept though a checkpoint covers them, to look back; default 200,000. */
  readonly retain?: number
  /** Bytes of large values that those records may hold on to; default 128 MB. Older records go before it is more. */
  readonly retainBytes?: number
}

/** Passivating actors in memory beyond twice `resident` before events wait for room. */
const ROOM = 1_000
/** Events for parked actors that a checkpoint takes along. */
const KEPT_MAX = 100
/** Images taken in one go, so that the appends do not wait for many. */
const SLICE = 128

export interface KeeperOptions {
  readonly fold: Fold
  readonly kinds: Kinds
  readonly journal: Log
  readonly snapshots: SnapshotLog
  readonly values: ValueShelf
  readonly limits: Limits
  /** Sequence of the last record that is committed. */
  readonly last: () => number
  readonly partitions: () => number
  /** Whether an event is on its way to the actor. */
  readonly held: (actor: ActorId) => boolean
  readonly failed: (error: AigenError) => void
  /** Told of each image that was brought into memory; `problem` says why this code cannot go on from it. */
  readonly restored?: ((image: Image, problem?: AigenError) => void) | undefined
}

export class Keeper {
  readonly #options: KeeperOptions
  readonly #limits: Required<Limits>
  #bytes = 0
  #records = 0
  #working: Promise<void> | undefined
  /** Actors that this work put out of memory so far. */
  #gone = 0
  /** Who waits for room. */
  #waiting: (() => void)[] = []
  readonly #wake = (): void => this.#waiting.splice(0).forEach((wake) => wake())
  #stopped = false

  constructor(options: KeeperOptions) {
    this.#options = options
    this.#limits = { resident: 20_000, tailBytes: 8_000_000, tailRecords: 20_000, retain: 200_000, retainBytes: 128 * 2 ** 20, ...options.limits }
  }

  /** After each record of the journal, of so many bytes with the values it names: starts what has become due. */
  committed(bytes: number): void {
    this.#bytes += bytes
    this.#records += 1
    this.#begin()
  }

  /** Whether so many actors are in memory that events should wait for `room`. */
  get full(): boolean {
    return this.#options.fold.passive.size > 2 * this.#limits.resident + ROOM
  }

  /** Resolves when there is room, or nothing more can be put out of memory: actors come no faster than they go. */
  async room(): Promise<void> {
    while (this.full) {
      this.#begin()
      if (this.#working === undefined) return
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
      if (this.#working === undefined && this.#gone === 0) return
    }
  }

  #begin(): void {
    if (this.#working || this.#stopped || !this.#due()) return
    this.#working = this.#work().catch((thrown) => {
      const error = asError(thrown)
      // What is too large for a checkpoint now stays in the journal's tail until the next.
      if (error.code !== 'input.too-large') this.#options.failed(error)
    }).finally(() => {
      this.#working = undefined
      this.#wake()
    })
  }

  /** Actors there are, in memory or not. */
  get size(): number {
    const { fold, snapshots } = this.#options
    let cold = 0
    for (const id of snapshots.ids()) if (this.cold(id)) cold++
    return fold.actors.size + cold
  }

  /** Whether the actor is there and not in memory. */
  cold(actor: ActorId): boolean {
    const { fold, snapshots } = this.#options
    return !fold.actors.has(actor) && snapshots.has(actor) && !fold.broken.has(actor)
  }

  /** Brings actors into memory; those that are there or nowhere are passed over. Errors: `journal.*`, `network.*`. */
  async load(ids: readonly ActorId[]): Promise<void> {
    const { fold, snapshots, values } = this.#options
    for (let cold = ids.filter((id) => this.cold(id)); cold.length > 0; cold = cold.filter((id) => this.cold(id))) {
      const places = new Map(cold.map((id) => [id, snapshots.at(id)]))
      for await (const data of snapshots.load(cold)) {
        const image = readImage(data)
        const lost = image.large ? await fillImage(values, image) : undefined
        // Meanwhile it may have been loaded, changed and put out again: then this image is old.
        if (this.cold(image.actor) && snapshots.at(image.actor) === places.get(image.actor)) this.#restore(image, lost)
      }
    }
    for (const id of ids) fold.use(id)
  }

  /** Brings one in that is out of memory; nothing where it is there, or nowhere. */
  wake(id: ActorId): Promise<void> | undefined {
    return this.cold(id) ? this.load([id]) : undefined
  }

  /** Brings in what must be in memory. */
  async loadHot(): Promise<void> {
    const { snapshots, values } = this.#options
    for await (const data of snapshots.hot()) {
      const image = readImage(data)
      this.#restore(image, image.large ? await fillImage(values, image) : undefined)
    }
  }

  /** Brings an actor into memory; undefined when there is none. Errors: `journal.*`, `network.*`. */
  async fetch(id: ActorId): Promise<LiveActor | undefined> {
    const { fold } = this.#options
    while (this.cold(id)) {
      await this.load([id])
      // Whoever is only looked at makes room for the next, too; with little room it may be put out again at once.
      if (fold.actors.has(id)) this.#begin()
    }
    fold.use(id)
    return fold.actors.get(id)
  }

  /** Brings every actor into memory, for whoever only reads. */
  async loadAll(): Promise<void> {
    const { fold, snapshots } = this.#options
    await this.load([...snapshots.ids()])
    fold.sort()
  }

  /** Every actor that `wanted` names now, without keeping those in memory that are not there. */
  all(wanted: (id: ActorId) => boolean): AsyncGenerator<LiveActor> {
    return passOverAll(this.#options, wanted)
  }

  /** Actors as they are, in no order and without keeping them in memory; those that are nowhere are passed over. */
  read(ids: readonly ActorId[]): AsyncGenerator<LiveActor> {
    return passOver(this.#options, ids)
  }

  /** Waits for what is under way and begins nothing more. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#working
  }

  #restore(image: Image, lost: AigenError | undefined): void {
    const { fold, kinds, restored } = this.#options
    try {
      if (lost) throw lost
      fold.restore(revive(kinds, image), image.open, image.timers)
      restored?.(image)
    } catch (thrown) {
      const problem = asError(thrown)
      fold.lose(image.actor, problem.message)
      restored?.(image, problem)
    }
  }

  #due(): boolean {
    const { fold } = this.#options
    return fold.passive.size > this.#limits.resident || this.#bytes > this.#limits.tailBytes || this.#records > this.#limits.tailRecords
  }

  async #work(): Promise<void> {
    this.#gone = 0
    if (this.#options.fold.passive.size > this.#limits.resident) await this.#evict()
    if (this.#bytes > this.#limits.tailBytes || this.#records > this.#limits.tailRecords) await this.#checkpoint()
  }

  /** Puts the actors that were longest without an event out of memory, a tenth more than must go. */
  async #evict(): Promise<void> {
    const { fold } = this.#options
    const victims: ActorId[] = []
    let excess = fold.passive.size - Math.floor(this.#limits.resident * 0.9)
    for (const id of fold.passive) {
      if (excess-- <= 0) break
      if (this.#evictable(id)) victims.push(id)
    }
    for (let start = 0; start < victims.length; start += SLICE) {
      const slice = victims.slice(start, start + SLICE).filter((id) => this.#evictable(id))
      const numbers = new Map(slice.map((id) => [id, fold.actors.get(id)!.number]))
      await this.#save(slice.filter((id) => fold.changed.has(id)))
      for (const [id, number] of numbers) {
        if (!this.#evictable(id) || fold.changed.has(id) || fold.actors.get(id)!.number !== number) continue
        fold.evict(id)
        this.#gone += 1
      }
      this.#wake()
    }
  }

  #evictable(id: ActorId): boolean {
    const { fold, held } = this.#options
    return fold.actors.has(id) && fold.quiet(id) && !held(id)
  }

  /** Stores actors as they are now; where that fails they count as changed still, so that none leaves memory with an old image. */
  async #save(ids: readonly ActorId[]): Promise<void> {
    const { fold, snapshots, values } = this.#options
    const taken = take(fold, ids, (id) => snapshots.namesValues(id))
    const fresh: Fresh[] = []
    try {
      for (const one of taken) fresh.push(one.data && one.data.length <= LARGE_BYTES ? { actor: one.actor, hot: one.hot, data: one.data } : await shelved(one, values))
      await snapshots.save(fresh)
    } catch (thrown) {
      for (const id of ids) fold.changed.add(id)
      throw thrown
    } finally {
      for (const one of fresh) if (one.values) values.settle(one.values)
    }
  }

  async #checkpoint(): Promise<void> {
    const { fold, journal, snapshots, values, last, partitions } = this.#options
    this.#bytes = 0
    this.#records = 0
    // What this code cannot replay stays in the journal's tail, for a code that can; and so does much that waits for parked actors.
    if (fold.behind.size > 0 || fold.broken.size > 0 || fold.kept.size > KEPT_MAX) return
    const through = last()
    const kept = [...fold.kept.values()]
    const channels = fold.channels.state()
    const changed = [...fold.changed]
    for (let start = 0; start < changed.length; start += SLICE) await this.#save(changed.slice(start, start + SLICE))
    const roots: Path[] = [...kept.map((_, index) => ['kept', index, 'event']), ...channels.outbox.map((_, index) => ['channels', 'outbox', index, 'event'])]
    const checkpoint: Checkpoint = { through, seen: through, births: fold.births, kept, channels, partitions: partitions() }
    const { value, keys } = values.able ? await values.shelve(checkpoint, roots) : { value: checkpoint, keys: [] }
    try {
      await snapshots.mark({ ...value, seen: last() })
      values.mark(keys)
    } finally {
      values.settle(keys)
    }
    await journal.purge(Math.min(through, Math.max(through - this.#limits.retain, values.keptFrom(through, this.#limits.retainBytes, snapshots.values()))))
    await values.collect(journal, () => snapshots.values())
  }
}
