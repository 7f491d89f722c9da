/** Large values: stored once, before the record that names them, and kept for as long as anything names them. */
import { describe, expect, it } from 'vitest'
import { AigenError } from '../../schemas/error.ts'
import { memoryBlobs } from '../memory/blobs.ts'
import { virtualClock } from '../memory/clock.ts'
import { memoryJournal } from '../memory/journal.ts'
import { CounterWorld, counterKind, stateOf, type CounterContext } from './counter.fixture.ts'
import type { Host } from './host.ts'
import { Kinds } from './kinds.ts'
import { LARGE_BYTES, type Large } from './large.ts'
import { Placement } from './placement.ts'
import { readActors } from './read-actors.ts'
import { ValueShelf } from './value-shelf.ts'

const PASSIVE = counterKind({ options: { passivates: true } })
const big = (fill: string, bytes = 200_000): string => fill.repeat(bytes)
const sizes = (world: CounterWorld, partition: string): number[] => world.disk.get(partition)!.map(({ data }) => data.length)
/** Ids that live in a partition of two. */
const ofPartition = (partition: number): string[] => {
  const placement = new Placement(2, new Kinds([counterKind()]))
  return Array.from({ length: 20 }, (_, at) => `counter/${at}`).filter((id) => placement.of(id) === partition)
}
const valuesOf = (host: Host, id: string): readonly unknown[] | undefined => host.context<CounterContext>(id)?.values

/** As many events as make `count` checkpoints of a world whose tail is four records. */
async function checkpoints(world: CounterWorld, host: Host, count: number): Promise<void> {
  for (let at = 0; at < count * 6; at++) {
    await host.send('counter/busy', { type: 'add', n: 1 })
    await world.settle(5)
  }
  await world.settle()
}

describe('a large value of an event', () => {
  it('is stored once however often it comes, and is there after a restart', async () => {
    const world = new CounterWorld()
    const host = await world.open()
    await host.start('counter/a', {})
    const done = host.until('counter/a', ({ context }) => context.answers.length === 1, 1_000)
    for (let turn = 0; turn < 3; turn++) await host.send('counter/a', { type: 'keep', value: big('x') })
    // As a parameter, and as the result that comes back.
    await host.send('counter/a', { type: 'ask', text: big('x') })
    await done
    expect(world.shelf.size).toBe(1)
    expect(Math.max(...sizes(world, 'p0'))).toBeLessThan(1_000)
    const before = stateOf(host)
    await host.close()
    const again = await world.open()
    expect(stateOf(again)).toEqual(before)
    expect(valuesOf(again, 'counter/a')).toEqual([big('x'), big('x'), big('x')])
    await again.send('counter/a', { type: 'keep', value: big('x') })
    expect(world.shelf.size).toBe(1)
  })

  it('is the input of an actor, a member deep inside, bytes, or a list of small things', async () => {
    const world = new CounterWorld()
    const host = await world.open()
    await host.start('counter/a', { sum: big('5', 100_000) })
    const values = [{ deep: [{ text: big('y') }] }, new Uint8Array(100_000).fill(7), Array.from({ length: 10_000 }, (_, at) => ({ at }))]
    for (const value of values) await host.send('counter/a', { type: 'keep', value })
    await host.close()
    const context = (await world.open()).context<CounterContext>('counter/a')!
    expect(context.sum).toBe(big('5', 100_000))
    expect([context.values[0], [...context.values[1] as Uint8Array], context.values[2]]).toEqual([values[0], [...values[1] as Uint8Array], values[2]])
    expect(Math.max(...sizes(world, 'p0'))).toBeLessThan(1_000)
  })

  it('costs small events nothing: the shelf is not asked', async () => {
    const world = new CounterWorld()
    const asked: string[] = []
    world.blobs = memoryBlobs({ before: (operation) => void asked.push(operation) })
    world.limits = { tailRecords: 1_000 }
    const host = await world.open()
    await host.start('counter/a', {})
    await Promise.all(Array.from({ length: 500 }, () => host.send('counter/a', { type: 'keep', value: big('s', 200) })))
    await host.send('counter/a', { type: 'keep', value: big('s', LARGE_BYTES - 100) })
    await host.close()
    expect(asked).toEqual([])
  })

  it('is on the shelf before its record is appended; after a crash in between nobody names it and it is given up', async () => {
    const world = new CounterWorld()
    world.limits = { tailRecords: 4, retain: 0 }
    const host = await world.open()
    await host.start('counter/a', {})
    await host.close()
    let crashed = (): void => undefined
    const dies = new Promise<void>((resolve) => (crashed = resolve))
    const dying = await world.open({}, {
      beforeAppend: (_, id) => {
        if (!id.startsWith('p0.2.4.')) return
        expect(world.shelf.size).toBe(1)
        crashed()
        return new Promise<void>(() => undefined)
      },
    })
    void dying.send('counter/a', { type: 'keep', value: big('o', 100_000) })
    await dies
    const again = await world.open()
    expect(valuesOf(again, 'counter/a')).toEqual([])
    expect(world.shelf.size).toBe(1)
    await again.start('counter/busy', {})
    await checkpoints(world, again, 3)
    expect(world.shelf.size).toBe(0)
    expect(world.lost).toEqual([])
  })

  it('crosses to another partition', async () => {
    const world = new CounterWorld()
    world.partitions = 2
    const host = await world.open()
    const [here, there] = [0, 1].map((partition) => ofPartition(partition)[0]!)
    for (const id of [here!, there!]) await host.start(id, {})
    await host.send(here!, { type: 'pass', to: there, n: big('7', 100_000) })
    await host.until(there!, ({ context }) => context.sum !== 0, 1_000)
    const before = stateOf(host)
    await host.close()
    expect(Math.max(...sizes(world, 'p0'), ...sizes(world, 'p1'))).toBeLessThan(2_000)
    expect(stateOf(await world.open())).toEqual(before)
    // Each partition stores its own: none knows what the other needs.
    expect(world.shelf.size).toBe(2)
  })
})

