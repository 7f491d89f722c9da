/**
 * From what a guardian has seen to the entries of its report (D9): probes first, signs of life, then
 * evidence, which never overrides a probe. Pure.
 */
import type { ReputationEntry, ReputationFigures } from '../../schemas/documents.gen.ts'
import { ENTRIES_MAX } from './aggregate.ts'
import type { Known } from './evidence.ts'
import type { Sample } from './probe.machine.ts'
import type { Heard } from './tally.ts'

/** Where an epoch has no probe of its own, older ones speak for so many epochs. */
const EPOCHS_BACK = 16
const BP = 10_000

export interface Seen {
  readonly samples: readonly Sample[]
  readonly heard: Heard
  readonly evidence: Known
}

/** Basis points of a share, rounded down; null of nothing. */
const share = (part: number, whole: number): number | null => (whole === 0 ? null : Math.floor((part * BP) / whole))

/** The value below which `percent` of them lie, by nearest rank; null of none. @example percentile([5, 1, 9], 50) // 5 */
export function percentile(values: readonly number[], percent: number): number | null {
  if (values.length === 0) return null
  const sorted = [...values].sort((one, other) => one - other)
  return sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)]!
}

/**
 * Samples that count for the epoch from `from` on (ms since the epoch): those of this and the last
 * epoch, so that a change shows within two; where there are none, older ones.
 */
export function current(samples: readonly Sample[], from: number, epochMs: number): readonly Sample[] {
  const fresh = samples.filter(({ at }) => at >= from - epochMs)
  return fresh.length > 0 ? fresh : samples.filter(({ at }) => at >= from - EPOCHS_BACK * epochMs)
}

/** The figures of one provider at one capability. */
export function figuresOf({ samples, heard, evidence }: Seen): ReputationFigures {
  const times = samples.flatMap(({ latencyMs }) => latencyMs ?? [])
  const count = samples.length
  const { receipts, complaints } = evidence
  return {
    uptime: share(heard.up, heard.due),
    rttMs: percentile(heard.times, 50),
    p50Ms: percentile(times, 50),
    p95Ms: percentile(times, 95),
    success: count > 0 ? share(samples.filter(({ right }) => right).length, count) : share(receipts, receipts + complaints),
    errors: count > 0 ? share(samples.filter(({ delivered }) => !delivered).length, count) : share(complaints, receipts + complaints),
    // Late at a probe, or proven to have cheated.
    breaches: samples.filter(({ late }) => late).length + evidence.frauds,
    probes: count, receipts, complaints,
  }
}

/** Entries in the order a report has them. */
export function entriesOf(seen: readonly (Pick<ReputationEntry, 'provider' | 'capability'> & Seen)[]): ReputationEntry[] {
  return seen
    .map(({ provider, capability, ...what }) => ({ provider, capability, figures: figuresOf(what) }))
    .sort((one, other) => (`${one.provider} ${one.capability}` < `${other.provider} ${other.capability}` ? -1 : 1))
    .slice(0, ENTRIES_MAX)
}
