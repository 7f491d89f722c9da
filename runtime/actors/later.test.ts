/** Results that nobody waits for: no record of their own where another comes, and not lost where none does. */
import { describe, expect, it } from 'vitest'
import { CounterWorld, stateOf, type CounterContext } from './counter.fixture.ts'
import type { Host } from './host.ts'

const answersOf = (host: Host): readonly string[] => host.context<CounterContext>('counter/a')!.answers
const later = { later: () => true }

describe('results that may be written later', () => {
  it('are written with what comes next, in its record', async () => {
    const world = new CounterWorld()
    const host = await world.open(later)
    await host.start('counter/a', {})
    await host.send('counter/a', { type: 'ask', text: 'x' })
    await world.settle()
    const before = world.records
    expect(answersOf(host)).toEqual([])
    await host.send('counter/a', { type: 'add', n: 1 })
    expect([world.records - before, answersOf(host), host.stats().openEffects]).toEqual([1, ['echo.done'], 0])
    expect(stateOf(await world.open(later))).toEqual(stateOf(host))
  })

  it('are written by themselves, together, where nothing comes', async () => {
    const world = new CounterWorld()
    const host = await world.open(later)
    await host.start('counter/a', {})
    await Promise.all(['x', 'y'].map((text) => host.send('counter/a', { type: 'ask', text })))
    await world.settle()
    const before = world.records
    await world.pass(9)
    expect(world.records - before).toBe(0)
    await world.pass(2)
    expect([world.records - before, answersOf(host), host.stats().openEffects]).toEqual([1, ['echo.done', 'echo.done'], 0])
  })

  it('that a node takes with it when it stops are asked for again by the next', async () => {
    const world = new CounterWorld()
    const host = await world.open(later)
    await host.start('counter/a', {})
    await host.send('counter/a', { type: 'ask', text: 'x' })
    await world.settle()
    await host.close()
    const next = await world.open({ later: () => false })
    await world.settle()
    expect([answersOf(next), next.stats().openEffects]).toEqual([['echo.done'], 0])
  })
})
