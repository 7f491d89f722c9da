/**
 * What a watchtower knows of lanes without asking the chain again: whose they are never changes, closed is
 * closed for good, what is reserved only grows. Reads that anybody can cause are counted by caller, and
 * those of callers who have no lane here together, so that a flood of made-up vouchers costs a bounded number of
 * reads. Used by `watchtower.ts`; in memory only.
 */
import { LRUCache } from 'lru-cache'
import type { Address, Hex32 } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import type { Clock } from '../../runtime/ports/clock.ts'
import type { Rail } from '../../runtime/ports/rail.ts'

/** Reads that a caller may cause at once, and for each second after; the same for all strangers together. */
const CALLER_READS = { most: 200, perSecond: 2 }
const STRANGER_READS = { most: 400, perSecond: 20 }
const CALLERS_MAX = 1_000
const LANES_MAX = 20_000
/** A lane that was not there may be reserved since; what a payee had is looked up again as often, in ms. */
const FRESH_MS = 60_000

export interface LaneFacts {
  readonly payee: Address
  readonly voucherKey: Address
  readonly reserved: bigint
  readonly claimed: bigint
  readonly closed: boolean
}

interface Known {
  readonly facts: LaneFacts | undefined
  readonly at: number
}

export interface FactsBook {
  /**
   * The lane as the chain last showed it to us, asked anew only where `cumulative` is beyond what was reserved
   * then. Undefined: nothing is reserved on it. Error `node.busy`: `caller` has caused too many reads.
   */
  of(lane: Hex32, cumulative: bigint, caller: string): Promise<LaneFacts | undefined>
  /** The caller has a lane here: it is no stranger. */
  welcome(caller: string): void
}

/** A bucket that fills again with time. */
function bucket({ most, perSecond }: typeof CALLER_READS, clock: Clock): () => boolean {
  let [left, at] = [most, clock.monotonic()]
  return () => {
    const now = clock.monotonic()
    left = Math.min(most, left + (now - at) / 1_000 * perSecond)
    at = now
    if (left < 1) return false
    left -= 1
    return true
  }
}

export function openFacts(rail: Pick<Rail, 'lane'>, clock: Clock): FactsBook {
  const lanes = new LRUCache<string, Known>({ max: LANES_MAX })
  const callers = new LRUCache<string, { readonly takes: () => boolean; known: boolean }>({ max: CALLERS_MAX })
  const strangers = bucket(STRANGER_READS, clock)
  const asked = new Map<string, Promise<Known>>()
  const callerOf = (caller: string) => {
    const met = callers.get(caller) ?? { takes: bucket(CALLER_READS, clock), known: false }
    callers.set(caller, met)
    return met
  }

  const read = async (lane: Hex32): Promise<Known> => {
    const state = await rail.lane(lane)
    const known = { at: clock.monotonic(), facts: state && { payee: state.payee as Address, voucherKey: state.voucherKey as Address, reserved: state.reserved, claimed: state.claimed, closed: state.closed } }
    lanes.set(lane, known)
    return known
  }

  return {
    of: async (lane, cumulative, caller) => {
      const known = lanes.get(lane)
      if (known?.facts && (known.facts.closed || cumulative <= known.facts.reserved)) return known.facts
      if (known && clock.monotonic() - known.at < FRESH_MS && !known.facts) return undefined
      const under = asked.get(lane)
      if (under) return (await under).facts
      const met = callerOf(caller)
      if (!met.takes() || (!met.known && !strangers())) throw new AigenError('node.busy', 'too many lanes to look up')
      const reading = read(lane)
      asked.set(lane, reading)
      return (await reading.finally(() => asked.delete(lane))).facts
    },
    welcome: (caller) => {
      callerOf(caller).known = true
    },
  }
}
