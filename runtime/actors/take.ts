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

/** An image; its bytes are made later where large values are to be taken out of it. */
export interface Taken extends Omit<Fresh, 'data'> {
  readonly data: Uint8Array | undefined
  readonly image: Image
}

/** Why a value cannot be put on the shelf: then it stays in its image. */
const FULL: ReadonlySet<string> = new Set(['input.too-large', 'blob.quota'])

/** They count as unchanged from here on. `heavy`: whose image before had large values. */
export function take(fold: Fold, ids: readonly ActorId[], heavy: (id: ActorId) => boolean): Taken[] {
  return ids.flatMap((id) => {
    fold.changed.delete(id)
    const actor = fold.actors.get(id)
    if (!actor) return []
    const hot = !mayLeave(actor) || !fold.quiet(id) || fold.timersOf(id).length > 0
    const image = imageOf(fold, actor)
    return [{ actor: id, hot, image, data: heavy(id) ? undefined : encodeImage(image) }]
  })
}

/** An image whose large values are on the shelf, and held there until `settle`. Errors: `network.*`. */
export async function shelved({ actor, hot, image, data }: Taken, values: ValueShelf): Promise<Fresh> {
  const whole = (): Fresh => ({ actor, hot, data: data ?? encodeImage(image) })
  if (!values.able || (data && data.length <= LARGE_BYTES)) return whole()
  try {
    const { value, keys } = await values.shelve(image, imageRoots(image))
    return keys.length === 0 ? whole() : { actor, hot, data: encodeImage(value), values: keys }
  } catch (thrown) {
    if (!FULL.has(asError(thrown).code)) throw thrown
    return whole()
  }
}
