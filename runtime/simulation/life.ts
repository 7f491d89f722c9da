/**
 * One life of a simulated process: from its start until it is killed. Everything that reaches the
 * process or leaves it passes here, so that a dead one says and hears nothing, and one that stands
 * still goes on where it was. Used by `life-ports` and `world`.
 */
import type { Clock, Timer } from '../ports/clock.ts'

export class Life {
  readonly process: string
  /** From 1, of this process. */
  readonly number: number
  /** Which node of its participant it is: a take-over starts another one. */
  readonly node: number
  /** Records stored of which it has not heard yet. */
  unheard = 0
  #state: 'running' | 'still' | 'dead' = 'running'
  readonly #held: (() => void)[] = []

  constructor(process: string, number: number, node: number) {
    this.process = process
    this.number = number
    this.node = node
  }

  get alive(): boolean {
    return this.#state !== 'dead'
  }

  get running(): boolean {
    return this.#state === 'running'
  }

  /** Does `act` now, when the process moves again, or never. */
  run(act: () => void): void {
    if (this.#state === 'running') act()
    else if (this.#state === 'still') this.#held.push(act)
  }

  /** Resolves now, when the process moves again, or never. */
  awake(): Promise<void> {
    return new Promise((resolve) => this.run(resolve))
  }

  /** What `promise` gives, as far as the process is there to see it. */
  async hold<T>(promise: Promise<T>): Promise<T> {
    try {
      return await promise
    } finally {
      await this.awake()
    }
  }

  kill(): void {
    this.#state = 'dead'
    this.#held.length = 0
  }

  stop(): void {
    if (this.#state === 'running') this.#state = 'still'
  }

  go(): void {
    if (this.#state !== 'still') return
    this.#state = 'running'
    for (const act of this.#held.splice(0)) this.run(act)
  }
}

/** The clock as one life sees it: whole milliseconds, wrong by what `set` said, and silent once the life is over. */
export class LifeClock implements Clock {
  readonly #base: Clock
  readonly #life: Life
  readonly #timers = new Set<{ readonly at: number; readonly fire: () => void; timer: Timer }>()
  #skew = 0

  constructor(base: Clock, life: Life) {
    this.#base = base
    this.#life = life
  }

  // Properties, since whoever needs the time only is given `clock.now` alone.
  readonly now = (): number => Math.floor(this.#base.now()) + this.#skew

  readonly monotonic = (): number => Math.floor(this.#base.monotonic())

  readonly timer = (at: number, fire: () => void): Timer => {
    const entry = { at, fire, timer: { cancel: () => {} } }
    this.#arm(entry)
    return { cancel: () => { this.#timers.delete(entry); entry.timer.cancel() } }
  }

  readonly sleep = (ms: number, signal?: AbortSignal): Promise<void> => this.#life.hold(this.#base.sleep(ms, signal))

  /** From now on `now()` is wrong by `ms`; what waits for a time waits for it by this clock. */
  set(ms: number): void {
    this.#skew = ms
    for (const entry of this.#timers) {
      entry.timer.cancel()
      this.#arm(entry)
    }
  }

  #arm(entry: { readonly at: number; readonly fire: () => void; timer: Timer }): void {
    this.#timers.add(entry)
    entry.timer = this.#base.timer(entry.at - this.#skew, () => {
      this.#timers.delete(entry)
      this.#life.run(entry.fire)
    })
  }
}
