/**
 * The host: actors of one participant on one journal (D1, D2). Rooms send events and watch
 * snapshots; machines ask for effects; the host journals in between. Built by `runtime/node`.
 */
import type { AnyMachineSnapshot } from 'xstate'
import { AigenError } from '../../schemas/error.ts'
import type { OwnBlobs } from '../ports/blobs.ts'
import type { Bus } from '../ports/bus.ts'
import type { Clock } from '../ports/clock.ts'
import type { Journal } from '../ports/journal.ts'
import type { Random } from '../ports/random.ts'
import { kindOf, type ActorEvent, type ActorId } from './actor.ts'
import { Courier } from './courier.ts'
import { Fleet } from './fleet.ts'
import type { LiveActor, ParkedActor } from './fold.ts'
import type { Limits } from './keeper.ts'
import { Kinds } from './kinds.ts'
import type { Partition } from './partition.ts'
import { partitionsOf } from './partition-reader.ts'
import { partitionName, PARTITIONS_MAX, Placement } from './placement.ts'
import type { Entry } from './record.ts'
import type { Registry } from './registry.ts'
import { Share, type Holding } from './share.ts'
import { Siblings } from './siblings.ts'
import { snapshotsOf } from './snapshot-log.ts'
import { Tenure } from './tenure.ts'
import { until } from './until.ts'
import { Waiters } from './waiters.ts'
import type { Watcher } from './watcher.ts'

export interface HostOptions {
  readonly journal: Journal
  /** The participant's own shelf, for large values; without it they stay in the records, of at most 1 MB. */
  readonly blobs?: OwnBlobs | undefined
  /** Of the partitions' names; default `p`, which makes `p0`, `p1` … */
  readonly prefix?: string
  /** Partitions of a participant that is new here, 1 to 64; default 1. One that is not new keeps what it was created with. */
  readonly partitions?: number
  readonly clock: Clock
  readonly random: Random
  readonly registry: Registry
  readonly limits?: Limits
  /** Where several nodes of the participant share its partitions: the bus on its own account, and this node's name. */
  readonly fleet?: { readonly bus: Bus; readonly node: string }
  /** Called once when this process no longer owns the partition, or cannot write it. */
  readonly onLost?: (error: AigenError) => void
}

export class Host {
  readonly #options: HostOptions
  readonly #watchers = new Set<Watcher>()
  readonly #waiters: Waiters
  readonly #share: Share
  #placement!: Placement
  #courier!: Courier
  #fleet: Fleet | undefined
  #siblings: Siblings | undefined
  #lost: AigenError | undefined
  #resumed = false

  private constructor(options: HostOptions) {
    this.#options = options
    this.#waiters = new Waiters(options.clock)
    this.#share = new Share(options.prefix ?? 'p')
  }

