/**
 * The records of a snapshot log: images in batches, the index of where the newest ones are, and
 * checkpoints (D2). Written and read by `snapshot-log` only.
 */
import { AigenError, asError } from '../../schemas/error.ts'
import type { ActorId } from './actor.ts'
import type { ChannelState } from './channel.ts'
import { decode, encode } from './codec.ts'
import type { KeptEvent } from './fold.ts'
import type { Large } from './large.ts'

/** What holds at a checkpoint, apart from the actors. */
export interface Checkpoint {
  /** The last record of the journal that every image includes; some include later ones. */
  readonly through: number
  /** The journal's last record when the checkpoint was written: a shorter journal has lost records. */
  readonly seen: number
  /** Actors begun so far. */
  readonly births: number
  /** What waits for parked actors, as of `through`. */
  readonly kept: readonly KeptEvent[]
  /** What partitions tell each other, as of `through`. */
  readonly channels: ChannelState
  readonly partitions: number
  /** Values of all this that lie on the shelf; where they stood is null. */
  readonly large?: readonly Large[]
}

/** Where the newest image of an actor is; `from` is the first record that is needed for it. */
export interface Place {
  readonly id: ActorId
  readonly at: number
  readonly from: number
  readonly hot: boolean
  /** Names of the large values that the image names; nothing for none. */
  readonly values?: readonly string[]
}

/** An image to be written. `hot`: needed in memory at recovery. */
export interface Fresh {
  readonly actor: ActorId
  readonly hot: boolean
  readonly data: Uint8Array
  /** Names of the large values that it names. */
  readonly values?: readonly string[]
}

export interface Common {
  readonly version: 1
  readonly epoch: number
  /** Sequence of the last checkpoint before this record, 0 for none. */
  readonly last: number
}
/** `pieces`: of a single image that is too long for one record, the sequences of its pieces. `values`: those that each image names, where any does. */
export type Batch = Common & { readonly type: 'batch'; readonly ids: readonly ActorId[]; readonly hot: readonly boolean[]; readonly images: readonly Uint8Array[]; readonly pieces?: readonly number[]; readonly values?: readonly (readonly string[] | null)[] }
/** `counts`: how many images each record holds that is kept. */
export type Index = Common & { readonly type: 'index'; readonly places: readonly Place[]; readonly counts?: readonly (readonly [number, number])[] }
export type Mark = Common & { readonly type: 'checkpoint'; readonly checkpoint: Checkpoint; readonly from: number }
export type Piece = Common & { readonly type: 'piece'; readonly data: Uint8Array }
export type SnapshotRecord = Batch | Index | Mark | Piece | (Common & { readonly type: 'fence' })

export function encodeSnapshots(record: SnapshotRecord): Uint8Array {
  return encode(record)
}

/** The record in `data`; error `journal.corrupt`. */
export function decodeSnapshots(data: Uint8Array): SnapshotRecord {
  try {
    const record = decode(data) as SnapshotRecord
    if (record.version === 1) return record
  } catch (thrown) {
    throw new AigenError('journal.corrupt', 'not a record of snapshots', { cause: asError(thrown) })
  }
  throw new AigenError('journal.corrupt', 'not a snapshot record of version 1')
}
