/**
 * The snapshots of one partition: a log of images beside its journal, and an index of which record
 * holds the newest image of each actor (D2). A checkpoint says up to which record of the journal
 * the images hold; recovery reads the index, then only the journal's tail. Records that hold mostly
 * old images are compacted: the live ones are copied forward and the log's beginning is given up.
 *
 * A snapshot is a cache (I7): without the log the whole journal is replayed. Its records are fenced
 * by compare-and-swap like the journal's, so a stale owner gives up nothing that the new one reads.
 * Used by `partition` only.
 */
import { AigenError } from '../../schemas/error.ts'
import type { Clock } from '../ports/clock.ts'
import type { Log } from '../ports/journal.ts'
import type { ActorId } from './actor.ts'
import { appendSurely } from './append.ts'
import { readImage } from './image.ts'
import { decodeSnapshots, encodeSnapshots, type Batch, type Checkpoint, type Common, type Fresh, type Place, type SnapshotRecord } from './snapshot-record.ts'

/** Bytes of one record of images, about: bringing one actor back reads all of its record. */
const BATCH_BYTES = 64_000
/** An image longer than this is stored in pieces of this length. */
const PIECE_BYTES = 500_000
/** Entries of one record of the index. */
const INDEX_ENTRIES = 4_000
/** Images that may be old before compaction, beyond as many as there are actors. */
const SLACK = 1_000
/** Images copied forward at once. */
const COPY = 200
/** Records read at once when many actors are loaded. */
const PARALLEL = 32

/** The log that holds the snapshots of a partition. */
export const snapshotsOf = (partition: string): string => `${partition}-snapshots`

export class SnapshotLog {
  readonly #log: Log
  readonly #clock: Clock
  readonly #owner: string
  /**
   * Of each actor's newest image, twice the record's sequence, and one more where it must be in memory: a
   * number for each of those that sleep, of whom there may be a million.
   */
  readonly #places = new Map<ActorId, number>()
  /** What else there is to say of the few: where a long image begins, and the large values that one names. */
  readonly #rest = new Map<ActorId, Pick<Place, 'from' | 'values'>>()
  #epoch = 0
  #last = 0
  /** Sequence of the last checkpoint, and from where on the index is to be read for it. */
  #mark = 0
  #from = 0
  /** Images in each record that is kept, old ones too, and all together. */
  readonly #counts = new Map<number, number>()
  #stored = 0
  #sinceIndex = 0
  #working: Promise<unknown> = Promise.resolve()

  constructor(log: Log, clock: Clock, owner: string) {
    this.#log = log
    this.#clock = clock
    this.#owner = owner
  }

  /** Actors with an image. */
  get size(): number {
    return this.#places.size
  }

  has(actor: ActorId): boolean {
    return this.#places.has(actor)
  }

  /** Sequence of the record that holds its newest image. */
  at(actor: ActorId): number | undefined {
    return this.#placeOf(actor)?.at
  }

  /** Whether its newest image has large values on the shelf. */
  namesValues(actor: ActorId): boolean {
    return this.#rest.get(actor)?.values !== undefined
  }

  ids(): Iterable<ActorId> {
    return this.#places.keys()
  }

