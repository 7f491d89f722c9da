/** Snapshots are a cache (I7): whatever leaves memory, whenever a process dies, the state is that of the journal. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AigenError } from '../../schemas/error.ts'
import { memoryJournal } from '../memory/journal.ts'
import { CounterWorld, counterKind, type CounterContext } from './counter.fixture.ts'
import type { LiveActor } from './fold.ts'
import type { Host } from './host.ts'
import { readActors } from './read-actors.ts'

const PASSIVE = counterKind({ options: { passivates: true } })
const SNAPSHOTS = 'p0-snapshots'
const seen = ({ id, snapshot, number, parked }: LiveActor): unknown => ({ id, value: snapshot.value, context: snapshot.context, status: snapshot.status, number, parked: parked ?? null })
const byId = (one: any, other: any): number => (one.id < other.id ? -1 : 1)

async function everything(host: Host): Promise<unknown[]> {
  const all: unknown[] = []
  for await (const actor of host.all('counter')) all.push(seen(actor))
  return all.sort(byId)
}

/** What the journal alone says, replayed from its first record. */
async function told(world: CounterWorld, kinds = [PASSIVE]): Promise<unknown[]> {
  const disk = new Map([['p0', world.disk.get('p0')!]])
  const read = await readActors({ journal: memoryJournal(disk), clock: world.clock, kinds })
  return [...read.list('counter')].map(seen).sort(byId)
}

function tight(): CounterWorld {
  const world = new CounterWorld()
  world.limits = { resident: 3, tailRecords: 4 }
  return world
}

