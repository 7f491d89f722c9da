/**
 * Double entry: every movement of money is an entry whose postings sum to zero in each asset, so that
 * the whole book does at every moment (I2). Pure; the gateway keeps its book in a database, the
 * payment provider in an actor.
 */
import { AigenError } from '../../schemas/error.ts'

/** Amounts by account, in one asset. */
export type Postings = Readonly<Record<string, bigint>>

/** Balances by asset and account; decimal strings of atomic units, for the journal. */
export type Book = Readonly<Record<string, Readonly<Record<string, string>>>>

/** The postings that move something, in the order of their accounts. Error `internal` where they do not sum to zero. */
export function movesOf(kind: string, postings: Postings): [string, bigint][] {
  const moves = Object.entries(postings).filter(([, amount]) => amount !== 0n).sort(([one], [other]) => (one < other ? -1 : 1))
  const sum = moves.reduce((total, [, amount]) => total + amount, 0n)
  if (sum !== 0n) throw new AigenError('internal', `an entry of ${kind} is off by ${sum}`)
  return moves
}

/** What an account has of an asset, atomic. */
export function balanceIn(book: Book, asset: string, account: string): bigint {
  return BigInt(book[asset]?.[account] ?? 0)
}

/**
 * The book after an entry, by asset; undefined where an account that `neverNegative` names would fall below zero.
 * Error `internal` where an asset's postings do not sum to zero.
 *
 * @example post({}, 'deposit', { USD: { 'a:paid': -5n, 'a:free': 5n } }, (account) => account.endsWith(':free'))
 */
export function post(book: Book, kind: string, entry: Readonly<Record<string, Postings>>, neverNegative: (account: string) => boolean): Book | undefined {
  let after = book
  for (const [asset, postings] of Object.entries(entry)) {
    const balances: Record<string, string> = { ...after[asset] }
    for (const [account, amount] of movesOf(kind, postings)) {
      const balance = BigInt(balances[account] ?? 0) + amount
      if (balance < 0n && neverNegative(account)) return undefined
      if (balance === 0n) delete balances[account]
      else balances[account] = balance.toString()
    }
    after = { ...after, [asset]: balances }
  }
  return after
}

/** What is wrong with a book: the sum of each asset that is not zero. */
export function imbalanceOf(book: Book): Readonly<Record<string, bigint>> {
  const wrong: Record<string, bigint> = {}
  for (const [asset, balances] of Object.entries(book)) {
    const sum = Object.values(balances).reduce((total, amount) => total + BigInt(amount), 0n)
    if (sum !== 0n) wrong[asset] = sum
  }
  return wrong
}
