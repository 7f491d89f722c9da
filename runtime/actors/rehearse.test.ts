/** What another version of the code would make of a journal, told before it takes it over. */
import { expect, it } from 'vitest'
import { memoryJournal } from '../memory/journal.ts'
import type { Log } from '../ports/journal.ts'
import type { ActorKind } from './actor.ts'
import { CounterWorld, counterKind, type CounterContext } from './counter.fixture.ts'
import { readActors } from './read-actors.ts'
import { rehearse, type Rehearsal } from './rehearse.ts'

const rehearsed = (world: CounterWorld, kinds: readonly ActorKind[]): Promise<Rehearsal> =>
  rehearse({ journal: memoryJournal(world.disk), clock: world.clock, kinds })

async function journaled(): Promise<CounterWorld> {
  const world = new CounterWorld()
  const host = await world.open()
  await host.start('counter/asks', {})
  await host.send('counter/asks', { type: 'add', n: 1 })
  await host.send('counter/asks', { type: 'ask', text: 'hi' })
  await host.send('counter/asks', { type: 'add', n: 2 })
  await host.start('counter/adds', {})
  await host.send('counter/adds', { type: 'add', n: 1 })
  await host.start('counter/ended', {})
  await host.send('counter/ended', { type: 'end' })
  await world.settle()
  return world
}

it('finds nothing where the code is the same', async () => {
  expect(await rehearsed(await journaled(), [counterKind()])).toEqual({ actors: 3, live: 2, changed: 0, breaks: [], parked: [] })
})

it('counts what another machine wrote and this one follows', async () => {
  expect(await rehearsed(await journaled(), [counterKind({ version: '2' })])).toEqual({ actors: 3, live: 2, changed: 3, breaks: [], parked: [] })
})

it('names the actor, both machines and the event that this code does not follow', async () => {
  const now = counterKind({ version: '2', asks: 'shout' })
  const { breaks, ...counts } = await rehearsed(await journaled(), [now])
  expect(counts).toEqual({ actors: 3, live: 2, changed: 2, parked: [] })
  expect(breaks).toEqual([{
    actor: 'counter/asks', kind: 'counter', journal: counterKind().hash, now: now.hash, event: 3, type: 'ask', why: expect.stringContaining(now.hash),
  }])
})

it('names actors of a kind that this code does not have, from their first event', async () => {
  const { breaks } = await rehearsed(await journaled(), [])
  expect(breaks.map(({ actor, now, event, type }) => ({ actor, now, event, type }))).toEqual(
    ['counter/asks', 'counter/adds', 'counter/ended'].map((actor) => ({ actor, now: null, event: 1, type: 'start' })),
  )
})

it('tells what was parked before from what breaks, and writes nothing', async () => {
  const world = await journaled()
  const host = await world.open()
  await expect(host.send('counter/adds', { type: 'boom' })).rejects.toMatchObject({ code: 'internal' })
  const records = world.records
  const { breaks, parked } = await rehearsed(world, [counterKind({ version: '2' })])
  expect(breaks).toEqual([])
  expect(parked).toEqual([{ actor: 'counter/adds', reason: expect.stringContaining('boom') }])
  expect(world.records).toBe(records)
  await host.send('counter/asks', { type: 'add', n: 1 })
  expect(world.lost, 'who owned the journal goes on owning it').toEqual([])
})

it('of an actor that was unparked after an event it does not follow, names that event and no later one', async () => {
  const world = await journaled()
  const host = await world.open()
  await expect(host.send('counter/asks', { type: 'boom' })).rejects.toMatchObject({ code: 'internal' })
  await host.unpark('counter/asks')
  await host.send('counter/asks', { type: 'ask', text: 'again' })
  const { breaks, parked } = await rehearsed(world, [counterKind({ version: '2', asks: 'shout' })])
  expect([breaks.map(({ actor, event }) => `${actor}#${event}`), parked]).toEqual([['counter/asks#3'], []])
})

it('of what a snapshot holds, says whether this code goes on from it', async () => {
  const world = new CounterWorld()
  world.limits = { tailRecords: 2, retain: 0 }
  const host = await world.open()
  await host.start('counter/a', { sum: 1 })
  for (let n = 0; n < 10; n++) await host.send('counter/a', { type: 'add', n })
  await host.start('counter/b', {})
  await world.settle()
  await host.close()
  const same = await rehearsed(world, [counterKind()])
  expect(same).toEqual({ actors: 2, live: 2, changed: 0, breaks: [], parked: [] })

  const now = counterKind({ version: '2' })
  const { breaks, ...counts } = await rehearsed(world, [now])
  expect(counts.actors).toBe(2)
  expect(breaks).toContainEqual({ actor: 'counter/a', kind: 'counter', journal: counterKind().hash, now: now.hash, event: 11, type: 'snapshot', why: expect.stringContaining('does not say how to go on') })
  const { breaks: none, changed } = await rehearsed(world, [counterKind({ version: '2', options: { migrate: (state) => state } })])
  expect([none, changed]).toEqual([[], 2])
  expect((await rehearsed(world, [counterKind(), now])).breaks, 'the version that wrote it stands beside').toEqual([])
  expect((await rehearsed(world, [])).breaks.map(({ actor, now: hash }) => [actor, hash]).toSorted()).toEqual([['counter/a', null], ['counter/b', null]])
})

it('a reader reads on as the owner writes, event by event, and takes nothing over', async () => {
  const world = new CounterWorld()
  const host = await world.open()
  await host.start('counter/a', {})
  const read = await readActors({ journal: memoryJournal(world.disk), clock: world.clock, kinds: [counterKind()] })
  const heard: string[] = []
  const stop = read.watch(({ id, snapshot }, { number, event }) => void heard.push(`${id}#${number} ${event.type} ${(snapshot.context as CounterContext).sum}`))
  await host.send('counter/a', { type: 'add', n: 1 })
  expect(read.context<CounterContext>('counter/a')!.sum, 'not before it is asked').toBe(0)
  await read.refresh()
  await host.send('counter/a', { type: 'add', n: 2 })
  await read.refresh()
  await read.refresh()
  expect(heard).toEqual(['counter/a#2 add 1', 'counter/a#3 add 3'])
  stop()
  const next = await world.open()
  await next.send('counter/a', { type: 'add', n: 4 })
  await read.refresh()
  expect(read.context<CounterContext>('counter/a')!.sum, 'the next owner too').toBe(7)
  expect(heard).toHaveLength(2)
})

it('a reader begins anew when the owner gives up what it reads', async () => {
  const world = new CounterWorld()
  world.limits = { tailRecords: 2, retain: 0 }
  const host = await world.open()
  for (let at = 0; at < 10; at++) await host.start(`counter/${at}`, { sum: at })
  await world.settle()
  const journal = memoryJournal(world.disk)
  let gone = 2
  const open = async (partition: string): Promise<Log> => {
    const log = await journal.open(partition)
    return partition === 'p0' ? log : { ...log, at: async (sequence) => (sequence > 1 && gone-- > 0 ? undefined : log.at(sequence)) }
  }
  const read = await readActors({ journal: { ...journal, open }, clock: world.clock, kinds: [counterKind()] })
  expect(gone).toBeLessThanOrEqual(0)
  expect([...read.list('counter')].map(({ id }) => id)).toEqual(Array.from({ length: 10 }, (_, at) => `counter/${at}`))
})
