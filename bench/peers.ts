/**
 * The packages that `durable` compares us with: they stand in bench/package.json with a lock of
 * their own, so that nobody who uses AIGEN gets them, and are installed by the benchmark that needs
 * them. Their install scripts do not run. Used by `durable` and the peers' workers.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const INSTALL_MS = 300_000
/** The sources' own folder, also for the copy that was built. */
const ROOM = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './' : '../../bench/', import.meta.url))
const STAMP = join(ROOM, 'node_modules', '.aigen-stamp')

let installed: Promise<void> | undefined

/** Brings bench/node_modules to what its lock says; nothing to do costs one read. A failure is not tried again. */
export function installPeers(tell: (text: string) => void): Promise<void> {
  installed ??= install(tell)
  return installed
}

async function install(tell: (text: string) => void): Promise<void> {
  const lock = createHash('sha256').update(await readFile(join(ROOM, 'package-lock.json'))).digest('hex')
  const stamp = `${lock} ${process.platform}-${process.arch}`
  if (await readFile(STAMP, 'utf8').catch(() => '') === stamp) return
  tell('installing Restate and DBOS into bench/node_modules (once)')
  await new Promise<void>((resolve, reject) => {
    const npm = process.env['npm_execpath']?.endsWith('npm-cli.js') ? [process.execPath, process.env['npm_execpath']] : ['npm']
    const args = [...npm.slice(1), 'ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
    execFile(npm[0]!, args, { cwd: ROOM, timeout: INSTALL_MS, shell: process.platform === 'win32' }, (error, _out, said) => {
      if (error) reject(new Error(`npm ci in bench/ failed: ${said.trim().split('\n')[0] || error.message}`))
      else resolve()
    })
  })
  await writeFile(STAMP, stamp)
}

/** The module `name` of bench/node_modules; the caller says which part of it it uses. */
export async function importPeer<Module>(name: string): Promise<Module> {
  return await import(pathToFileURL(createRequire(join(ROOM, 'package.json')).resolve(name)).href) as Module
}

/** Path of a file of a package of bench/node_modules, like its executable. */
export function peerFile(path: string): string {
  return createRequire(join(ROOM, 'package.json')).resolve(path)
}
