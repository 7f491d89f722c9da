#!/usr/bin/env node
// Runs forge from the npm package of this platform (its postinstall is not needed) in the
// repository's root, where foundry.toml is. Usage: node runtime/evm/contracts/forge.js test -vv
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..')

/** Path of the platform's forge; throws with what to do when npm left it out. */
function forgePath() {
  const require = createRequire(createRequire(import.meta.url).resolve('@foundry-rs/forge/package.json'))
  const arch = process.arch === 'x64' ? 'amd64' : process.arch
  const os = process.platform === 'win32' ? 'win32' : process.platform
  const name = `@foundry-rs/forge-${os}-${arch}`
  try {
    return join(dirname(require.resolve(`${name}/package.json`)), 'bin', os === 'win32' ? 'forge.exe' : 'forge')
  } catch {
    throw new Error(`${name} is not installed; run npm install with optional dependencies`)
  }
}

/** Runs forge with `args`; returns its exit status. `quiet` keeps what it prints unless it fails. */
export function forge(args, quiet = false) {
  const ended = spawnSync(forgePath(), args, { cwd: root, stdio: quiet ? 'pipe' : 'inherit', encoding: 'utf8' })
  if (ended.error) throw ended.error
  if (quiet && ended.status !== 0) process.stderr.write(`${ended.stdout}${ended.stderr}`)
  return ended.status ?? 1
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = forge(process.argv.slice(2))
