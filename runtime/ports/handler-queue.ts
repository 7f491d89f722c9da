/**
 * Runs a subscription's handlers, at most so many at once, and bounds what waits. Used by both
 * buses, so that overload looks the same in the simulator and on NATS: a message too many is
 * dropped, and its sender's retry brings it again (DESIGN D3).
 */

export const CONCURRENCY = 256
/** Messages that wait for a handler; beyond them messages are dropped. */
export const WAITING_MAX = 1024

export class HandlerQueue<T> {
  /** Messages dropped because too many waited. */
  dropped = 0
  readonly #handle: (item: T) => Promise<void>
  readonly #concurrency: number
  readonly #waiting: T[] = []
  #running = 0
  #stopped = false
  #idle: (() => void)[] = []

  /** `handle` must not reject. */
  constructor(handle: (item: T) => Promise<void>, concurrency = CONCURRENCY) {
    this.#handle = handle
    this.#concurrency = Math.max(1, concurrency)
  }

  push(item: T): void {
    if (this.#stopped) return
    if (this.#running < this.#concurrency) void this.#run(item)
    else if (this.#waiting.length < WAITING_MAX) this.#waiting.push(item)
    else this.dropped++
  }

  /** Forgets what waits; resolves when the handlers under way have ended. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#waiting.length = 0
    if (this.#running > 0) await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  async #run(first: T): Promise<void> {
    this.#running++
    let item: T | undefined = first
    while (item !== undefined) {
      await this.#handle(item)
      item = this.#waiting.shift()
    }
    this.#running--
    if (this.#running === 0) for (const done of this.#idle.splice(0)) done()
  }
}
