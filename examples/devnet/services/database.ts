/**
 * DuckDB as a stranger may use it. Used by both query providers. Layers, outermost first: the guard
 * on the syntax tree (sql-guard.ts) · no file, network or extension (`enable_external_access=false`,
 * only the named files allowed) · configuration locked · a read-only transaction · memory limit, no
 * spilling to disk · rows, bytes and time bounded, with a real interrupt.
 */
import { DuckDBInstance } from '@duckdb/node-api'
import type { DuckDBConnection, DuckDBValue } from '@duckdb/node-api'
import { AigenError } from '../../../schemas/error.ts'
import { FILES, TABLES } from './datasets.ts'
import { guardSql } from './sql-guard.ts'

export const ROWS_MAX = 1_000
export const BYTES_MAX = 1_000_000
const COLUMNS_MAX = 64
const DEADLINE_MS = 5_000

/** How tables are held: read from their files at each query, or copied into memory at the start. */
export type Holding = 'files' | 'memory'

export interface Answer {
  readonly columns: readonly { name: string; type: string }[]
  readonly rows: readonly Record<string, unknown>[]
  readonly rowCount: number
  readonly truncated: boolean
}

export class Database {
  readonly #instance: DuckDBInstance
  readonly #tables = new Set(Object.keys(TABLES))

  private constructor(instance: DuckDBInstance) {
    this.#instance = instance
  }

  static async open(holding: Holding): Promise<Database> {
    const instance = await DuckDBInstance.create(':memory:', { threads: '2', memory_limit: '768MB', temp_directory: '', max_temp_directory_size: '0KB' })
    const connection = await instance.connect()
    for (const [name, select] of Object.entries(TABLES)) {
      // what is small is always copied; a view over the big file costs nothing until it is asked
      const kind = holding === 'files' && name === 'flights' ? 'VIEW' : 'TABLE'
      await connection.run(`CREATE ${kind} ${name} AS ${select}`)
    }
    const allowed = holding === 'files' ? FILES.map((path) => `'${path.replaceAll("'", "''")}'`).join(', ') : ''
    await connection.run(`SET allowed_paths = [${allowed}]`)
    await connection.run('SET autoinstall_known_extensions = false')
    await connection.run('SET autoload_known_extensions = false')
    await connection.run('SET enable_external_access = false')
    await connection.run('SET lock_configuration = true')
    connection.closeSync()
    return new Database(instance)
  }

  close(): void {
    this.#instance.closeSync()
  }

  /**
   * The rows of one SELECT, at most 1,000 of them and 1 MB.
   *
   * @throws AigenError `step.input` for SQL that is refused or fails, `step.timeout` after 5 s,
   *   `step.cancelled` when the signal aborts
   */
  async query(sql: string, params: readonly unknown[], signal: AbortSignal): Promise<Answer> {
    if (signal.aborted) throw new AigenError('step.cancelled')
    const connection = await this.#instance.connect()
    let stopped: 'step.timeout' | 'step.cancelled' | undefined
    let again: NodeJS.Timeout | undefined
    const stop = (why: 'step.timeout' | 'step.cancelled'): void => {
      stopped ??= why
      connection.interrupt()
      // an interrupt between two statements is lost, so it is repeated until the call has ended
      again ??= setInterval(() => connection.interrupt(), 20)
    }
    const cancel = (): void => stop('step.cancelled')
    const timer = setTimeout(() => stop('step.timeout'), DEADLINE_MS)
    signal.addEventListener('abort', cancel, { once: true })
    try {
      if (signal.aborted) throw new AigenError('step.cancelled') // while it connected
      guardSql(await serialize(connection, sql), this.#tables)
      await connection.run('BEGIN TRANSACTION READ ONLY')
      const answer = await read(connection, sql, params, () => stopped)
      await connection.run('ROLLBACK')
      return answer
    } catch (thrown) {
      if (stopped) throw new AigenError(stopped, stopped === 'step.timeout' ? `The query ran for ${DEADLINE_MS} ms.` : undefined)
      if (thrown instanceof AigenError) throw thrown
      throw new AigenError('step.input', thrown instanceof Error ? thrown.message.slice(0, 500) : 'The query failed.', { path: 'sql', cause: thrown })
    } finally {
      clearTimeout(timer)
      clearInterval(again)
      signal.removeEventListener('abort', cancel)
      connection.closeSync()
    }
  }
}

async function serialize(connection: DuckDBConnection, sql: string): Promise<string> {
  const reader = await connection.runAndReadAll('SELECT json_serialize_sql($1::VARCHAR) AS tree', [sql])
  return String(reader.getRows()[0]?.[0])
}

async function read(connection: DuckDBConnection, sql: string, params: readonly unknown[], stopped: () => string | undefined): Promise<Answer> {
  const result = await connection.stream(sql, params as DuckDBValue[])
  const names = result.deduplicatedColumnNames()
  if (names.length > COLUMNS_MAX) throw new AigenError('step.input', `It has ${names.length} columns, ${COLUMNS_MAX} are allowed.`, { path: 'sql' })
  const columns = names.map((name, at) => ({ name, type: String(result.columnType(at)) }))
  const rows: Record<string, unknown>[] = []
  let bytes = 0
  for await (const batch of result.yieldRowsJs()) {
    if (stopped()) throw new AigenError('step.cancelled')
    for (const values of batch) {
      if (rows.length >= ROWS_MAX) return { columns, rows, rowCount: rows.length, truncated: true }
      const row = Object.fromEntries(names.map((name, at) => [name, plain(values[at], columns[at]!.type)]))
      bytes += JSON.stringify(row).length
      if (bytes > BYTES_MAX) throw new AigenError('step.input', `The answer is over ${BYTES_MAX} bytes.`, { path: 'sql' })
      rows.push(row)
    }
  }
  return { columns, rows, rowCount: rows.length, truncated: false }
}

/** A value of the engine as JSON: dates in ISO 8601, integers as numbers while they fit. */
function plain(value: unknown, type: string): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString()
  if (typeof value === 'number') return Number.isFinite(value) ? value : null
  if (value instanceof Date) return type === 'DATE' ? value.toISOString().slice(0, 10) : value.toISOString()
  if (Array.isArray(value)) return value.map((item) => plain(item, type.replace(/\[\]$/, '')))
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, plain(item, '')]))
  }
  return value ?? null
}