describe('passivation (D2)', () => {
  it('keeps few in memory, finds all, and goes on with each', async () => {
    const world = tight()
    const host = await world.open({}, {}, [PASSIVE])
    for (let at = 0; at < 40; at++) await host.start(`counter/${at}`, { sum: at })
    await world.settle()
    expect([...host.list('counter')].length).toBeLessThanOrEqual(4)
    expect(host.stats().actors).toBe(40)
    expect(host.peek('counter/0')).toBeUndefined()
    expect((await host.load('counter/0'))!.snapshot.context).toMatchObject({ sum: 0 })
    await Promise.all(Array.from({ length: 40 }, (_, at) => host.send(`counter/${at}`, { type: 'add', n: 100 })))
    expect((await everything(host)).map((one: any) => one.context.sum).sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, at) => 100 + at))
    // Begun again is not begun twice, in memory or not.
    expect((await host.start('counter/7', { sum: 5 })).snapshot.context).toMatchObject({ sum: 107 })
    expect(await host.load('counter/nobody')).toBeUndefined()
    await expect(host.send('counter/nobody', { type: 'add', n: 1 })).rejects.toMatchObject({ code: 'run.unknown' })
    expect(await everything(host)).toEqual(await told(world))
  })

  it('lets events wait rather than memory grow, when actors come faster than they can be stored', async () => {
    const world = new CounterWorld()
    world.limits = { resident: 100 }
    const slow = { beforeAppend: (log: string) => (log === SNAPSHOTS ? world.settle(10) : undefined) }
    const host = await world.open({}, slow, [PASSIVE])
    let most = 0
    host.watch(() => (most = Math.max(most, [...host.list('counter')].length)))
    await Promise.all(Array.from({ length: 8_000 }, (_, at) => host.start(`counter/${at}`, {})))
    expect(host.stats().actors).toBe(8_000)
    // Twice as many as may stay, some room, and the group that was let in last.
    expect(most).toBeLessThan(200 + 1_000 + 512)
  })

  it('wakes who is told by another', async () => {
    const world = tight()
    const host = await world.open({}, {}, [PASSIVE])
    for (let at = 0; at < 10; at++) await host.start(`counter/${at}`, {})
    await world.settle()
    expect(host.peek('counter/0')).toBeUndefined()
    const before = world.records
    await host.send('counter/9', { type: 'pass', to: 'counter/0', n: 7 })
    expect(world.records - before).toBe(1)
    expect((await host.load('counter/0'))!.snapshot.context).toMatchObject({ sum: 7 })
  })

  it('leaves whom something is under way on, and fires the timer of one that is away, once, across restarts', async () => {
    const world = tight()
    let done = (): void => undefined
    const host = await world.open({ run: () => new Promise((resolve) => (done = () => resolve({ type: 'echo.done' }))) }, {}, [PASSIVE])
    await host.start('counter/asks', {})
    await host.send('counter/asks', { type: 'ask', text: 'x' })
    await host.start('counter/waits', {})
    await host.send('counter/waits', { type: 'wait' })
    for (let at = 0; at < 10; at++) await host.start(`counter/${at}`, {})
    await world.settle()
    expect(host.peek('counter/waits')).toBeUndefined()
    expect(host.peek('counter/asks')).toBeDefined()
    done()
    await world.settle()
    expect((await host.load('counter/asks'))!.snapshot.context).toMatchObject({ answers: ['echo.done'] })
    await host.close()
    const again = await world.open({}, {}, [PASSIVE])
    await world.pass(61_000)
    expect((await again.load('counter/waits'))!.snapshot.context).toMatchObject({ ticks: 1 })
    await world.pass(120_000)
    expect((await again.load('counter/waits'))!.snapshot.context).toMatchObject({ ticks: 1 })
    expect(await everything(again)).toEqual(await told(world))
  })

  it('of a kind that leaves when it has ended keeps all that have not, across a restart, and finds what waits for those that have', async () => {
    const world = tight()
    const kinds = [counterKind({ options: { passivates: 'ended' } })]
    const host = await world.open({}, {}, kinds)
    for (let at = 0; at < 30; at++) {
      await host.start(`counter/${at}`, { sum: at })
      if (at % 3 > 0) await host.send(`counter/${at}`, { type: 'end' })
    }
    await world.settle()
    const open = Array.from({ length: 10 }, (_, at) => `counter/${at * 3}`)
    const among = (one: Host): string[] => [...one.list('counter')].filter(({ snapshot }) => snapshot.status === 'active').map(({ id }) => id)
    expect(among(host)).toEqual(open)
    expect(host.stats()).toMatchObject({ actors: 30 })
    expect(host.stats().resident).toBeLessThanOrEqual(10 + 4)
    expect(host.peek('counter/1')).toBeUndefined()
    expect((await host.until('counter/1', ({ status }) => status === 'done', 1_000)).snapshot.context).toMatchObject({ sum: 1 })
    expect((await host.lookEach<CounterContext>(['counter/29', 'counter/nobody', 'counter/0', 'counter/4'])).map((one) => one?.sum)).toEqual([29, undefined, 0, 4])
    await host.close()
    const again = await world.open({}, {}, kinds)
    expect(among(again).sort()).toEqual([...open].sort())
    expect(again.stats().resident).toBeLessThan(20)
    expect((await everything(again)).length).toBe(30)
    expect(await everything(again)).toEqual(await told(world, kinds))
  })

  it('an actor too large for one record is stored in pieces', async () => {
    const world = tight()
    const host = await world.open({}, {}, [PASSIVE])
    await host.start('counter/big', {})
    for (let at = 0; at < 4; at++) await host.send('counter/big', { type: 'keep', value: `${at}`.repeat(400_000) })
    for (let at = 0; at < 40; at++) await host.start(`counter/${at}`, {})
    await world.settle()
    expect(host.peek('counter/big')).toBeUndefined()
    const { context } = (await host.load('counter/big'))!.snapshot
    expect((context as CounterContext).values.map((value) => (value as string).length)).toEqual([400_000, 400_000, 400_000, 400_000])
    for (const { data } of world.disk.get(SNAPSHOTS)!) expect(data.length).toBeLessThan(1_000_000)
  })
})

