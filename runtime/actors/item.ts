/**
 * An event on its way into the journal, and whether it is computed at all. Used by `partition` only.
 */
import { AigenError } from '../../schemas/error.ts'
import type { ActorEvent, ActorId } from './actor.ts'
import type { From } from './record.ts'
import type { LiveActor } from './fold.ts'

export interface Item {
  readonly actor: ActorId
  readonly event: ActorEvent
  /** Key of the effect whose result it is; `timer:` and the timer's; `kept:` and the number of an event that waited. */
  readonly cause?: string
  /** The message from another partition that it is. */
  readonly from?: From
  /** Called when a message is durably heard. */
  readonly heard?: () => void
  /** Called when it will not be heard: one before it was not, or ownership ends. */
  readonly missed?: (error: AigenError) => void
  /** No event: the actor is mended and takes events again. */
  readonly unpark?: true
  readonly resolve?: (actor: LiveActor) => void
  readonly reject?: (error: AigenError) => void
}

/**
 * Why `item` is not computed: an error for its sender, `true` for "nothing to do", nothing when it
 * is. `broken` says why the actor could not be replayed from its first event.
 */
export function refuses(live: LiveActor | undefined, item: Item, broken: string | undefined): AigenError | true | undefined {
  if (broken !== undefined) return new AigenError('journal.machine-changed', `${item.actor}: ${broken}`)
  if (!live) return item.event.type === 'start' ? undefined : new AigenError('run.unknown', `no actor ${item.actor}`)
  if (item.event.type === 'start') return true
  if (live.parked !== undefined) return new AigenError('internal', `${item.actor} is parked: ${live.parked}`)
  return live.snapshot.status === 'active' ? undefined : true
}
