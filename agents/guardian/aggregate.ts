/**
 * The one way from reports to entries (D9): per provider, capability and figure the integer lower
 * median, where a quorum of reports names the figure. Of 2f + 1 values or more, f of them lies, the
 * lower median lies between two honest ones. Pure, and independent of the order of the reports.
 */
import type { ReputationEntry, ReputationFigures } from '../../schemas/documents.gen.ts'
import { entryKey } from '../../runtime/market/registry.ts'

const RATES: readonly (keyof ReputationFigures)[] = ['uptime', 'rttMs', 'p50Ms', 'p95Ms', 'success', 'errors']
const COUNTS: readonly (keyof ReputationFigures)[] = ['breaches', 'probes', 'receipts', 'complaints']
/** Entries of a registry. */
export const ENTRIES_MAX = 512

/** The lower median: the middle value, the lower one of two. @example lowerMedian([4, 1, 3, 2]) // 2 */
export function lowerMedian(values: readonly number[]): number {
  return [...values].sort((one, other) => one - other)[Math.floor((values.length - 1) / 2)]!
}

/**
 * Entries of the registry that the reports make, in order of provider and capability. A pair that
 * fewer than `quorum` reports name is left out; a figure that fewer could measure is null.
 */
export function aggregate(reports: readonly (readonly ReputationEntry[])[], quorum: number): ReputationEntry[] {
  const pairs = new Map<string, ReputationEntry[]>()
  for (const entries of reports) {
    for (const entry of entries) {
      const key = entryKey(entry)
      pairs.set(key, [...(pairs.get(key) ?? []), entry])
    }
  }
  return [...pairs]
    .filter(([, told]) => told.length >= quorum)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .slice(0, ENTRIES_MAX)
    .map(([, told]) => {
      const { provider, capability } = told[0]!
      const figures: Record<string, number | null> = {}
      for (const name of RATES) {
        const values = told.map((one) => one.figures[name]).filter((value) => value !== null)
        figures[name] = values.length >= quorum ? lowerMedian(values) : null
      }
      for (const name of COUNTS) figures[name] = lowerMedian(told.map((one) => one.figures[name] ?? 0))
      return { provider, capability, figures: figures as unknown as ReputationFigures }
    })
}
