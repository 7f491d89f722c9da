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
    return crc32(this.#kinds.current(kindOf(id))?.key(id) ?? id) % this.partitions
  }
}

/** Most partitions that a participant is created with. */
export const PARTITIONS_MAX = 64

/** @example partitionName('p', 0) // 'p0' */
export const partitionName = (prefix: string, index: number): string => `${prefix}${index}`
