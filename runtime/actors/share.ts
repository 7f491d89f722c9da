/**
 * The partitions that this node holds now: all of its participant's, or where several nodes share
 * them its own part, which grows and shrinks as nodes come and go (D2, I6). Used by `host` only.
 */
import { AigenError, asError } from '../../schemas/error.ts'
import type { LiveActor } from './fold.ts'
import type { Partition } from './partition.ts'
import { partitionName } from './placement.ts'
import type { Tenure } from './tenure.ts'

/** What is held, in figures. */
export interface Holding {
  /** Actors there are, in memory or not, and those in memory. */
  readonly actors: number
  readonly resident: number
  readonly openEffects: number
  readonly timers: number
  readonly last: number
  readonly epoch: number
  readonly owned: readonly number[]
}

export class Share {
  readonly #prefix: string
  readonly #tenures = new Map<number, Tenure>()
  readonly #watchers = new Set<() => void>()
  /** Partitions that others took from this node so far. */
  #losses = 0

  constructor(prefix: string) {
    this.#prefix = prefix
  }

  [Symbol.iterator](): Iterator<Tenure> {
    return this.#tenures.values()
  }

  get indexes(): number[] {
    return [...this.#tenures.keys()]
  }

  /** @example share.names // ['p0', 'p3'] */
  get names(): string[] {
    return this.indexes.sort((a, b) => a - b).map((index) => partitionName(this.#prefix, index))
  }

  get partitions(): Partition[] {
    return Array.from(this.#tenures.values(), ({ partition }) => partition)
  }

  tenure(index: number): Tenure | undefined {
    return this.#tenures.get(index)
  }

  partition(index: number): Partition | undefined {
    return this.#tenures.get(index)?.partition
  }

  add(tenure: Tenure): void {
    this.#tenures.set(tenure.index, tenure)
    this.#changed()
  }

  /** False for one that ended long ago and hears of it late, when another has begun; `lost` when it was taken. */
  drop(tenure: Tenure, lost: boolean): boolean {
    if (this.#tenures.get(tenure.index) !== tenure) return false
    if (lost) this.#losses += 1
    this.#tenures.delete(tenure.index)
    this.#changed()
    return true
  }

  /** Calls `changed` after a partition has come or gone; returns how to stop. */
  watch(changed: () => void): () => void {
    this.#watchers.add(changed)
    return () => this.#watchers.delete(changed)
  }

  /** The actors of a kind that are in memory, partition by partition, oldest first. */
  *list(kind: string): Iterable<LiveActor> {
    for (const { fold } of this.partitions) for (const actor of fold.actors.values()) if (actor.kind.name === kind) yield actor
  }

  /** Resolves once this process was the owner of all of it within the last second. Rejects when it is not, or cannot know. */
  async prove(): Promise<void> {
    await Promise.all(this.partitions.map((partition) => partition.prove()))
  }

  /**
   * Begins something that rests on what this node holds: what it gives resolves once nothing of that was
   * another's meanwhile. Error `network.moved`.
   */
  standing(): () => Promise<void> {
    const losses = this.#losses
    return async () => {
      try {
        await this.prove()
      } catch (thrown) {
        throw new AigenError('network.moved', asError(thrown).message, { cause: thrown })
      }
      if (this.#losses !== losses) throw new AigenError('network.moved')
    }
  }

  stats(): Holding {
    const all = this.partitions
    const sum = (count: (partition: Partition) => number): number => all.reduce((total, partition) => total + count(partition), 0)
    return {
      actors: sum(({ keeper }) => keeper.size), resident: sum(({ fold }) => fold.actors.size), openEffects: sum(({ fold }) => fold.open.size), timers: sum(({ fold }) => fold.timers.size),
      last: sum(({ last }) => last), epoch: all[0]?.epoch ?? 0, owned: this.indexes,
    }
  }

  #changed(): void {
    for (const watcher of [...this.#watchers]) watcher()
  }
}