describe('a large value of a snapshot', () => {
  it('leaves memory and comes back, and its image stays small', async () => {
    const world = new CounterWorld()
    world.limits = { resident: 2, tailRecords: 4 }
    const host = await world.open({}, {}, [PASSIVE])
    for (let at = 0; at < 12; at++) {
      await host.start(`counter/${at}`, {})
      await host.send(`counter/${at}`, { type: 'keep', value: big('x') })
      await host.send(`counter/${at}`, { type: 'keep', value: at })
    }
    await world.settle()
    expect(host.peek('counter/0')).toBeUndefined()
    expect((await host.load('counter/0'))!.snapshot.context).toMatchObject({ values: [big('x'), 0] })
    expect((await host.send('counter/1', { type: 'keep', value: 'more' })).snapshot.context).toMatchObject({ values: [big('x'), 1, 'more'] })
    expect(world.shelf.size).toBe(1)
    expect(Math.max(...sizes(world, 'p0-snapshots'))).toBeLessThan(20_000)
    await host.close()
    const again = await world.open({}, {}, [PASSIVE])
    expect((await again.load('counter/11'))!.snapshot.context).toMatchObject({ values: [big('x'), 11] })
    const read = await readActors({ journal: memoryJournal(world.disk), blobs: memoryBlobs({ shelves: world.shelves }), clock: world.clock, kinds: [PASSIVE] })
    expect(read.context<CounterContext>('counter/5')!.values).toEqual([big('x'), 5])
    expect([...read.parked()]).toEqual([])
  })

  it('is kept while an image names it and the journal that told of it is gone, and given up when none does', async () => {
    const world = new CounterWorld()
    world.limits = { resident: 2, tailRecords: 4, retain: 0 }
    const host = await world.open()
    await host.start('counter/busy', {})
    await host.start('counter/a', {})
    // One is kept in the actor's state, the other was only in its event.
    await host.send('counter/a', { type: 'keep', value: big('k', 100_000) })
    await host.send('counter/a', { type: 'add', n: 1, remark: big('r', 100_000) })
    expect(world.shelf.size).toBe(2)
    await checkpoints(world, host, 4)
    expect(world.shelf.size).toBe(1)
    await host.close()
    const again = await world.open()
    expect(valuesOf(again, 'counter/a')).toEqual([big('k', 100_000)])
    await checkpoints(world, again, 4)
    expect(world.shelf.size).toBe(1)
    expect(world.lost).toEqual([])
  })

  it('bounds what is kept only to look back, and forgets nothing that a record still names', async () => {
    const world = new CounterWorld()
    world.limits = { tailRecords: 4, retainBytes: 1_000_000 }
    const host = await world.open()
    await host.start('counter/busy', {})
    for (let at = 0; at < 30; at++) {
      await host.send('counter/busy', { type: 'add', n: 1, remark: big(String.fromCharCode(65 + at), 200_000) })
      await world.settle(5)
    }
    await checkpoints(world, host, 3)
    const named = world.shelf.size
    expect(named).toBeGreaterThan(1)
    expect(named).toBeLessThanOrEqual(6)
    await host.close()
    // Another owner finds what the old records name and keeps it as long as they are there.
    const again = await world.open()
    await checkpoints(world, again, 3)
    expect(world.shelf.size).toBe(named)
  })
})

