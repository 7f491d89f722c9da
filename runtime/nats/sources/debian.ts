/**
 * Debian's and Ubuntu's own package, without root and without touching the system's configuration:
 * apt runs with private state, cache and source list, checks the archive's signature with the
 * system's keyring, and dpkg-deb unpacks. A newer suite comes first: bookworm's 2.9 cannot sync each
 * append, and trixie's 2.10 runs on bookworm.
 */
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { install } from './install.ts'
import { versionOf } from './source.ts'
import type { FoundServer, Machine } from './source.ts'

/** Suites to try before the system's own, by distribution. */
const NEWER: Readonly<Record<string, readonly string[]>> = { debian: ['trixie'], ubuntu: ['noble'] }
const APT_TIMEOUT_MS = 120_000
const ROOT = '/'

export async function fromDebian(machine: Machine): Promise<FoundServer | undefined> {
  if (machine.platform !== 'linux') return undefined
  const release = await osRelease(ROOT)
  const family = [release['ID'], ...(release['ID_LIKE'] ?? '').split(' ')].find((id) => id === 'debian' || id === 'ubuntu')
  const codename = release['VERSION_CODENAME']
  if (family === undefined || codename === undefined) return undefined
  if (!(await machine.run('apt-get', ['--version']).then(() => true, () => false))) return undefined
  const archive = await archiveLine(ROOT, codename)
  if (archive === undefined) return undefined
  const suites = [...(NEWER[release['ID'] ?? ''] ?? []), codename].filter((suite, at, all) => all.indexOf(suite) === at)
  machine.say('fetching nats-server from the package archive of this system')
  return install(machine, 'debian', async (folder) => {
    let failure: unknown
    for (const suite of suites) {
      try {
        const path = join(folder, suite)
        const binary = await fetchFrom(machine, path, sourcesFor(archive, suite))
        if ((await versionOf(machine, binary)) !== undefined) return binary
        failure = new Error(`the nats-server of ${suite} does not run here`)
      } catch (thrown) {
        failure = thrown
      }
    }
    throw failure
  })
}

/** Downloads and unpacks the package into `folder`; the executable's path. */
async function fetchFrom(machine: Machine, folder: string, sources: string): Promise<string> {
  for (const part of ['state/lists/partial', 'cache/archives/partial', 'deb', 'out']) await mkdir(join(folder, part), { recursive: true })
  await writeFile(join(folder, 'aigen.sources'), sources)
  await writeFile(join(folder, 'apt.conf'), aptConfig(folder))
  const apt = (...args: string[]): Promise<string> =>
    machine.run('apt-get', ['-q', '-c', join(folder, 'apt.conf'), ...args], { cwd: join(folder, 'deb'), timeoutMs: APT_TIMEOUT_MS })
  await apt('update')
  await apt('download', 'nats-server')
  const [deb] = (await readdir(join(folder, 'deb'))).filter((name) => name.endsWith('.deb'))
  if (deb === undefined) throw new Error('apt-get downloaded nothing')
  await machine.run('dpkg-deb', ['-x', join(folder, 'deb', deb), join(folder, 'out')], { timeoutMs: 30_000 })
  return join(folder, 'out/usr/sbin/nats-server')
}

/** Everything apt writes lies in `folder`, and the system's hooks do not run. */
export function aptConfig(folder: string): string {
  return [
    `Dir::State "${folder}/state";`,
    'Dir::State::status "/var/lib/dpkg/status";',
    `Dir::Cache "${folder}/cache";`,
    `Dir::Etc::sourcelist "${folder}/aigen.sources";`,
    'Dir::Etc::sourceparts "/dev/null";',
    'APT::Sandbox::User "root";',
    'Acquire::Languages "none";',
    '#clear APT::Update::Pre-Invoke;',
    '#clear APT::Update::Post-Invoke;',
    '#clear APT::Update::Post-Invoke-Success;',
    '#clear DPkg::Post-Invoke;',
    '',
  ].join('\n')
}

/** The archive this system takes `codename` from: its address, and the keyring that signs it. */
export interface Archive { readonly uri: string; readonly signedBy: string | undefined }

/** A source of `suite`; Ubuntu keeps nats-server in `universe`. */
export function sourcesFor(archive: Archive, suite: string): string {
  const components = archive.uri.includes('ubuntu') ? 'main universe' : 'main'
  const signed = archive.signedBy === undefined ? '' : `Signed-By: ${archive.signedBy}\n`
  return `Types: deb\nURIs: ${archive.uri}\nSuites: ${suite}\nComponents: ${components}\n${signed}`
}

/** Finds the archive of the plain suite `codename` in the system's source lists, both formats. */
export async function archiveLine(root: string, codename: string): Promise<Archive | undefined> {
  const etc = join(root, 'etc/apt')
  const parts = await readdir(join(etc, 'sources.list.d')).catch(() => [] as string[])
  for (const file of ['sources.list', ...parts.sort().map((name) => join('sources.list.d', name))]) {
    const text = await readFile(join(etc, file), 'utf8').catch(() => '')
    const found = file.endsWith('.sources') ? fromStanzas(text, codename) : fromLines(text, codename)
    if (found !== undefined) return found
  }
  return undefined
}

function fromStanzas(text: string, codename: string): Archive | undefined {
  for (const stanza of text.replace(/^#.*\n?/gm, '').split(/\n\s*\n/)) {
    const field = (name: string): string | undefined => new RegExp(`^${name}:[ \t]*(.+)$`, 'mi').exec(stanza)?.[1]?.trim()
    if (!/\bdeb\b/.test(field('Types') ?? '') || /^no$/i.test(field('Enabled') ?? '')) continue
    if (!(field('Suites') ?? '').split(/\s+/).includes(codename) || !/\bmain\b/.test(field('Components') ?? '')) continue
    const uri = field('URIs')?.split(/\s+/)[0]
    const signedBy = field('Signed-By')
    // a key written into the stanza itself has no path that could be passed on
    if (uri !== undefined) return { uri, signedBy: signedBy?.startsWith('/') ? signedBy : undefined }
  }
  return undefined
}

function fromLines(text: string, codename: string): Archive | undefined {
  for (const line of text.split('\n')) {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+(.*)$/.exec(line)
    if (match === null || match[3] !== codename || !/\bmain\b/.test(match[4] ?? '')) continue
    return { uri: match[2]!, signedBy: /signed-by=(\S+)/.exec(match[1] ?? '')?.[1] }
  }
  return undefined
}

async function osRelease(root: string): Promise<Record<string, string>> {
  const text = await readFile(join(root, 'etc/os-release'), 'utf8').catch(() => '')
  return Object.fromEntries([...text.matchAll(/^([A-Z_]+)="?([^"\n]*)"?$/gm)].map((match) => [match[1]!, match[2]!]))
}
