/**
 * Who waits for which state of which actor, by actor: an event must not cost what all who wait for
 * something cost. Used by `host` only.
 */
import type { AnyMachineSnapshot } from 'xstate'
import { AigenError } from '../../schemas/error.ts'
import type { Clock } from '../ports/clock.ts'
import type { ActorId } from './actor.ts'
import type { LiveActor } from './fold.ts'

interface Waiter {
  readonly see: (actor: LiveActor) => void
  readonly fail: (error: AigenError) => void
}

/** How an actor is looked at: in memory; brought there, nothing where that is not needed; and why none can be any more. */
export interface Sight {
  readonly now: () => LiveActor | undefined
  readonly wake: () => Promise<void> | undefined
  readonly lost: () => AigenError | undefined
}

export class Waiters {
  readonly #clock: Clock
  readonly #waiting = new Map<ActorId, Set<Waiter>>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * Resolves with the actor when `holds` for it, now or later. `wake` brings one into memory that is there and not
   * in memory: it may be in that state already, and must be looked at before anything can happen to it unseen.
   */
  async until(id: ActorId, { now, wake, lost }: Sight, holds: (snapshot: AnyMachineSnapshot) => boolean, timeoutMs: number, signal?: AbortSignal): Promise<LiveActor> {
    for (;;) {
      const actor = now()
      if (actor && holds(actor.snapshot)) return actor
      const error = lost()
      if (error) throw error
      const waking = actor ? undefined : wake()
      if (!waking) return this.wait(id, holds, timeoutMs, signal)
      await waking
    }
  }

  /** Resolves with the actor once `see` brings it in a state that `holds`. Errors: `network.timeout`, `step.cancelled`, that of `fail`. */
  wait(id: ActorId, holds: (snapshot: AnyMachineSnapshot) => boolean, timeoutMs: number, signal?: AbortSignal): Promise<LiveActor> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        see: (actor) => {
          if (holds(actor.snapshot)) finish(() => resolve(actor))
        },
        fail: (error) => finish(() => reject(error)),
      }
      const finish = (settle: () => void): void => {
        const waiters = this.#waiting.get(id)
        waiters?.delete(waiter)
        if (waiters?.size === 0) this.#waiting.delete(id)
        timer.cancel()
        signal?.removeEventListener('abort', aborted)
        settle()
      }
      const aborted = (): void => waiter.fail(new AigenError('step.cancelled'))
      const timer = this.#clock.timer(this.#clock.now() + timeoutMs, () => waiter.fail(new AigenError('network.timeout', `${id} is not there yet`)))
      const waiters = this.#waiting.get(id) ?? new Set()
      this.#waiting.set(id, waiters.add(waiter))
      signal?.addEventListener('abort', aborted, { once: true })
    })
  }

  /** An actor has become something else. */
  see(actor: LiveActor): void {
    for (const waiter of [...(this.#waiting.get(actor.id) ?? [])]) waiter.see(actor)
  }

  /** Who waits for one of `those` waits no more. */
  fail(error: AigenError, those: (id: ActorId) => boolean): void {
    for (const [id, waiters] of [...this.#waiting]) if (those(id)) for (const waiter of [...waiters]) waiter.fail(error)
  }
}
