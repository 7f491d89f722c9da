/**
 * Which partition an actor lives in (D2): the hash of its kind's partition key, among as many
 * partitions as the participant was created with. Actors that tell each other much share a key, so
 * that what one event does to them is one record. Used by `host`, `stage` and `read-actors`.
 */
import { crc32 } from 'node:zlib'
import { kindOf, type ActorId } from './actor.ts'
import type { Kinds } from './kinds.ts'

export class Placement {
  readonly partitions: number
  readonly #kinds: Kinds

  constructor(partitions: number, kinds: Kinds) {
    this.partitions = partitions
    this.#kinds = kinds
  }

  /** Index of the actor's partition, from 0. */
  of(id: ActorId): number {
    if (this.partitions === 1) return 0
    const kind = this.#kinds.current(kindOf(id))
    if (kind?.perPartition) return Number(id.slice(kind.name.length + 1)) % this.partitions
    return crc32(kind?.key(id) ?? id) % this.partitions
  }

  /** Who is meant by `to` in the partition `here`: of a kind that each partition has one of, its own. */
  meant(to: ActorId, here: number): ActorId {
    return this.#kinds.current(to)?.perPartition ? `${to}/${here}` : to
  }
}

/** Most partitions that a participant is created with. */
export const PARTITIONS_MAX = 64

/** @example partitionName('p', 0) // 'p0' */
export const partitionName = (prefix: string, index: number): string => `${prefix}${index}`