  /** Names of the large values that the newest images name. */
  values(): Set<string> {
    return new Set([...this.#rest.values()].flatMap(({ values }) => values ?? []))
  }

  /** Reads the newest checkpoint and the index that belongs to it; nothing when there is none. Errors: `journal.*`. */
  async open(): Promise<(Checkpoint & { readonly epoch: number }) | undefined> {
    this.#last = await this.#log.last()
    const newest = this.#last === 0 ? undefined : await this.#read(this.#last)
    this.#mark = newest?.type === 'checkpoint' ? this.#last : newest?.last ?? 0
    if (this.#mark === 0) return undefined
    const mark = await this.#read(this.#mark)
    if (mark?.type !== 'checkpoint') throw new AigenError('journal.corrupt', `${this.#log.partition}: record ${this.#mark} is no checkpoint`)
    this.#from = mark.from
    for await (const { sequence, data } of this.#log.read(mark.from)) {
      if (sequence > this.#mark) break
      const record = decodeSnapshots(data)
      if (record.type === 'index') {
        for (const place of record.places) this.#place(place)
        for (const [at, count] of record.counts ?? []) this.#count(at, count)
      } else if (record.type === 'batch') this.#hold(record, sequence)
    }
    return { ...mark.checkpoint, epoch: mark.epoch }
  }

  /** Forgets all: what the log has is not of this journal. */
  discard(): void {
    this.#places.clear()
    this.#rest.clear()
    this.#counts.clear()
    this.#mark = this.#from = this.#stored = this.#sinceIndex = 0
  }

  /** Shuts out the owner before. Error `journal.conflict` when it wrote since `open`. */
  async fence(epoch: number): Promise<void> {
    this.#epoch = epoch
    await this.#append({ ...this.#common(), type: 'fence' })
  }

  /** Images of actors that must be in memory. */
  async *hot(): AsyncGenerator<Uint8Array> {
    const ids: ActorId[] = []
    for (const [id, place] of this.#places) if (place % 2 === 1) ids.push(id)
    yield* this.load(ids)
  }

  /** Newest images of these actors, in no order; none for those that have none. Errors: `journal.*`, `network.*`. */
  async *load(ids: readonly ActorId[]): AsyncGenerator<Uint8Array> {
    const wanted = new Map<number, Set<ActorId>>()
    for (const id of ids) {
      const at = this.at(id)
      if (at === undefined) continue
      const group = wanted.get(at) ?? new Set()
      wanted.set(at, group.add(id))
    }
    const records = [...wanted]
    for (let start = 0; start < records.length; start += PARALLEL) {
      const group = await Promise.all(records.slice(start, start + PARALLEL).map(async ([at, actors]) => ({ at, actors, record: await this.#read(at) })))
      for (const { at, actors, record } of group) {
        const batch = record?.type === 'batch' ? record : undefined
        const images = batch?.pieces ? await this.#join(batch.pieces) : batch?.images
        if (!batch || !images) {
          // Compaction gives up a record when what was live in it stands elsewhere.
          const moved = [...actors].filter((id) => this.at(id) !== undefined && this.at(id) !== at)
          if (moved.length < actors.size) throw new AigenError('journal.corrupt', `${this.#log.partition}: record ${at} is gone`)
          yield* this.load(moved)
        } else for (const [place, id] of batch.ids.entries()) if (actors.has(id)) yield images[place]!
      }
    }
  }

  /** Stores images; resolves when they are durable and found. Errors: `journal.*`. */
  save(images: readonly Fresh[]): Promise<void> {
    return this.#alone(() => this.#save(images))
  }

  /** Writes a checkpoint: call it when all that changed up to `through` is saved. Compacts where it is worth it. */
  mark(checkpoint: Checkpoint): Promise<void> {
    return this.#alone(async () => {
      const compacted = await this.#compact()
      const indexed = compacted || this.#from === 0 || this.#sinceIndex > this.#places.size / 2 + SLACK
      if (indexed) await this.#index()
      this.#mark = await this.#append({ ...this.#common(), type: 'checkpoint', checkpoint, from: this.#from })
      if (indexed) await this.#log.purge(this.#needed())
    })
  }

  async #save(images: readonly Fresh[]): Promise<void> {
    for (let start = 0; start < images.length;) {
      let end = start
      for (let bytes = 0; end < images.length && (end === start || bytes + images[end]!.data.length <= BATCH_BYTES); end++) bytes += images[end]!.data.length
      const group = images.slice(start, end)
      const pieces = await this.#split(group[0]!.data)
      const batch: Batch = {
        ...this.#common(), type: 'batch', ids: group.map(({ actor }) => actor), hot: group.map(({ hot }) => hot), images: pieces ? [] : group.map(({ data }) => data), ...(pieces ? { pieces } : {}),
        ...(group.some(({ values }) => values) ? { values: group.map(({ values }) => values ?? null) } : {}),
      }
      this.#hold(batch, await this.#append(batch))
      start = end
    }
  }

  #hold({ ids, hot, pieces, values }: Batch, at: number): void {
    for (const [place, id] of ids.entries()) {
      const named = values?.[place]
      this.#place({ id, at, from: pieces?.[0] ?? at, hot: hot[place]!, ...(named ? { values: named } : {}) })
    }
    this.#count(at, ids.length)
    this.#sinceIndex += ids.length
  }

  #place({ id, at, from, hot, values }: Place): void {
    this.#places.set(id, 2 * at + (hot ? 1 : 0))
    if (from !== at || values) this.#rest.set(id, { from, ...(values ? { values } : {}) })
    else this.#rest.delete(id)
  }

  #placeOf(id: ActorId): Place | undefined {
    const place = this.#places.get(id)
    if (place === undefined) return undefined
    const at = Math.floor(place / 2)
    return { id, at, from: at, hot: place % 2 === 1, ...this.#rest.get(id) }
  }

  #count(at: number, count: number): void {
    this.#counts.set(at, count)
    this.#stored += count
  }

  async #split(image: Uint8Array): Promise<number[] | undefined> {
    if (image.length <= PIECE_BYTES) return undefined
    const pieces: number[] = []
    for (let start = 0; start < image.length; start += PIECE_BYTES) pieces.push(await this.#append({ ...this.#common(), type: 'piece', data: image.subarray(start, start + PIECE_BYTES) }))
    return pieces
  }

  /** The one image of a batch that was stored in pieces; undefined when they are gone. */
  async #join(pieces: readonly number[]): Promise<Uint8Array[] | undefined> {
    const parts: Uint8Array[] = []
    for (const at of pieces) {
      const record = await this.#read(at)
      if (record?.type !== 'piece') return undefined
      parts.push(record.data)
    }
    return [Buffer.concat(parts)]
  }

  /** Copies what is live in the older half of the records forward, when most of what is stored is old. */
  async #compact(): Promise<boolean> {
    if (this.#stored <= 2 * this.#places.size + SLACK) return false
    const records = [...this.#counts.keys()].sort((a, b) => a - b)
    const half = records[records.length >> 1]!
    const live: ActorId[] = []
    for (const [id, place] of this.#places) if (place < 2 * half || (this.#rest.get(id)?.from ?? half) < half) live.push(id)
    let group: Fresh[] = []
    for await (const data of this.load(live)) {
      const { actor } = readImage(data)
      const { hot, values } = this.#placeOf(actor)!
      group.push({ actor, hot, data, ...(values ? { values } : {}) })
      if (group.length < COPY) continue
      await this.#save(group)
      group = []
    }
    await this.#save(group)
    for (const at of records) {
      if (at >= half) break
      this.#stored -= this.#counts.get(at)!
      this.#counts.delete(at)
    }
    return true
  }

  async #index(): Promise<void> {
    const ids = [...this.#places.keys()]
    const from = this.#last + 1
    const counts = [...this.#counts]
    for (let start = 0; start < Math.max(1, ids.length, counts.length); start += INDEX_ENTRIES) {
      const places = ids.slice(start, start + INDEX_ENTRIES).map((id) => this.#placeOf(id)!)
      await this.#append({ ...this.#common(), type: 'index', places, counts: counts.slice(start, start + INDEX_ENTRIES) })
    }
    this.#from = from
    this.#sinceIndex = 0
  }

  /** The first record that anything is read from. */
  #needed(): number {
    let first = this.#from
    for (const place of this.#places.values()) if (place < 2 * first) first = Math.floor(place / 2)
    for (const { from } of this.#rest.values()) if (from < first) first = from
    return first
  }

  #common(): Common {
    return { version: 1, epoch: this.#epoch, last: this.#mark }
  }

  async #append(record: SnapshotRecord): Promise<number> {
    const id = `${this.#log.partition}.${this.#epoch}.${this.#last + 1}.${this.#owner}`
    this.#last = await appendSurely(this.#log, this.#clock, encodeSnapshots(record), this.#last, id)
    return this.#last
  }

  async #read(sequence: number): Promise<SnapshotRecord | undefined> {
    const entry = await this.#log.at(sequence)
    return entry && decodeSnapshots(entry.data)
  }

  /** One after another: the log has one append in flight. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#working.then(work)
    this.#working = done.catch(() => undefined)
    return done
  }
}
