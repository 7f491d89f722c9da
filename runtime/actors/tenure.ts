/**
 * A partition that this node owns, with what runs for it: its effects and its timers. Begins with a
 * fence and ends when the node gives it up, stops or loses it; whoever comes after runs what is open
 * again, under the same keys (D1, D2). Used by `host` only.
 */
import type { AigenError } from '../../schemas/error.ts'
import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'
import type { ActorId } from './actor.ts'
import { Effects, type EffectKind } from './effects.ts'
import { timerKey, type Changes, type LiveActor } from './fold.ts'
import { Later } from './later.ts'
import { Partition } from './partition.ts'
import type { PartitionOptions } from './partition-reader.ts'
import type { Entry } from './record.ts'
import { Timers } from './timers.ts'

export interface TenureOptions extends Omit<PartitionOptions, 'events' | 'instants' | 'later'> {
  readonly clock: Clock
  readonly random: Random
  readonly effects: ReadonlyMap<string, EffectKind>
  /** After each durable record: what each actor that it touched has become. */
  readonly committed: (tenure: Tenure, touched: readonly (readonly [LiveActor, Entry])[], sent: boolean) => void
  readonly lost: (tenure: Tenure, error: AigenError) => void
}

export class Tenure {
  readonly partition: Partition
  readonly #effects: Effects
  readonly #later: Later
  readonly #timers: Timers
  readonly #options: TenureOptions

  private constructor(options: TenureOptions) {
    this.#options = options
    const { clock, random, effects, lost } = options
    this.partition = new Partition({
      ...options,
      later: () => this.#later.take(),
      instants: new Map([...effects].flatMap(([name, { instant }]) => (instant ? [[name, instant] as const] : []))),
      events: {
        committed: (changes, touched) => this.#committed(changes, touched),
        lost: (error) => {
          this.#halt()
          lost(this, error)
        },
      },
    })
    this.#effects = new Effects(effects, clock, random, (effect, event, later) => {
      if (event && later) this.#later.add({ actor: effect.actor, event, cause: effect.key })
      else if (event) this.partition.result(effect.actor, event, effect.key)
      else this.partition.ended(effect.key)
    })
    this.#later = new Later(clock, ({ actor, event, cause }) => this.partition.result(actor, event, cause!))
    this.#timers = new Timers(clock, (timer) => this.partition.result(timer.actor, timer.event, `timer:${timerKey(timer.actor, timer.id)}`))
  }

  /** Folds and fences the partition. `partitions` counts where nothing was written yet. Errors: `journal.*`, `network.*`. */
  static async begin(options: TenureOptions, partitions: number): Promise<Tenure> {
    const tenure = new Tenure(options)
    await tenure.partition.recover(partitions)
    return tenure
  }

  get index(): number {
    return this.#options.index
  }

  /** Runs what the journal left open. */
  resume(): void {
    const { open, timers, actors } = this.partition.fold
    // What a parked actor asked for waits with it until it is unparked.
    for (const effect of open.values()) if (actors.get(effect.actor)?.parked === undefined) this.#effects.dispatch(effect, true)
    for (const timer of timers.values()) if (actors.get(timer.actor)?.parked === undefined) this.#timers.set(timer)
    this.partition.redeliver()
  }

  /** Stops effects and timers and waits for the append under way; what comes later is refused with `reason`. Open effects stay open in the journal. */
  async end(reason: AigenError): Promise<void> {
    this.#halt()
    await this.partition.close(reason)
  }

  #halt(): void {
    this.#timers.stop()
    this.#later.take()
    this.#effects.stop()
  }

  #committed(changes: Changes, touched: ReadonlyMap<ActorId, Entry>): void {
    const { fold } = this.partition
    for (const key of changes.closed) this.#effects.abort(key)
    for (const { actor, id } of changes.cleared) this.#timers.clear(actor, id)
    for (const timer of changes.set) if (fold.timers.get(timerKey(timer.actor, timer.id)) === timer) this.#timers.set(timer)
    for (const effect of changes.opened) if (fold.open.has(effect.key)) this.#effects.dispatch(effect, false)
    for (const id of changes.unparked) {
      for (const effect of fold.openOf(id)) this.#effects.dispatch(effect, true)
      for (const timer of fold.timersOf(id)) this.#timers.set(timer)
    }
    const seen: (readonly [LiveActor, Entry])[] = []
    for (const [id, entry] of touched) {
      const actor = fold.actors.get(id)
      if (actor) seen.push([actor, entry])
    }
    this.#options.committed(this, seen, changes.sent.length > 0)
  }
}
