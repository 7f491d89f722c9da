/** Journal and shelf in files pass the suites of their ports, and lose nothing to whoever dies in between. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, copyFile, mkdir, mkdtemp, readFile, readdir, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { transformSync } from '@swc/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { blobsContract } from '../ports/blobs.contract.ts'
import { journalContract } from '../ports/journal.contract.ts'
import type { Journal, Log } from '../ports/journal.ts'
import { fileBlobs } from './blobs.ts'
import { fileJournal } from './journal.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const temporary = (): Promise<string> => mkdtemp(join(tmpdir(), 'aigen-files-'))

journalContract('a folder of files', async () => {
  const folder = await temporary()
  const owners: Journal[] = []
  return {
    owner: async () => {
      const owner = fileJournal(folder)
      owners.push(owner)
      return owner
    },
    stop: async () => {
      for (const owner of owners) await owner.close()
      await rm(folder, { recursive: true })
    },
  }
})

blobsContract('a folder of files', async () => {
  const folder = await temporary()
  const own = await fileBlobs(folder, { quota: 4_000_000 })
  return { alice: own, own, full: 4_000_000, stop: () => rm(folder, { recursive: true }) }
})

async function contents(log: Log): Promise<string[]> {
  const out: string[] = []
  for await (const { sequence, data } of log.read(1)) out.push(`${sequence}:${new TextDecoder().decode(data)}`)
  return out
}

describe('a long journal', () => {
  it('finds each record wherever it is, of whichever owner, without reading those before it', async () => {
    const folder = await temporary()
    const record = (sequence: number): Uint8Array => new Uint8Array(1_000 + sequence * 37 % 5_000).fill(sequence)
    let last = 0
    for (const owner of ['one', 'two', 'three']) {
      const journal = fileJournal(folder)
      const log = await journal.open('p')
      for (const until = last + 100; last < until; last++) await log.append(record(last + 1), last, `${owner}.${last}`)
      for (let sequence = 1; sequence <= last; sequence += 13) expect(Buffer.compare((await log.at(sequence))!.data, record(sequence))).toBe(0)
      expect(await log.at(last + 1)).toBeUndefined()
      await journal.close()
    }
    const journal = fileJournal(folder)
    const reader = await journal.open('p')
    for (const sequence of [1, 99, 100, 101, 200, 201, 300]) expect(Buffer.compare((await reader.at(sequence))!.data, record(sequence))).toBe(0)
    // Damage before a record is none of its business.
    const file = join(folder, 'p', (await readdir(join(folder, 'p'))).sort()[0]!)
    await reader.append(bytes('last'), last, 'four')
    const damaged = await readFile(file)
    damaged[500] = damaged[500]! ^ 1
    await writeFile(file, damaged)
    expect((await reader.at(100))!.data).toHaveLength(record(100).length)
    await journal.close()
    await rm(folder, { recursive: true })
  })

  it('does what it is asked for whenever that comes, also in the moment at which it has nothing more to do', async () => {
    const folder = await temporary()
    const journal = fileJournal(folder)
    const log = await journal.open('p')
    for (let last = 0, turns = 0; turns < 30; last++, turns++) {
      await log.append(bytes('x'), last, `append.${last}`)
      for (let turn = 0; turn < turns; turn++) await Promise.resolve()
      await log.purge(0)
      for (let turn = 0; turn < turns; turn++) await Promise.resolve()
    }
    expect(await log.last()).toBe(30)
    await journal.close()
    await rm(folder, { recursive: true })
  })
})

describe('a journal whose owner died', () => {
  let folder: string
  beforeAll(async () => { folder = await temporary() })
  afterAll(() => rm(folder, { recursive: true }))

  /** A copy of partition `p` with its last file cut to `length` bytes. */
  async function cut(from: string, name: string, length: number): Promise<Journal> {
    await mkdir(join(folder, name, 'p'), { recursive: true })
    const files = (await readdir(join(from, 'p'))).sort()
    for (const file of files) await copyFile(join(from, 'p', file), join(folder, name, 'p', file))
    await truncate(join(folder, name, 'p', files.at(-1)!), length)
    return fileJournal(join(folder, name))
  }

  it('gives up whole files, its own too once that is long, whoever reads meanwhile and whoever dies in between', async () => {
    const journal = fileJournal(join(folder, 'long'))
    const log = await journal.open('p')
    const files = async (): Promise<string[]> => (await readdir(join(folder, 'long', 'p'))).filter((name) => name.endsWith('.log'))
    for (let i = 0; i < 40; i++) await log.append(new Uint8Array(60_000).fill(i), i, `r${i}`)
    await log.purge(30)
    expect(await files(), 'the record that stays holds its file').toHaveLength(2)
    for (let i = 40; i < 45; i++) await log.append(bytes(`r${i}`), i, `r${i}`)
    const reader = log.read(38)[Symbol.asyncIterator]()
    expect((await reader.next()).value.sequence).toBe(38)
    await log.purge(42)
    expect([await files(), await log.first(), await log.last(), await log.at(40)]).toEqual([['00000002.log'], 41, 45, undefined])
    expect((await contents(log)).at(-1)).toBe('45:r44')
    expect((await reader.next()).value.sequence, 'an open file is read to its end').toBe(39)
    await journal.close()
    // Marked as given up, and not removed yet.
    await writeFile(join(folder, 'long', 'p', '00000001.log'), 'rest')
    const next = fileJournal(join(folder, 'long'))
    const again = await next.open('p')
    expect([await again.first(), await again.last()]).toEqual([41, 45])
    expect(await again.append(bytes('r45'), 45, 'r45')).toBe(46)
    await next.close()
  })

  it('cut at every byte of its last record, keeps all before it and goes on', async () => {
    const from = join(folder, 'whole')
    const journal = fileJournal(from)
    const log = await journal.open('p')
    const file = join(from, 'p', '00000001.log')
    for (const [i, text] of ['one', 'two'].entries()) await log.append(bytes(text), i, `id${i}`)
    const before = (await stat(file)).size
    await log.append(bytes('three'), 2, 'id2')
    const after = (await stat(file)).size
    await journal.close()
    for (let length = before; length <= after; length++) {
      const again = await cut(from, `at-${length}`, length)
      const rest = await again.open('p')
      const whole = length === after ? ['1:one', '2:two', '3:three'] : ['1:one', '2:two']
      expect(await contents(rest), `cut at ${length}`).toEqual(whole)
      expect(await rest.append(bytes('new'), whole.length, 'new')).toBe(whole.length + 1)
      await again.close()
      const third = fileJournal(join(folder, `at-${length}`))
      expect(await contents(await third.open('p'))).toEqual([...whole, `${whole.length + 1}:new`])
      await third.close()
    }
  })

  it('cut at every byte of a new owner’s first words, is as it was', async () => {
    const from = join(folder, 'second-owner')
    const one = fileJournal(from)
    await (await one.open('p')).append(bytes('one'), 0, 'a')
    const two = fileJournal(from)
    const log = await two.open('p')
    await log.append(bytes('two'), 1, 'b')
    const { size } = await stat(join(from, 'p', '00000002.log'))
    await Promise.all([one.close(), two.close()])
    for (let length = 0; length <= size; length++) {
      const again = await cut(from, `second-at-${length}`, length)
      const rest = await again.open('p')
      const whole = length === size ? ['1:one', '2:two'] : ['1:one']
      expect(await contents(rest), `cut at ${length}`).toEqual(whole)
      // Each append is synced several times over: not at every byte.
      if (length % 7 === 0) {
        expect(await rest.append(bytes('new'), whole.length, 'new')).toBe(whole.length + 1)
        expect(await contents(rest)).toEqual([...whole, `${whole.length + 1}:new`])
      }
      await again.close()
    }
  })

  it('flipped anywhere but in its last record, says that it is damaged', async () => {
    const from = join(folder, 'flipped')
    const journal = fileJournal(from)
    const log = await journal.open('p')
    for (let i = 0; i < 3; i++) await log.append(bytes(`record ${i}`), i, `id${i}`)
    await journal.close()
    const file = join(from, 'p', '00000001.log')
    const good = await readFile(file)
    const base = good.indexOf(bytes('AIJ1'), 1)
    const last = good.lastIndexOf(bytes('AIJ1'))
    for (let at = base; at < last; at++) {
      const bad = Buffer.from(good)
      bad[at]! ^= 0x10
      await writeFile(file, bad)
      const again = fileJournal(from)
      await expect(again.open('p').then((one) => one.last()), `byte ${at}`).rejects.toMatchObject({ code: 'journal.corrupt' })
      await again.close()
    }
  })

  it('written to by an owner that was shut out, does not count it', async () => {
    const from = join(folder, 'zombie')
    const [old, fresh] = [fileJournal(from), fileJournal(from)]
    const [stale, log] = [await old.open('p'), await fresh.open('p')]
    await stale.append(bytes('one'), 0, 'a')
    await log.append(bytes('fence'), 1, 'fence')
    await expect(stale.append(bytes('late'), 1, 'b')).rejects.toMatchObject({ code: 'journal.conflict' })
    await appendFile(join(from, 'p', '00000001.log'), 'a dying word')
    expect(await contents(log)).toEqual(['1:one', '2:fence'])
    expect(await log.append(bytes('two'), 2, 'c')).toBe(3)
    await Promise.all([old.close(), fresh.close()])
  })

  it('killed with SIGKILL in the middle of appends, has every record it acknowledged', async () => {
    const program = await compiled(join(folder, 'program'))
    const from = join(folder, 'killed')
    let last = 0
    for (let round = 0; round < 4; round++) {
      const child = fork(program, [from], { execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
      let acknowledged = 0
      await new Promise<void>((resolve) => child.on('message', (sequence: number) => {
        acknowledged = sequence
        if (sequence > last + 40 + round * 7) resolve()
      }))
      child.kill('SIGKILL')
      await once(child, 'exit')
      const journal = fileJournal(from)
      const kept = await contents(await journal.open('p'))
      expect(kept.length).toBeGreaterThanOrEqual(acknowledged)
      expect(kept).toEqual(kept.map((_, i) => expect.stringMatching(new RegExp(`^${i + 1}:record ${i + 1} x+$`))))
      last = kept.length
      await journal.close()
    }
  }, 30_000)
})

