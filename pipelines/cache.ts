/**
 * Which deliveries may stand in for another call of the same capability with the same input, across
 * runs, and under which key they are kept. Pure: used by the step machine, which has a delivery kept
 * once it is paid, and by `cached.ts`, which finds it. Where they are kept is `cache.machine.ts`.
 *
 * Never kept and never used: what the document says `"cache": false` of or hands labelled data to; a
 * provider's part of a race or a quorum; what passes its pieces on; what has a compensation; what must
 * differ; what settles in escrow or through a hub; compensations and escrow fees themselves.
 */
import { hashOf } from '../schemas/canonical.ts'
import type { Hash } from '../schemas/documents.gen.ts'
import type { CacheEvent } from './cache.machine.ts'
import type { StepPlan } from './plan.ts'
import type { StepContext } from './step.ts'

/** Actors that keep the index between them; which one has a key follows from the key. */
const SHARDS = 64

/** Under what a delivery is kept, whoever made it: 32 hex digits. The capability's hash is of its whole contract, its id included. */
export function cacheKey(capabilityHash: Hash, inputHash: Hash): string {
  return hashOf([capabilityHash, inputHash]).slice('sha256-'.length, 'sha256-'.length + 32)
}

/** Actor id of the part of the index that has a key. @example cacheActor('4f…') // 'cache/15' */
export function cacheActor(key: string): string {
  return `cache/${Number.parseInt(key.slice(0, 2), 16) % SHARDS}`
}

/** Whether a step may use what is kept, and have its own deliveries kept. */
export function isCacheable({ cacheMs, many, feeds, compensate, differ, escrow, through }: StepPlan): boolean {
  return cacheMs !== 0 && !through && !many && !feeds && !compensate && !differ && escrow === null
}

/** What the index is told of a delivery that was just paid, that there is one first; nothing where its provider's card does not allow it. */
export function toKeep({ self, plan, offer, agreement, delivery, inputHash }: StepContext): readonly { readonly to: string; readonly event: Omit<CacheEvent, 'at'> | { readonly type: 'start'; readonly input: object } }[] {
  const cacheMs = offer?.cacheMs ?? 0
  if (cacheMs === 0 || !isCacheable(plan)) return []
  const key = cacheKey(agreement!.terms.capabilityHash, inputHash!)
  const made = delivery!.body.at
  const to = cacheActor(key)
  return [{ to, event: { type: 'start', input: {} } }, { to, event: { type: 'keep', key, entry: { step: self, made, until: made + cacheMs } } }]
}
