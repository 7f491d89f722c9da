import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { systemRandom } from '../node/system-random.ts'
import { startCluster, type NatsCluster } from './cluster.ts'
import { connectNats } from './connection.ts'
import { natsJournal } from './journal.ts'

const participant = `0x${'ab'.repeat(20)}`
let folder = ''
let cluster: NatsCluster | undefined

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aigen-cluster-'))
  cluster = await startCluster({ dataDir: folder, servers: 3, random: systemRandom })
}, 120_000)
afterAll(async () => {
  await cluster?.stop()
  await rm(folder, { recursive: true, force: true })
})

it('a journal on three servers goes on when one of them after another is killed, and loses nothing', async () => {
  const { journal: credentials } = await cluster!.admit(participant)
  expect(credentials).toMatchObject({ replicas: 3, url: expect.stringMatching(/^nats:.*,nats:.*,nats:/) })
  const journal = natsJournal(await connectNats(credentials, 'test'), { unknownMs: 40_000 })
  const log = await journal.open('p0')
  const wanted: string[] = []
  let last = 0
  for (const [at, pid] of cluster!.pids().slice(0, 2).entries()) {
    for (let number = 0; number < 6; number++) {
      if (number === 2) process.kill(pid, 'SIGKILL')
      wanted.push(`${at}.${number}`)
      last = await log.append(Buffer.from(wanted.at(-1)!), last, `r${last}`)
    }
    expect(last).toBe(wanted.length)
    // The next one dies when this one is back.
    for (let looks = 0; cluster!.pids()[at] === pid && looks < 200; looks++) await new Promise((resolve) => setTimeout(resolve, 50))
    expect(cluster!.pids()[at]).not.toBe(pid)
    await new Promise((resolve) => setTimeout(resolve, 2_000))
  }
  await expect(log.append(Buffer.from('stale'), last - 1, 'stale')).rejects.toMatchObject({ code: 'journal.conflict' })
  const read: string[] = []
  for await (const { data } of log.read(1)) read.push(Buffer.from(data).toString())
  expect(read).toEqual(wanted)
  await journal.close()
})
