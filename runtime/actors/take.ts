/**
 * Images of actors as they are now, made between groups so that each is of a committed state, and
 * their large values put on the shelf. Used by `keeper` only.
 */
import { asError } from '../../schemas/error.ts'
import type { ActorId } from './actor.ts'
import { mayLeave, type Fold } from './fold.ts'
import { encodeImage, imageOf, imageRoots, type Image } from './image.ts'
import { LARGE_BYTES } from './large.ts'
import type { Fresh } from './snapshot-record.ts'
import type { ValueShelf } from './value-shelf.ts'

export interface Taken extends Fresh {
  readonly image: Image
}

/** Why a value cannot be put on the shelf: then it stays in its image. */
const FULL: ReadonlySet<string> = new Set(['input.too-large', 'blob.quota'])

/** They count as unchanged from here on. */
export function take(fold: Fold, ids: readonly ActorId[]): Taken[] {
  return ids.flatMap((id) => {
    fold.changed.delete(id)
    const actor = fold.actors.get(id)
    if (!actor) return []
    const hot = !mayLeave(actor) || !fold.quiet(id) || fold.timersOf(id).length > 0
    const image = imageOf(fold, actor)
    return [{ actor: id, hot, image, data: encodeImage(image) }]
  })
}

/** An image whose large values are on the shelf, and held there until `settle`. Errors: `network.*`. */
export async function shelved(taken: Taken, values: ValueShelf): Promise<Fresh> {
  if (taken.data.length <= LARGE_BYTES || !values.able) return taken
  try {
    const { value, keys } = await values.shelve(taken.image, imageRoots(taken.image))
    return keys.length === 0 ? taken : { actor: taken.actor, hot: taken.hot, data: encodeImage(value), values: keys }
  } catch (thrown) {
    if (!FULL.has(asError(thrown).code)) throw thrown
    return taken
  }
}
