/**
 * The host: actors of one participant on one journal (D1, D2). Rooms send events and watch
 * snapshots; machines ask for effects; the host journals in between. Built by `runtime/node`.
 * One partition for now; the record, the keys and the ids already name it.
 */
import type { AnyMachineSnapshot } from 'xstate'
import { AigenError } from '../../schemas/error.ts'
import type { Clock } from '../ports/clock.ts'
import type { Journal } from '../ports/journal.ts'
import type { Random } from '../ports/random.ts'
import { kindOf, type ActorEvent, type ActorId, type ActorKind } from './actor.ts'
import { Effects, type EffectKind } from './effects.ts'
import { timerKey, type Changes, type LiveActor, type ParkedActor } from './fold.ts'
import type { Limits } from './keeper.ts'
import { Kinds } from './kinds.ts'
import { Partition } from './partition.ts'
import type { Entry } from './record.ts'
import { snapshotsOf } from './snapshot-log.ts'
import { Timers } from './timers.ts'

/** What a room brings to a node: its actor kinds and the effects they ask for. */
export interface Registry {
  readonly actors: readonly ActorKind[]
  readonly effects: Readonly<Record<string, EffectKind>>
}

export interface HostOptions {
  readonly journal: Journal
  readonly partition: string
  readonly clock: Clock
  readonly random: Random
  readonly registry: Registry
  readonly limits?: Limits
  /** Called once when this process no longer owns the partition, or cannot write it. */
  readonly onLost?: (error: AigenError) => void
}

/** Called after each durable event; must not throw and must not block. */
export type Watcher = (actor: LiveActor, entry: Entry) => void

/** Somebody who waits for a state of one actor. */
interface Waiter {
  readonly see: (actor: LiveActor) => void
  readonly fail: (error: AigenError) => void
}

export class Host {
  readonly #options: HostOptions
  readonly #watchers = new Set<Watcher>()
  /** By actor: an event must not cost what all who wait for something cost. */
  readonly #waiters = new Map<ActorId, Set<Waiter>>()
  #partition!: Partition
  #effects!: Effects
  #timers!: Timers
  #lost: AigenError | undefined

  private constructor(options: HostOptions) {
    this.#options = options
  }

