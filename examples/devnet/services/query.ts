/**
 * Provider `paper-trail`: SQL over the flights, bird strikes, airports and earthquakes (`data.query@1`).
 * Reads the flights from their Parquet file at each query: least memory and the lowest price.
 */
import { defineProvider } from '../../../agents/provider/define.ts'
import type { Capability } from '../../../schemas/documents.gen.ts'
import { AigenError } from '../../../schemas/error.ts'
import capability from '../../../schemas/capabilities/data.query@1.json' with { type: 'json' }
import { Database } from './database.ts'

let database: Database | undefined

export default defineProvider({
  name: 'paper-trail',
  capability: capability as Capability,
  price: { list: '0.006', floor: '0.005' },
  latencyMs: 6_000,
  concurrency: 2,
  async start() {
    database = await Database.open('files')
  },
  async stop() {
    database?.close()
    database = undefined
  },
  async handler(input: { sql: string; params?: unknown[] }, { signal }) {
    if (!database) throw new AigenError('step.failed', 'The database is not open.')
    return { output: await database.query(input.sql, input.params ?? [], signal), units: { query: 1 } }
  },
})
