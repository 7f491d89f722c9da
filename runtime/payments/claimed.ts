/**
 * What the chain has paid of lanes, as a payer learns it when it settles: runs that end together are often
 * paid by one claim, and what a lane has paid only grows. So a claim is looked up once, and a lane only where
 * it was not seen within the last minute to have paid enough. What counts is the lane itself, never what a
 * transaction is said to have done: a light node has proofs of the one and not of the other. Used where runs
 * are settled.
 */
import type { Clock } from '../ports/clock.ts'
import type { PaidRow, Rail } from '../ports/rail.ts'
import type { Hex } from '../ports/signer.ts'

/** A chain may lose blocks: what was seen counts for so long, in ms. */
const SEEN_MS = 60_000
const SEEN_MAX = 10_000

export interface Claimed {
  /** The rows that a transaction has paid; none where it is not mined, and then it is looked up again. Errors `chain.*`. */
  rows(hash: Hex): Promise<readonly PaidRow[]>
  /** What was paid of the lane in all, atomic: `enough` at least, or as the chain has it now. Errors `chain.*`. */
  of(lane: Hex, enough: bigint): Promise<bigint>
}

export function openClaimed({ rail, clock }: { readonly rail: Pick<Rail, 'lane' | 'outcome'>; readonly clock: Pick<Clock, 'monotonic'> }): Claimed {
  const lanes = new Map<Hex, { readonly claimed: bigint; readonly at: number }>()
  const reading = new Map<Hex, Promise<bigint>>()
  const claims = new Map<Hex, { readonly rows: Promise<readonly PaidRow[]>; readonly at: number }>()
  const room = (kept: Map<Hex, unknown>): void => {
    if (kept.size >= SEEN_MAX) kept.delete(kept.keys().next().value!)
  }
  const fresh = <T extends { readonly at: number }>(kept: T | undefined): T | undefined => (kept && clock.monotonic() - kept.at < SEEN_MS ? kept : undefined)

  const look = async (hash: Hex): Promise<readonly PaidRow[]> => {
    const outcome = await rail.outcome(hash).catch((thrown: unknown) => {
      claims.delete(hash)
      throw thrown
    })
    if (outcome.state !== 'done') {
      claims.delete(hash)
      return []
    }
    return outcome.paid
  }
  const read = (lane: Hex): Promise<bigint> => {
    const at = clock.monotonic()
    const claimed = rail.lane(lane).then((state) => {
      const paid = state?.claimed ?? 0n
      lanes.delete(lane)
      room(lanes)
      lanes.set(lane, { claimed: paid, at })
      return paid
    }).finally(() => reading.delete(lane))
    reading.set(lane, claimed)
    return claimed
  }
  return {
    rows: (hash) => {
      const known = fresh(claims.get(hash))
      if (known) return known.rows
      const rows = look(hash)
      room(claims)
      claims.set(hash, { rows, at: clock.monotonic() })
      return rows
    },
    of: async (lane, enough) => {
      const known = fresh(lanes.get(lane))
      if (known && known.claimed >= enough) return known.claimed
      const under = reading.get(lane)
      if (!under) return read(lane)
      // What another asked for, perhaps a moment too early, may do; what is asked for since then will.
      const claimed = await under.catch(() => undefined)
      return claimed !== undefined && claimed >= enough ? claimed : (reading.get(lane) ?? read(lane))
    },
  }
}