describe('recovery from a checkpoint (I7)', () => {
  it('replays the tail only, and comes to what the whole journal says', async () => {
    const world = tight()
    const host = await world.open({}, {}, [PASSIVE])
    for (let at = 0; at < 100; at++) await host.start(`counter/${at % 10}`, {}).then(() => host.send(`counter/${at % 10}`, { type: 'add', n: 1 }))
    await world.settle()
    await host.close()
    const read: number[] = []
    const journal = memoryJournal(world.disk)
    const counted = { ...journal, open: async (partition: string) => {
      const log = await journal.open(partition)
      return { ...log, read: async function* (from: number) { for await (const entry of log.read(from)) { if (partition === 'p0') read.push(entry.sequence); yield entry } } }
    } }
    const reader = await readActors({ journal: counted, clock: world.clock, kinds: [PASSIVE] })
    expect([...reader.list('counter')].map(seen).sort(byId)).toEqual(await told(world))
    expect(read.length).toBeLessThan(20)
  })

  it('gives up what is covered, keeps what is wanted to look back, and still knows all', async () => {
    const world = tight()
    world.limits = { ...world.limits, retain: 10 }
    const host = await world.open({}, {}, [PASSIVE])
    await Promise.all(Array.from({ length: 10 }, (_, at) => host.start(`counter/${at}`, {})))
    for (let at = 0; at < 200; at++) await host.send(`counter/${at % 10}`, { type: 'add', n: 1 })
    await world.settle()
    expect(world.records).toBeLessThan(30)
    await host.close()
    const again = await world.open({}, {}, [PASSIVE])
    expect((await everything(again)).map((one: any) => one.context.sum)).toEqual(Array.from({ length: 10 }, () => 20))
    expect(again.stats().epoch).toBe(2)
    expect(again.stats().last).toBeGreaterThan(200)
  })

  it('the snapshots of actors that change all the time do not pile up', async () => {
    const world = tight()
    const host = await world.open({}, {}, [PASSIVE])
    await Promise.all(Array.from({ length: 30 }, (_, at) => host.start(`counter/${at}`, {})))
    const images = (): number => world.disk.get(SNAPSHOTS)!.length
    for (let at = 0; at < 3_000; at++) await host.send(`counter/${(at * 7) % 30}`, { type: 'add', n: 1 })
    await world.settle()
    // Some 3,000 images were written; no more than twice the actors and the slack stay.
    expect(images()).toBeLessThan(2_500)
    await host.close()
    expect(await everything(await world.open({}, {}, [PASSIVE]))).toEqual(await told(world))
  })

  it('believes the journal where that has lost its end, and the snapshots know more', async () => {
    const world = tight()
    const host = await world.open({}, {}, [PASSIVE])
    await host.start('counter/a', {})
    for (let at = 0; at < 30; at++) await host.send('counter/a', { type: 'add', n: 1 })
    await world.settle()
    await host.close()
    world.disk.get('p0')!.splice(10)
    const again = await world.open({}, {}, [PASSIVE])
    expect(await everything(again)).toEqual(await told(world))
    for (let at = 0; at < 30; at++) await again.send('counter/a', { type: 'add', n: 1 })
    await world.settle()
    await again.close()
    expect(await everything(await world.open({}, {}, [PASSIVE]))).toEqual(await told(world))
  })

  it('refuses a journal without its beginning and without a snapshot of it', async () => {
    const world = tight()
    const host = await world.open({}, {}, [PASSIVE])
    await host.start('counter/a', {})
    await host.close()
    world.disk.get('p0')!.splice(0, 1)
    await expect(world.open({}, {}, [PASSIVE])).rejects.toMatchObject({ code: 'journal.corrupt' })
  })

  it('a stale owner can neither save nor give up anything once another has taken over (I6)', async () => {
    const world = tight()
    const old = await world.open({}, {}, [PASSIVE])
    for (let at = 0; at < 20; at++) await old.start(`counter/${at}`, {})
    await world.settle()
    const owner = await world.open({}, {}, [PASSIVE])
    const before = world.disk.get(SNAPSHOTS)!.length
    await expect(old.send('counter/3', { type: 'add', n: 1 })).rejects.toBeInstanceOf(AigenError)
    await world.settle()
    expect(world.disk.get(SNAPSHOTS)!.length).toBe(before)
    expect(world.lost).toHaveLength(1)
    for (let at = 0; at < 20; at++) await owner.send(`counter/${at}`, { type: 'add', n: 1 })
    await owner.close()
    expect(await everything(await world.open({}, {}, [PASSIVE]))).toEqual(await told(world))
  })
})