  /**
   * Opens the journal, folds it, fences it and re-dispatches what was open, with the same keys.
   * Errors: `journal.*`, `network.*`.
   */
  static async open(options: HostOptions): Promise<Host> {
    const host = new Host(options)
    const { journal, clock, random, registry } = options
    host.#partition = new Partition({
      log: await journal.open(options.partition),
      snapshots: await journal.open(snapshotsOf(options.partition)),
      owner: Buffer.from(random.bytes(9)).toString('base64url'),
      kinds: new Kinds(registry.actors),
      clock,
      ...(options.limits ? { limits: options.limits } : {}),
      events: {
        committed: (changes, touched) => host.#committed(changes, touched),
        lost: (error) => host.#lose(error),
      },
    })
    host.#effects = new Effects(new Map(Object.entries(registry.effects)), clock, random, (effect, event) => {
      if (event) host.#partition.result(effect.actor, event, effect.key)
      else host.#partition.ended(effect.key)
    })
    host.#timers = new Timers(clock, (timer) => host.#partition.result(timer.actor, timer.event, `timer:${timerKey(timer.actor, timer.id)}`))
    await host.#partition.recover()
    return host
  }

  /** Runs what the journal left open. Apart from `open`, so that the node's rooms are ready first. */
  resume(): void {
    const { open, timers, actors } = this.#partition.fold
    // What a parked actor asked for waits with it until it is unparked.
    for (const effect of open.values()) if (actors.get(effect.actor)?.parked === undefined) this.#effects.dispatch(effect, true)
    for (const timer of timers.values()) if (actors.get(timer.actor)?.parked === undefined) this.#timers.set(timer)
    this.#partition.redeliver()
  }

  /**
   * Makes a parked actor take events again, those that waited for it first, and runs its open effects
   * again, with the same keys; resolves once that is durable. Errors: `run.unknown`; `journal.machine-changed` when this code cannot replay it.
   */
  unpark(id: ActorId): Promise<LiveActor> {
    return this.#partition.unpark(id)
  }

  /** Creates the actor with `input`, or leaves it alone when it is there; resolves once durable. */
  start(id: ActorId, input: object): Promise<LiveActor> {
    return this.send(id, { type: 'start', input })
  }

  /** Resolves with the actor once the event is durable and folded. Errors: `node.busy`, `run.unknown`. */
  send(id: ActorId, event: ActorEvent): Promise<LiveActor> {
    return this.#partition.send(id, event)
  }

  /** The actor as of the last durable event, brought into memory if it is not there. Errors: `journal.*`, `network.*`. */
  load(id: ActorId): Promise<LiveActor | undefined> {
    return this.#partition.keeper.fetch(id)
  }

  /** Every actor of a kind, in memory or not, and without keeping it there. */
  all(kind: string): AsyncGenerator<LiveActor> {
    return this.#partition.keeper.all((id) => kindOf(id) === kind)
  }

  /** The actor as of the last durable event; nothing for one that is not in memory (`passivates`): `load` it. */
  peek(id: ActorId): LiveActor | undefined {
    return this.#partition.fold.actors.get(id)
  }

  /** Context of an actor, or undefined; the caller knows its kind. */
  context<C>(id: ActorId): C | undefined {
    return this.peek(id)?.snapshot.context as C | undefined
  }

  /** The actors of a kind that are in memory, oldest first. */
  *list(kind: string): Iterable<LiveActor> {
    for (const actor of this.#partition.fold.actors.values()) if (actor.kind.name === kind) yield actor
  }

  /** Actors that take no more events, and why. */
  parked(): Iterable<ParkedActor> {
    return this.#partition.fold.parked()
  }

  /** Calls `watcher` after each durable event; returns how to stop. */
  watch(watcher: Watcher): () => void {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  /**
   * Resolves when `holds(snapshot)` for the actor, now or later.
   * Errors: `network.timeout` after `timeoutMs`, `network.closed` when ownership ends.
   */
  until(id: ActorId, holds: (snapshot: AnyMachineSnapshot) => boolean, timeoutMs: number, signal?: AbortSignal): Promise<LiveActor> {
    const now = this.peek(id)
    if (now && holds(now.snapshot)) return Promise.resolve(now)
    if (this.#lost) return Promise.reject(this.#lost)
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        see: (actor) => {
          if (holds(actor.snapshot)) finish(() => resolve(actor))
        },
        fail: (error) => finish(() => reject(error)),
      }
      const finish = (settle: () => void): void => {
        const waiters = this.#waiters.get(id)
        waiters?.delete(waiter)
        if (waiters?.size === 0) this.#waiters.delete(id)
        timer.cancel()
        signal?.removeEventListener('abort', aborted)
        settle()
      }
      const aborted = (): void => waiter.fail(new AigenError('step.cancelled'))
      const timer = this.#options.clock.timer(this.#options.clock.now() + timeoutMs, () => waiter.fail(new AigenError('network.timeout', `${id} is not there yet`)))
      const waiters = this.#waiters.get(id) ?? new Set()
      this.#waiters.set(id, waiters.add(waiter))
      signal?.addEventListener('abort', aborted, { once: true })
    })
  }

  /** Effects that run now, events journaled so far, epoch: for `doctor` and tests. */
  stats(): { readonly actors: number; readonly openEffects: number; readonly timers: number; readonly last: number; readonly epoch: number } {
    const { fold, last, epoch } = this.#partition
    return { actors: this.#partition.keeper.size, openEffects: fold.open.size, timers: fold.timers.size, last, epoch }
  }

  /** Stops effects and timers, waits for the append under way. Open effects stay open in the journal. */
  async close(): Promise<void> {
    this.#timers.stop()
    this.#effects.stop()
    await this.#partition.close()
    this.#end(new AigenError('network.closed', 'the node stops'))
  }

  #committed(changes: Changes, touched: ReadonlyMap<ActorId, Entry>): void {
    for (const key of changes.closed) this.#effects.abort(key)
    for (const { actor, id } of changes.cleared) this.#timers.clear(actor, id)
    for (const timer of changes.set) {
      if (this.#partition.fold.timers.get(timerKey(timer.actor, timer.id)) === timer) this.#timers.set(timer)
    }
    for (const effect of changes.opened) if (this.#partition.fold.open.has(effect.key)) this.#effects.dispatch(effect, false)
    for (const id of changes.unparked) this.#resumeActor(id)
    for (const [id, entry] of touched) {
      const actor = this.#partition.fold.actors.get(id)
      if (!actor) continue
      for (const watcher of [...this.#watchers]) watcher(actor, entry)
      for (const waiter of [...(this.#waiters.get(id) ?? [])]) waiter.see(actor)
    }
  }

  #resumeActor(id: ActorId): void {
    const { fold } = this.#partition
    for (const effect of fold.openOf(id)) this.#effects.dispatch(effect, true)
    for (const timer of fold.timers.values()) if (timer.actor === id) this.#timers.set(timer)
  }

  #lose(error: AigenError): void {
    this.#timers.stop()
    this.#effects.stop()
    this.#end(error)
    this.#options.onLost?.(error)
  }

  #end(error: AigenError): void {
    this.#lost = error
    for (const waiter of [...this.#waiters.values()].flatMap((waiters) => [...waiters])) waiter.fail(error)
  }
}
