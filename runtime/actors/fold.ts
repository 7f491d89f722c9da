/**
 * What a partition's journal folds to: its actors, their open effects and their timers (I7). Both
 * the live path and the replay end in `commit`, so recovery cannot differ from having lived through
 * it. Used by `partition` only.
 */
import type { AnyMachineSnapshot } from 'xstate'
import type { ActorEvent, ActorId, ActorKind } from './actor.ts'
import { effectKey, type EffectRecord, type Entry, type Kept } from './record.ts'
import type { Outcome } from './transition.ts'

export interface LiveActor {
  readonly id: ActorId
  readonly kind: ActorKind
  readonly snapshot: AnyMachineSnapshot
  /** Number of its last event. */
  readonly number: number
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
  readonly #openOf = new Map<ActorId, Set<string>>()

  /** Takes an entry whose outcome is known; what it opened and closed is added to `changes`. */
  commit(entry: Entry, kind: ActorKind, outcome: Outcome, changes: Changes): void {
    if (entry.cause !== undefined) this.#close(entry.cause, changes)
    this.actors.set(entry.actor, { id: entry.actor, kind, snapshot: outcome.snapshot, number: entry.number })
    for (const timer of outcome.timers) {
      const key = timerKey(entry.actor, timer.id)
      if ('cancel' in timer) {
        if (this.timers.delete(key)) changes.cleared.push({ actor: entry.actor, id: timer.id })
      } else {
        const pending = { actor: entry.actor, id: timer.id, dueAt: timer.dueAt, event: timer.event }
        this.timers.set(key, pending)
        changes.set.push(pending)
      }
    }
    entry.effects.forEach((record, index) => {
      if (record.kind === ABORT) this.#abort(entry.actor, String(record.params['kind']), changes)
      else this.#open({ key: effectKey(entry.actor, entry.number, index), actor: entry.actor, record }, changes)
    })
  }

  /** Takes the end of an effect that led to no event. */
  end(key: string, changes: Changes): void {
    this.#close(key, changes)
  }

  park(actor: ActorId, reason: string): void {
    const live = this.actors.get(actor)
    if (live) this.actors.set(actor, { ...live, parked: reason })
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
    this.actors.set(actor, mended)
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

  /** Whether `cause` (an effect's key, `timer:<key>` or `kept:<number>`) still stands: a late or second result does not. */
  stands(cause: string): boolean {
    return cause.startsWith('timer:') ? this.timers.has(cause.slice(6)) : this.kept.has(cause) || this.open.has(cause)
  }

  /** Its open effects, oldest first. */
  openOf(actor: ActorId): OpenEffect[] {
    return [...(this.#openOf.get(actor) ?? [])].map((key) => this.open.get(key)!)
  }

  #open(effect: OpenEffect, changes: Changes): void {
    this.open.set(effect.key, effect)
    const keys = this.#openOf.get(effect.actor) ?? new Set<string>()
    keys.add(effect.key)
    this.#openOf.set(effect.actor, keys)
    changes.opened.push(effect)
  }

  #close(cause: string, changes: Changes): void {
    if (cause.startsWith('timer:')) {
      this.timers.delete(cause.slice(6))
      return
    }
    if (this.kept.delete(cause)) return
    const effect = this.open.get(cause)
    if (!effect) return
    this.open.delete(cause)
    const keys = this.#openOf.get(effect.actor)
    keys?.delete(cause)
    if (keys?.size === 0) this.#openOf.delete(effect.actor)
    changes.closed.push(cause)
  }

  #abort(actor: ActorId, kind: string, changes: Changes): void {
    for (const key of [...(this.#openOf.get(actor) ?? [])]) {
      if (this.open.get(key)?.record.kind === kind) this.#close(key, changes)
    }
  }
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
  return { opened: [], closed: [], set: [], cleared: [], unparked: [] }
}
