/**
 * Finds a delivery of any earlier run that stands in for a call (D8): of the same capability, contract
 * and all, with the same input, while its provider's card allows it and the step would accept it.
 * Nothing is paid. Used by `step.prepare`; what may be kept at all is in `cache.ts`.
 *
 * What cannot be read, or not soon, since it lies with another node of the participant that is gone, is
 * hired: the index saves money, no run waits for it.
 */
import { hashOfFixed } from '../schemas/fixed.ts'
import { blobsIn } from '../runtime/identity/parcel.ts'
import type { Directory } from '../runtime/market/directory.ts'
import type { Blobs } from '../runtime/ports/blobs.ts'
import type { Clock } from '../runtime/ports/clock.ts'
import type { CacheContext } from './cache.machine.ts'
import { cacheActor, cacheKey, isCacheable } from './cache.ts'
import { judge } from './evaluate-step.ts'
import { blobKey } from './judge-call.ts'
import { takeOver, type ReuseOptions } from './reuse.ts'
import type { FindKnown } from './reused.ts'
import type { StepContext } from './step.ts'

/** How long the index, and then the step, is waited for, in ms. */
const LOOK_MS = 1_000

export interface CachedOptions extends ReuseOptions {
  readonly clock: Pick<Clock, 'now' | 'sleep'>
  /** The participant's own shelf: an output whose large values are gone is of no use. */
  readonly blobs: Pick<Blobs, 'get'>
  /** What providers' cards say now. */
  readonly directory: Pick<Directory, 'entry'>
}

export function openCached({ host, evaluate, capability, clock, blobs, directory }: CachedOptions): FindKnown {
  const look = async <C>(id: string): Promise<C | undefined> => {
    const over = new AbortController()
    try {
      return await Promise.race([host().look<C>(id), clock.sleep(LOOK_MS, over.signal).then(() => undefined)])
    } catch {
      return undefined
    } finally {
      over.abort()
    }
  }
  /** Whether the output's large values are all on the shelf still. */
  const isWhole = async (output: unknown): Promise<boolean> => {
    for (const ref of blobsIn(output)) if (!(await blobs.get(blobKey(ref)).catch(() => undefined))) return false
    return true
  }
  return async (_reuse, plan, { uses, expect }, inputHash) => {
    if (uses === null || !isCacheable(plan)) return undefined
    const contract = capability(uses)
    // Whoever listens to pieces would hear none.
    if (!contract?.pure || contract.chunk) return undefined
    const key = cacheKey(hashOfFixed(contract), inputHash)
    const entry = (await look<CacheContext>(cacheActor(key)))?.entries[key]
    if (!entry) return undefined
    const age = clock.now() - entry.made
    if (clock.now() >= entry.until || (plan.cacheMs !== undefined && age > plan.cacheMs)) return undefined
    const step = await look<StepContext>(entry.step)
    if (!step) return undefined
    const reused = takeOver(step, entry.until)
    // A provider that has taken its word back since is heard; one that is gone has said what it said.
    const card = directory.entry(reused.provider)?.card.body
    if (card && age >= (card.offers.find((offer) => offer.capability.id === uses)?.cacheMs ?? 0)) return undefined
    if (plan.not.includes(reused.provider) || (plan.only && !plan.only.includes(reused.provider))) return undefined
    if (await judge(step.output, contract.output, expect, evaluate)) return undefined
    return (await isWhole(step.output)) ? { reused, output: step.output } : undefined
  }
}