describe('versions', () => {
  const grown = (migrates: boolean): ReturnType<typeof counterKind> => counterKind({
    version: '2', step: 10, options: { passivates: true, ...(migrates ? { migrate: (state: any, machine) => (machine.startsWith('counter@1:') ? { ...state, context: { ...state.context, sum: state.context.sum * 10 } } : undefined) } : {}) },
  })

  async function aged(): Promise<CounterWorld> {
    const world = tight()
    const host = await world.open({}, {}, [PASSIVE])
    for (let at = 0; at < 10; at++) await host.start(`counter/${at}`, { sum: 1 })
    await world.settle()
    await host.close()
    return world
  }

  it('what was begun under a version that is still there finishes under it, what is new begins under the last', async () => {
    const world = await aged()
    const host = await world.open({}, {}, [PASSIVE, grown(false)])
    await host.send('counter/0', { type: 'add', n: 1 })
    await host.start('counter/new', {})
    await host.send('counter/new', { type: 'add', n: 1 })
    expect([await host.load('counter/0'), await host.load('counter/new')].map((one) => [one!.kind.version, one!.snapshot.context.sum])).toEqual([['1', 2], ['2', 10]])
    await host.close()
    expect(await everything(await world.open({}, {}, [PASSIVE, grown(false)]))).toEqual(await told(world, [PASSIVE, grown(false)]))
  })

  it('goes on from a snapshot of another version as its migration says', async () => {
    const world = await aged()
    const host = await world.open({}, {}, [grown(true)])
    await host.send('counter/0', { type: 'add', n: 1 })
    expect((await host.load('counter/0'))!.snapshot.context).toMatchObject({ sum: 20 })
    await host.close()
    const again = await world.open({}, {}, [grown(true)])
    expect((await again.load('counter/0'))!.snapshot.context).toMatchObject({ sum: 20 })
  })

  it('parks what cannot go on, tells why, and keeps its snapshot for a code that can', async () => {
    const world = await aged()
    const host = await world.open({}, {}, [grown(false)])
    await expect(host.send('counter/0', { type: 'add', n: 1 })).rejects.toMatchObject({ code: 'journal.machine-changed', message: expect.stringContaining('counter@1:') })
    for (let at = 0; at < 20; at++) await host.start(`counter/new${at}`, {})
    await world.settle()
    await host.close()
    const mended = await world.open({}, {}, [PASSIVE, grown(false)])
    await mended.send('counter/0', { type: 'add', n: 1 })
    expect((await mended.load('counter/0'))!.snapshot.context).toMatchObject({ sum: 2 })
  })
})

describe('whenever the process dies (I7)', () => {
  const operation = fc.oneof(
    fc.record({ type: fc.constantFrom('add', 'ask', 'wait', 'stop', 'boom', 'end', 'unpark', 'keep'), who: fc.nat(7) }),
    fc.constant({ type: 'restart' as const, who: 0 }),
  )

  it('at any append of the journal or the snapshots, the state is what the journal says', async () => {
    await fc.assert(fc.asyncProperty(fc.array(operation, { minLength: 20, maxLength: 80 }), fc.integer({ min: 2, max: 60 }), fc.boolean(), fc.integer({ min: 1, max: 5 }), async (operations, nth, after, resident) => {
      const world = new CounterWorld()
      world.limits = { resident, tailRecords: 3 }
      let appends = 0
      let dead = false
      const never = new Promise<never>(() => undefined)
      const die = (): Promise<void> | void => (dead || ++appends > nth ? ((dead = true), never) : undefined)
      const mortal = after ? { afterAppend: die } : { beforeAppend: die }
      let host = await world.open({}, mortal, [PASSIVE])
      const open = async (hooks = {}): Promise<void> => void (host = await world.open({}, hooks, [PASSIVE]))
      for (const { type, who } of operations) {
        if (dead) break
        const id = `counter/${who}`
        if (type === 'restart') {
          let over = false
          void host.close().then(() => open(mortal)).finally(() => (over = true))
          while (!over && !dead) await world.settle(1)
        }
        else void host.start(id, {}).then(() => (type === 'unpark' ? host.unpark(id) : host.send(id, { type, n: 1, text: 'x', value: who }))).catch(() => undefined)
        await world.settle(2)
      }
      await open()
      await world.settle(5)
      expect(await everything(host)).toEqual(await told(world))
      await Promise.all(Array.from({ length: 8 }, (_, who) => host.start(`counter/${who}`, {}).then(() => host.send(`counter/${who}`, { type: 'add', n: 1 }))).map((one) => one.catch(() => undefined)))
      await world.settle(5)
      expect(await everything(host)).toEqual(await told(world))
      const { openEffects, timers } = host.stats()
      await host.close()
      await open()
      expect(await everything(host)).toEqual(await told(world))
      expect(host.stats()).toMatchObject({ openEffects, timers })
      await host.close()
    }), { timeout: 4000, endOnFailure: true, numRuns: process.env['AIGEN_LONG'] ? 1_000 : 60 })
  }, 60_000)
})
