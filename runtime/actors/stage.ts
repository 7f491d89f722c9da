/**
 * Computes what a group of events makes of a fold, as the lines of one record, and changes nothing:
 * only when the record is durable is it committed and anybody answered (D1, D2). What an actor tells
 * another of its partition is computed in the same record, and so is an effect that needs nothing but its
 * parameters (`instant`), once all that came is computed. What many tell one that gathers it is one event of
 * its (`told`). Used by `partition` only.
 */
import { AigenError, asError } from '../../schemas/error.ts'
import { kindOf, type ActorEvent, type ActorId, type ActorKind } from './actor.ts'
import { ABORT, type Fold, type LiveActor } from './fold.ts'
import { refuses, type Item } from './item.ts'
import type { Kinds } from './kinds.ts'
import type { Placement } from './placement.ts'
import { effectKey, effectRecord, type Entry, type Line, type Send } from './record.ts'
import { Told } from './told.ts'
import { advance, type Outcome } from './transition.ts'

/** Events that one event may lead to inside the partition: actors that tell each other for ever are stopped. */
const TOLD_MAX = 10_000
/**
 * Times that instant effects of one record may lead to further ones, and what was gathered to more of it: effects
 * beyond run like any, and nothing is gathered any more.
 */
const ROUNDS_MAX = 64
/** Events that wait for parked actors, of one partition; of what comes beyond, the actors hear nothing. */
const KEPT_MAX = 10_000

/** A line of the record to be, and what it commits to the fold. */
export interface Staged {
  readonly line: Line
  readonly kind?: ActorKind
  readonly outcome?: Outcome
}

export interface Stage {
  readonly staged: readonly Staged[]
  /** To be called when the lines are durable, in order. */
  readonly answers: readonly (() => void)[]
  /** Actors that must be brought into memory first; then the lines are not to be used. */
  readonly missing: readonly ActorId[]
}

/** Whether it is an effect's result: the effect is over, whatever becomes of the event. */
const ends = ({ cause }: Item): boolean => cause !== undefined && !cause.startsWith('timer:') && !cause.startsWith('kept:')

export interface StageOptions {
  readonly fold: Fold
  readonly kinds: Kinds
  /** Whether an actor is there and not in memory. */
  readonly cold: (actor: ActorId) => boolean
  /** Stamped on each event. */
  readonly at: number
  readonly placement: Placement
  /** Index of this partition. */
  readonly here: number
  /** What computes the result of an effect from its parameters, by its kind: those that are computed here. */
  readonly instants: Instants | undefined
}

export type Instants = ReadonlyMap<string, (params: Record<string, unknown>) => ActorEvent>

/** An effect that a line of the record asks for, and whose result is to be one of its lines. */
interface Asked {
  readonly actor: ActorId
  readonly kind: string
  readonly params: Record<string, unknown>
}

/**
 * The lines for `items` and for the effects that ended without an event. A message from another
 * partition that comes out of its turn is passed over: its sender sends it again.
 */
