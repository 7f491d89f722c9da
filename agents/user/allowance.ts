/**
 * An allowance: a limit that many calls share (I4). Before a call its worst case is set aside, after
 * it what it cost, as the journal says. Used by NetworkChatModel and networkTools, so that a program
 * that spends in many places at once never spends more than it was given.
 *
 * With a name it outlives the process: its calls have numbers, each number's run is found in the
 * journal again, and a run that is still open stays set aside until it is closed.
 */
import { AigenError } from '../../schemas/error.ts'
import type { LiveActor } from '../../runtime/actors/fold.ts'
import { formatMoney, parseMoney } from '../../schemas/money.ts'
import { isAnswered, type RunContext } from '../../pipelines/run.machine.ts'
import { hire, hireDocument, type Hired, type HireOptions } from './hire.ts'
import { keyedRun } from './run.ts'
import type { User } from './user.ts'

/** Calls that may be open at once; also how far numbers are looked for beyond the last one known. */
const OPEN_MAX = 1_000

export interface AllowanceOptions {
  /** Most that all calls together may cost, decimal string of the dollar. */
  readonly limit: string
  /** Keeps what was spent across processes of this participant; by default it ends with the process. */
  readonly name?: string
}

/** How an allowance stands; decimal strings of the dollar. */
export interface AllowanceState {
  readonly limit: string
  readonly spent: string
  /** Set aside for calls whose cost is not known yet. */
  readonly reserved: string
  /** What a further call may cost at worst. */
  readonly left: string
}

export interface Allowance {
  state(): AllowanceState
  /**
   * `hire` under the allowance. Errors: those of `hire`; `budget.exhausted` when what is left does
   * not cover the worst case (`maxPrice`, and an escrow's fee, × `attempts`): nothing was started then.
   */
  hire(options: Omit<HireOptions, 'key'>): Promise<Hired>
}

interface Book {
  limit: bigint
  spent: bigint
  /** Amount set aside by the number of the call. */
  readonly open: Map<number, bigint>
  /** Numbers below `next` that no run has: they come first, so that gaps stay within what is open at once. */
  readonly free: number[]
  next: number
}

/** One book a user and name, however often it is opened. */
const books = new WeakMap<User, Map<string, Promise<Book>>>()

/**
 * Opens an allowance of the user's wallet. Opening one that is open already gives the same one, with
 * the new limit. Errors: `journal.*`, `network.*`.
 *
 * @example
 * const allowance = await openAllowance(user, { limit: '0.50', name: 'research' })
 * await allowance.hire({ capability: 'text.shout@1', input: { text: 'hi' }, maxPrice: '0.01' })
 */
export async function openAllowance(user: User, { limit, name }: AllowanceOptions): Promise<Allowance> {
  const { host, random } = user.node
  const most = parseMoney(limit)
  const known = books.get(user) ?? new Map<string, Promise<Book>>()
  books.set(user, known)
  const label = name ?? Buffer.from(random.bytes(16)).toString('hex')
  const runOf = (number: number): string => `run/${keyedRun(`allowance ${label} ${number}`)}`

  /** The call's amount is known, or will be with its run's answer. */
  const settle = async (book: Book, number: number): Promise<void> => {
    const close = ({ snapshot }: LiveActor): void => {
      if (!book.open.delete(number)) return
      book.spent += BigInt((snapshot.context as RunContext).spent)
    }
    // Every run ends (I5); a node that closes first leaves the amount set aside, and the next one looks again.
    const unwatch = host.watch((actor) => {
      if (actor.id !== runOf(number) || !isAnswered(actor.snapshot)) return
      unwatch()
      close(actor)
    })
    const run = await host.load(runOf(number))
    if (run && !isAnswered(run.snapshot)) return
    unwatch()
    if (run) return close(run)
    // Never started: the number is free again.
    book.open.delete(number)
    book.free.push(number)
  }

  const read = async (): Promise<Book> => {
    const book: Book = { limit: most, spent: 0n, open: new Map(), free: [], next: 0 }
    for (let number = 0; name !== undefined && number < book.next + OPEN_MAX; number++) {
      const context = await host.look<RunContext>(runOf(number))
      if (!context) continue
      for (let gap = book.next; gap < number; gap++) book.free.push(gap)
      book.next = number + 1
      book.open.set(number, BigInt(context.hold))
      await settle(book, number)
    }
    return book
  }
  const reading = known.get(label) ?? read()
  known.set(label, reading)
  reading.catch(() => known.delete(label))
  const book = await reading
  book.limit = most
  const reserved = (): bigint => [...book.open.values()].reduce((sum, one) => sum + one, 0n)

  const reserve = (worst: bigint): number => {
    const left = book.limit - book.spent - reserved()
    if (worst > left) throw new AigenError('budget.exhausted', `${formatMoney(left < 0n ? 0n : left)} of ${formatMoney(book.limit)} is left, the call may cost ${formatMoney(worst)}.`)
    if (book.open.size >= OPEN_MAX) throw new AigenError('node.busy', `${OPEN_MAX} calls of this allowance are open`)
    const number = book.free.shift() ?? book.next++
    book.open.set(number, worst)
    return number
  }

  return {
    state: () => {
      const held = reserved()
      const left = book.limit - book.spent - held
      return { limit: formatMoney(book.limit), spent: formatMoney(book.spent), reserved: formatMoney(held), left: formatMoney(left < 0n ? 0n : left) }
    },
    hire: async (options) => {
      const { budget } = hireDocument(options) as { budget: { max: string } }
      const number = reserve(parseMoney(budget.max))
      try {
        return await hire(user, { ...options, key: `allowance ${label} ${number}` })
      } finally {
        // Where its journal cannot be read now, the amount stays set aside until it says what it cost.
        await settle(book, number).catch(() => undefined)
      }
    },
  }
}
