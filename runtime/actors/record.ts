/**
 * The journal's record: what one group commit stores (D2). Written and read by `partition` only.
 *
 * A record carries partition, epoch and entries; an entry carries actor, machine hash, event
 * number, event and effects. A reader skips records of a lower epoch than a fence it has seen (I6).
 */
import { createHash } from 'node:crypto'
import { AigenError } from '../../schemas/error.ts'
import type { ActorEvent, ActorId } from './actor.ts'
import { decode, encode } from './codec.ts'
import type { Large, Path } from './large.ts'

/** One event of one actor, with what it made the actor ask for. */
export interface Entry {
  readonly actor: ActorId
  /** Hash of the machine that computed this. */
  readonly machine: string
  /** Number of this event in the actor's life, from 1. */
  readonly number: number
  readonly event: ActorEvent
  /** Key of the effect whose result this event is; `timer:` and the timer's; or `kept:` and its number. */
  readonly cause?: string
  /** The message from another partition that this event is: which partition, and its number. */
  readonly from?: From
  readonly effects: readonly EffectRecord[]
  /** What it told actors of other partitions. */
  readonly sends?: readonly Send[]
}

/** Who sent a message, and its number on that channel. */
export type From = readonly [partition: number, number: number]

/** A message to an actor of another partition. */
export interface Send {
  /** Index of that partition. */
  readonly at: number
  /** Its number on the way there, from 1. */
  readonly number: number
  readonly to: ActorId
  readonly event: ActorEvent
}

/** The other partition has heard all messages up to `through`. */
export interface Sent {
  readonly sent: number
  readonly through: number
}

/** A message from another partition that led to no event. */
export interface Heard {
  readonly heard: From
}

/** An effect's key is (actor, event number, index); the hash of its parameters stands beside it. */
export interface EffectRecord {
  readonly kind: string
  readonly params: Record<string, unknown>
  /** First 16 bytes of SHA-256 over the packed parameters. */
  readonly hash: Uint8Array
}

/** An effect that ended without an event: nothing to compute, but it must not run again. */
export interface Ended {
  readonly ended: string
}

/** The host could not compute an event: the actor takes no more until somebody mends it. */
export interface Parked {
  readonly parked: ActorId
  readonly reason: string
}

/** Somebody mended what had it parked: it takes events again, and its open effects are run again. */
export interface Unparked {
  readonly unparked: ActorId
}

/** An event for a parked actor: computed once the actor is unparked, and named by that entry as its cause. */
export interface Kept {
  readonly kept: ActorId
  /** Higher than that of every event which is kept. */
  readonly number: number
  readonly event: ActorEvent
}

export type Line = Entry | Ended | Parked | Unparked | Kept | Sent | Heard

export interface JournalRecord {
  readonly version: 1
  readonly partition: string
  readonly epoch: number
  /** Set on the first record of an epoch: records of lower epochs after it are void. */
  readonly fence?: true
  /** With a fence: how many partitions the participant was created with; 1 where it does not say. */
  readonly partitions?: number
  readonly lines: readonly Line[]
  /** Values of its events, parameters and messages that lie on the shelf; where they stood is null. */
  readonly large?: readonly Large[]
}

export function encodeRecord(record: JournalRecord): Uint8Array {
  return encode(record)
}

/** The record in `data`; error `journal.corrupt`. */
export function decodeRecord(data: Uint8Array): JournalRecord {
  let record: JournalRecord
  try {
    record = decode(data) as JournalRecord
  } catch (cause) {
    throw new AigenError('journal.corrupt', 'not msgpack', { cause })
  }
  if (record?.version !== 1 || !Array.isArray(record.lines)) throw new AigenError('journal.corrupt', 'not a record of version 1')
  return record
}

/** Where large values may stand. */
export function rootsOf({ lines }: JournalRecord): Path[] {
  return lines.flatMap((line, place): Path[] => {
    const at = ['lines', place]
    if ('kept' in line) return [[...at, 'event']]
    if (!('actor' in line)) return []
    return [[...at, 'event'], ...line.effects.map((_, index) => [...at, 'effects', index, 'params']), ...(line.sends ?? []).map((_, index) => [...at, 'sends', index, 'event'])]
  })
}

/** Actors that the record's lines are of. */
export function actorsOf({ lines }: JournalRecord): ActorId[] {
  return lines.flatMap((line) => ('actor' in line ? line.actor : 'parked' in line ? line.parked : 'unparked' in line ? line.unparked : 'kept' in line ? line.kept : []))
}

/** @example effectKey('run/r_1', 3, 0) // 'run/r_1#3.0' */
export function effectKey(actor: ActorId, number: number, index: number): string {
  return `${actor}#${number}.${index}`
}

export function effectRecord(kind: string, params: Record<string, unknown>): EffectRecord {
  return { kind, params, hash: createHash('sha256').update(encode(params)).digest().subarray(0, 16) }
}

/** Whether two lists of effects are the same, by kind and hash of their parameters. */
export function sameEffects(one: readonly EffectRecord[], other: readonly EffectRecord[]): boolean {
  return one.length === other.length && one.every((left, at) => left.kind === other[at]!.kind && Buffer.compare(left.hash, other[at]!.hash) === 0)
}
