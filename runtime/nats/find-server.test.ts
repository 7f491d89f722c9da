/** The order of the sources, each with its own PATH and cache. */
import { createHash } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { configuredUrl, findServer, thisMachine } from './find-server.ts'
import { aptConfig, archiveLine, sourcesFor } from './sources/debian.ts'
import { fromHomebrew } from './sources/homebrew.ts'
import { cached, install } from './sources/install.ts'
import { fromPath } from './sources/path.ts'
import { fetchRelease } from './sources/release.ts'
import { atLeast } from './sources/source.ts'
import type { Machine } from './sources/source.ts'

let root: string
let machine: Machine
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'aigen-find-'))
  machine = { ...thisMachine(), env: { PATH: join(root, 'bin') }, cache: join(root, 'cache') }
})
afterEach(() => rm(root, { recursive: true, force: true }))

async function fake(path: string, version: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, `#!/bin/sh\necho 'nats-server: v${version}'\n`)
  await chmod(path, 0o755)
  return path
}

test('the configured URL is taken as it is', () => {
  expect(configuredUrl({ AIGEN_NATS_URL: ' nats://u:p@h:4222 ' })).toBe('nats://u:p@h:4222')
  expect(configuredUrl({ AIGEN_NATS_URL: '' })).toBeUndefined()
})

test('the PATH comes before the cache, and the cache before fetching', async () => {
  await fake(join(root, 'cache/nats-server/2.10.27/nats-server'), '2.10.27')
  let fetched = 0
  const sources = [fromPath, cached, async () => { fetched++; return undefined }]
  expect(await findServer(machine, sources)).toMatchObject({ source: 'cache', version: '2.10.27' })
  const path = await fake(join(root, 'bin/nats-server'), '2.9.10')
  expect(await findServer(machine, sources)).toEqual({ source: 'path', version: '2.9.10', path })
  expect(fetched).toBe(0)
})

test('what does not run, is no server or stands in a relative folder is passed over', async () => {
  await fake(join(root, 'bin/nats-server'), 'none')
  await fake(join(root, 'cache/nats-server/2.11.0/nats-server'), 'none')
  await fake(join(root, 'cache/nats-server/2.9.10/nats-server'), '2.9.10')
  expect(await fromPath({ ...machine, env: { PATH: `.:bin:${join(root, 'bin')}` } })).toBeUndefined()
  expect(await cached(machine)).toMatchObject({ version: '2.9.10' })
})

test('the newest cached server is taken', async () => {
  for (const version of ['2.9.10', '2.10.27', '2.10.3']) await fake(join(root, `cache/nats-server/${version}/nats-server`), version)
  expect(await cached(machine)).toMatchObject({ version: '2.10.27' })
})

test('without any, the error names the options and what each source said', async () => {
  await expect(findServer(machine, [async () => { throw new Error('no archive here') }]))
    .rejects.toMatchObject({ code: 'nats.missing', message: expect.stringMatching(/AIGEN_NATS_URL.*no archive here/s) })
})

describe('installing', () => {
  test('two at once fetch once, and nothing but the server stays', async () => {
    let fetches = 0
    const fetch = async (folder: string): Promise<string> => { fetches++; return fake(join(folder, 'x'), '2.10.27') }
    const both = await Promise.all([install(machine, 'debian', fetch), install(machine, 'debian', fetch)])
    expect(fetches).toBe(1)
    expect(both.map((one) => one?.source).sort()).toEqual(['cache', 'debian'])
    expect(await readdir(machine.cache)).toEqual(['nats-server'])
  })

  test('the lock of a process that is gone is taken over', async () => {
    await mkdir(machine.cache, { recursive: true })
    await writeFile(join(machine.cache, 'nats-server.lock'), '4194399')
    expect(await install(machine, 'debian', (folder) => fake(join(folder, 'x'), '2.10.27'))).toMatchObject({ version: '2.10.27' })
  })

  test('what was fetched and does not run is not kept', async () => {
    await expect(install(machine, 'release', (folder) => fake(join(folder, 'x'), 'none'))).rejects.toMatchObject({ code: 'nats.missing' })
    expect(await cached(machine)).toBeUndefined()
    expect(await readdir(machine.cache)).toEqual(['nats-server'])
  })
})