  /**
   * Opens the journal, folds it and fences it; in a fleet, as much of it as falls to this node, some
   * time later. Errors: `journal.*`, `network.*`.
   */
  static async open(options: HostOptions): Promise<Host> {
    const host = new Host(options)
    const { journal, blobs, clock, random, registry, prefix = 'p', limits, fleet } = options
    const kinds = new Kinds(registry.actors)
    const owner = Buffer.from(random.bytes(9)).toString('base64url')
    const begin = async (index: number, partitions: number): Promise<Tenure> => {
      const name = partitionName(prefix, index)
      const tenure = await Tenure.begin({
        index, placement: () => host.#placement, log: await journal.open(name), snapshots: await journal.open(snapshotsOf(name)), blobs, owner, kinds, clock, random, shared: fleet !== undefined, effects: new Map(Object.entries(registry.effects)),
        ...(limits ? { limits } : {}),
        committed: (one, touched, sent) => host.#committed(one, touched, sent),
        lost: (one, error) => host.#lose(one, error),
      }, partitions)
      host.#share.add(tenure)
      if (host.#resumed) host.#resume(tenure)
      return tenure
    }
    const mine = (index: number): Partition | undefined => host.#share.partition(index)
    const wanted = Math.min(options.partitions ?? 1, PARTITIONS_MAX)
    const known = fleet ? await partitionsOf(journal, prefix, kinds, clock) : undefined
    // The first one knows how many there are.
    const count = known ?? (await begin(0, wanted)).partition.partitions!
    host.#placement = new Placement(count, kinds)
    if (fleet) {
      const { bus, node } = fleet
      host.#siblings = new Siblings({ bus, node, prefix, clock, kinds, mine, holderOf: (index) => host.#fleet?.holderOf(index) })
      host.#fleet = new Fleet({
        bus, node, prefix, clock, partitions: count, holds: () => host.#share.indexes,
        take: async (index) => void (await begin(index, count)),
        giveUp: (index) => host.#giveUp(index),
        doubt: (lapsed) => host.#share.partitions.forEach((partition) => (lapsed ? partition.confirm() : void partition.prove().catch(() => undefined))),
      })
    } else await Promise.all(Array.from({ length: count - 1 }, (_, index) => begin(index + 1, count)))
    host.#courier = new Courier(clock, mine, (to, from, sends) => mine(to)?.hear(from, sends) ?? host.#elsewhere().hear(to, from, sends))
    await host.#siblings?.start()
    await host.#fleet?.start()
    return host
  }

  /** Runs what the journal left open. Apart from `open`, so that the node's rooms are ready first. */
  resume(): void {
    this.#resumed = true
    for (const tenure of this.#share) this.#resume(tenure)
  }

  /**
   * Makes a parked actor take events again, those that waited for it first, and runs its open effects again, with
   * the same keys; resolves once that is durable. Errors: `run.unknown`; `journal.machine-changed` when this code cannot replay it.
   */
  unpark(id: ActorId): Promise<LiveActor> {
    return this.#of(id)?.unpark(id) ?? this.#elsewhere().unpark(this.#placement.of(id), id)
  }

  /** Creates the actor with `input`, or leaves it alone when it is there; resolves once durable. */
  start(id: ActorId, input: object): Promise<LiveActor> {
    return this.send(id, { type: 'start', input })
  }

  /**
   * Resolves with the actor once the event is durable and folded, wherever it lives. Errors: `node.busy`,
   * `run.unknown`; from another node also `network.timeout`, when nobody can say whether it was taken.
   */
  send(id: ActorId, event: ActorEvent): Promise<LiveActor> {
    return this.#of(id)?.send(id, event) ?? this.#elsewhere().send(this.#placement.of(id), id, event)
  }

  /** The actor as of the last durable event, brought into memory if it is not there. Errors: `journal.*`, `network.*`. */
  load(id: ActorId): Promise<LiveActor | undefined> {
    return this.#of(id)?.keeper.fetch(id) ?? this.#elsewhere().load(this.#placement.of(id), id)
  }

  /** Its context, brought into memory if it is not there, or undefined; the caller knows its kind. Errors: `journal.*`, `network.*`. */
  async look<C>(id: ActorId): Promise<C | undefined> {
    return (await this.load(id))?.snapshot.context as C | undefined
  }

  /** The same of many, in their order, read together and without keeping them in memory: for a pass over all of something. */
  async lookEach<C>(ids: readonly ActorId[]): Promise<(C | undefined)[]> {
    const found = new Map<ActorId, C>()
    for (const { keeper } of this.#share.partitions) for await (const { id, snapshot } of keeper.read(ids)) found.set(id, snapshot.context as C)
    return Promise.all(ids.map(async (id) => found.get(id) ?? (this.holds(id) ? undefined : this.look<C>(id))))
  }

  /** Every actor of a kind, in memory or not, in no order and without keeping it there; in a fleet those of this node. */
  async *all(kind: string): AsyncGenerator<LiveActor> {
    for (const partition of this.#share.partitions) yield* partition.keeper.all((id) => kindOf(id) === kind)
  }

  /** The actor as of the last durable event; nothing for one that is not in memory (`passivates`): `load` it. */
  peek(id: ActorId): LiveActor | undefined {
    return this.#of(id)?.fold.actors.get(id)
  }

  /** Context of an actor, or undefined; the caller knows its kind. */
  context<C>(id: ActorId): C | undefined {
    return this.peek(id)?.snapshot.context as C | undefined
  }

  /** The actors of a kind that are in memory, partition by partition, oldest first. */
  list(kind: string): Iterable<LiveActor> { return this.#share.list(kind) }

  /** Actors that take no more events, and why. */
  *parked(): Iterable<ParkedActor> { for (const { fold } of this.#share.partitions) yield* fold.parked() }

  /** Calls `watcher` after each durable event; returns how to stop. */
  watch(watcher: Watcher): () => void {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  /**
   * Resolves when `holds(snapshot)` for the actor, now or later, wherever it lives.
   * Errors: `network.timeout` after `timeoutMs`, `network.closed` when ownership ends.
   */
  until(id: ActorId, holds: (snapshot: AnyMachineSnapshot) => boolean, timeoutMs: number, signal?: AbortSignal): Promise<LiveActor> {
    const waits = (ms: number): Promise<LiveActor> => this.#waits(id, holds, ms, signal)
    if (!this.#siblings) return waits(timeoutMs)
    return until({ clock: this.#options.clock, here: () => this.holds(id), load: () => this.load(id), waits }, holds, timeoutMs, signal)
  }

  /** Whether this node holds the partition that the actor lives in, now. */
  holds(id: ActorId): boolean { return this.#of(id) !== undefined }

  /** Error `network.moved`, with the node to ask where one is known, unless this node holds what the actor lives in. */
  mustHold(id: ActorId): void {
    if (this.#of(id)) return
    this.#elsewhere()
    throw new AigenError('network.moved', undefined, { node: this.#fleet?.holderOf(this.#placement.of(id)) })
  }

  /** Names of the participant's nodes that are there, this one included; nothing where it can only be this one. */
  get nodes(): readonly string[] | undefined { return this.#fleet?.nodes }

  /** Partitions of the participant, whoever holds them. */
  get width(): number { return this.#placement.partitions }

  /** Index of the partition that the actor lives in. */
  partitionOf(id: ActorId): number { return this.#placement.of(id) }

  /** Names of the partitions that this node holds, now. */
  get partitions(): string[] { return this.#share.names }

  /** Calls `changed` after this node has come to hold other partitions than before; returns how to stop. */
  onShare(changed: () => void): () => void { return this.#share.watch(changed) }

  #waits(id: ActorId, holds: (snapshot: AnyMachineSnapshot) => boolean, timeoutMs: number, signal?: AbortSignal): Promise<LiveActor> {
    const sight = { now: () => this.peek(id), wake: () => this.#of(id)?.keeper.wake(id), lost: () => this.#lost }
    return this.#waiters.until(id, sight, holds, timeoutMs, signal)
  }

  /** Resolves once this process was the owner of what it holds within the last second. Rejects when it is not, or cannot know. */
  async prove(): Promise<void> {
    if (this.#lost) throw this.#lost
    await this.#share.prove()
  }

  /**
   * Begins something that rests on what this node holds: what it gives resolves once nothing of that was
   * another's meanwhile. Rejects with `network.moved` where other nodes hold their share, else as `prove`.
   */
  standing(): () => Promise<void> {
    const standing = this.#share.standing()
    return async () => (this.#fleet && !this.#lost ? standing() : this.prove())
  }

  /** Effects that run now, events journaled so far, epoch: for `doctor` and tests. */
  stats(): Holding & { readonly partitions: number } {
    return { ...this.#share.stats(), partitions: this.#placement.partitions }
  }

  /** Stops effects and timers, waits for the append under way; in a fleet others take over at once. */
  async close(): Promise<void> {
    const reason = new AigenError('network.closed', 'the node stops')
    this.#courier.stop()
    await this.#fleet?.stop()
    await this.#siblings?.stop()
    await Promise.all([...this.#share].map((tenure) => tenure.end(reason)))
    this.#end(reason)
  }

  #resume(tenure: Tenure): void {
    tenure.resume()
    this.#courier.carry(tenure.index)
  }

  #committed(tenure: Tenure, touched: readonly (readonly [LiveActor, Entry])[], sent: boolean): void {
    if (sent) this.#courier.carry(tenure.index)
    for (const [actor, entry] of touched) {
      for (const watcher of [...this.#watchers]) watcher(actor, entry)
      this.#waiters.see(actor)
    }
  }

  #of(id: ActorId): Partition | undefined {
    return this.#share.partition(this.#placement.of(id))
  }

  #elsewhere(): Siblings {
    if (!this.#siblings) throw this.#lost ?? new AigenError('network.closed', 'the node stops')
    return this.#siblings
  }

  /** Ends a tenure in order: what is asked for from here on is asked of another node. */
  async #giveUp(index: number): Promise<void> {
    const tenure = this.#share.tenure(index)
    const moved = new AigenError('network.moved', 'another node takes this partition')
    await tenure?.end(moved)
    if (tenure) this.#drop(tenure, moved, false)
  }

  #drop(tenure: Tenure, error: AigenError, lost: boolean): void {
    if (!this.#share.drop(tenure, lost)) return
    this.#waiters.fail(error, (id) => this.#placement.of(id) === tenure.index)
  }

  #lose(tenure: Tenure, error: AigenError): void {
    // In a fleet another node has it now, and this one goes on with what it has left.
    if (this.#fleet) return this.#drop(tenure, new AigenError('network.moved', error.message, { cause: error }), true)
    this.#courier.stop()
    this.#end(error)
    for (const one of this.#share) void one.end(error)
    this.#options.onLost?.(error)
  }

  #end(error: AigenError): void {
    this.#lost = error
    this.#waiters.fail(error, () => true)
  }
}
