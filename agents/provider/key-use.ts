/**
 * What the uses of one access key add up to, and whether another is within its caveats. Pure: called
 * by the access key's machine, one event at a time, so that quotas hold under any concurrency (I4).
 * A caveat counts under its own mark: uses of a narrowed key count for its parents too.
 */
import type { AccessCaveat, AccessRate } from '../../schemas/documents.gen.ts'
import { ERRORS, type ErrorBody, type ErrorCode } from '../../schemas/error.ts'

/** Calls of one key under way at once. */
const OPEN_MAX = 1_000
/** Caveats of narrowed keys that are counted; one that was never used needs no count. */
const COUNTERS_MAX = 10_000
const MINUTE_MS = 60_000

export interface Counter {
  /** Served and under way. */
  readonly calls: number
  /** Atomic: charged, and the worst case of what is under way. */
  readonly amount: string
  /** The minute of the last use, and the uses in it. */
  readonly minute: number
  readonly inMinute: number
}

export interface KeyCounts {
  readonly counters: Readonly<Record<string, Counter>>
  readonly open: Readonly<Record<string, { readonly marks: readonly string[]; readonly worst: string }>>
}

export interface Use {
  /** Actor of the call. */
  readonly call: string
  readonly capability: string
  /** Atomic: most that it can cost. */
  readonly worst: string
  readonly caveats: readonly AccessCaveat[]
  readonly marks: readonly string[]
  readonly at: number
}

const NEW: Counter = { calls: 0, amount: '0', minute: 0, inMinute: 0 }
const says = (code: ErrorCode, detail: string): ErrorBody => ({ code, message: `${ERRORS[code].says} (${detail})` })
const counts = (caveat: AccessCaveat): boolean => caveat.calls !== undefined || caveat.amount !== undefined || caveat.perMinute !== undefined

/** Why the caveats do not allow `use`, or undefined. */
export function objection(state: KeyCounts, rates: readonly AccessRate[], use: Use): ErrorBody | undefined {
  if (!rates.some((rate) => rate.capability === use.capability)) return says('key.scope', use.capability)
  for (const [index, caveat] of use.caveats.entries()) {
    const { calls, amount, minute, inMinute } = state.counters[use.marks[index]!] ?? NEW
    if (caveat.capabilities && !caveat.capabilities.includes(use.capability as never)) return says('key.scope', use.capability)
    if (caveat.until !== undefined && use.at >= caveat.until) return says('auth.expired', 'the access key')
    if (caveat.price !== undefined && BigInt(use.worst) > BigInt(caveat.price)) return says('key.scope', 'one call may cost less than this')
    if (caveat.calls !== undefined && calls >= caveat.calls) return says('key.quota', `${caveat.calls} calls`)
    if (caveat.amount !== undefined && BigInt(amount) + BigInt(use.worst) > BigInt(caveat.amount)) return says('key.quota', 'amount')
    if (caveat.perMinute !== undefined && minute === minuteOf(use.at) && inMinute >= caveat.perMinute) return says('key.rate', `${caveat.perMinute} a minute`)
  }
  if (Object.keys(state.open).length >= OPEN_MAX || Object.keys(state.counters).length >= COUNTERS_MAX) return says('node.busy', 'access key')
  return undefined
}

/** The counts with `use` under way. */
export function reserveUse(state: KeyCounts, use: Use): KeyCounts {
  const counters: Record<string, Counter> = { ...state.counters }
  const marks = use.marks.filter((_, index) => counts(use.caveats[index]!))
  for (const mark of marks) {
    const { calls, amount, minute, inMinute } = counters[mark] ?? NEW
    const now = minuteOf(use.at)
    counters[mark] = { calls: calls + 1, amount: add(amount, use.worst), minute: now, inMinute: minute === now ? inMinute + 1 : 1 }
  }
  return { counters, open: { ...state.open, [use.call]: { marks, worst: use.worst } } }
}

/** The counts once `call` has ended: at `amount`, or null where nothing was served. Twice changes nothing. */
export function endUse(state: KeyCounts, call: string, amount: string | null): KeyCounts {
  const { [call]: ended, ...open } = state.open
  if (!ended) return state
  const counters: Record<string, Counter> = { ...state.counters }
  for (const mark of ended.marks) {
    const counter = counters[mark]!
    counters[mark] = {
      ...counter,
      calls: amount === null ? counter.calls - 1 : counter.calls,
      amount: (BigInt(counter.amount) - BigInt(ended.worst) + BigInt(amount ?? 0)).toString(),
    }
  }
  return { counters, open }
}

const minuteOf = (at: number): number => Math.floor(at / MINUTE_MS)
const add = (one: string, other: string): string => (BigInt(one) + BigInt(other)).toString()
