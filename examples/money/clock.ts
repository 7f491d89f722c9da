/**
 * The system's clock, which can be set ahead: a lock of a quarter of an hour or a vault's day is over
 * in seconds, for all who share it. Used by the stage, which sets the chain ahead with it.
 */
import { systemClock, type NodePorts } from 'aigen'

type Clock = NodePorts['clock']
type Timer = ReturnType<Clock['timer']>

export class AheadClock implements Clock {
  #ahead = 0
  readonly #timers = new Set<{ readonly at: number; readonly fire: () => void; timer: Timer }>()

  // Properties, since whoever needs the time only is given `clock.now` alone.
  readonly now = (): number => systemClock.now() + this.#ahead

  readonly monotonic = (): number => systemClock.monotonic() + this.#ahead

  readonly timer = (at: number, fire: () => void): Timer => {
    const entry = { at, fire, timer: { cancel: () => {} } }
    this.#arm(entry)
    return { cancel: () => { this.#timers.delete(entry); entry.timer.cancel() } }
  }

  readonly sleep = (ms: number, signal?: AbortSignal): Promise<void> => new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason as Error)
    const abort = (): void => { timer.cancel(); reject(signal?.reason as Error) }
    const timer = this.timer(this.now() + ms, () => { signal?.removeEventListener('abort', abort); resolve() })
    signal?.addEventListener('abort', abort, { once: true })
  })

  /** It is `ms` later now. */
  skip(ms: number): void {
    this.#ahead += ms
    for (const entry of this.#timers) {
      entry.timer.cancel()
      this.#arm(entry)
    }
  }

  #arm(entry: { readonly at: number; readonly fire: () => void; timer: Timer }): void {
    this.#timers.add(entry)
    entry.timer = systemClock.timer(entry.at - this.#ahead, () => {
      this.#timers.delete(entry)
      entry.fire()
    })
  }
}
