/**
 * Takes a line of the journal into a fold, as it was taken when it was written (I7). Used by
 * `partition` at recovery and by whoever only reads a journal.
 */
import { AigenError, asError } from '../../schemas/error.ts'
import { kindOf } from './actor.ts'
import { noChanges, type Fold } from './fold.ts'
import type { Kinds } from './kinds.ts'
import { effectRecord, sameEffects, type Entry, type Line } from './record.ts'
import { advance } from './transition.ts'

/**
 * Never throws: an actor that this code cannot replay is parked with the reason, and takes no more
 * lines. Lines that a snapshot includes already change nothing. `replayed` is told of each event taken.
 * `lost` says why a value of the line is not there.
 */
export function replay(fold: Fold, kinds: Kinds, line: Line, replayed?: (entry: Entry, problem?: AigenError) => void, lost?: AigenError): void {
  const changes = noChanges()
  if (lost && 'kept' in line) return fold.lose(line.kept, lost.message)
  if (!('actor' in line)) return fold.take(line, changes)
  const live = fold.actors.get(line.actor)
  // What it did outside of the actor counts all the same: messages behind one that it heard must not wait.
  if (live?.parked !== undefined || fold.broken.has(line.actor)) return fold.pass(line, changes)
  if (live && line.number <= live.number) return fold.pass(line, changes)
  // What was written by a version that is still here is replayed by it.
  const kind = kinds.byHash(line.machine) ?? live?.kind ?? kinds.current(kindOf(line.actor))
  try {
    if (lost) throw lost
    if (!kind) throw new AigenError('journal.machine-changed', `this node has no actor kind ${kindOf(line.actor)}`)
    if (line.number !== (live?.number ?? 0) + 1) throw new AigenError('journal.corrupt', `event ${line.number} follows event ${live?.number ?? 0}`)
    const outcome = advance(kind, live?.snapshot, line.event)
    // The same machine makes the same effects: only another one's are packed and hashed again.
    if (line.machine !== kind.hash && !sameEffects(outcome.effects.map((one) => effectRecord(one.kind, one.params)), line.effects)) {
      throw new AigenError('journal.machine-changed', `${line.machine} wrote it, this is ${kind.hash}`)
    }
    fold.commit(line, kind, outcome, changes)
    replayed?.(line)
  } catch (thrown) {
    const problem = asError(thrown)
    fold.lose(line.actor, problem.message)
    fold.pass(line, changes)
    replayed?.(line, problem)
  }
}
