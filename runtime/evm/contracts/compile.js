#!/usr/bin/env node
// Builds the contracts with forge and writes what TypeScript needs of them: `vault.gen.ts`, `pass.gen.ts`,
// `subscription.gen.ts`, `test-dollar.gen.ts` and `test-wallet.gen.ts`, each an ABI `as const` (so that tsc checks every viem call) and the
// bytecode. The files are checked in; `--check` (for CI) writes nothing and fails when they are stale.
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { forge } from './forge.js'

const here = dirname(fileURLToPath(import.meta.url))
const check = process.argv.includes('--check')

const CONTRACTS = [
  { contract: 'Vault', file: 'vault.gen.ts', name: 'vault' },
  { contract: 'Pass', file: 'pass.gen.ts', name: 'pass' },
  { contract: 'Subscription', file: 'subscription.gen.ts', name: 'subscription' },
  { contract: 'TestWallet', file: 'test-wallet.gen.ts', name: 'testWallet' },
  { contract: 'TestDollar', file: 'test-dollar.gen.ts', name: 'testDollar' },
]

/** A JSON value as TypeScript in this repository's style, one ABI entry a line. */
function literal(value) {
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`
  if (value !== null && typeof value === 'object') {
    return `{ ${Object.entries(value).filter(([key]) => key !== 'internalType').map(([key, v]) => `${key}: ${literal(v)}`).join(', ')} }`
  }
  return typeof value === 'string' ? `'${value}'` : String(value)
}

function generated({ contract, name }) {
  const artifact = JSON.parse(readFileSync(join(here, 'out', `${contract}.sol`, `${contract}.json`), 'utf8'))
  return [
    `// Made by runtime/evm/contracts/compile.js from ${contract}.sol; do not edit.`,
    `export const ${name}Abi = [`,
    ...artifact.abi.map((entry) => `  ${literal(entry)},`),
    '] as const',
    '',
    `export const ${name}Bytecode = '${artifact.bytecode.object}'`,
    '',
  ].join('\n')
}

// Tests are left out, so that a check costs one small compilation.
const status = forge(['build', '--skip', 'test'], true)
if (status !== 0) process.exit(status)

let stale = 0
for (const entry of CONTRACTS) {
  const path = join(here, entry.file)
  const text = generated(entry)
  let current = ''
  try {
    current = readFileSync(path, 'utf8')
  } catch {
    // not generated yet
  }
  if (current === text) continue
  if (check) {
    stale += 1
    process.stderr.write(`${entry.file} is stale: run node runtime/evm/contracts/compile.js and commit it\n`)
  } else {
    writeFileSync(path, text)
    process.stderr.write(`wrote ${entry.file}\n`)
  }
}
process.exitCode = stale === 0 ? 0 : 1
