/**
 * What a partition's journal folds to: its actors, their open effects and their timers (I7). The
 * live path, the replay and a restored snapshot all end here, so recovery cannot differ from having
 * lived through it. Used by `partition`, `stage`, `replay` and `image`.
 */
import type { AnyMachineSnapshot } from 'xstate'
import type { ActorEvent, ActorId, ActorKind } from './actor.ts'
import { Channels } from './channel.ts'
import { effectKey, type EffectRecord, type Entry, type Kept, type Line, type Send } from './record.ts'
import type { Outcome } from './transition.ts'

export interface LiveActor {
  readonly id: ActorId
  readonly kind: ActorKind
  readonly snapshot: AnyMachineSnapshot
  /** Number of its last event. */
  readonly number: number
  /** How many actors of the partition were begun before it. */
  readonly born: number
  /** Why it takes no more events. */
  readonly parked?: string
}

export interface ParkedActor {
  readonly actor: ActorId
  readonly reason: string
}

export interface OpenEffect {
  readonly key: string
  readonly actor: ActorId
  readonly record: EffectRecord
}

export interface KeptEvent {
  readonly actor: ActorId
  readonly number: number
  readonly event: ActorEvent
}

export interface PendingTimer {
  readonly actor: ActorId
  readonly id: string
  readonly dueAt: number
  readonly event: ActorEvent
}

/** Changes that a commit made outside of the actors, for the dispatcher and the timer wheel. */
export interface Changes {
  readonly opened: OpenEffect[]
  readonly closed: string[]
  readonly set: PendingTimer[]
  readonly cleared: { readonly actor: ActorId; readonly id: string }[]
  readonly unparked: ActorId[]
  readonly sent: Send[]
}

/** An action of this kind closes the actor's open effects of `params.kind`: their results are dropped. */
export const ABORT = 'abort'

export class Fold {
  readonly actors = new Map<ActorId, LiveActor>()
  readonly open = new Map<string, OpenEffect>()
  readonly timers = new Map<string, PendingTimer>()
  /** Actors whose first event could not be replayed, and why: they exist, though there is nothing to show of them. */
  readonly broken = new Map<ActorId, string>()
  /** Parked here only, because their journal could not be replayed: their state is not the journal's. */
  readonly behind = new Set<ActorId>()
  /** What waits for parked actors, by cause, oldest first. */
  readonly kept = new Map<string, KeptEvent>()
  /** Highest number that one of them had. */
  keptLast = 0
  /** Actors that may leave memory, the one that was longest without an event first. */
  readonly passive = new Set<ActorId>()
  /** Actors that changed since their last image. */
  readonly changed = new Set<ActorId>()
  births = 0
  readonly channels = new Channels()
  readonly #openOf = new Map<ActorId, Set<string>>()
  readonly #timersOf = new Map<ActorId, Set<string>>()

