/**
 * What callers have used of a provider, by books: of a pass, of a day's free units, of a month's volume.
 * Counted from the calls in the journal, so that a crash forgets nothing; a call stands in the period
 * in which its quote expires, so that counting it again puts it there again. In a fleet each node
 * counts the calls of the lanes it holds.
 */
import type { NodeParts } from '../../runtime/node/node.ts'
import type { CallContext } from './call.machine.ts'

const DAY_MS = 86_400_000
/** Quotes and deliveries that come a little late still count to the period before. */
const LATE_MS = DAY_MS

/** A line of a book: how much a call takes of it. */
export interface Entry {
  readonly book: string
  /** The book is put away a day after this, ms since the epoch. */
  readonly until: number
  readonly amount: number
}

/** Which lines a call makes; asked of each state of it, and of what is about to be agreed (`agreed`). */
export type Entries = (call: Pick<CallContext, 'terms' | 'delivery'>, state: string) => readonly Entry[]

export interface Usage {
  /** Sum of a book's lines, calls under way included. */
  of(book: string): number
  /** Counts a call, by its actor's id, before its actor is journaled: many may be accepted at once. */
  add(id: string, call: Pick<CallContext, 'terms' | 'delivery'>): void
  close(): void
}

interface Book {
  readonly until: number
  /** Of calls that are over. */
  total: number
  readonly open: Map<string, number>
}

const over = (state: string): boolean => state === 'paid' || state === 'owed' || state === 'unpaid' || state === 'failed' || state === 'cancelled'

/** The day (UTC) of `at`, and when it ends. */
export function dayOf(at: number): { readonly name: string; readonly until: number } {
  const day = Math.floor(at / DAY_MS)
  return { name: String(day), until: (day + 1) * DAY_MS }
}

/** The month (UTC) of `at`, and when it ends. */
export function monthOf(at: number): { readonly name: string; readonly until: number } {
  const date = new Date(at)
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()]
  return { name: `${year}-${month + 1}`, until: Date.UTC(year, month + 1) }
}

/** Counts first what was used before this process, where there is anything to count. Errors: `journal.*`, `network.*`. */
export async function openUsage({ clock, host }: Pick<NodeParts, 'clock' | 'host'>, entries: Entries | undefined): Promise<Usage> {
  const books = new Map<string, Book>()
  /** Calls that were over when they were met while all are counted: none is counted twice. */
  let counting: Set<string> | undefined
  const bookOf = ({ book, until }: Pick<Entry, 'book' | 'until'>): Book => {
    const found = books.get(book)
    if (found) return found
    for (const [name, old] of books) if (old.until + LATE_MS < clock.now()) books.delete(name)
    const none = { until, total: 0, open: new Map<string, number>() }
    books.set(book, none)
    return none
  }
  const note = (id: string, state: string, call: Pick<CallContext, 'terms' | 'delivery'>): void => {
    if (over(state)) {
      if (counting?.has(id)) return
      counting?.add(id)
    }
    for (const entry of entries?.(call, state) ?? []) {
      if (entry.until + LATE_MS < clock.now()) continue
      const book = bookOf(entry)
      book.open.delete(id)
      if (over(state)) book.total += entry.amount
      else book.open.set(id, entry.amount)
    }
  }
  let counted: Promise<void> = Promise.resolve()
  const countAll = async (): Promise<void> => {
    books.clear()
    counting = new Set()
    try {
      for await (const { id, snapshot } of host().all('call')) note(id, String(snapshot.value), snapshot.context as CallContext)
    } finally {
      counting = undefined
    }
  }
  /** One after the other: where several nodes share the work, it may be asked for while it is under way. */
  const count = (): Promise<void> => (counted = entries ? counted.catch(() => undefined).then(countAll) : counted)
  const unwatch = entries ? host().watch(({ id, kind, snapshot }) => {
    if (kind.name === 'call') note(id, String(snapshot.value), snapshot.context as CallContext)
  }) : () => undefined
  const unshare = host().onShare(() => void count().catch(() => undefined))
  await count()
  return {
    of: (book) => {
      const found = books.get(book)
      return found ? [...found.open.values()].reduce((sum, amount) => sum + amount, found.total) : 0
    },
    add: (id, call) => note(id, 'agreed', call),
    close: () => {
      unshare()
      unwatch()
    },
  }
}
