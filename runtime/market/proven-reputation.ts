/**
 * Reputation on a light node (DESIGN Words): no replica. Before it chooses, it asks a guardian for the
 * entries of those it may hire and believes each by its proof and the quorum's signatures (D9, I8),
 * whoever answered. What it cannot get in time it does not know. Bounded in providers and time.
 */
import type { GuardianSet, ReputationFigures } from '../../schemas/documents.gen.ts'
import { validate } from '../../schemas/validate.ts'
import type { Clock } from '../ports/clock.ts'
import { entryKey, epochAt, verifyEntry } from './registry.ts'
import type { Reputation } from './reputation.ts'

/** How long asking may take before a choice, in ms, and how long an answer is good enough. */
const ASK_MS = 1_000
const KNOWN_MS = 20_000
/** An entry of so many epochs ago says nothing of today. */
const STALE_EPOCHS = 64
const PROVIDERS_MAX = 10_000
/** Guardians asked about one provider. */
const TRIES_MAX = 3

/** What one guardian says of a provider: its proven entries, not checked yet. Rejects when it does not answer. */
export type AskGuardian = (provider: string, signal: AbortSignal) => Promise<readonly unknown[]>

export interface ProvenReputationOptions {
  readonly guardians: GuardianSet
  readonly clock: Pick<Clock, 'now' | 'monotonic' | 'sleep'>
  /** Guardians that can be asked now, in the order they are to be asked. */
  readonly ask: () => readonly AskGuardian[]
}

interface Known {
  readonly at: number
  readonly figures: ReadonlyMap<string, { readonly epoch: number; readonly figures: ReputationFigures }>
}

/** Reputation without a replica: `learn` asks and checks, `of` tells what was proven. */
export function provenReputation({ guardians, clock, ask }: ProvenReputationOptions): Reputation {
  const known = new Map<string, Known>()
  const stopped = new AbortController()

  const learnOne = async (provider: string, signal: AbortSignal): Promise<void> => {
    for (const guardian of ask().slice(0, TRIES_MAX)) {
      if (signal.aborted) return
      try {
        const figures = new Map<string, { epoch: number; figures: ReputationFigures }>()
        for (const one of await guardian(provider, signal)) {
          const entry = verifyEntry(one, guardians)
          const { header: { epoch } } = validate('ProvenEntry', one)
          // Another's entry, or one of long ago, proves nothing of this provider today.
          if (entry.provider !== provider || epoch < epochAt(guardians, clock.now()) - STALE_EPOCHS) continue
          figures.set(entryKey(entry), { epoch, figures: entry.figures })
        }
        const before = known.get(provider)
        if (figures.size === 0 && before) continue
        // An older registry does not take back what a newer one showed.
        for (const [key, old] of before?.figures ?? []) if ((figures.get(key)?.epoch ?? -1) < old.epoch) figures.set(key, old)
        if (known.size >= PROVIDERS_MAX && !before) known.delete(known.keys().next().value!)
        known.set(provider, { at: clock.monotonic(), figures })
        return
      } catch {
        // It lies, or is away: the next one is asked.
      }
    }
  }
  return {
    of: (provider, capability) => {
      const found = known.get(provider)?.figures.get(entryKey({ provider, capability } as Parameters<typeof entryKey>[0]))
      return found && found.epoch >= epochAt(guardians, clock.now()) - STALE_EPOCHS ? found.figures : undefined
    },
    learn: async (providers) => {
      const unknown = providers.filter((one) => clock.monotonic() - (known.get(one)?.at ?? -Infinity) >= KNOWN_MS)
      if (unknown.length === 0) return
      const late = new AbortController()
      const signal = AbortSignal.any([late.signal, stopped.signal])
      const time = new AbortController()
      await Promise.race([Promise.all(unknown.map((one) => learnOne(one, signal))), clock.sleep(ASK_MS, time.signal).catch(() => undefined)])
      late.abort()
      time.abort()
    },
    registry: () => undefined,
    watch: () => undefined,
    close: async () => stopped.abort(),
  }
}
