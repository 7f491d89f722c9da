/**
 * The journal played against the machines of this code before they take it over (D1, I7): which
 * actors would not follow it, and from which event on. Reads only: no fence, no effect, and who owns
 * the journal goes on owning it (I6). Used by `aigen doctor --dry-run`.
 */
import type { AigenError } from '../../schemas/error.ts'
import { kindOf, type ActorId } from './actor.ts'
import type { ParkedActor } from './fold.ts'
import { readActors, type ReadOptions } from './read-actors.ts'

export interface Break {
  readonly actor: ActorId
  readonly kind: string
  /** Hash of the machine that wrote the event, and that of this code's machine; null where this code has none of the kind. */
  readonly journal: string
  readonly now: string | null
  /** Number of the first event, in the actor's life from 1, that this code does not follow; of a snapshot, that of the last event in it. */
  readonly event: number
  /** Type of that event, or `snapshot`. */
  readonly type: string
  readonly why: string
}

export interface Rehearsal {
  /** Every actor of the journal, and those of them that have not ended. */
  readonly actors: number
  readonly live: number
  /** Those that another machine than this code's wrote, and that follow nevertheless. */
  readonly changed: number
  /** In the order of the journal. */
  readonly breaks: readonly Break[]
  /** Parked before, whatever the code. */
  readonly parked: readonly ParkedActor[]
}

/** What opening this journal with `kinds` would find. Errors: `journal.*`, `network.*`. */
export async function rehearse(options: Omit<ReadOptions, 'onEvent' | 'onImage'>): Promise<Rehearsal> {
  const hashes = new Map(options.kinds.map((kind) => [kind.name, kind.hash]))
  const breaks = new Map<ActorId, Break>()
  const wrote = new Map<ActorId, string>()
  const heard = (actor: ActorId, machine: string, event: number, type: string, problem?: AigenError): void => {
    wrote.set(actor, machine)
    if (!problem) return
    const kind = kindOf(actor)
    breaks.set(actor, { actor, kind, journal: machine, now: hashes.get(kind) ?? null, event, type, why: problem.message })
  }
  const read = await readActors({
    ...options,
    onEvent: ({ actor, machine, number, event }, problem) => heard(actor, machine, number, event.type, problem),
    onImage: ({ actor, machine, number }, problem) => heard(actor, machine, number, 'snapshot', problem),
  })
  let live = 0
  let changed = 0
  for (const [actor, machine] of wrote) {
    if (breaks.has(actor)) continue
    const { snapshot, kind } = read.peek(actor)!
    if (snapshot.status === 'active') live += 1
    if (machine !== kind.hash) changed += 1
  }
  return {
    actors: wrote.size,
    // What this code cannot follow to its end is not known to have one.
    live: live + breaks.size,
    changed,
    breaks: [...breaks.values()],
    parked: [...read.parked()].filter(({ actor }) => !breaks.has(actor)),
  }
}
