/** An actor that cannot go on is parked; what others tell it meanwhile waits, and nothing of it is lost (I7). */
import { expect, it } from 'vitest'
import { memoryJournal } from '../memory/journal.ts'
import type { ActorEvent } from './actor.ts'
import { CounterWorld, counterKind, stateOf, type CounterContext } from './counter.fixture.ts'
import type { EffectKind } from './effects.ts'
import type { Host } from './host.ts'
import { readActors } from './read-actors.ts'

const of = (host: Host, id: string): CounterContext => host.context<CounterContext>(id)!
const reasons = (host: Host): string[] => [...host.parked()].map(({ actor }) => actor)

/** The events that the journal has of an actor, in order. */
async function heardBy(world: CounterWorld, id: string): Promise<string[]> {
  const heard: string[] = []
  const onEvent = ({ actor, event }: { actor: string; event: ActorEvent }): void => void (actor === id && heard.push([event.type, event['n']].filter((one) => one !== undefined).join(' ')))
  await readActors({ journal: memoryJournal(world.disk), clock: world.clock, kinds: [counterKind()], onEvent })
  return heard
}

/** `counter/b` has asked for something and is parked; it is answered, and told three times. */
async function parked(world: CounterWorld, echo: Partial<EffectKind> = {}): Promise<{ host: Host; answer: () => void }> {
  let answer = (): void => undefined
  const host = await world.open({ run: () => new Promise((resolve) => (answer = () => resolve({ type: 'echo.done' }))), ...echo })
  await Promise.all([host.start('counter/a', {}), host.start('counter/b', {})])
  await host.send('counter/b', { type: 'ask', text: 'x' })
  await expect(host.send('counter/b', { type: 'boom' })).rejects.toThrow('boom')
  return { host, answer: () => answer() }
}

it('hears what it was told and answered meanwhile when it is unparked, in that order and once', async () => {
  const world = new CounterWorld()
  const { host, answer } = await parked(world)
  await host.send('counter/a', { type: 'pass', to: 'counter/b', n: 7 })
  answer()
  await world.settle()
  await host.send('counter/a', { type: 'pass', to: 'counter/b', n: 5 })
  await expect(host.send('counter/b', { type: 'add', n: 1 }), 'who can hear of it is told').rejects.toThrow('parked')
  expect([of(host, 'counter/b').sum, reasons(host), host.stats().openEffects]).toEqual([0, ['counter/b'], 0])
  await host.unpark('counter/b')
  await world.settle()
  expect(await heardBy(world, 'counter/b')).toEqual(['start', 'ask', 'add 7', 'echo.done', 'add 5'])
  expect([of(host, 'counter/b').sum, of(host, 'counter/b').answers, reasons(host)]).toEqual([12, ['echo.done'], []])
  const state = stateOf(host)
  await host.close()
  const again = await world.open()
  await world.settle()
  expect(stateOf(again)).toEqual(state)
})

it('a restart while it is parked loses none of it, and runs no effect again that was answered', async () => {
  const world = new CounterWorld()
  const { host, answer } = await parked(world)
  await host.send('counter/a', { type: 'pass', to: 'counter/b', n: 7 })
  answer()
  await world.settle()
  await host.close()
  let ran = 0
  const again = await world.open({ run: async () => (ran++, { type: 'echo.done' }) })
  await world.settle()
  expect([of(again, 'counter/b').sum, reasons(again)]).toEqual([0, ['counter/b']])
  await again.unpark('counter/b')
  await world.settle()
  expect([of(again, 'counter/b').sum, of(again, 'counter/b').answers, ran]).toEqual([7, ['echo.done'], 0])
})

it('what comes with the unparking waits behind what waited', async () => {
  const world = new CounterWorld()
  const { host } = await parked(world)
  await host.send('counter/a', { type: 'pass', to: 'counter/b', n: 1 })
  await Promise.all([host.unpark('counter/b'), host.send('counter/a', { type: 'pass', to: 'counter/b', n: 2 }), host.send('counter/a', { type: 'pass', to: 'counter/b', n: 3 })])
  await world.settle()
  expect(await heardBy(world, 'counter/b')).toEqual(['start', 'ask', 'add 1', 'add 2', 'add 3'])
})