/** The journal and a program that appends until it is killed, as JavaScript: Node 20 runs no TypeScript. */
async function compiled(into: string): Promise<string> {
  const root = fileURLToPath(new URL('../../', import.meta.url))
  await mkdir(into, { recursive: true })
  await writeFile(join(into, 'package.json'), '{"type":"module"}')
  await symlink(join(root, 'node_modules'), join(into, 'node_modules'))
  for (const file of ['runtime/files/journal.ts', 'runtime/files/segment.ts', 'runtime/files/frame.ts', 'runtime/files/sync.ts', 'runtime/ports/journal.ts', 'schemas/error.ts']) {
    const { code } = transformSync(await readFile(join(root, file), 'utf8'), { jsc: { parser: { syntax: 'typescript' }, target: 'es2022' } })
    await mkdir(dirname(join(into, file)), { recursive: true })
    await writeFile(join(into, file.replace(/ts$/, 'js')), code.replaceAll(/(from '\.[^']*)\.ts'|(from "\.[^"]*)\.ts"/g, (whole) => whole.replace(/\.ts(['"])$/, '.js$1')))
  }
  await writeFile(join(into, 'append.js'), `
    import { fileJournal } from './runtime/files/journal.js'
    const log = await fileJournal(process.argv[2]).open('p')
    for (let last = await log.last(); process.connected; last++) {
      await log.append(new TextEncoder().encode('record ' + (last + 1) + ' ' + 'x'.repeat(1 + last % 5000)), last, 'id' + last)
      process.send(last + 1)
    }`)
  return join(into, 'append.js')
}
