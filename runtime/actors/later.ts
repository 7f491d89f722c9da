/**
 * Results of effects that nobody waits for: each is written with what comes next, and by itself only
 * where nothing came for a while, so that it makes no record of its own between two that others wait
 * for (D2). One that is lost here stays open in the journal, and its effect runs again. Used by `tenure`.
 */
import type { Clock, Timer } from '../ports/clock.ts'
import type { Item } from './item.ts'

/** How long one waits at most, in ms. */
const LATER_MS = 10

export class Later {
  #items: Item[] = []
  #timer: Timer | undefined
  readonly #clock: Clock
  readonly #write: (item: Item) => void

  /** `write` has one written by itself. */
  constructor(clock: Clock, write: (item: Item) => void) {
    this.#clock = clock
    this.#write = write
  }

  add(item: Item): void {
    this.#items.push(item)
    this.#timer ??= this.#clock.timer(this.#clock.now() + LATER_MS, () => this.take().forEach(this.#write))
  }

  /** Those that wait, for the record that is about to be made. */
  take(): readonly Item[] {
    this.#timer?.cancel()
    this.#timer = undefined
    return this.#items.splice(0)
  }
}
