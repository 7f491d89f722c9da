/**
 * Whether what a provider works with is there: a definition that can tell is asked at an interval.
 * One that is unwell is quoted for no more, and comes back by itself. Used by `provide`.
 */
import type { Clock } from '../../runtime/ports/clock.ts'
import type { ProviderDefinition } from './define.ts'

/** How often a definition is asked, in ms, and how long it may take to answer. */
const EVERY_MS = 15_000
const ANSWER_MS = 10_000

/** Asks until stopped; tells each change, and whether anything is well at all. */
export function watchHealth(clock: Clock, definitions: readonly ProviderDefinition[], changed: (capability: string, well: boolean, any: boolean) => void): () => void {
  const stopped = new AbortController()
  const unwell = new Set<string>()
  const ask = async (definition: ProviderDefinition): Promise<boolean> => {
    const waited = new AbortController()
    try {
      return await Promise.race([definition.health!(), clock.sleep(ANSWER_MS, waited.signal).then(() => false, () => false)])
    } catch {
      return false
    } finally {
      waited.abort()
    }
  }
  const watch = async (definition: ProviderDefinition): Promise<void> => {
    const { capability: { id } } = definition
    while (!stopped.signal.aborted) {
      try {
        await clock.sleep(EVERY_MS, stopped.signal)
      } catch {
        return
      }
      const well = await ask(definition)
      if (stopped.signal.aborted || well !== unwell.has(id)) continue
      if (well) unwell.delete(id)
      else unwell.add(id)
      changed(id, well, unwell.size < definitions.length)
    }
  }
  for (const definition of definitions) if (definition.health) void watch(definition)
  return () => stopped.abort()
}
