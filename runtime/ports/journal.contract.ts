/**
 * What every journal does; run against memory and NATS, and by light nodes' file journal
 * (DESIGN D2, D10; I6). `owner` gives a further owner of the same storage.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Journal, Log } from './journal.ts'

export interface JournalSetup {
  owner(): Promise<Journal>
  stop(): Promise<void>
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const code = (value: string): object => expect.objectContaining({ code: value })

async function contents(log: Log, from = 1): Promise<string[]> {
  const out: string[] = []
  for await (const { sequence, data } of log.read(from)) out.push(`${sequence}:${new TextDecoder().decode(data)}`)
  return out
}

/** Registers the conformance tests of a journal. */
export function journalContract(name: string, setUp: () => Promise<JournalSetup>): void {
  describe(`${name} is a journal`, () => {
    let setup: JournalSetup
    let journal: Journal
    beforeAll(async () => { setup = await setUp(); journal = await setup.owner() })
    afterAll(async () => { await setup?.stop() })

    test('records follow one another from 1 without gaps', async () => {
      const log = await journal.open('plain')
      expect(log.partition).toBe('plain')
      expect(await log.last()).toBe(0)
      expect(await contents(log)).toEqual([])
      for (let i = 0; i < 5; i++) expect(await log.append(bytes(`r${i}`), i, `plain-${i}`)).toBe(i + 1)
      expect(await log.last()).toBe(5)
      expect(await contents(log)).toEqual(['1:r0', '2:r1', '3:r2', '4:r3', '5:r4'])
      expect(await contents(log, 4)).toEqual(['4:r3', '5:r4'])
      expect(await contents(log, 6)).toEqual([])
    })

    test('another owner sees what was written, after closing too', async () => {
      const first = await setup.owner()
      await (await first.open('shared')).append(bytes('a'), 0, 'a')
      await first.close()
      const second = await setup.owner()
      const log = await second.open('shared')
      expect(await contents(log)).toEqual(['1:a'])
      expect(await log.append(bytes('b'), 1, 'b')).toBe(2)
      await second.close()
    })

    test('an append at the wrong place is a conflict and writes nothing', async () => {
      const log = await journal.open('places')
      await log.append(bytes('a'), 0, 'a')
      await expect(log.append(bytes('b'), 0, 'b')).rejects.toEqual(code('journal.conflict'))
      await expect(log.append(bytes('b'), 7, 'c')).rejects.toEqual(code('journal.conflict'))
      expect(await contents(log)).toEqual(['1:a'])
    })

    test('of many owners that append at once one wins (I6)', async () => {
      const owners = await Promise.all(Array.from({ length: 8 }, () => setup.owner()))
      const logs = await Promise.all(owners.map((owner) => owner.open('contested')))
      for (let round = 0; round < 10; round++) {
        const results = await Promise.allSettled(logs.map((log, i) => log.append(bytes(`${round}.${i}`), round, `${round}.${i}`)))
        expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1)
        for (const result of results) if (result.status === 'rejected') expect(result.reason).toEqual(code('journal.conflict'))
      }
      expect(await logs[0]!.last()).toBe(10)
      await Promise.all(owners.map((owner) => owner.close()))
    })

    test('owners that make the same id and bytes for the same place are still told apart (I6)', async () => {
      const [one, two] = [await setup.owner(), await setup.owner()]
      const [a, b] = [await one.open('twins'), await two.open('twins')]
      const results = await Promise.allSettled([a.append(bytes('fence'), 0, 'twins.1.1'), b.append(bytes('fence'), 0, 'twins.1.1')])
      expect(results.map((result) => result.status).sort()).toEqual(['fulfilled', 'rejected'])
      expect(await contents(a)).toEqual(['1:fence'])
      await Promise.all([one.close(), two.close()])
    })

    test('the same append again finds its record, also when others follow', async () => {
      const log = await journal.open('repeated')
      expect(await log.append(bytes('a'), 0, 'a')).toBe(1)
      expect(await log.append(bytes('a'), 0, 'a')).toBe(1)
      expect(await log.append(bytes('b'), 1, 'b')).toBe(2)
      expect(await log.append(bytes('a'), 0, 'a')).toBe(1)
      await expect(log.append(bytes('other'), 0, 'a')).rejects.toEqual(code('journal.conflict'))
      await expect(log.append(bytes('a'), 2, 'a')).rejects.toEqual(code('journal.conflict'))
      expect(await contents(log)).toEqual(['1:a', '2:b'])
    })

    test('a read ends at the record that was last when it began', async () => {
      const log = await journal.open('bounded')
      for (let i = 0; i < 3; i++) await log.append(bytes(`${i}`), i, `bounded-${i}`)
      const seen: number[] = []
      for await (const { sequence } of log.read(1)) {
        seen.push(sequence)
        await log.append(bytes('more'), 2 + seen.length, `bounded-more-${seen.length}`)
      }
      expect(seen).toEqual([1, 2, 3])
    })

    test('a read that is broken off leaves the log usable', async () => {
      const log = await journal.open('broken-off')
      for (let i = 0; i < 3; i++) await log.append(bytes(`${i}`), i, `off-${i}`)
      for await (const { sequence } of log.read(1)) if (sequence === 2) break
      expect(await contents(log)).toHaveLength(3)
    })

    test('a record is found by its sequence', async () => {
      const log = await journal.open('found')
      expect([await log.first(), await log.at(1)]).toEqual([1, undefined])
      for (let i = 0; i < 3; i++) await log.append(bytes(`r${i}`), i, `found-${i}`)
      expect(new TextDecoder().decode((await log.at(2))!.data)).toBe('r1')
      expect([await log.first(), await log.at(4)]).toEqual([1, undefined])
    })

    test('what is given up does not come back, the last record stays, and sequences go on', async () => {
      const log = await journal.open('purged')
      for (let i = 0; i < 6; i++) await log.append(bytes(`r${i}`), i, `purged-${i}`)
      await log.purge(1)
      expect(await contents(log)).toHaveLength(6)
      await log.purge(4)
      // a journal may keep some of them a while
      const first = await log.first()
      expect(first).toBeLessThanOrEqual(4)
      expect(await contents(log)).toEqual(['1:r0', '2:r1', '3:r2', '4:r3', '5:r4', '6:r5'].slice(first - 1))
      expect((await log.at(first))?.sequence).toBe(first)
      if (first > 1) expect(await log.at(first - 1)).toBeUndefined()
      await log.purge(100)
      expect([await log.last(), (await contents(log)).at(-1)]).toEqual([6, '6:r5'])
      expect(await log.append(bytes('r6'), 6, 'purged-6')).toBe(7)
      await expect(log.append(bytes('x'), 2, 'purged-x')).rejects.toEqual(code('journal.conflict'))
      expect((await contents(log)).slice(-2)).toEqual(['6:r5', '7:r6'])
      const other = await setup.owner()
      const again = await other.open('purged')
      expect([await again.last(), (await contents(again)).at(-1)]).toEqual([7, '7:r6'])
      expect(await again.append(bytes('r7'), 7, 'purged-7')).toBe(8)
      await other.close()
    })

    test('partitions do not see each other', async () => {
      const [a, b] = [await journal.open('left'), await journal.open('right')]
      await a.append(bytes('a'), 0, 'same-id')
      expect(await b.append(bytes('b'), 0, 'same-id')).toBe(1)
      expect(await contents(a)).toEqual(['1:a'])
      expect(await contents(b)).toEqual(['1:b'])
    })

    test('two owners may open a new partition at once', async () => {
      const owners = await Promise.all([setup.owner(), setup.owner(), setup.owner()])
      const logs = await Promise.all(owners.map((owner) => owner.open('opened-at-once')))
      expect(await Promise.all(logs.map((log) => log.last()))).toEqual([0, 0, 0])
      await Promise.all(owners.map((owner) => owner.close()))
    })

    test('bytes are kept as they were when appended', async () => {
      const log = await journal.open('bytes')
      const data = Uint8Array.from({ length: 70_000 }, (_, i) => i & 0xff)
      const copy = data.slice()
      const appended = log.append(data, 0, 'bytes')
      await appended
      data.fill(0)
      for await (const entry of log.read(1)) expect(Buffer.compare(entry.data, copy)).toBe(0)
      await log.append(new Uint8Array(0), 1, 'empty')
      for await (const entry of log.read(2)) expect(entry.data).toHaveLength(0)
    })

    test.each(['', 'a.b', 'a b', '*', '>', 'a/b', 'x'.repeat(129)])('partition %j is refused', async (partition) => {
      await expect(journal.open(partition)).rejects.toEqual(code('input.invalid'))
    })

    test('a closed journal says so', async () => {
      const owner = await setup.owner()
      const log = await owner.open('closed')
      await owner.close()
      await expect(log.append(bytes('a'), 0, 'a')).rejects.toEqual(code('network.closed'))
      await expect(owner.open('closed')).rejects.toEqual(code('network.closed'))
    })
  })
}
