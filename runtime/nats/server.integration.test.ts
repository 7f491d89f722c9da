/** The embedded server: its life, its files, its death in the middle of appends. */
import { execFile, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { jetstreamManager } from '@nats-io/jetstream'
import { headers } from '@nats-io/nats-core'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemRandom } from '../node/system-random.ts'
import { natsBus } from './bus.ts'
import { connectNats } from './connection.ts'
import { at } from './direct-get.ts'
import { announce } from './discovery.ts'
import { natsFacts, profileOf } from './doctor.ts'
import { findServer } from './find-server.ts'
import { natsJournal } from './journal.ts'
import { names } from './orphan.ts'
import { startServer } from './server.ts'
import type { ServerEvent } from './server.ts'
import type { NatsServer } from './nats-server.ts'

let dataDir: string
const running: NatsServer[] = []
const children: number[] = []
beforeEach(async () => { dataDir = await mkdtemp(join(tmpdir(), 'aigen-server-')) })
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop()))
  for (const pid of children.splice(0)) try { process.kill(pid, 'SIGKILL') } catch { /* it has ended */ }
  await rm(dataDir, { recursive: true, force: true })
})

async function start(options: Partial<Parameters<typeof startServer>[0]> = {}): Promise<NatsServer> {
  const server = await startServer({ dataDir, random: systemRandom, ...options })
  running.push(server)
  return server
}

test('starts with private files, says what it is, and ends', async () => {
  const server = await start()
  expect(server).toMatchObject({ url: expect.stringMatching(/^nats:\/\/127\.0\.0\.1:\d+$/), version: expect.stringMatching(/^2\.\d+\.\d+$/), pid: expect.any(Number) })
  for (const file of ['nats.conf', 'accounts.json']) expect((await stat(join(dataDir, file))).mode & 0o777).toBe(0o600)
  expect((await stat(dataDir)).mode & 0o777).toBe(0o700)
  const facts = await natsFacts(server)
  expect(facts).toMatchObject({ profile: 'dev', storeDir: dataDir, pid: server.pid, port: Number(new URL(server.url).port) })
  expect(facts.freeBytes).toBeGreaterThan(0)
  expect(facts.weaker.join(' ')).toContain('One server keeps one copy')
  if (Number(server.version.split('.')[1]) >= 10) expect(await readFile(join(dataDir, 'nats.conf'), 'utf8')).toContain('sync_interval: always')
  const { pid } = server
  await running.pop()!.stop()
  expect(await names(pid, dataDir)).toBe(false)
})

test('profiles need version, copies and sync', () => {
  expect(profileOf({ version: '2.12.3', replicas: 3, syncAlways: true })).toBe('money')
  expect(profileOf({ version: '2.12.3', replicas: 3, syncAlways: false })).toBe('standard')
  expect(profileOf({ version: '2.10.22', replicas: 3, syncAlways: true })).toBe('dev')
  expect(profileOf({ version: '2.12.3', replicas: 1, syncAlways: true })).toBe('dev')
})

test('keeps port, credentials and what was stored over a restart, and takes another port when its own is taken', async () => {
  const first = await start()
  const { journal, network } = await first.admit('alice')
  const before = natsJournal(await connectNats(journal, 'alice'))
  await (await before.open('p')).append(Buffer.from('kept'), 0, '1')
  await before.close()
  await running.pop()!.stop()
  const again = await start()
  expect(again.url).toBe(first.url)
  expect(await again.admit('alice')).toEqual({ journal, network })
  await running.pop()!.stop()
  const squatter = createServer().listen(Number(new URL(first.url).port), '127.0.0.1')
  await new Promise((done) => squatter.once('listening', done))
  const moved = await start()
  expect(moved.url).not.toBe(first.url)
  const alice = natsJournal(await connectNats((await moved.admit('alice')).journal, 'alice'))
  expect(await (await alice.open('p')).last()).toBe(1)
  await alice.close()
  await new Promise((done) => squatter.close(done))
})

test('a second one on the same directory is refused while the first lives', async () => {
  const first = await start()
  await expect(startServer({ dataDir, random: systemRandom })).rejects.toMatchObject({ code: 'node.locked' })
  expect(await names(first.pid, dataDir)).toBe(true)
})