describe('a value that is not there', () => {
  const worlds = { damaged: (shelf: Map<string, Uint8Array>, key: string) => void shelf.set(key, shelf.get(key)!.fill(1, 10)), missing: (shelf: Map<string, Uint8Array>, key: string) => void shelf.delete(key) }

  it.each(Object.entries(worlds))('parks the actor whose event it is, and nobody else (%s)', async (_, spoil) => {
    const world = new CounterWorld()
    const host = await world.open()
    for (const id of ['a', 'b']) {
      await host.start(`counter/${id}`, {})
      await host.send(`counter/${id}`, { type: 'keep', value: big(id, 100_000) })
    }
    await host.close()
    spoil(world.shelf, [...world.shelf.keys()][0]!)
    const again = await world.open()
    expect([...again.parked()]).toEqual([{ actor: 'counter/a', reason: expect.stringMatching(/large value.*v-p0-1-0-.*\(100005 bytes\)/) }])
    await expect(again.send('counter/a', { type: 'add', n: 1 })).rejects.toMatchObject({ message: expect.stringContaining('v-p0-1-0-') })
    await again.send('counter/b', { type: 'add', n: 1 })
    expect(again.context('counter/b')).toMatchObject({ sum: 1, values: [big('b', 100_000)] })
    expect(world.lost).toEqual([])
  })

  it('parks the actor whose image it is, when it is asked for', async () => {
    const world = new CounterWorld()
    world.limits = { resident: 1, tailRecords: 4 }
    const host = await world.open({}, {}, [PASSIVE])
    for (let at = 0; at < 10; at++) {
      await host.start(`counter/${at}`, {})
      await host.send(`counter/${at}`, { type: 'keep', value: big(`${at}`, 100_000) })
    }
    await world.settle()
    expect(host.peek('counter/0')).toBeUndefined()
    world.shelf.delete([...world.shelf.keys()][0]!)
    await expect(host.send('counter/0', { type: 'add', n: 1 })).rejects.toMatchObject({ message: expect.stringContaining('large value') })
    expect([...host.parked()]).toMatchObject([{ actor: 'counter/0' }])
    expect((await host.send('counter/1', { type: 'add', n: 1 })).snapshot.context).toMatchObject({ sum: 1, values: [big('1', 100_000)] })
    expect(world.lost).toEqual([])
  })

  it('does not hold up the messages behind it', async () => {
    const world = new CounterWorld()
    world.partitions = 2
    const host = await world.open()
    const [here] = ofPartition(0)
    const [lost, well] = ofPartition(1)
    for (const id of [here!, lost!, well!]) await host.start(id, {})
    await host.send(here!, { type: 'pass', to: lost, n: big('7', 100_000) })
    await host.until(lost!, ({ context }) => context.sum !== 0, 1_000)
    await host.close()
    world.shelf.delete([...world.shelf.keys()].find((key) => key.startsWith('v-p1-'))!)
    const again = await world.open()
    expect([...again.parked()]).toMatchObject([{ actor: lost }])
    await again.send(here!, { type: 'pass', to: well, n: 3 })
    await again.until(well!, ({ context }) => context.sum === 3, 1_000)
  })

  it('is said by a reader that was not given the shelf', async () => {
    const world = new CounterWorld()
    const host = await world.open()
    for (const id of ['a', 'b']) await host.start(`counter/${id}`, {})
    await host.send('counter/a', { type: 'keep', value: big('x', 100_000) })
    const read = await readActors({ journal: memoryJournal(world.disk), clock: world.clock, kinds: [counterKind()] })
    expect([...read.parked()]).toEqual([{ actor: 'counter/a', reason: expect.stringContaining('this reader was not given') }])
    expect(read.context('counter/b')).toBeDefined()
  })
})

