/**
 * The large values of one partition, on the participant's own shelf (port `blobs`): stored once by
 * hash, before the record that names them is appended, so that a crash leaves one that nobody names
 * and never a name without its value. Knows which are named by a record that the journal still has,
 * by an actor's newest image or by the last checkpoint; the others are given up. Used by
 * `partition`, `partition-reader` and `keeper`.
 *
 * A name is never used again, and only names of the own epoch are made: an owner that was put off
 * and does not know it yet (I6) can give up nothing that the next one has stored.
 */
import { createHash } from 'node:crypto'
import { AigenError, asError } from '../../schemas/error.ts'
import type { OwnBlobs } from '../ports/blobs.ts'
import type { Clock } from '../ports/clock.ts'
import type { Log } from '../ports/journal.ts'
import { decode, encode } from './codec.ts'
import { largeParts, pathOf, putBack, without, type Large, type Path } from './large.ts'
import { decodeRecord } from './record.ts'

/** Bytes of all large values that one record or image names. */
const TOTAL_MAX = 64 * 2 ** 20
/** Values under way to or from the shelf at once. */
const PARALLEL = 8
/** Times a value is sent when its storing is not confirmed. */
const ATTEMPTS = 20

/** What was taken out of `value`, which names it under `large`. */
export interface Shelved<T> {
  readonly value: T & { readonly large?: readonly Large[] }
  readonly keys: readonly string[]
  /** Of what was taken out. */
  readonly bytes: number
}

interface Known {
  readonly hash: string
  readonly size: number
  /** Sequence of the last record of the journal that names it; 0 for none. */
  named: number
}

const hashOf = (data: Uint8Array): string => createHash('sha256').update(data).digest('base64url')
/** Bytes of a hash in base64url. */
const HASH = 43

export class ValueShelf {
  /** Of the owner; 0 while the journal is only read. */
  epoch = 0
  readonly #blobs: OwnBlobs | undefined
  readonly #clock: Clock
  readonly #prefix: string
  readonly #known = new Map<string, Known>()
  /**
   * What objects in memory were stored as. State never changes in place (D1), so the same object is the same value:
   * a run's plan is packed once, and not for each of its images.
   */
  readonly #placed = new WeakMap<object, Pick<Known, 'hash' | 'size'>>()
  /** Names by hash, of those that may be named once more. */
  readonly #byHash = new Map<string, string>()
  /** Named by what is not durable yet, and by how much of it. */
  readonly #flying = new Map<string, number>()
  /** Not known to be stored. */
  readonly #storing = new Map<string, Promise<void>>()
  #marked: ReadonlySet<string> = new Set()
  /** Needed by nobody at the last collection: whoever reads beside the owner has had the time since. */
  #doomed: ReadonlySet<string> = new Set()
  #made = 0
  #listed = false

  constructor(blobs: OwnBlobs | undefined, clock: Clock, partition: string) {
    this.#blobs = blobs
    this.#clock = clock
    this.#prefix = `v-${partition}-`
  }

  /** Whether there is a shelf: without one, values stay where they are. */
  get able(): boolean {
    return this.#blobs !== undefined
  }

