/**
 * What a step need not hire: of a fork first what the run before it paid for, then what any run did
 * and a card allows. Used by `step.prepare` and by the fork's price difference.
 */
import { openCached, type CachedOptions } from './cached.ts'
import { openReuse } from './reuse.ts'
import type { FindKnown } from './reused.ts'

export function openKnown(options: CachedOptions): FindKnown {
  const forked = openReuse(options)
  const cached = openCached(options)
  return async (...call) => (await forked(...call)) ?? cached(...call)
}