test('killed in the middle of appends: it comes back on its port, appends resume, nothing acknowledged is lost', async () => {
  const events: ServerEvent[] = []
  const server = await start({ onEvent: (event) => events.push(event) })
  const { url } = server
  const connection = await connectNats((await server.admit('alice')).journal, 'alice')
  const log = await natsJournal(connection).open('p')
  const acknowledged: string[] = []
  const COUNT = 600
  for (let i = 0; i < COUNT; i++) {
    if (i === 150 || i === 400) setImmediate(() => process.kill(server.pid, 'SIGKILL'))
    const id = `${i}`
    expect(await log.append(Buffer.from(id), i, id)).toBe(i + 1)
    acknowledged.push(id)
  }
  const stored: string[] = []
  for await (const { data } of log.read(1)) stored.push(Buffer.from(data).toString())
  expect(stored).toEqual(acknowledged)
  expect(events.filter(({ type }) => type === 'restarted')).toHaveLength(2)
  expect(connection.reconnects).toBeGreaterThanOrEqual(2)
  expect(server.url).toBe(url)
  // an id the server has forgotten, or a stale owner: the record itself decides
  expect(await log.append(Buffer.from('7'), 7, '7')).toBe(8)
  await expect(log.append(Buffer.from('other'), 7, 'other')).rejects.toMatchObject({ code: 'journal.conflict' })
  await connection.close()
})

test('a lost acknowledgement is found by the record itself, beyond what the server remembers', async () => {
  const server = await start()
  const { journal } = await server.admit('alice')
  const connection = await connectNats(journal, 'alice')
  const log = await natsJournal(connection).open('p')
  // as a server does that has forgotten the id: its window is as short as it can be
  await (await jetstreamManager(connection.nc)).streams.update('JOURNAL_p', { duplicate_window: 100_000_000 })
  await log.append(Buffer.from('a'), 0, 'a')
  await log.append(Buffer.from('b'), 1, 'b')
  const probe = headers()
  probe.append('Nats-Msg-Id', (await at(connection, 'JOURNAL_p', 1))!.headers['Nats-Msg-Id']!)
  probe.append('Nats-Expected-Last-Sequence', '99')
  await expect.poll(async () => (await connection.nc.request('journal.p', '', { headers: probe, timeout: 2_000 })).string(), { timeout: 5_000 })
    .toContain('wrong last sequence')
  expect(await log.append(Buffer.from('a'), 0, 'a')).toBe(1)
  expect(await log.last()).toBe(2)
  await connection.close()
})

test('no server for too long: the append is unknown, and the same append settles it later', async () => {
  const server = await start()
  const connection = await connectNats((await server.admit('alice')).journal, 'alice')
  const log = await natsJournal(connection, { attemptMs: 100, unknownMs: 200 }).open('p')
  process.kill(server.pid, 'SIGSTOP')
  await expect(log.append(Buffer.from('a'), 0, 'a')).rejects.toMatchObject({ code: 'journal.unknown' })
  process.kill(server.pid, 'SIGCONT')
  expect(await log.append(Buffer.from('a'), 0, 'a')).toBe(1)
  expect(await log.last()).toBe(1)
  await connection.close()
})

test('a server left behind is ended by the next start, and only if it is of this directory', async () => {
  const first = await start()
  await running.pop()!.stop()
  const binary = (await findServer()).path
  // as after a SIGKILL of the owner and of the watcher: the server has another parent
  const { stdout } = await promisify(execFile)('/bin/sh', ['-c', `'${binary}' -c '${join(dataDir, 'nats.conf')}' >/dev/null 2>&1 & echo $!`])
  const orphan = Number(stdout)
  children.push(orphan)
  await expect.poll(() => names(orphan, dataDir)).toBe(true)
  await writeFile(join(dataDir, 'nats.pid'), JSON.stringify({ server: orphan, owner: 4_194_399 }))
  const events: ServerEvent[] = []
  const second = await start({ onEvent: (event) => events.push(event) })
  expect(events).toContainEqual({ type: 'ended-orphan', pid: orphan })
  expect(await names(orphan, dataDir)).toBe(false)
  expect(second.url).toBe(first.url)
  await running.pop()!.stop()
  const stranger = spawn('/bin/sh', ['-c', 'read line'], { stdio: ['pipe', 'ignore', 'ignore'] })
  await writeFile(join(dataDir, 'nats.pid'), JSON.stringify({ server: stranger.pid, owner: 1 }))
  await start()
  expect(stranger.exitCode).toBeNull()
  stranger.stdin.end('\n')
})

