/**
 * The replay window of one direction of a session (D5), after RFC 6479: which of the last 1,024
 * counters were seen, as bits in a ring that is cleared word by word as the window moves on.
 * Messages may overtake each other by up to 1,024; one that is older, or was seen, is a replay.
 */
export const WINDOW = 1024

/** Twice the window, so that clearing whole words never forgets a counter still inside it. */
const WORDS = (WINDOW * 2) / 32

export class ReplayWindow {
  readonly #bits = new Uint32Array(WORDS)
  #highest = -1

  /** Whether `counter` (below 2^31) is inside or ahead of the window and was not marked yet. */
  fresh(counter: number): boolean {
    if (counter > this.#highest) return true
    if (counter <= this.#highest - WINDOW) return false
    return (this.#bits[(counter >>> 5) & (WORDS - 1)]! & (1 << (counter & 31))) === 0
  }

  /** Marks a fresh counter as seen. Call it only for a message that proved authentic. */
  mark(counter: number): void {
    if (counter > this.#highest) {
      const last = this.#highest < 0 ? -1 : this.#highest >>> 5
      const word = counter >>> 5
      const cleared = Math.min(word - last, WORDS)
      for (let step = 0; step < cleared; step += 1) this.#bits[(word - step) & (WORDS - 1)] = 0
      this.#highest = counter
    }
    this.#bits[(counter >>> 5) & (WORDS - 1)]! |= 1 << (counter & 31)
  }
}