describe('the release', () => {
  async function archive(): Promise<{ bytes: Uint8Array; sum: string }> {
    await fake(join(root, `nats-server-v9.9.9-linux-amd64/nats-server`), '9.9.9')
    await machine.run('tar', ['-czf', join(root, 'a.tar.gz'), '-C', root, 'nats-server-v9.9.9-linux-amd64'])
    const bytes = await readFile(join(root, 'a.tar.gz'))
    return { bytes, sum: createHash('sha256').update(bytes).digest('hex') }
  }

  test('is unpacked when its checksum is the one written here', async () => {
    const { bytes, sum } = await archive()
    const here: Machine = { ...machine, platform: 'linux', arch: 'x64', download: async () => bytes }
    expect(await fetchRelease(here, '9.9.9', { 'linux-x64': sum })).toMatchObject({ source: 'release', version: '9.9.9' })
    expect(await fetchRelease({ ...here, arch: 'mips' }, '9.9.9', { 'linux-x64': sum })).toBeUndefined()
  })

  test('is refused with another checksum', async () => {
    const { bytes } = await archive()
    const here: Machine = { ...machine, platform: 'linux', arch: 'x64', download: async () => bytes }
    await expect(fetchRelease(here, '9.9.9', { 'linux-x64': '0'.repeat(64) })).rejects.toMatchObject({ code: 'nats.missing' })
    expect(await cached(here)).toBeUndefined()
  })
})

test('Homebrew is asked on macOS only', async () => {
  const calls: string[] = []
  const path = await fake(join(root, 'opt/bin/nats-server'), '2.12.1')
  const mac: Machine = {
    ...machine, platform: 'darwin',
    run: async (file, args) => {
      calls.push(`${file} ${args[0]}`)
      return file === 'brew' ? (args[0] === '--prefix' ? join(root, 'opt') : 'ok') : machine.run(file, args)
    },
  }
  expect(await fromHomebrew(mac)).toEqual({ source: 'homebrew', version: '2.12.1', path })
  expect(calls.slice(0, 3)).toEqual(['brew --version', 'brew install', 'brew --prefix'])
  expect(await fromHomebrew({ ...machine, platform: 'linux' })).toBeUndefined()
})

describe("the archive of a Debian system", () => {
  test('is read from stanzas and from lines, of the plain suite only', async () => {
    await mkdir(join(root, 'etc/apt/sources.list.d'), { recursive: true })
    await writeFile(join(root, 'etc/apt/sources.list.d/debian.sources'), `Types: deb
# a comment
URIs: http://security.example/debian-security
Suites: bookworm-security
Components: main

Types: deb
URIs: http://deb.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian.gpg
`)
    const archive = await archiveLine(root, 'bookworm')
    expect(archive).toEqual({ uri: 'http://deb.example/debian', signedBy: '/usr/share/keyrings/debian.gpg' })
    expect(sourcesFor(archive!, 'trixie')).toContain('Suites: trixie\nComponents: main\nSigned-By: /usr/share/keyrings/debian.gpg')
    expect(await archiveLine(root, 'sid')).toBeUndefined()
    await writeFile(join(root, 'etc/apt/sources.list'), 'deb [arch=amd64 signed-by=/k.gpg] http://archive.example/ubuntu noble main universe\n')
    expect(await archiveLine(root, 'noble')).toEqual({ uri: 'http://archive.example/ubuntu', signedBy: '/k.gpg' })
  })

  test("apt's state, cache and lists are private and the system's hooks off", () => {
    const config = aptConfig('/c')
    for (const part of ['Dir::State "/c/state"', 'Dir::Cache "/c/cache"', 'Dir::Etc::sourceparts "/dev/null"', '#clear APT::Update::Post-Invoke;']) {
      expect(config).toContain(part)
    }
  })
})

test('versions are compared by number', () => {
  expect(atLeast('2.10.0', '2.9.22')).toBe(true)
  expect(atLeast('2.10.22', '2.10.23')).toBe(false)
})