export function stage({ fold, kinds, cold, at, placement, here, instants = new Map() }: StageOptions, items: readonly Item[], ended: readonly string[]): Stage {
  const staged: Staged[] = []
  const answers: (() => void)[] = []
  /** Actors as they are after the lines so far. */
  const overlay = new Map<ActorId, LiveActor>()
  const taken = new Set<string>()
  /** Of the last event kept. */
  let number = fold.keptLast
  const missing = new Set<ActorId>()
  let births = 0
  /** By key. */
  const asked = new Map<string, Asked>()
  const told = new Told()
  let gathering = true
  /** Number of the last message to, and from, other partitions. */
  const last = new Map<number, number>()
  const heard = new Map<number, number>()

  const take = (item: Item, inside: Item[]): void => {
    for (const one of told.before(item)) take(one, inside)
    const live = overlay.get(item.actor) ?? fold.actors.get(item.actor)
    if (!live && cold(item.actor)) return void missing.add(item.actor)
    if (item.unpark) return unpark(item, live)
    const refusal = refuses(live, item, fold.broken.get(item.actor))
    if (refusal) {
      if (live?.parked !== undefined || fold.broken.has(item.actor)) keep(item)
      else if (item.cause !== undefined && !item.cause.startsWith('timer:')) staged.push({ line: { ended: item.cause } })
      answers.push(() => (refusal instanceof AigenError ? item.reject?.(refusal) : item.resolve?.(live!)))
      return
    }
    if (mustWait(item)) return keep(item)
    const kind = live?.kind ?? kinds.current(kindOf(item.actor))
    if (!kind) {
      answers.push(() => item.reject?.(new AigenError('internal', `no actor kind ${kindOf(item.actor)}`)))
      return
    }
    const event = { ...item.event, at }
    const number = (live?.number ?? 0) + 1
    try {
      const outcome = advance(kind, live?.snapshot, event)
      const tells = outcome.tells.map(({ to, event: said }) => ({ to: placement.meant(to, here), event: said }))
      const near = tells.filter(({ to }) => placement.of(to) === here)
      const sends = near.length === tells.length ? [] : tells.flatMap(({ to, event: said }): Send[] => {
        const there = placement.of(to)
        if (there === here) return []
        const next = (last.get(there) ?? fold.channels.lastTo(there)) + 1
        last.set(there, next)
        return [{ at: there, number: next, to, event: said }]
      })
      const line: Entry = {
        actor: item.actor,
        machine: kind.hash,
        number,
        event,
        ...(item.cause === undefined ? {} : { cause: item.cause }),
        ...(item.from ? { from: item.from } : {}),
        effects: outcome.effects.map((one) => effectRecord(one.kind, one.params)),
        ...(sends.length > 0 ? { sends } : {}),
      }
      const after: LiveActor = { id: item.actor, kind, snapshot: outcome.snapshot, number, born: live?.born ?? fold.births + births++ }
      overlay.set(item.actor, after)
      staged.push({ line, kind, outcome })
      answers.push(() => item.resolve?.(after))
      for (const { to, event: said } of near) {
        const gathers = (overlay.get(to) ?? fold.actors.get(to))?.kind.gathers
        if (!gathers || !told.waits(item.actor, to, said, gathering && gathers(said))) inside.push({ actor: to, event: said })
      }
      for (const [index, { kind: name, params }] of outcome.effects.entries()) {
        if (name === ABORT) for (const [key, one] of asked) if (one.actor === item.actor && one.kind === params['kind']) asked.delete(key)
        if (instants.has(name)) asked.set(effectKey(item.actor, number, index), { actor: item.actor, kind: name, params })
      }
    } catch (thrown) {
      const error = asError(thrown)
      if (live) {
        overlay.set(item.actor, { ...live, parked: error.message })
        staged.push({ line: { parked: item.actor, reason: error.message } })
        keep(item)
      }
      answers.push(() => item.reject?.(error))
    }
  }

  /** What its sender is not told of waits for the parked actor; a timer, or what waits already, stands by itself. */
  const keep = (item: Item): void => {
    if (item.reject || item.event.type === 'start' || (item.cause !== undefined && !ends(item))) return
    if (ends(item)) staged.push({ line: { ended: item.cause! } })
    if (fold.kept.size + number - fold.keptLast < KEPT_MAX) staged.push({ line: { kept: item.actor, number: ++number, event: item.event } })
  }

  /** Behind what waits for the same actor, so that what others tell it comes in their order. */
  const mustWait = ({ actor, cause, reject }: Item): boolean =>
    fold.kept.size > 0 && !reject && cause?.startsWith('kept:') !== true && [...fold.kept].some(([key, one]) => one.actor === actor && !taken.has(key))

  const unpark = (item: Item, live: LiveActor | undefined): void => {
    if (!live || fold.behind.has(item.actor)) {
      const reason = fold.broken.get(item.actor) ?? live?.parked
      const error = reason === undefined ? new AigenError('run.unknown', `no actor ${item.actor}`) : new AigenError('journal.machine-changed', `${item.actor}: ${reason}`)
      answers.push(() => item.reject?.(error))
      return
    }
    const { parked, ...mended } = live
    if (parked !== undefined) {
      overlay.set(item.actor, mended)
      staged.push({ line: { unparked: item.actor } })
    }
    answers.push(() => item.resolve?.(mended))
  }

  /** Computes events, one after the other, and then all that they lead to by what actors tell one another. */
  const spread = (...first: readonly Item[]): void => {
    const inside: Item[] = [...first]
    for (let place = 0; place < inside.length; place++) {
      if (place >= first.length) told.turn(inside[place]!.actor)
      take(inside[place]!, inside)
      if (place < TOLD_MAX) continue
      const { actor } = inside[place]!
      const live = overlay.get(actor)
      const reason = `it is told and tells without an end, since ${inside[0]!.actor} got ${inside[0]!.event.type}`
      if (live) overlay.set(actor, { ...live, parked: reason })
      staged.push({ line: { parked: actor, reason } })
      break
    }
  }

  /** Gives those who gather what they were told; without an end only until each is told at once, and stopped. */
  const settle = (): void => {
    for (let round = 1; told.size > 0; round++) {
      gathering &&= round < ROUNDS_MAX
      spread(...told.next())
    }
  }

  for (const key of ended) {
    if (!fold.stands(key) || taken.has(key)) continue
    taken.add(key)
    staged.push({ line: { ended: key } })
  }
  for (const item of items) {
    if (item.cause !== undefined) {
      if (!fold.stands(item.cause) || taken.has(item.cause)) continue
      taken.add(item.cause)
    }
    if (item.from) {
      const [partition, number] = item.from
      const before = heard.get(partition) ?? fold.channels.heardFrom(partition)
      // Heard before, and sent again because its sender died before it knew.
      if (number <= before) {
        answers.push(() => item.heard?.())
        continue
      }
      if (number > before + 1) {
        answers.push(() => item.missed?.(new AigenError('journal.conflict', `message ${number} of partition ${partition} came after message ${before}`)))
        continue
      }
      heard.set(partition, number)
      answers.push(() => item.heard?.())
    }
    const lines = staged.length
    spread(item)
    // Whatever became of it, it is not to be heard again.
    if (item.from && !staged.slice(lines).some(({ line }) => 'from' in line && line.from === item.from)) staged.push({ line: { heard: item.from } })
  }
  settle()
  for (let round = 0; asked.size > 0 && round < ROUNDS_MAX; round++) {
    for (const [key, { actor, kind, params }] of [...asked]) {
      // One before it may have aborted it.
      if (!asked.delete(key)) continue
      const event = attempt(() => instants.get(kind)!(params))
      if (event) spread({ actor, event, cause: key })
    }
    settle()
  }
  return { staged, answers, missing: [...missing] }
}

/** What `make` gives; nothing where it throws: then the effect runs like any, which says why. */
function attempt(make: () => ActorEvent): ActorEvent | undefined {
  try {
    return make()
  } catch {
    return undefined
  }
}
