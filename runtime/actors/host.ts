/**
 * The host: actors of one participant on one journal (D1, D2). Rooms send events and watch
 * snapshots; machines ask for effects; the host journals in between. Built by `runtime/node`.
 */
import type { AnyMachineSnapshot } from 'xstate'
import { AigenError } from '../../schemas/error.ts'
import type { Clock } from '../ports/clock.ts'
import type { Journal } from '../ports/journal.ts'
import type { Random } from '../ports/random.ts'
import { kindOf, type ActorEvent, type ActorId, type ActorKind } from './actor.ts'
import { Courier } from './courier.ts'
import { Effects, type EffectKind } from './effects.ts'
import { timerKey, type Changes, type LiveActor, type ParkedActor } from './fold.ts'
import type { Limits } from './keeper.ts'
import { Kinds } from './kinds.ts'
import { Partition } from './partition.ts'
import { partitionName, PARTITIONS_MAX, Placement } from './placement.ts'
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
  /** Of the partitions' names; default `p`, which makes `p0`, `p1` … */
  readonly prefix?: string
  /** Partitions of a participant that is new here, 1 to 64; default 1. One that is not new keeps what it was created with. */
  readonly partitions?: number
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
  #partitions!: readonly Partition[]
  #placement!: Placement
  #courier!: Courier
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
    const { journal, clock, random, registry, prefix = 'p', limits } = options
    const kinds = new Kinds(registry.actors)
    const owner = Buffer.from(random.bytes(9)).toString('base64url')
    const partition = async (index: number): Promise<Partition> => {
      const name = partitionName(prefix, index)
      return new Partition({
        index, placement: () => host.#placement, log: await journal.open(name), snapshots: await journal.open(snapshotsOf(name)), owner, kinds, clock,
        ...(limits ? { limits } : {}),
        events: {
          committed: (changes, touched) => host.#committed(host.#partitions[index]!, changes, touched),
          lost: (error) => host.#lose(error),
        },
      })
    }
    // The first one knows how many there are.
    const first = await partition(0)
    await first.recover(Math.min(options.partitions ?? 1, PARTITIONS_MAX))
    const count = first.partitions!
    host.#placement = new Placement(count, kinds)
    const others = await Promise.all(Array.from({ length: count - 1 }, (_, index) => partition(index + 1)))
    await Promise.all(others.map((other) => other.recover(count)))
    host.#partitions = [first, ...others]
    host.#courier = new Courier(host.#partitions)
    host.#effects = new Effects(new Map(Object.entries(registry.effects)), clock, random, (effect, event) => {
      if (event) host.#of(effect.actor).result(effect.actor, event, effect.key)
      else host.#of(effect.actor).ended(effect.key)
    })
    host.#timers = new Timers(clock, (timer) => host.#of(timer.actor).result(timer.actor, timer.event, `timer:${timerKey(timer.actor, timer.id)}`))
    return host
  }

  /** Runs what the journal left open. Apart from `open`, so that the node's rooms are ready first. */
  resume(): void {
    for (const [index, partition] of this.#partitions.entries()) {
      const { open, timers, actors } = partition.fold
      // What a parked actor asked for waits with it until it is unparked.
      for (const effect of open.values()) if (actors.get(effect.actor)?.parked === undefined) this.#effects.dispatch(effect, true)
      for (const timer of timers.values()) if (actors.get(timer.actor)?.parked === undefined) this.#timers.set(timer)
      partition.redeliver()
      this.#courier.carry(index)
    }
  }

  /**
   * Makes a parked actor take events again, those that waited for it first, and runs its open effects
   * again, with the same keys; resolves once that is durable. Errors: `run.unknown`; `journal.machine-changed` when this code cannot replay it.
   */
  unpark(id: ActorId): Promise<LiveActor> {
    return this.#of(id).unpark(id)
  }

  /** Creates the actor with `input`, or leaves it alone when it is there; resolves once durable. */
  start(id: ActorId, input: object): Promise<LiveActor> {
    return this.send(id, { type: 'start', input })
  }

  /** Resolves with the actor once the event is durable and folded. Errors: `node.busy`, `run.unknown`. */
  send(id: ActorId, event: ActorEvent): Promise<LiveActor> {
    return this.#of(id).send(id, event)
  }

  /** The actor as of the last durable event, brought into memory if it is not there. Errors: `journal.*`, `network.*`. */
  load(id: ActorId): Promise<LiveActor | undefined> {
    return this.#of(id).keeper.fetch(id)
  }

  /** Every actor of a kind, in memory or not, and without keeping it there. */
  async *all(kind: string): AsyncGenerator<LiveActor> {
    for (const { keeper } of this.#partitions) yield* keeper.all((id) => kindOf(id) === kind)
  }

  /** The actor as of the last durable event; nothing for one that is not in memory (`passivates`): `load` it. */
  peek(id: ActorId): LiveActor | undefined {
    return this.#of(id).fold.actors.get(id)
  }

  /** Context of an actor, or undefined; the caller knows its kind. */
  context<C>(id: ActorId): C | undefined {
    return this.peek(id)?.snapshot.context as C | undefined
  }

  /** The actors of a kind that are in memory, partition by partition, oldest first. */
  *list(kind: string): Iterable<LiveActor> {
    for (const { fold } of this.#partitions) for (const actor of fold.actors.values()) if (actor.kind.name === kind) yield actor
  }

  /** Actors that take no more events, and why. */
  *parked(): Iterable<ParkedActor> {
    for (const { fold } of this.#partitions) yield* fold.parked()
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
  stats(): { readonly actors: number; readonly openEffects: number; readonly timers: number; readonly last: number; readonly epoch: number; readonly partitions: number } {
    const sum = (count: (partition: Partition) => number): number => this.#partitions.reduce((total, partition) => total + count(partition), 0)
    return {
      actors: sum(({ keeper }) => keeper.size), openEffects: sum(({ fold }) => fold.open.size), timers: sum(({ fold }) => fold.timers.size),
      last: sum(({ last }) => last), epoch: this.#partitions[0]!.epoch, partitions: this.#partitions.length,
    }
  }

  /** Stops effects and timers, waits for the append under way. Open effects stay open in the journal. */
  async close(): Promise<void> {
    this.#timers.stop()
    this.#effects.stop()
    await Promise.all(this.#partitions.map((partition) => partition.close()))
    this.#end(new AigenError('network.closed', 'the node stops'))
  }

  #committed(partition: Partition, changes: Changes, touched: ReadonlyMap<ActorId, Entry>): void {
    for (const key of changes.closed) this.#effects.abort(key)
    for (const { actor, id } of changes.cleared) this.#timers.clear(actor, id)
    for (const timer of changes.set) {
      if (partition.fold.timers.get(timerKey(timer.actor, timer.id)) === timer) this.#timers.set(timer)
    }
    for (const effect of changes.opened) if (partition.fold.open.has(effect.key)) this.#effects.dispatch(effect, false)
    for (const id of changes.unparked) this.#resumeActor(id)
    if (changes.sent.length > 0) this.#courier.carry(this.#partitions.indexOf(partition))
    for (const [id, entry] of touched) {
      const actor = partition.fold.actors.get(id)
      if (!actor) continue
      for (const watcher of [...this.#watchers]) watcher(actor, entry)
      for (const waiter of [...(this.#waiters.get(id) ?? [])]) waiter.see(actor)
    }
  }

  #resumeActor(id: ActorId): void {
    const { fold } = this.#of(id)
    for (const effect of fold.openOf(id)) this.#effects.dispatch(effect, true)
    for (const timer of fold.timersOf(id)) this.#timers.set(timer)
  }

  #of(id: ActorId): Partition {
    return this.#partitions[this.#placement.of(id)]!
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
