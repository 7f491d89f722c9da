/**
 * Runs journaled effects and brings their results back as events (D1). Knows no machine: kinds are
 * registered by the rooms that own them. At recovery the host hands every open effect to it again,
 * with the same key.
 */
import { AigenError, asError, type ErrorBody } from '../../schemas/error.ts'
import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'
import type { ActorEvent, ActorId } from './actor.ts'
import type { OpenEffect } from './fold.ts'

/**
 * What a second run of the same effect means:
 * - `idempotent`: repeat freely;
 * - `reconcilable`: the handler looks up what happened before it acts (`context.again` is true);
 * - `atMostOnce`: never repeated; after a crash the actor gets `<kind>.unknown`.
 */
export type EffectMode = 'idempotent' | 'reconcilable' | 'atMostOnce'

export interface EffectContext {
  /** Stable across attempts and restarts: the idempotency key for whatever the handler calls. */
  readonly key: string
  readonly actor: ActorId
  /** From 1, within this process. */
  readonly attempt: number
  /** Whether an earlier attempt may have taken effect. */
  readonly again: boolean
  /** Aborts when the machine aborts the effect and when the node stops. */
  readonly signal: AbortSignal
}

export interface EffectKind {
  readonly mode: EffectMode
  /** Attempts before `<kind>.failed` (default 5); only errors that the table calls retryable are repeated. */
  readonly attempts?: number
  /** First pause between attempts in ms (default 100); doubles, with full jitter, up to `maxPauseMs` (default 5,000). */
  readonly pauseMs?: number
  readonly maxPauseMs?: number
  /** Runs at once in this node (default 64); further ones wait their turn. */
  readonly concurrency?: number
  /**
   * What `run` would give, where that needs nothing but the parameters and leaves nothing outside: then it
   * is computed within the record that asks for it, so that nobody waits for another. Where it throws, and
   * after a crash, `run` is asked.
   */
  instant?(params: any): ActorEvent
  /** Whether nobody waits for this result: it may be written a little later, with what comes next. */
  later?(event: ActorEvent): boolean
  /** The event for the actor; nothing when there is none to tell. */
  run(params: any, context: EffectContext): Promise<ActorEvent | void>
}

/** What an actor gets when an effect failed for good, or when nobody can know (`<kind>.unknown`). */
export interface EffectFailure extends ActorEvent {
  readonly error: ErrorBody
  readonly params: Record<string, unknown>
}

/** An effect under way. Its signal is made when the handler asks for it: many do not, and it is the dearest thing about them. */
class Running {
  #controller: AbortController | undefined
  #reason: AigenError | undefined

  get aborted(): boolean {
    return this.#reason !== undefined
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.#reason) this.#controller.abort(this.#reason)
    return this.#controller.signal
  }

  abort(reason: AigenError): void {
    this.#reason ??= reason
    this.#controller?.abort(this.#reason)
  }
}

export class Effects {
  readonly #kinds: ReadonlyMap<string, EffectKind>
  readonly #clock: Clock
  readonly #random: Random
  readonly #done: (effect: OpenEffect, event: ActorEvent | undefined, later: boolean) => void
  readonly #running = new Map<string, Running>()
  readonly #busy = new Map<string, number>()
  readonly #waiting = new Map<string, (() => void)[]>()
  #stopped = false

  constructor(kinds: ReadonlyMap<string, EffectKind>, clock: Clock, random: Random, done: (effect: OpenEffect, event: ActorEvent | undefined, later: boolean) => void) {
    this.#kinds = kinds
    this.#clock = clock
    this.#random = random
    this.#done = done
  }

  /** Starts `effect`; `again` when an earlier process may have run it. Never throws. */
  dispatch(effect: OpenEffect, again: boolean): void {
    if (this.#stopped || this.#running.has(effect.key)) return
    const running = new Running()
    this.#running.set(effect.key, running)
    void this.#run(effect, again, running).then((event) => {
      this.#running.delete(effect.key)
      if (!this.#stopped && !running.aborted) this.#done(effect, event ?? undefined, !!event && this.#kinds.get(effect.record.kind)?.later?.(event) === true)
    })
  }

  /** Stops an effect whose result nobody waits for any more. */
  abort(key: string): void {
    this.#running.get(key)?.abort(new AigenError('step.cancelled'))
    this.#running.delete(key)
  }

  /** Aborts everything; results that come later are dropped (they stay open in the journal). */
  stop(): void {
    this.#stopped = true
    for (const running of this.#running.values()) running.abort(new AigenError('network.closed', 'the node stops'))
    this.#running.clear()
    for (const waiters of this.#waiting.values()) for (const wake of waiters) wake()
    this.#waiting.clear()
  }

  get running(): number {
    return this.#running.size
  }

  async #run(effect: OpenEffect, again: boolean, running: Running): Promise<ActorEvent | void> {
    const { kind: name, params } = effect.record
    const kind = this.#kinds.get(name)
    if (!kind) return failed(name, params, new AigenError('internal', `no effect of kind ${name} is registered`))
    if (again && kind.mode === 'atMostOnce') return { type: `${name}.unknown`, params }
    await this.#enter(name, kind.concurrency ?? 64)
    try {
      for (let attempt = 1; ; attempt++) {
        try {
          if (running.aborted) return
          return await kind.run(params, { key: effect.key, actor: effect.actor, attempt, again: again || attempt > 1, get signal() { return running.signal } })
        } catch (thrown) {
          if (running.aborted) return
          const error = asError(thrown)
          const last = attempt >= (kind.attempts ?? 5) || kind.mode === 'atMostOnce' || !error.rule.retry
          if (last) return failed(name, params, error)
          await this.#clock.sleep(this.#pause(kind, attempt), running.signal).catch(() => undefined)
        }
      }
    } finally {
      this.#leave(name)
    }
  }

  /** Exponential back-off with full jitter (Brooker, "Exponential Backoff and Jitter", AWS 2015). */
  #pause(kind: EffectKind, attempt: number): number {
    const ceiling = Math.min(kind.maxPauseMs ?? 5_000, (kind.pauseMs ?? 100) * 2 ** (attempt - 1))
    return Math.max(1, Math.floor(this.#random.fraction() * ceiling))
  }

  async #enter(name: string, limit: number): Promise<void> {
    const busy = this.#busy.get(name) ?? 0
    if (busy < limit) {
      this.#busy.set(name, busy + 1)
      return
    }
    const waiters = this.#waiting.get(name) ?? []
    this.#waiting.set(name, waiters)
    await new Promise<void>((resolve) => waiters.push(resolve))
  }

  #leave(name: string): void {
    const next = this.#waiting.get(name)?.shift()
    if (next) next()
    else this.#busy.set(name, (this.#busy.get(name) ?? 1) - 1)
  }
}

function failed(name: string, params: Record<string, unknown>, error: AigenError): EffectFailure {
  return { type: `${name}.failed`, params, error: error.toJSON() }
}
