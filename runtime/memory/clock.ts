/**
 * The virtual clock: time stands still until a test or the simulator moves it (DESIGN D10). Timers
 * fire in the order of their time, then of their making, and the promises that one of them settles
 * have run before the next one fires. It goes in whole milliseconds, as `Date.now` does.
 */
import type { Clock, Timer } from '../ports/clock.ts'

interface Entry { readonly at: number; readonly order: number; readonly fire: () => void; off: boolean }

export interface VirtualClock extends Clock {
  /** Moves time on by `ms`, firing what falls due on the way. */
  advance(ms: number): Promise<void>
  /** Moves `now()` only, as a clock that is set right or wrong does; `monotonic()` does not see it. */
  skew(ms: number): void
  /** Milliseconds of `now()` at which the next timer falls due, `undefined` when there is none. */
  next(): number | undefined
}

/** Firings in one `advance`, so that a timer that re-arms itself at once is an error, not a hang. */
const FIRINGS_MAX = 1_000_000

/** A clock that reads `start` (milliseconds since the epoch) until it is advanced. */
export function virtualClock(start = 1_700_000_000_000): VirtualClock {
  let elapsed = 0
  let offset = start
  let order = 0
  const entries: Entry[] = []
  // a timer is due by `now()`, a sleep by what has elapsed; both are kept as values of `elapsed`
  const walls = new Map<Entry, number>()

  const add = (at: number, fire: () => void, wall?: number): Entry => {
    const entry: Entry = { at, order: order++, fire, off: false }
    let low = 0
    let high = entries.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (entries[middle]!.at <= at) low = middle + 1
      else high = middle
    }
    entries.splice(low, 0, entry)
    if (wall !== undefined) walls.set(entry, wall)
    return entry
  }
  const remove = (entry: Entry): void => {
    entry.off = true
    walls.delete(entry)
    const at = entries.indexOf(entry)
    if (at >= 0) entries.splice(at, 1)
  }
  const timer = (at: number, fire: () => void): Timer => {
    const entry = add(Math.max(Math.ceil(at) - offset, elapsed), fire, at)
    // what is past fires at once, though not inside this call
    if (entry.at <= elapsed) queueMicrotask(() => { if (!entry.off) { remove(entry); fire() } })
    return { cancel: () => remove(entry) }
  }
  return {
    now: () => offset + elapsed,
    monotonic: () => elapsed,
    timer,
    sleep: (ms, signal) => new Promise<void>((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason as Error)
      const entry = add(elapsed + Math.max(Math.ceil(ms), 0), () => { signal?.removeEventListener('abort', abort); resolve() })
      const abort = (): void => { remove(entry); reject(signal?.reason as Error) }
      signal?.addEventListener('abort', abort, { once: true })
      if (ms <= 0) queueMicrotask(() => { if (!entry.off) { remove(entry); entry.fire() } })
    }),
    async advance(ms) {
      const until = elapsed + ms
      await settled()
      for (let fired = 0; ; fired++) {
        const entry = entries[0]
        if (entry === undefined || entry.at > until) break
        if (fired >= FIRINGS_MAX) throw new Error('a timer re-arms itself without end')
        remove(entry)
        elapsed = Math.max(elapsed, entry.at)
        entry.fire()
        await settled()
      }
      elapsed = until
    },
    skew(ms) {
      offset += ms
      const moved = [...walls].map(([entry, wall]) => ({ entry, wall }))
      for (const { entry, wall } of moved) {
        const { fire } = entry
        const at = entries.indexOf(entry)
        if (at >= 0) entries.splice(at, 1)
        walls.delete(entry)
        Object.assign(entry, { at: Math.max(wall - offset, elapsed), fire })
        let index = entries.findIndex((other) => other.at > entry.at)
        if (index < 0) index = entries.length
        entries.splice(index, 0, entry)
        walls.set(entry, wall)
      }
    },
    next: () => (entries[0] === undefined ? undefined : offset + entries[0].at),
  }
}

/** Resolves when the promises that can settle without time have done so. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