test('the server ends at once when its owner is killed', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'aigen-owner-'))
  try {
    await promisify(execFile)(resolve('node_modules/.bin/tsc'), ['-p', '.', '--noEmit', 'false', '--outDir', folder, '--declaration', 'false', '--sourceMap', 'false', '--noCheck'])
    await symlink(resolve('node_modules'), join(folder, 'node_modules'))
    await writeFile(join(folder, 'package.json'), '{"type":"module"}')
    await writeFile(join(folder, 'owner.js'), `import { startServer } from './runtime/nats/server.js'
import { systemRandom } from './runtime/node/system-random.js'
const server = await startServer({ dataDir: process.argv[2], random: systemRandom })
console.log(server.pid)
setInterval(() => {}, 1000)
`)
    const owner = spawn(process.execPath, [join(folder, 'owner.js'), dataDir], { stdio: ['ignore', 'pipe', 'inherit'] })
    const pid = await new Promise<number>((done) => owner.stdout.once('data', (data: Buffer) => done(Number(data))))
    children.push(pid)
    expect(await names(pid, dataDir)).toBe(true)
    owner.kill('SIGKILL')
    await expect.poll(() => names(pid, dataDir), { timeout: 5_000 }).toBe(false)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

test('NATS tools find a provider, its capabilities and its figures', async () => {
  const server = await start()
  const provider = await connectNats((await server.admit('bob')).network, 'bob')
  const tool = await connectNats(server.operator, 'tool')
  const service = await announce(provider, {
    participant: 'bob', node: 'n1', name: "Bob's scans", version: '1.0.0', capabilities: [{ id: 'vision.ocr@1', metadata: { list: '0.02' } }],
    stats: (capability) => ({ capability, calls: 3 }),
  })
  const ask = async (subject: string): Promise<Record<string, unknown>> => (await tool.nc.request(subject, '', { timeout: 2_000 })).json()
  expect(await ask('$SRV.PING')).toMatchObject({ name: 'Bob-s-scans', version: '1.0.0', metadata: { participant: 'bob', node: 'n1' } })
  const subject = 'aigen.v1.call.bob.n1.about.vision-ocr-1'
  expect(await ask('$SRV.INFO.Bob-s-scans')).toMatchObject({ endpoints: [{ name: 'vision-ocr-1', subject, metadata: { capability: 'vision.ocr@1' } }] })
  expect(await ask(subject)).toMatchObject({ capability: 'vision.ocr@1', list: '0.02' })
  expect(await ask('$SRV.STATS')).toMatchObject({ endpoints: [{ num_requests: 1, data: { capability: 'vision.ocr@1', calls: 3 } }] })
  await service.stop()
  await expect(natsBus(tool).request('$SRV.PING', new Uint8Array(), { timeoutMs: 500 })).rejects.toMatchObject({ code: 'network.no-responders' })
  await Promise.all([provider.close(), tool.close()])
})

test('a configured server is used as it is, and nothing is started', async () => {
  const real = await start()
  const { user, pass } = real.operator
  process.env['AIGEN_NATS_URL'] = real.url.replace('//', `//${user}:${encodeURIComponent(pass)}@`)
  try {
    const server = await startServer({ dataDir: join(dataDir, 'other'), random: systemRandom })
    expect(server).toMatchObject({ source: 'configured', pid: 0, url: real.url, version: real.version })
    expect(server.url).not.toContain(pass)
    expect(server.warnings.join(' ')).toContain('AIGEN_JOURNAL_URL')
    const [alice, bob] = await Promise.all(['alice', 'bob'].map(async (id) => natsJournal(await connectNats((await server.admit(id)).journal, id))))
    await (await alice!.open('p')).append(Buffer.from('a'), 0, '1')
    expect(await (await bob!.open('p')).last()).toBe(0)
    await Promise.all([alice!.close(), bob!.close(), server.stop()])
  } finally {
    delete process.env['AIGEN_NATS_URL']
  }
})
