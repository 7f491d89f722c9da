/**
 * The clock of a real process. Only this file reads the time (DESIGN D1).
 */
import type { Clock, Timer } from '../ports/clock.ts'

/** Longest single wait: the time is looked at again at least this often, so a sleep or jump is noticed. */
const WAIT_MAX_MS = 60_000

/** The operating system's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  timer,
  sleep: (ms, signal) => new Promise<void>((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason as Error)
    const handle = setTimeout(() => { signal?.removeEventListener('abort', abort); resolve() }, Math.min(ms, 2 ** 31 - 1))
    const abort = (): void => { clearTimeout(handle); reject(signal?.reason as Error) }
    signal?.addEventListener('abort', abort, { once: true })
  }),
}

function timer(at: number, fire: () => void): Timer {
  let handle: NodeJS.Timeout
  const arm = (): void => {
    handle = setTimeout(() => (Date.now() >= at ? fire() : arm()), Math.min(Math.max(at - Date.now(), 0), WAIT_MAX_MS))
  }
  arm()
  return { cancel: () => clearTimeout(handle) }
}
