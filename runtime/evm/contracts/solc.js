#!/usr/bin/env node
// The Solidity compiler as forge wants it: answers `solc --version` and `solc … --standard-json`
// with solc-js, so that contracts build from npm packages alone. Used by foundry.toml only.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)
const args = process.argv.slice(2)

if (args.includes('--version')) {
  // From package.json: loading the wasm only to ask its version costs 0.6 s on each forge call.
  const { version } = JSON.parse(readFileSync(require.resolve('solc/package.json'), 'utf8'))
  process.stdout.write(`solc, the solidity compiler commandline interface\nVersion: ${version}+commit.00000000.Linux.g++\n`)
} else if (args.includes('--standard-json')) {
  const solc = require('solc')
  process.stdout.write(solc.compile(readFileSync(0, 'utf8')))
} else {
  process.stderr.write('solc.js knows --version and --standard-json only\n')
  process.exitCode = 2
}
