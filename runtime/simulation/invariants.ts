/**
 * The invariants of DESIGN as far as a kit can know them (D10): each looks at what journals, lanes and
 * the chain say, and names what does not hold. They know no agent; whole-network checks that need one
 * stand in its scenario.
 */
import { asError } from '../../schemas/error.ts'
import type { ActorKind } from '../actors/actor.ts'
import type { LiveActor } from '../actors/fold.ts'
import { readActors, type ReadActors } from '../actors/read-actors.ts'
import { snapshotsOf } from '../actors/snapshot-log.ts'
import type { Clock } from '../ports/clock.ts'
import type { Hex } from '../ports/signer.ts'
import { memoryJournal, type MemoryDisk } from '../memory/journal.ts'
import type { MemoryRail } from '../memory/rail.ts'
import { mark } from './trace.ts'

/** By its number in DESIGN; `loss` is the most that an honest participant may lose to the liars it meets. */
export type Invariant = 'I1' | 'I2' | 'I3' | 'I4' | 'I5' | 'I6' | 'I7' | 'I8' | 'loss'

export interface Violation {
  readonly invariant: Invariant
  /** What does not hold, for people. */
  readonly says: string
}

/** Nothing when it holds. */
export type Finding = Violation | undefined

export const broken = (invariant: Invariant, says: string): Violation => ({ invariant, says })

/** I2: what the vault contract holds is what it owes; I1: what a lane has paid out never falls and never exceeds what is reserved. */
export class ChainBooks {
  readonly #claimed = new Map<Hex, bigint>()
  readonly #closed = new Set<Hex>()

  /** Looks at the whole chain, after each transaction. */
  look(rail: MemoryRail): Finding {
    const over = rail.imbalance()
    if (over !== 0n) return broken('I2', `the vault contract holds ${over} more than it owes`)
    for (const { id, claimed, reserved, closed } of rail.mark().ledger.lanes.values()) {
      const before = this.#claimed.get(id) ?? 0n
      if (claimed < before) return broken('I1', `lane ${id} had paid out ${before} and now ${claimed}`)
      if (claimed > reserved) return broken('I2', `lane ${id} has paid out ${claimed} of ${reserved}`)
      if (this.#closed.has(id) && !closed) return broken('I1', `lane ${id} was closed and is used again`)
      this.#claimed.set(id, claimed)
      if (closed) this.#closed.add(id)
    }
    return undefined
  }

  /** The chain has lost blocks: what it says now may be less. */
  reorged(): void {
    this.#claimed.clear()
    this.#closed.clear()
  }
}

/** I1: a chain write goes out once: what one account says twice, under two nonces, it means once (D1). */
export class Writes {
  readonly #nonces = new Map<string, number>()
  /** Accounts that may have forgotten what they sent. */
  readonly #void = new Set<string>()
  #reorged = false

  /** The chain has lost blocks: from now on a write may be sent again beside its old bytes, and does nothing twice. */
  reorged(): void {
    this.#reorged = true
  }

