/**
 * A pass over actors, in memory or not, that brings none of them into memory: images of one record of
 * the snapshot log are read together, so that looking at all of a kind costs what the log has and no
 * more at once than one batch. Used by `keeper`.
 */
import { AigenError, asError } from '../../schemas/error.ts'
import type { ActorId } from './actor.ts'
import type { Fold, LiveActor } from './fold.ts'
import { fillImage, readImage, revive, type Image } from './image.ts'
import type { Kinds } from './kinds.ts'
import type { SnapshotLog } from './snapshot-log.ts'
import type { ValueShelf } from './value-shelf.ts'

/** Actors read at once when all are looked at. */
const BATCH = 1_024

export interface Passed {
  readonly fold: Fold
  readonly kinds: Kinds
  readonly snapshots: SnapshotLog
  readonly values: ValueShelf
}

/** Every actor that `wanted` names now, each once, in no order. Errors: `journal.*`, `network.*`. */
export async function* passOverAll(passed: Passed, wanted: (id: ActorId) => boolean): AsyncGenerator<LiveActor> {
  const { fold, snapshots } = passed
  const warm = [...fold.actors.keys()].filter(wanted)
  const cold = [...snapshots.ids()].filter((id) => wanted(id) && !fold.actors.has(id))
  // Those of one record together.
  cold.sort((one, other) => (snapshots.at(one) ?? 0) - (snapshots.at(other) ?? 0))
  for (const ids of [warm, cold]) for (let start = 0; start < ids.length; start += BATCH) yield* passOver(passed, ids.slice(start, start + BATCH))
}

/** These actors as they are, in no order; those that are nowhere are passed over. Errors: `journal.*`, `network.*`. */
export async function* passOver({ fold, kinds, snapshots, values }: Passed, ids: readonly ActorId[]): AsyncGenerator<LiveActor> {
  for (let left = ids; left.length > 0;) {
    const places = new Map<ActorId, number>()
    for (const id of left) {
      const at = snapshots.at(id)
      const live = fold.actors.get(id)
      if (live) yield live
      else if (at !== undefined && !fold.broken.has(id)) places.set(id, at)
    }
    const again: ActorId[] = []
    for await (const data of snapshots.load([...places.keys()])) {
      const image = readImage(data)
      const lost = image.large ? await fillImage(values, image) : undefined
      // Meanwhile it may have been changed, and even put out again: then this image is old.
      if (fold.actors.has(image.actor) || snapshots.at(image.actor) !== places.get(image.actor)) again.push(image.actor)
      else {
        const actor = lost ?? revived(kinds, image)
        // As when it is loaded: it is there, and this code cannot go on with it.
        if (actor instanceof AigenError) fold.lose(image.actor, actor.message)
        else yield actor
      }
    }
    left = again
  }
}

function revived(kinds: Kinds, image: Image): LiveActor | AigenError {
  try {
    return revive(kinds, image)
  } catch (thrown) {
    return asError(thrown)
  }
}
