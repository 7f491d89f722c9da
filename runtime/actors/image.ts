/**
 * An actor as bytes, for the snapshot log (D2, I7): its state, what it waits for, and which machine
 * made it. A snapshot is a cache: restored, it must be what the replay of its events is. Used by
 * `partition` and `snapshot-log`.
 */
import { AigenError, asError } from '../../schemas/error.ts'
import { kindOf, type ActorId } from './actor.ts'
import { decode, encode } from './codec.ts'
import type { Fold, LiveActor, OpenEffect, PendingTimer } from './fold.ts'
import type { Kinds } from './kinds.ts'
import type { Large, Path } from './large.ts'
import { persist, restore } from './transition.ts'
import type { ValueShelf } from './value-shelf.ts'

export interface Image {
  readonly actor: ActorId
  /** Hash of the machine that its state is of. */
  readonly machine: string
  readonly number: number
  readonly born: number
  readonly state: object
  readonly open: readonly OpenEffect[]
  readonly timers: readonly PendingTimer[]
  readonly parked?: string
  /** Values that lie on the shelf; where they stood is null. */
  readonly large?: readonly Large[]
}

/** The actor as it is in `fold`. */
export function imageOf(fold: Fold, { id, kind, number, born, snapshot, parked }: LiveActor): Image {
  return {
    actor: id, machine: kind.hash, number, born, state: persist(kind, snapshot), open: fold.openOf(id), timers: fold.timersOf(id), ...(parked === undefined ? {} : { parked }),
  }
}

export function encodeImage(image: Image): Uint8Array {
  return encode(image)
}

/** Where large values may stand. */
export function imageRoots({ open, timers }: Image): Path[] {
  return [['state'], ...open.map((_, index) => ['open', index, 'record', 'params']), ...timers.map((_, index) => ['timers', index, 'event'])]
}

/** Error `journal.corrupt`. */
export function readImage(data: Uint8Array): Image {
  try {
    return decode(data) as Image
  } catch (cause) {
    throw new AigenError('journal.corrupt', 'not a snapshot', { cause })
  }
}

/**
 * The actor of an image under the machine that made it, or migrated to the one there is now.
 * Error `journal.machine-changed`.
 */
export function revive(kinds: Kinds, { actor, machine, number, born, state, parked }: Image): LiveActor {
  const same = kinds.byHash(machine)
  const kind = same ?? kinds.current(kindOf(actor))
  if (!kind) throw new AigenError('journal.machine-changed', `this node has no actor kind ${kindOf(actor)}`)
  const migrated = same ? state : kind.migrate?.(state, machine)
  if (!migrated) throw new AigenError('journal.machine-changed', `${machine} wrote its snapshot, this is ${kind.hash}, which does not say how to go on from it`)
  return { id: actor, kind, number, born, snapshot: restore(kind, migrated), ...(parked === undefined ? {} : { parked }) }
}

/** Puts the large values of an image back; what is the matter with one when that cannot be. Errors: `network.*`. */
export async function fillImage(values: ValueShelf, image: Image): Promise<AigenError | undefined> {
  for (const { key, size } of image.large!) values.noted(key, size)
  try {
    await values.fill(image, image.large!)
  } catch (thrown) {
    const error = asError(thrown)
    if (error.code !== 'journal.value') throw error
    return error
  }
}
