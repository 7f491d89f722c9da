#!/usr/bin/env node
/**
 * The `aigen` command: plain JavaScript that loads the built command line (bin/main.ts).
 *
 * In a clone it brings packages and build up to date first, which costs some milliseconds when they
 * are; AIGEN_NO_SETUP=1 skips even that, for processes that aigen itself starts. An installed
 * package is built already.
 */
import { existsSync } from 'node:fs'

const isClone = existsSync(new URL('../tsconfig.build.json', import.meta.url))
if (isClone && process.env.AIGEN_NO_SETUP !== '1') {
  const { setUp } = await import('./setup.js')
  await setUp()
}

// Who pipes into `head` has read enough.
process.stdout.on('error', (error) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})

const { main } = await import('../dist/bin/main.js')
process.exitCode = await main(process.argv.slice(2))
