/**
 * The gateway's database: libsql in a file of its home, or Postgres by address; the same tables in
 * both. Opens it and brings its tables up to date. Used by the ledger, the keys, the kept answers and
 * better-auth, which adds tables of its own. Amounts are whole numbers within 2^53 (nine billion
 * dollars), so that both drivers give them exactly; the database refuses what is beyond (D7).
 */
import Libsql from 'libsql'
import { Kysely, PostgresDialect, sql, SqliteDialect, type ColumnType, type SqliteDatabase, type Transaction } from 'kysely'
import pg from 'pg'

/** A whole number; libsql gives numbers, Postgres text. */
type Whole = ColumnType<number | string, bigint | number, bigint | number>

export interface CustomerTable {
  readonly id: string
  tier: string
  /** Start of the day whose free quota was granted last, and calls it has served. */
  free_day: Whole
  free_calls: Whole
  /** When the plan's month began and ends, in ms; 0 without one. */
  plan_from: Whole
  plan_until: Whole
}

export interface KeyTable {
  readonly id: string
  readonly customer: string
  name: string
  /** JSON of the limits (keys.ts). */
  limits: string
  /** Of the budget's window: its start, and what is reserved or spent in it. */
  window_from: Whole
  used: Whole
  /** Of the current minute. */
  minute: Whole
  minute_requests: Whole
  minute_tokens: Whole
  parallel: Whole
  revoked: Whole
  readonly created_at: Whole
}

export interface HoldTable {
  readonly call: string
  readonly customer: string
  readonly key: string
  readonly route: string
  /** Shares of the purses, and the fee on the paid one, at worst. */
  readonly free: Whole
  readonly plan: Whole
  readonly paid: Whole
  readonly fee: Whole
  readonly fee_bps: Whole
  /** Which day, month, budget window and minute it counts in. */
  readonly free_day: Whole
  readonly plan_from: Whole
  readonly window_from: Whole
  readonly minute: Whole
  readonly tokens: Whole
  state: string
  /** What the network cost and the fee, once closed. */
  cost: Whole
  charged_fee: Whole
  run: string
  readonly created_at: Whole
  closed_at: Whole
}

export interface AnswerTable {
  readonly key: string
  readonly idem: string
  readonly body: string
  /** Calls made for it, the last one's number; the answer once there is one. */
  attempt: Whole
  answer: string | null
  expires_at: Whole
}

export interface Tables {
  gateway_customer: CustomerTable
  gateway_key: KeyTable
  gateway_hold: HoldTable
  gateway_answer: AnswerTable
  ledger_balance: { readonly account: string; readonly house: Whole; amount: Whole }
  ledger_entry: { readonly id: string; readonly call: string; readonly kind: string; readonly at: Whole }
  ledger_posting: { readonly entry: string; readonly account: string; readonly amount: Whole }
}

export type Database = Kysely<Tables>
export type Inside = Transaction<Tables>

export interface GatewayDatabase {
  readonly db: Database
  readonly kind: 'sqlite' | 'postgres'
  close(): Promise<void>
}

export interface DatabaseOptions {
  /** Path of the libsql file; `:memory:` for tests. */
  readonly file: string
  /** Address of a Postgres database, which is taken instead. */
  readonly url?: string | undefined
}

/** How long one process waits for another that writes the same file, in ms. */
const BUSY_MS = 5_000
const POOL_MAX = 16

/** Opens the database and makes the tables that are missing. */
export async function openDatabase({ file, url }: DatabaseOptions): Promise<GatewayDatabase> {
  const db = url === undefined ? new Kysely<Tables>({ dialect: new SqliteDialect({ database: openFile(file) }) }) : new Kysely<Tables>({ dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: url, max: POOL_MAX }) }) })
  try {
    await migrate(db)
  } catch (error) {
    await db.destroy()
    throw error
  }
  return { db, kind: url === undefined ? 'sqlite' : 'postgres', close: () => db.destroy() }
}

