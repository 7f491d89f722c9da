/**
 * Lanes as the chain last showed them, so that most calls and claims need no request: what is reserved
 * never falls while a lane is open, and a lane that was open a minute ago is not closed against its payee's
 * will yet, since no vault has a challenge delay shorter than an hour. Used by a provider before it works
 * and before it claims.
 */
import type { Clock } from '../ports/clock.ts'
import type { LaneState, Rail } from '../ports/rail.ts'
import type { Hex } from '../ports/signer.ts'
import { confirmedLane } from './confirmed.ts'

/** A lane's state is read again after this long, well within any vault's challenge delay; in ms. */
const LANE_MS = 60_000
const LANES_MAX = 10_000

/** The lane: as it was known within the last minute where that is `enough`, else as the chain has it now. Errors `chain.*`. */
export type ReadLane = (lane: Hex, enough: (state: LaneState) => boolean) => Promise<LaneState | undefined>

/** `confirmations`: how deep a reservation must stand to count (default 0). */
export function laneReader({ rail, clock, confirmations = 0 }: { readonly rail: Pick<Rail, 'lane'>; readonly clock: Pick<Clock, 'monotonic'>; readonly confirmations?: number }): ReadLane {
  const seen = new Map<Hex, { readonly state: LaneState; readonly at: number }>()
  return async (lane, enough) => {
    const known = seen.get(lane)
    if (known && clock.monotonic() - known.at < LANE_MS && enough(known.state)) return known.state
    const state = await confirmedLane(rail, lane, confirmations)
    if (state) {
      if (seen.size >= LANES_MAX) seen.delete(seen.keys().next().value!)
      seen.set(lane, { state, at: clock.monotonic() })
    }
    return state
  }
}