  /** Takes an entry whose outcome is known; what it opened and closed is added to `changes`. */
  commit(entry: Entry, kind: ActorKind, outcome: Outcome, changes: Changes): void {
    this.pass(entry, changes)
    const born = this.actors.get(entry.actor)?.born ?? this.births++
    this.#put({ id: entry.actor, kind, snapshot: outcome.snapshot, number: entry.number, born })
    for (const timer of outcome.timers) {
      const key = timerKey(entry.actor, timer.id)
      if ('cancel' in timer) {
        if (this.#clear(key)) changes.cleared.push({ actor: entry.actor, id: timer.id })
      } else changes.set.push(this.#set({ actor: entry.actor, id: timer.id, dueAt: timer.dueAt, event: timer.event }))
    }
    entry.effects.forEach((record, index) => {
      if (record.kind === ABORT) this.#abort(entry.actor, String(record.params['kind']), changes)
      else this.#open({ key: effectKey(entry.actor, entry.number, index), actor: entry.actor, record }, changes)
    })
  }

  /** Takes what an entry does outside of its actor: all of it that counts when a snapshot has the rest already. */
  pass({ cause, from, sends }: Entry, changes: Changes): void {
    if (cause !== undefined) this.#close(cause, changes)
    if (from) this.channels.hear(...from)
    if (sends) {
      this.channels.send(sends)
      changes.sent.push(...sends)
    }
  }

  /** Takes a line that is no event. */
  take(line: Exclude<Line, Entry>, changes: Changes): void {
    if ('ended' in line) this.#close(line.ended, changes)
    else if ('parked' in line) this.park(line.parked, line.reason)
    else if ('unparked' in line) this.unpark(line.unparked, changes)
    else if ('kept' in line) this.keep(line)
    else if ('sent' in line) this.channels.sent(line.sent, line.through)
    else this.channels.hear(...line.heard)
  }

  park(actor: ActorId, reason: string): void {
    const live = this.actors.get(actor)
    if (live) this.#put({ ...live, parked: reason })
    else this.broken.set(actor, reason)
  }

  /** Takes no more lines of `actor`: this code cannot replay what the journal has of it. */
  lose(actor: ActorId, reason: string): void {
    this.park(actor, reason)
    this.behind.add(actor)
  }

  unpark(actor: ActorId, changes: Changes): void {
    const live = this.actors.get(actor)
    // Of one that is behind, the journal says more than is known here.
    if (live?.parked === undefined || this.behind.has(actor)) return
    const { parked: _reason, ...mended } = live
    this.#put(mended)
    changes.unparked.push(actor)
  }

  /** Keeps an event for an actor that is parked. */
  keep({ kept: actor, number, event }: Kept): void {
    this.kept.set(keptKey(number), { actor, number, event })
    this.keptLast = Math.max(this.keptLast, number)
  }

  /** Actors that take no more events, and why. */
  *parked(): Iterable<ParkedActor> {
    for (const [actor, reason] of this.broken) yield { actor, reason }
    for (const { id, parked } of this.actors.values()) if (parked !== undefined) yield { actor: id, reason: parked }
  }

  /** Takes an actor from its image, with what it waits for. */
  restore(actor: LiveActor, open: readonly OpenEffect[], timers: readonly PendingTimer[]): void {
    this.#put(actor)
    this.changed.delete(actor.id)
    const changes = noChanges()
    for (const effect of open) this.#open(effect, changes)
    for (const timer of timers) this.#set(timer)
  }

  /** Whether nothing is under way on the actor, so that only an event or a timer needs it. */
  quiet(actor: ActorId): boolean {
    return !this.#openOf.has(actor) && this.actors.get(actor)?.parked === undefined
  }

  /** Puts a quiet actor out of memory; its timers stay. Its image must be stored. */
  evict(actor: ActorId): void {
    this.actors.delete(actor)
    this.passive.delete(actor)
  }

  /** Whether `cause` (an effect's key, `timer:<key>` or `kept:<number>`) still stands: a late or second result does not. */
  stands(cause: string): boolean {
    return cause.startsWith('timer:') ? this.timers.has(cause.slice(6)) : this.kept.has(cause) || this.open.has(cause)
  }

  /** Its open effects, oldest first. */
  openOf(actor: ActorId): OpenEffect[] {
    return [...(this.#openOf.get(actor) ?? [])].map((key) => this.open.get(key)!)
  }

  timersOf(actor: ActorId): PendingTimer[] {
    return [...(this.#timersOf.get(actor) ?? [])].map((key) => this.timers.get(key)!)
  }

  /** Puts the actors in the order of their birth, after they came in from snapshots in another. */
  sort(): void {
    const actors = [...this.actors.values()]
    if (actors.every(({ born }, place) => place === 0 || actors[place - 1]!.born <= born)) return
    this.actors.clear()
    for (const actor of actors.sort((one, other) => one.born - other.born)) this.actors.set(actor.id, actor)
  }

  /** Somebody looked at it: it leaves memory later than those that nobody did. */
  use(actor: ActorId): void {
    if (this.passive.delete(actor)) this.passive.add(actor)
  }

  #put(actor: LiveActor): void {
    this.actors.set(actor.id, actor)
    this.changed.add(actor.id)
    this.passive.delete(actor.id)
    if (mayLeave(actor)) this.passive.add(actor.id)
  }

  #open(effect: OpenEffect, changes: Changes): void {
    this.open.set(effect.key, effect)
    note(this.#openOf, effect.actor, effect.key)
    changes.opened.push(effect)
  }

  #set(timer: PendingTimer): PendingTimer {
    const key = timerKey(timer.actor, timer.id)
    this.timers.set(key, timer)
    note(this.#timersOf, timer.actor, key)
    return timer
  }

  #clear(key: string): boolean {
    const timer = this.timers.get(key)
    if (!timer) return false
    this.timers.delete(key)
    drop(this.#timersOf, timer.actor, key)
    return true
  }

  #close(cause: string, changes: Changes): void {
    if (cause.startsWith('timer:')) return void this.#clear(cause.slice(6))
    if (this.kept.delete(cause)) return
    const effect = this.open.get(cause)
    if (!effect) return
    this.open.delete(cause)
    this.changed.add(effect.actor)
    drop(this.#openOf, effect.actor, cause)
    changes.closed.push(cause)
  }

  #abort(actor: ActorId, kind: string, changes: Changes): void {
    for (const key of [...(this.#openOf.get(actor) ?? [])]) {
      if (this.open.get(key)?.record.kind === kind) this.#close(key, changes)
    }
  }
}

function note(index: Map<ActorId, Set<string>>, actor: ActorId, key: string): void {
  const keys = index.get(actor)
  if (keys) keys.add(key)
  else index.set(actor, new Set([key]))
}

function drop(index: Map<ActorId, Set<string>>, actor: ActorId, key: string): void {
  const keys = index.get(actor)
  keys?.delete(key)
  if (keys?.size === 0) index.delete(actor)
}

/** Whether an actor may leave memory when it is quiet. */
export function mayLeave({ kind: { passivates }, snapshot }: LiveActor): boolean {
  return passivates === 'ended' ? snapshot.status === 'done' : passivates
}

/** @example timerKey('step/r_1/read', 'deadline') // 'step/r_1/read!deadline' */
export function timerKey(actor: ActorId, id: string): string {
  return `${actor}!${id}`
}

/** @example keptKey(7) // 'kept:7' */
export function keptKey(number: number): string {
  return `kept:${number}`
}

export function noChanges(): Changes {
  return { opened: [], closed: [], set: [], cleared: [], unparked: [], sent: [] }
}
