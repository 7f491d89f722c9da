/**
 * A bound on a wait: what several callers share (a hello) must not keep one beyond its own time.
 */
import { AigenError } from '../../schemas/error.ts'
import type { Clock } from '../ports/clock.ts'

/** `promise`, or error `network.timeout` after `ms`, or `signal`'s reason; the promise itself runs on. */
export function within<T>(promise: Promise<T>, clock: Clock, ms: number, signal?: AbortSignal): Promise<T> {
  if (signal?.aborted) {
    // Nobody else may listen to how it ends.
    promise.catch(() => undefined)
    return Promise.reject(signal.reason as Error)
  }
  return new Promise<T>((resolve, reject) => {
    const abort = (): void => finish(() => reject(signal!.reason as Error))
    const timer = clock.timer(clock.now() + Math.max(0, ms), () => finish(() => reject(new AigenError('network.timeout'))))
    const finish = (settle: () => void): void => {
      timer.cancel()
      signal?.removeEventListener('abort', abort)
      settle()
    }
    signal?.addEventListener('abort', abort, { once: true })
    promise.then((value) => finish(() => resolve(value)), (error: unknown) => finish(() => reject(error as Error)))
  })
}
