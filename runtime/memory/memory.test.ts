/** The memory ports pass the suites that NATS passes, and do what only they do. */
import { expect, test } from 'vitest'
import { AigenError } from '../../schemas/error.ts'
import { blobsContract } from '../ports/blobs.contract.ts'
import { busContract } from '../ports/bus.contract.ts'
import { clockContract } from '../ports/clock.contract.ts'
import { journalContract } from '../ports/journal.contract.ts'
import { randomContract } from '../ports/random.contract.ts'
import { memoryBlobs } from './blobs.ts'
import { memoryNetwork } from './bus.ts'
import { virtualClock } from './clock.ts'
import { memoryJournal } from './journal.ts'
import { seededRandom } from './random.ts'
import type { Hop } from './bus.ts'
import type { MemoryDisk } from './journal.ts'

busContract('the memory network', async () => {
  const clock = virtualClock()
  const network = memoryNetwork({ clock })
  return {
    alice: network.bus('alice'), bob: network.bus('bob'), carol: network.bus('carol'),
    extra: async () => network.bus('dave'),
    pass: (ms) => clock.advance(ms),
    stop: async () => {},
  }
})

journalContract('the memory journal', async () => {
  const disk: MemoryDisk = new Map()
  return { owner: async () => memoryJournal(disk), stop: async () => {} }
})

blobsContract('memory', async () => {
  const shelves = new Map()
  const quota = 4_000_000
  const own = memoryBlobs({ shelves, shelf: 'alice', quota, maxBytes: 1_000_000 })
  return {
    alice: own, own,
    bob: memoryBlobs({ shelves, shelf: 'bob', quota }),
    shelf: 'alice', full: quota, stop: async () => {},
  }
})

clockContract('the virtual clock', () => {
  const clock = virtualClock()
  return { clock, pass: (ms) => clock.advance(ms) }
})

randomContract('a seed', () => seededRandom(7))

test('a seed repeats itself and neighbours differ', () => {
  const draw = (seed: number): string => Buffer.from(seededRandom(seed).bytes(32)).toString('hex')
  expect(draw(1)).toBe(draw(1))
  expect(draw(1)).not.toBe(draw(2))
})

test('a skewed clock moves timers, not sleeps and not the monotonic time', async () => {
  const clock = virtualClock(1_000)
  const fired: string[] = []
  clock.timer(1_100, () => fired.push('timer'))
  void clock.sleep(100).then(() => fired.push('sleep'))
  clock.skew(60)
  await clock.advance(40)
  expect(fired).toEqual(['timer'])
  expect(clock.monotonic()).toBe(40)
  await clock.advance(60)
  expect(fired).toEqual(['timer', 'sleep'])
  expect(clock.next()).toBeUndefined()
})

test('delivery can be dropped, doubled and delayed', async () => {
  const clock = virtualClock()
  const plan: ((deliver: () => void) => void)[] = [() => {}, (d) => { d(); d() }, (d) => { clock.timer(clock.now() + 5, d) }]
  const hops: Hop[] = []
  const network = memoryNetwork({ clock, deliver: (hop, deliver) => { hops.push(hop); plan.shift()!(deliver) } })
  const heard: string[] = []
  await network.bus('bob').subscribe('aigen.v1.alive.*', (message) => { heard.push(Buffer.from(message.data).toString()) })
  const alice = network.bus('alice')
  for (const what of ['dropped', 'doubled', 'delayed']) alice.publish('aigen.v1.alive.alice', Buffer.from(what))
  expect(heard).toEqual(['doubled', 'doubled'])
  await clock.advance(5)
  expect(heard).toEqual(['doubled', 'doubled', 'delayed'])
  expect(hops[0]).toMatchObject({ from: 'alice', to: 'bob' })
})

test('a lost acknowledgement is found by the append that repeats it', async () => {
  let lose = true
  const journal = memoryJournal(new Map(), { afterAppend: () => { if (lose) throw new AigenError('journal.unknown') } })
  const log = await journal.open('p')
  await expect(log.append(Buffer.from('a'), 0, 'a')).rejects.toMatchObject({ code: 'journal.unknown' })
  lose = false
  expect(await log.append(Buffer.from('a'), 0, 'a')).toBe(1)
  expect(await log.last()).toBe(1)
})
