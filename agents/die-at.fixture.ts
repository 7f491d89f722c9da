/**
 * A journal that dies at one of its appends, for tests of what a kill leaves behind (D2): before the
 * record is stored, or after it is stored and before anybody hears of it. Used by the crash tests.
 */
import type { MemoryJournalHooks } from '../runtime/memory/journal.ts'

const never = new Promise<never>(() => undefined)

/** How far apart the appends tried are: every one in `npm run test:long`, every third in `npm test`. */
export const STRIDE = process.env['AIGEN_LONG'] ? 1 : 3

export interface DiesAt {
  readonly hooks: MemoryJournalHooks
  /** Resolves when it has died. */
  readonly died: Promise<void>
  /** Counts from here on. */
  arm(): void
  /** Lets it live on, when what was to be tried is over. */
  disarm(): void
}

/** Dies at the nth append after it is armed. */
export function dieAt(nth: number, when: 'before' | 'after'): DiesAt {
  let count = 0
  let armed = false
  let die: () => void = () => undefined
  const died = new Promise<void>((resolve) => (die = resolve))
  const hook = (): Promise<void> | void => {
    if (!armed || ++count < nth) return
    die()
    return never
  }
  return { hooks: when === 'before' ? { beforeAppend: hook } : { afterAppend: hook }, died, arm: () => (armed = true), disarm: () => (armed = false) }
}