  /**
   * `value` with its large parts on the shelf. They are kept until `settle`. `roots` are the places in it that are
   * looked at. Errors: `input.too-large` with the path, `blob.quota`, `network.*`.
   */
  async shelve<T extends object>(value: T, roots: readonly Path[]): Promise<Shelved<T>> {
    const parts = roots.flatMap((root) => largeParts(value, root, this.#placed))
    if (parts.length === 0) return { value, keys: [], bytes: 0 }
    const most = Math.min(TOTAL_MAX, this.#blobs!.maxBytes)
    let bytes = 0
    const packed = parts.map(({ at, value: part }) => {
      const stored = this.#stored(part)
      const data = stored ? undefined : encode(part)
      const one = stored ?? { hash: hashOf(data!), size: data!.length }
      bytes += one.size
      if (bytes > most) throw new AigenError('input.too-large', `${bytes} bytes and more, at most ${most}`, { path: pathOf(at, at[0] === 'lines' ? 2 : 0) })
      return { at, data, part, ...one }
    })
    const large: Large[] = []
    const keys: string[] = []
    try {
      for (let start = 0; start < packed.length; start += PARALLEL) {
        const puts = packed.slice(start, start + PARALLEL).map(({ at, data, part, hash, size }) => {
          // Meanwhile it may have been given up: then it is stored anew.
          const { key, stored } = this.#put(hash, size, () => data ?? encode(part))
          keys.push(key)
          large.push({ at, key, size })
          if (typeof part === 'object' && part !== null) this.#placed.set(part, { hash, size })
          return stored
        })
        await Promise.all(puts)
      }
    } catch (thrown) {
      this.settle(keys)
      throw thrown
    }
    return { value: { ...without(value, parts.map(({ at }) => at)), large }, keys, bytes }
  }

  /** What named these is durable, or was given up. */
  settle(keys: readonly string[]): void {
    for (const key of keys) {
      const count = this.#flying.get(key)! - 1
      if (count === 0) this.#flying.delete(key)
      else this.#flying.set(key, count)
    }
  }

  /** Record `sequence` of the journal names them. */
  named(sequence: number, large: readonly Large[]): void {
    for (const { key, size } of large) this.#know(key, size).named = sequence
  }

  /** An image or checkpoint names it. */
  noted(key: string, size: number): void {
    this.#know(key, size)
  }

  /** What the newest checkpoint names. */
  mark(keys: readonly string[]): void {
    this.#marked = new Set(keys)
  }

  /** Puts values back into what names them. Error `journal.value` when one is not there or not what it was; `network.*`. */
  async fill(value: object, large: readonly Large[]): Promise<void> {
    for (let start = 0; start < large.length; start += PARALLEL) {
      await Promise.all(large.slice(start, start + PARALLEL).map(async (one) => {
        const part = await this.#get(one)
        if (typeof part === 'object' && part !== null) this.#placed.set(part, { hash: one.key.slice(-HASH), size: one.size })
        putBack(value, one.at, part)
      }))
    }
  }

  /**
   * The first record of the journal that can be kept when those through `through` are there only to look
   * back, and may hold on to `most` bytes of values.
   */
  keptFrom(through: number, most: number, inImages: ReadonlySet<string>): number {
    const old = [...this.#known].filter(([key, { named }]) => named > 0 && named <= through && !this.#needed(key, inImages)).map(([, known]) => known)
    let bytes = 0
    for (const { named, size } of old.sort((one, other) => other.named - one.named)) if ((bytes += size) > most) return named + 1
    return 1
  }

  /** Gives up what was needed by nobody now and at the last call; `journal` is asked where its records begin. Errors: `network.*`. */
  async collect(journal: Log, inImages: () => ReadonlySet<string>): Promise<void> {
    if (!this.#blobs) return
    if (!this.#listed) await this.#list(journal)
    if (this.#known.size === 0) return
    const first = await journal.first()
    const images = inImages()
    const doomed = new Set<string>()
    const dropped: string[] = []
    for (const [key, { hash, named }] of this.#known) {
      if (named >= first || this.#needed(key, images)) continue
      if (this.#byHash.get(hash) === key) this.#byHash.delete(hash)
      if (this.#doomed.has(key)) dropped.push(key)
      else doomed.add(key)
    }
    this.#doomed = doomed
    for (const key of dropped) {
      await this.#blobs.drop(this.#prefix + key)
      this.#known.delete(key)
    }
  }

  #needed(key: string, inImages: ReadonlySet<string>): boolean {
    return inImages.has(key) || this.#marked.has(key) || this.#flying.has(key)
  }

  /** Finds what owners before this one left, and where the journal's old records name it. */
  async #list(journal: Log): Promise<void> {
    const found = new Set<string>()
    for await (const name of this.#blobs!.keys(this.#prefix)) {
      const key = name.slice(this.#prefix.length)
      if (Number.parseInt(key) < this.epoch && !this.#known.has(key)) found.add(key)
    }
    if (found.size > 0) {
      for await (const { sequence, data } of journal.read(1)) {
        // Most records name none, and to look for the word costs little.
        if (Buffer.from(data.buffer, data.byteOffset, data.length).indexOf('large') < 0) continue
        for (const { key, size } of decodeRecord(data).large ?? []) if (found.has(key)) this.#old(key, size).named = sequence
      }
      for (const key of found) this.#old(key, 0)
    }
    this.#listed = true
  }

  /** Known, and not to be named once more. */
  #old(key: string, size: number): Known {
    const known = this.#known.get(key) ?? { hash: key.slice(-HASH), size, named: 0 }
    this.#known.set(key, known)
    return known
  }

  #know(key: string, size: number): Known {
    const known = this.#old(key, size)
    if (!this.#doomed.has(key)) this.#byHash.set(known.hash, key)
    return known
  }

  /** What is known of a part that is on the shelf as it is in memory. */
  #stored(part: unknown): Pick<Known, 'hash' | 'size'> | undefined {
    const placed = typeof part === 'object' && part !== null ? this.#placed.get(part) : undefined
    return placed && this.#byHash.has(placed.hash) ? placed : undefined
  }

  #put(hash: string, size: number, pack: () => Uint8Array): { readonly key: string; readonly stored: Promise<void> } {
    const known = this.#byHash.get(hash)
    const key = known ?? `${this.epoch}-${(this.#made++).toString(36)}-${hash}`
    this.#flying.set(key, (this.#flying.get(key) ?? 0) + 1)
    if (known !== undefined) return { key, stored: this.#storing.get(key) ?? Promise.resolve() }
    this.#know(key, size)
    const stored = this.#store(key, pack()).catch((thrown) => {
      this.#byHash.delete(hash)
      throw thrown
    }).finally(() => this.#storing.delete(key))
    this.#storing.set(key, stored)
    return { key, stored }
  }

  async #store(key: string, data: Uint8Array): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#blobs!.put(this.#prefix + key, data)
      } catch (thrown) {
        const error = asError(thrown)
        if (!error.rule.retry || error.code === 'network.closed' || attempt >= ATTEMPTS) throw error
        await this.#clock.sleep(Math.min(2_000, 50 * 2 ** attempt))
      }
    }
  }

  async #get({ key, size }: Large): Promise<unknown> {
    const name = this.#prefix + key
    if (!this.#blobs) throw new AigenError('journal.value', `${name} (${size} bytes) lies on the participant's shelf, which this reader was not given`)
    const data = await this.#blobs.get(name)
    if (!data) throw new AigenError('journal.value', `${name} (${size} bytes) is not on the participant's shelf`)
    if (data.length !== size || hashOf(data) !== key.slice(-HASH)) throw new AigenError('journal.value', `${name} (${size} bytes) is not what was stored`)
    return decode(data)
  }
}
