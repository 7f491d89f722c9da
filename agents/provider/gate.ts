/**
 * How many calls of a capability a provider works on at once, whichever door they came through; the
 * others wait in the order they came. Bounded by admission, which takes no more than fit the queue.
 */
import type { ProviderDefinition } from './define.ts'
import { CONCURRENCY } from './admission.ts'

export interface Gate {
  /** Resolves with how to leave once it is this call's turn; rejects with the signal's reason when it aborts before. */
  enter(capability: string, signal: AbortSignal): Promise<() => void>
}

export function openGate(definitions: readonly ProviderDefinition[]): Gate {
  const places = new Map(definitions.map(({ capability, concurrency = CONCURRENCY }) => [capability.id, { free: concurrency, waiting: [] as (() => void)[] }]))
  return {
    enter: async (capability, signal) => {
      const place = places.get(capability)
      if (!place) return () => undefined
      const leave = (): void => {
        const next = place.waiting.shift()
        if (next) next()
        else place.free++
      }
      signal.throwIfAborted()
      if (place.free > 0) {
        place.free--
        return leave
      }
      await new Promise<void>((resolve, reject) => {
        const turn = (): void => {
          signal.removeEventListener('abort', gone)
          resolve()
        }
        const gone = (): void => {
          place.waiting.splice(place.waiting.indexOf(turn), 1)
          reject(signal.reason as Error)
        }
        place.waiting.push(turn)
        signal.addEventListener('abort', gone, { once: true })
      })
      return leave
    },
  }
}