  mined({ from, nonce, write }: { readonly from: string; readonly nonce: number; readonly write: unknown }): Finding {
    if (this.#void.has(from)) return undefined
    const what = `${from} ${JSON.stringify(write)}`
    const before = this.#nonces.get(what)
    if (before !== undefined && before !== nonce && !this.#reorged) return broken('I1', `${from} has sent one write under the nonces ${before} and ${nonce}: ${JSON.stringify(write).slice(0, 200)}`)
    this.#nonces.set(what, nonce)
    return undefined
  }

  /** The account may have forgotten what it sent. */
  forget(from: string): void {
    this.#void.add(from)
  }
}

/** I6: once an owner has written to a partition, none that wrote there before it writes there again. */
export class Owners {
  /** Owners by partition, in the order of their first records. */
  readonly #lives = new Map<string, string[]>()
  readonly #next = new Map<string, number>()

  /** A record has been stored, by one life of a process; where a process may own a partition again, one epoch of it. */
  appended(partition: string, life: string, sequence: number): Finding {
    const lives = this.#lives.get(partition) ?? []
    const next = this.#next.get(partition) ?? sequence
    this.#next.set(partition, sequence + 1)
    if (!lives.includes(life)) this.#lives.set(partition, [...lives, life])
    else if (lives.at(-1) !== life) return broken('I6', `${life} has written record ${sequence} of ${partition}, which ${lives.at(-1)} owns`)
    return sequence === next ? undefined : broken('I6', `record ${sequence} of ${partition} was written where ${next} is next`)
  }

  /** Whether none wrote later for the first time than `life`, in any log whose name begins so. */
  owns(partitions: string, life: string): boolean {
    for (const [partition, lives] of this.#lives) if (partition.startsWith(partitions) && lives.at(-1) !== life) return false
    return true
  }

  /** Whether the last owner of a log, if it has had one, is `life` in whichever epoch. */
  owned(partition: string, life: string): boolean {
    const last = this.#lives.get(partition)?.at(-1)
    return last === undefined || last.startsWith(life)
  }

  /** The logs whose names begin so have lost their tails. */
  forget(partitions: string): void {
    for (const partition of this.#next.keys()) if (partition.startsWith(partitions)) this.#next.delete(partition)
  }
}

/** I8: an envelope is opened once at most, whoever brings it again, and one that was changed never. */
export class Envelopes {
  readonly #answered = new Set<string>()
  readonly #changed = new Set<string>()

  /** These bytes are not what their sender sent. */
  changed(bytes: Uint8Array): void {
    this.#changed.add(mark(bytes))
  }

  /**
   * A request was answered: `request` and `answer` are the bytes, `to` the subject it came on. What is
   * not sealed (refusals, welcomes) proves nothing.
   */
  answered(request: Uint8Array, answer: Uint8Array, to: string): Finding {
    if (!sealed(request) || !sealed(answer)) return undefined
    if (this.#changed.size > 0 && this.#changed.has(mark(request))) return broken('I8', `an envelope on ${to} was changed on the way and opened`)
    // session and counter name an envelope; the rest is bound to them by its tag
    const name = `${to} ${Buffer.from(request.subarray(2, 22)).toString('hex')}`
    if (this.#answered.has(name)) return broken('I8', `an envelope on ${to} was opened twice`)
    this.#answered.add(name)
    return undefined
  }
}

/** Whether bytes are a sealed envelope: version 1, and a kind that is not a refusal (`identity/envelope`). */
function sealed(bytes: Uint8Array): boolean {
  return bytes.length > 38 && bytes[0] === 1 && bytes[1]! > 0 && bytes[1]! < 4
}

/** I7: an actor that was seen is, when its journal is read again, what it was or further. */
export class Folds {
  /** Snapshots are never changed, so they are compared only when a journal is read again. */
  readonly #seen = new Map<string, LiveActor>()

  saw(actor: LiveActor): void {
    this.#seen.set(actor.id, actor)
  }

  /** Compares every actor of a host that was just opened with what was seen of it; those that may leave memory only when they are `all` there, and of a node that holds a part only `those` of it. */
  opened(actors: Pick<ReadActors, 'peek'>, all = false, those: (id: string) => boolean = () => true): Finding {
    for (const [id, before] of this.#seen) {
      if (!those(id)) continue
      const { number } = before
      const actor = actors.peek(id)
      if (!actor && before.kind.passivates && !all) continue
      if (!actor) return broken('I7', `${id} was there and is not any more`)
      if (actor.parked !== undefined) return broken('I7', `${id} is parked: ${actor.parked}`)
      if (actor.number < number) return broken('I7', `${id} had taken ${number} events, its journal has ${actor.number}`)
      if (actor.number === number && stateOf(actor) !== stateOf(before)) return broken('I7', `${id} is not what it was after event ${number}: ${stateOf(actor)} instead of ${stateOf(before)}`)
    }
    return undefined
  }

  /** The kinds of what was seen, those of which nothing is in memory included. */
  *kinds(): Iterable<ActorKind> {
    for (const { kind } of this.#seen.values()) yield kind
  }

  /** What was seen counts no more: the disk has lost its tail. */
  forget(): void {
    this.#seen.clear()
  }
}

/** I7: every actor of `live`, of the kinds named, is what a replay of its disk makes of it, and so is every one that was `seen`. */
export async function sameAsReplay(live: Pick<ReadActors, 'list'>, disk: MemoryDisk, names: readonly string[], clock: Clock, seen: Folds): Promise<Finding> {
  const kinds = [...new Set([...seen.kinds(), ...names.flatMap((name) => [...live.list(name)].map(({ kind }) => kind))])]
  const replayed = await readActors({ journal: memoryJournal(disk), clock, kinds }).catch((thrown: unknown) => broken('I7', `its disk cannot be read: ${asError(thrown).message}`))
  if ('invariant' in replayed) return replayed
  for (const { name } of kinds) {
    for (const actor of live.list(name)) {
      const again = replayed.peek(actor.id)
      if (!again) return broken('I7', `${actor.id} is not in its journal`)
      if (again.number !== actor.number) return broken('I7', `${actor.id} is at event ${actor.number}, its journal at ${again.number}`)
      if (stateOf(again) !== stateOf(actor)) return broken('I7', `${actor.id} is ${stateOf(actor)}, its journal says ${stateOf(again)}`)
    }
  }
  return seen.opened(replayed, true)
}

/** A disk with its journals alone: read from their first record. */
export function withoutSnapshots(disk: MemoryDisk): MemoryDisk {
  return new Map([...disk].filter(([name]) => !name.endsWith(snapshotsOf(''))))
}

function stateOf({ snapshot, parked }: LiveActor): string {
  return JSON.stringify([snapshot.status, snapshot.value, snapshot.context, parked ?? null])
}
