/**
 * Double entry: each movement of money is an entry whose postings sum to zero, unique by (call,
 * kind), so that a repeat changes nothing. Balances stand beside the postings and are changed in the
 * same transaction; a customer's never fall below zero, which the database itself refuses (I4).
 * Used by the ledger.
 */
import { sql } from 'kysely'
import { AigenError } from '../../schemas/error.ts'
import { movesOf, type Postings } from '../../runtime/payments/ledger.ts'
import type { Database, Inside } from './database.ts'

/** Accounts of the gateway itself; those of a customer bear its id. */
export const HOUSE = {
  /** What customers paid in: the other side of their credit. */
  deposits: 'house:deposits',
  /** Fees and plans. */
  revenue: 'house:revenue',
  /** What providers were paid. */
  network: 'house:network',
  /** Free quotas given. */
  promotion: 'house:promotion',
} as const

export type Purse = 'balance' | 'free' | 'plan' | 'held'

export function purse(customer: string, name: Purse): string {
  return `customer:${customer}:${name}`
}

/**
 * Writes the entry; false when it is there already. Call it with the customer's row locked.
 * Errors: `internal` when the postings do not sum to zero, `gateway.credit` when a purse would fall below zero.
 */
export async function post(inside: Inside, call: string, kind: string, postings: Postings, at: number): Promise<boolean> {
  const moves = movesOf(kind, postings)
  const id = `${kind}:${call}`
  const { numInsertedOrUpdatedRows } = await inside.insertInto('ledger_entry').values({ id, call, kind, at }).onConflict((conflict) => conflict.doNothing()).executeTakeFirst()
  if (numInsertedOrUpdatedRows !== 1n) return false
  // In the order of their names, so that two transactions never wait for each other.
  for (const [account, amount] of moves) {
    await inside.insertInto('ledger_posting').values({ entry: id, account, amount }).execute()
    await add(inside, account, amount)
  }
  return true
}

async function add(inside: Inside, account: string, amount: bigint): Promise<void> {
  const house = account.startsWith('house:') ? 1 : 0
  const change = () => {
    const update = inside.updateTable('ledger_balance').set({ amount: sql`amount + ${amount}` as never }).where('account', '=', account)
    return (house ? update : update.where(sql<boolean>`amount + ${amount} >= 0`)).executeTakeFirst()
  }
  if ((await change()).numUpdatedRows === 1n) return
  await inside.insertInto('ledger_balance').values({ account, house, amount: 0 }).onConflict((conflict) => conflict.doNothing()).execute()
  if ((await change()).numUpdatedRows !== 1n) throw new AigenError('gateway.credit', `${account} would fall below zero.`)
}

/** Balances of `accounts`, zero where there is none. */
export async function balances<Name extends string>(inside: Database | Inside, accounts: Readonly<Record<Name, string>>): Promise<Record<Name, bigint>> {
  const rows = await inside.selectFrom('ledger_balance').select(['account', 'amount']).where('account', 'in', Object.values<string>(accounts)).execute()
  const found = new Map(rows.map(({ account, amount }) => [account, BigInt(amount)]))
  return Object.fromEntries(Object.entries<string>(accounts).map(([name, account]) => [name, found.get(account) ?? 0n])) as Record<Name, bigint>
}

export interface Audit {
  /** Sum of all postings: zero, always. */
  readonly sum: bigint
  /** Entries whose postings do not sum to zero, and accounts whose balance is not what was posted: none. */
  readonly wrong: readonly string[]
  readonly balances: Readonly<Record<string, bigint>>
}

/** Reads the whole ledger and adds it up anew. */
export async function audit(db: Database): Promise<Audit> {
  return db.transaction().setIsolationLevel('serializable').execute(async (inside) => {
    const entries = new Map<string, bigint>()
    const accounts = new Map<string, bigint>()
    let sum = 0n
    for (const { entry, account, amount } of await inside.selectFrom('ledger_posting').select(['entry', 'account', 'amount']).execute()) {
      const moved = BigInt(amount)
      sum += moved
      entries.set(entry, (entries.get(entry) ?? 0n) + moved)
      accounts.set(account, (accounts.get(account) ?? 0n) + moved)
    }
    const rows = await inside.selectFrom('ledger_balance').select(['account', 'amount']).execute()
    const wrong = [...entries].filter(([, total]) => total !== 0n).map(([entry]) => entry)
    for (const { account, amount } of rows) if (BigInt(amount) !== (accounts.get(account) ?? 0n)) wrong.push(account)
    return { sum, wrong, balances: Object.fromEntries(rows.map(({ account, amount }) => [account, BigInt(amount)])) }
  })
}
