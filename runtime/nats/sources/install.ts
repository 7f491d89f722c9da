/**
 * Puts a server into the user's cache: one process at a time, and by one rename, so that nobody
 * ever runs half a file. Used by the sources that fetch; the cache is what `cached` reads.
 */
import { chmod, copyFile, mkdir, mkdtemp, open, readFile, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { AigenError } from '../../../schemas/error.ts'
import { atLeast, versionOf } from './source.ts'
import type { FoundServer, Machine } from './source.ts'

const LOCK_WAIT_MS = 180_000
const POLL_MS = 200

/** The newest cached server that runs. */
export async function cached(machine: Machine): Promise<FoundServer | undefined> {
  const names = await readdir(join(machine.cache, 'nats-server')).catch(() => [] as string[])
  const versions = names.filter((name) => /^\d+\.\d+\.\d+$/.test(name)).sort((a, b) => (atLeast(a, b) ? -1 : 1))
  for (const name of versions) {
    const path = join(machine.cache, 'nats-server', name, 'nats-server')
    const version = await versionOf(machine, path)
    if (version !== undefined) return { source: 'cache', path, version }
  }
  return undefined
}

/**
 * Runs `fetch` in an empty folder while holding the cache's lock, and moves the executable it names
 * into the cache. Where another process installed one meanwhile, that one is taken.
 */
export async function install(
  machine: Machine, source: FoundServer['source'], fetch: (folder: string) => Promise<string | undefined>,
): Promise<FoundServer | undefined> {
  await mkdir(join(machine.cache, 'nats-server'), { recursive: true })
  const unlock = await lock(join(machine.cache, 'nats-server.lock'))
  try {
    const other = await cached(machine)
    if (other !== undefined) return other
    const folder = await mkdtemp(join(machine.cache, 'fetch-'))
    try {
      const binary = await fetch(folder)
      if (binary === undefined) return undefined
      const version = await versionOf(machine, binary)
      if (version === undefined) throw new AigenError('nats.missing', 'what was fetched does not run here')
      const ready = join(folder, 'ready')
      await mkdir(ready)
      await copyFile(binary, join(ready, 'nats-server'))
      await chmod(join(ready, 'nats-server'), 0o755)
      const target = join(machine.cache, 'nats-server', version)
      // what stands there did not run, or `cached` had found it
      await rm(target, { recursive: true, force: true })
      await rename(ready, target)
      return { source, path: join(target, 'nats-server'), version }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  } finally {
    await unlock()
  }
}

/** Holds `path` until the function returned is called; a lock whose process is gone is taken over. */
async function lock(path: string): Promise<() => Promise<void>> {
  for (let waited = 0; waited < LOCK_WAIT_MS; waited += POLL_MS) {
    try {
      const file = await open(path, 'wx', 0o600)
      await file.writeFile(`${process.pid}`)
      await file.close()
      return () => rm(path, { force: true })
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') throw thrown
    }
    const holder = Number(await readFile(path, 'utf8').catch(() => ''))
    const age = Date.now() - (await stat(path).then((found) => found.mtimeMs, () => Date.now()))
    // renaming first, so that of two who find it stale one takes it over
    if (holder > 0 ? !alive(holder) : age > 5_000) {
      const stale = `${path}.${process.pid}`
      await rename(path, stale).then(() => rm(stale, { force: true }), () => {})
      continue
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
  throw new AigenError('nats.missing', `another process holds ${path}`)
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === 'EPERM'
  }
}