function openFile(file: string): SqliteDatabase {
  const database = new Libsql(file)
  // A posting that was acknowledged survives a power cut; the command line may write beside the server.
  database.exec(`pragma journal_mode = wal; pragma synchronous = full; pragma busy_timeout = ${BUSY_MS}`)
  return database as unknown as SqliteDatabase
}

const EXACT = 9_007_199_254_740_991n

async function migrate(db: Database): Promise<void> {
  const table = (name: keyof Tables) => db.schema.createTable(name).ifNotExists()
  const wholes = ['free_day', 'free_calls', 'plan_from', 'plan_until'] as const
  const withWholes = <B extends { addColumn(name: any, type: 'bigint', build: (column: any) => any): B }>(builder: B, names: readonly string[]): B =>
    names.reduce((made, name) => made.addColumn(name, 'bigint', (column) => column.notNull().defaultTo(0)), builder)
  await withWholes(table('gateway_customer').addColumn('id', 'text', (c) => c.primaryKey()).addColumn('tier', 'text', (c) => c.notNull()), wholes).execute()
  await withWholes(
    table('gateway_key').addColumn('id', 'text', (c) => c.primaryKey()).addColumn('customer', 'text', (c) => c.notNull()).addColumn('name', 'text', (c) => c.notNull()).addColumn('limits', 'text', (c) => c.notNull()),
    ['window_from', 'used', 'minute', 'minute_requests', 'minute_tokens', 'parallel', 'revoked', 'created_at'],
  ).addCheckConstraint('gateway_key_parallel', sql`parallel >= 0 and used >= 0`).execute()
  await withWholes(
    table('gateway_hold').addColumn('call', 'text', (c) => c.primaryKey()).addColumn('customer', 'text', (c) => c.notNull()).addColumn('key', 'text', (c) => c.notNull()).addColumn('route', 'text', (c) => c.notNull())
      .addColumn('state', 'text', (c) => c.notNull()).addColumn('run', 'text', (c) => c.notNull()),
    ['free', 'plan', 'paid', 'fee', 'fee_bps', 'free_day', 'plan_from', 'window_from', 'minute', 'tokens', 'cost', 'charged_fee', 'created_at', 'closed_at'],
  ).execute()
  await withWholes(
    table('gateway_answer').addColumn('key', 'text', (c) => c.notNull()).addColumn('idem', 'text', (c) => c.notNull()).addColumn('body', 'text', (c) => c.notNull()).addColumn('answer', 'text'),
    ['attempt', 'expires_at'],
  ).addPrimaryKeyConstraint('gateway_answer_key', ['key', 'idem']).execute()
  await withWholes(table('ledger_balance').addColumn('account', 'text', (c) => c.primaryKey()), ['house', 'amount'])
    .addCheckConstraint('ledger_balance_floor', sql`house = 1 or amount >= 0`)
    .addCheckConstraint('ledger_balance_exact', sql`amount between ${sql.lit(-EXACT)} and ${sql.lit(EXACT)}`).execute()
  await withWholes(table('ledger_entry').addColumn('id', 'text', (c) => c.primaryKey()).addColumn('call', 'text', (c) => c.notNull()).addColumn('kind', 'text', (c) => c.notNull()), ['at'])
    .addUniqueConstraint('ledger_entry_once', ['call', 'kind']).execute()
  await withWholes(table('ledger_posting').addColumn('entry', 'text', (c) => c.notNull()).addColumn('account', 'text', (c) => c.notNull()), ['amount'])
    .addPrimaryKeyConstraint('ledger_posting_key', ['entry', 'account']).execute()
  await db.schema.createIndex('gateway_hold_open').ifNotExists().on('gateway_hold').columns(['state', 'created_at']).execute()
  await db.schema.createIndex('gateway_hold_run').ifNotExists().on('gateway_hold').columns(['run']).execute()
  await db.schema.createIndex('gateway_key_customer').ifNotExists().on('gateway_key').columns(['customer']).execute()
  await db.schema.createIndex('gateway_answer_expiry').ifNotExists().on('gateway_answer').columns(['expires_at']).execute()
}
