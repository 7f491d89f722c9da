/**
 * A lane as far as its payee may count on it: what is reserved must stand so many blocks deep, since a
 * chain may lose its latest ones; an exit or a close counts as soon as it is seen. Used by providers
 * before they work. Worst loss where a chain loses more than that: the prices in flight on the lane.
 */
import type { LaneState, Rail } from '../ports/rail.ts'
import type { Hex } from '../ports/signer.ts'

/** The lane, with `reserved` as it was `confirmations` blocks below the head; undefined where nothing is reserved at all. Errors `chain.*`. */
export async function confirmedLane(rail: Pick<Rail, 'lane'>, id: Hex, confirmations = 0): Promise<LaneState | undefined> {
  if (confirmations === 0) return rail.lane(id)
  const [now, deep] = await Promise.all([rail.lane(id), rail.lane(id, confirmations)])
  if (!now) return undefined
  const reserved = deep?.reserved ?? 0n
  return { ...now, reserved: reserved < now.reserved ? reserved : now.reserved }
}
