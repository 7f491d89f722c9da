/**
 * Debian's and Ubuntu's Postgres without root and without touching the system: apt fetches what is
 * missing with state, cache and source list of its own, dpkg-deb unpacks it. Used by `postgres`.
 */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { aptConfig, archiveLine, sourcesFor } from '../runtime/nats/sources/debian.ts'
import type { Machine } from '../runtime/nats/sources/source.ts'

const FETCH_MS = 300_000
const UNPACK_MS = 60_000

/** Where the programs are, and what they need to find their libraries. */
export interface PostgresPrograms {
  readonly bin: string
  readonly libraries?: string
}

/** Unpacks into `folder`. Rejects where there is no such package archive. */
export async function unpackPostgres(machine: Machine, folder: string): Promise<PostgresPrograms> {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '')
  const codename = /^VERSION_CODENAME="?([^"\n]*)"?$/m.exec(release)?.[1]
  const archive = codename === undefined ? undefined : await archiveLine('/', codename)
  if (archive === undefined || codename === undefined) throw new Error('no postgres on the PATH, and this system has no Debian package archive')
  machine.say('fetching Postgres from the package archive of this system')
  for (const part of ['state/lists/partial', 'cache/archives/partial', 'out']) await mkdir(join(folder, part), { recursive: true })
  await writeFile(join(folder, 'aigen.sources'), sourcesFor(archive, codename))
  await writeFile(join(folder, 'apt.conf'), `${aptConfig(folder)}Debug::NoLocking "true";\n`)
  const apt = (...args: string[]): Promise<string> => machine.run('apt-get', ['-q', '-y', '-c', join(folder, 'apt.conf'), ...args], { cwd: folder, timeoutMs: FETCH_MS })
  await apt('update')
  await apt('install', '--download-only', '--no-install-recommends', 'postgresql')
  const archives = join(folder, 'cache/archives')
  for (const file of await readdir(archives)) {
    if (file.endsWith('.deb')) await machine.run('dpkg-deb', ['-x', join(archives, file), join(folder, 'out')], { timeoutMs: UNPACK_MS })
  }
  const under = async (path: string, fits: (name: string) => boolean): Promise<string[]> =>
    (await readdir(join(folder, 'out', path)).catch(() => [] as string[])).filter(fits).map((name) => join(folder, 'out', path, name))
  const [newest] = (await under('usr/lib/postgresql', (name) => /^\d+$/.test(name))).sort().reverse()
  if (newest === undefined) throw new Error('the package archive has no postgresql')
  const libraries = [...await under('usr/lib', (name) => name.endsWith('-linux-gnu')), ...await under('lib', (name) => name.endsWith('-linux-gnu'))]
  return { bin: join(newest, 'bin'), libraries: libraries.join(':') }
}