it('the event that it failed at is tried again: the same code fails again, mended code goes on', async () => {
  const world = new CounterWorld()
  const host = await world.open({ run: async () => ({ type: 'boom' }) })
  await Promise.all([host.start('counter/a', {}), host.start('counter/b', {})])
  await host.send('counter/b', { type: 'ask', text: 'x' })
  await world.settle()
  await host.send('counter/a', { type: 'pass', to: 'counter/b', n: 7 })
  expect(reasons(host)).toEqual(['counter/b'])
  await host.unpark('counter/b')
  await world.settle()
  expect([reasons(host), of(host, 'counter/b').sum], 'parked again, before what came after').toEqual([['counter/b'], 0])
  await host.close()
  let ran = 0
  const mended = await world.open({ run: async () => (ran++, { type: 'echo.done' }) }, {}, [counterKind({ version: '2', mended: true })])
  await mended.unpark('counter/b')
  await world.settle()
  expect([reasons(mended), of(mended, 'counter/b').sum, of(mended, 'counter/b').answers, ran]).toEqual([[], 7, ['boom'], 0])
})

it('what waited for an actor that has ended by then is nothing to anybody', async () => {
  const world = new CounterWorld()
  const { host, answer } = await parked(world)
  answer()
  await host.send('counter/a', { type: 'pass', to: 'counter/b', n: 7 })
  await Promise.all([host.unpark('counter/b'), host.send('counter/b', { type: 'end' })])
  await world.settle()
  const { records } = world
  await host.close()
  const again = await world.open()
  await world.settle()
  expect([world.records - records, reasons(again), again.stats().openEffects], 'only the fence is written').toEqual([1, [], 0])
})

it('a timer that fell due meanwhile fires when it is unparked', async () => {
  const world = new CounterWorld()
  const host = await world.open()
  await host.start('counter/b', {})
  await host.send('counter/b', { type: 'wait' })
  await expect(host.send('counter/b', { type: 'boom' })).rejects.toThrow('boom')
  await world.pass(100_000)
  expect(of(host, 'counter/b').ticks).toBe(0)
  await host.unpark('counter/b')
  await world.pass(1_000)
  expect(of(host, 'counter/b').ticks).toBe(1)
})

it.each(['beforeAppend', 'afterAppend'] as const)('killed %s any record, every event that was acknowledged is heard once, in order', async (when) => {
  for (let nth = 1; ; nth++) {
    const world = new CounterWorld()
    const first = await world.open()
    await Promise.all([first.start('counter/a', {}), first.start('counter/b', {})])
    await first.close()
    let count = 0
    let armed = false
    let dies = (): void => undefined
    const died = new Promise<'died'>((resolve) => (dies = () => resolve('died')))
    // A dead process hears of nothing any more.
    const hooks = { [when]: () => (armed && ++count >= nth ? (dies(), new Promise<never>(() => undefined)) : undefined) }
    const doomed = await world.open({}, hooks)
    armed = true
    const acknowledged: number[] = []
    const tell = async (host: Host, n: number): Promise<void> => {
      await host.send('counter/a', { type: 'pass', to: 'counter/b', n })
      acknowledged.push(n)
    }
    const story = async (): Promise<'done'> => {
      await tell(doomed, 1)
      await doomed.send('counter/b', { type: 'boom' }).catch(() => undefined)
      for (const n of [2, 3]) await tell(doomed, n)
      await doomed.unpark('counter/b')
      await tell(doomed, 4)
      await world.settle()
      return 'done'
    }
    const over = await Promise.race([died, story()])
    const again = await world.open()
    await again.unpark('counter/b')
    await world.settle()
    await tell(again, 9)
    const heard = (await heardBy(world, 'counter/b')).filter((one) => one.startsWith('add')).map((one) => Number(one.slice(4)))
    const about = `killed ${when} record ${nth}, acknowledged ${acknowledged.join()}`
    expect(heard, about).toEqual(heard.toSorted())
    expect(new Set(heard).size, about).toBe(heard.length)
    // The one that was under way may have been stored.
    expect(heard.filter((n) => !acknowledged.includes(n)).length, about).toBeLessThan(2)
    expect(acknowledged.filter((n) => !heard.includes(n)), about).toEqual([])
    expect(of(again, 'counter/b').sum, about).toBe(heard.reduce((sum, n) => sum + n, 0))
    if (over === 'done') break
    expect(nth, 'the story has an end').toBeLessThan(20)
  }
})
