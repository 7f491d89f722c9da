/**
 * The actors of a journal that another process may own: folded as they stand, nothing fenced,
 * nothing dispatched (I6, I7). Used by the commands that only look: `aigen bill`, `aigen runs ls`.
 */
import { AigenError } from '../../schemas/error.ts'
import type { Clock } from '../ports/clock.ts'
import type { Journal } from '../ports/journal.ts'
import type { ActorId, ActorKind } from './actor.ts'
import type { LiveActor } from './fold.ts'
import { Partition } from './partition.ts'

/** What can be asked of actors, live or read; a `Host` has it too. */
export interface Actors {
  peek(id: ActorId): LiveActor | undefined
  context<C>(id: ActorId): C | undefined
  list(kind: string): Iterable<LiveActor>
}

export interface ReadOptions {
  readonly journal: Journal
  readonly partition: string
  readonly clock: Clock
  readonly kinds: readonly ActorKind[]
}

/** The actors as of the last record at the time of the call. Errors: `journal.*`, `network.*`. */
export async function readActors({ journal, partition, clock, kinds }: ReadOptions): Promise<Actors> {
  const readOnly = (): never => {
    throw new AigenError('internal', 'these actors are read only')
  }
  const read = new Partition(await journal.open(partition), 'reader', new Map(kinds.map((kind) => [kind.name, kind])), clock, { committed: readOnly, lost: readOnly })
  await read.replay()
  const { actors } = read.fold
  return {
    peek: (id) => actors.get(id),
    context: <C>(id: ActorId) => actors.get(id)?.snapshot.context as C | undefined,
    list: function* (kind) {
      for (const actor of actors.values()) if (actor.kind.name === kind) yield actor
    },
  }
}
