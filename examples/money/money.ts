#!/usr/bin/env node
/**
 * `npm run money`: each way to settle on a devnet of its own, played by honest participants and by
 * ones that cheat, as a table of who lost what. Exit 1 where anybody lost more than may be lost.
 *   npm run money -- escrow locked
 */
import { table, type Row } from './books.ts'
import { escrow } from './escrow.ts'
import { hub } from './hub.ts'
import { locked } from './locked.ts'
import { postpaid } from './postpaid.ts'
import { prepaid } from './prepaid.ts'
import { openStage, type Stage } from './stage.ts'
import { streamed } from './streamed.ts'

export const MODES: Readonly<Record<string, (stage: Stage) => Promise<Row[]>>> = { postpaid, prepaid, locked, hub, streamed, escrow }

async function main(names: readonly string[]): Promise<number> {
  const unknown = names.filter((name) => !(name in MODES))
  if (unknown.length > 0) {
    process.stderr.write(`usage: npm run money -- [${Object.keys(MODES).join('] [')}]\n`)
    return 2
  }
  const stage = await openStage()
  try {
    const rows: Row[] = []
    for (const name of names.length > 0 ? names : Object.keys(MODES)) rows.push(...(await MODES[name]!(stage)))
    process.stdout.write(`${table(rows)}\n`)
    return rows.every(({ held }) => held) ? 0 : 1
  } finally {
    await stage.close()
  }
}

// What a cheat has kept back is tried again for ever, and would keep the process.
if (process.argv[1]?.endsWith('money.js')) process.exit(await main(process.argv.slice(2)))