describe('what cannot be stored', () => {
  it('is refused with its path, and those beside it are not', async () => {
    const world = new CounterWorld()
    world.blobs = memoryBlobs({ maxBytes: 200_000, quota: 500_000 })
    const host = await world.open()
    await host.start('counter/a', {})
    const beside = host.send('counter/a', { type: 'add', n: 1 })
    await expect(host.send('counter/a', { type: 'keep', value: { text: big('x', 300_000) } })).rejects.toMatchObject({ code: 'input.too-large', path: 'event.value.text' })
    await beside
    for (const fill of ['a', 'b', 'c']) await host.send('counter/a', { type: 'keep', value: big(fill, 150_000) })
    await expect(host.send('counter/a', { type: 'keep', value: big('d', 150_000) })).rejects.toMatchObject({ code: 'blob.quota' })
    await host.send('counter/a', { type: 'add', n: 1 })
    expect(host.context('counter/a')).toMatchObject({ sum: 2 })
    expect(world.lost).toEqual([])
  })

  it('is an effect\'s failure when it is its result', async () => {
    const world = new CounterWorld()
    world.blobs = memoryBlobs({ maxBytes: 200_000 })
    const host = await world.open({ run: async () => ({ type: 'echo.done', text: big('x', 300_000) }) })
    await host.start('counter/a', {})
    await host.send('counter/a', { type: 'ask', text: 'x' })
    await host.until('counter/a', ({ context }) => context.answers.includes('echo.failed'), 1_000)
  })

  it('stays in the record where there is no shelf, and is refused above 1 MB', async () => {
    const world = new CounterWorld()
    world.blobs = undefined
    const host = await world.open()
    await host.start('counter/a', {})
    await host.send('counter/a', { type: 'keep', value: big('x', 500_000) })
    await expect(host.send('counter/a', { type: 'keep', value: big('x', 1_500_000) })).rejects.toMatchObject({ code: 'input.too-large' })
    await host.close()
    expect(valuesOf(await world.open(), 'counter/a')).toHaveLength(1)
  })

  it('is tried again while the shelf cannot be reached', async () => {
    const world = new CounterWorld()
    let failures = 2
    world.blobs = memoryBlobs({ shelves: world.shelves, before: (operation) => { if (operation === 'put' && failures-- > 0) throw new AigenError('network.timeout') } })
    const host = await world.open()
    await host.start('counter/a', {})
    const sent = host.send('counter/a', { type: 'keep', value: big('x', 100_000) })
    await world.pass(1_000)
    await sent
    expect(failures).toBe(-1)
    expect(world.shelf.size).toBe(1)
  })
})

it('an owner that was put off gives up nothing that the next one has stored (I6)', async () => {
  const blobs = memoryBlobs()
  const log = await memoryJournal().open('p0')
  const [old, next] = [1, 2].map((epoch) => Object.assign(new ValueShelf(blobs, virtualClock(), 'p0'), { epoch }))
  const none = (): ReadonlySet<string> => new Set()
  const value = { event: { text: big('x', 100_000) } }
  const before = await old!.shelve(value, [['event']])
  old!.settle(before.keys)
  await old!.collect(log, none)
  const after = await next!.shelve(value, [['event']])
  await old!.collect(log, none)
  expect(await blobs.get(`v-p0-${before.keys[0]}`)).toBeUndefined()
  await next!.fill(after.value, after.value.large!)
  expect(after.value).toMatchObject(value)
})

it('what a state keeps is packed once, and stored anew when it is wanted after it was given up', async () => {
  const log = await memoryJournal().open('p0')
  const shelf = Object.assign(new ValueShelf(memoryBlobs(), virtualClock(), 'p0'), { epoch: 1 })
  let read = 0
  const plan = Array.from({ length: 10_000 }, (_, at) => ({ at }))
  Object.defineProperty(plan, 0, { enumerable: true, get: () => {
    read++
    return { at: 0 }
  } })
  const shelved = async (): Promise<{ readonly value: object; readonly large?: readonly Large[] }> => {
    const { value, keys } = await shelf.shelve({ state: { plan } }, [['state']])
    shelf.settle(keys)
    return value as never
  }
  const first = await shelved()
  const looked = read
  expect(await shelved()).toEqual(first)
  expect(read).toBe(looked)
  for (let turn = 0; turn < 2; turn++) await shelf.collect(log, () => new Set())
  const again = await shelved()
  expect(read).toBeGreaterThan(looked)
  await shelf.fill(again, again.large!)
  expect(again).toMatchObject({ state: { plan: Array.from({ length: 10_000 }, (_, at) => ({ at })) } })
})
