/** Effects that are computed in the record that asks for them: one append, and a crash finds both or neither. */
import { describe, expect, it } from 'vitest'
import { AigenError } from '../../schemas/error.ts'
import { CounterWorld, stateOf, type CounterContext } from './counter.fixture.ts'
import type { EffectKind } from './effects.ts'
import type { Host } from './host.ts'

const answersOf = (host: Host, id = 'counter/a'): readonly string[] => host.context<CounterContext>(id)!.answers
const never: EffectKind['run'] = async () => { throw new Error('it was computed already') }
const echo = { instant: ({ text }: { text: string }) => ({ type: 'echo.done', text }), run: never }

describe('instant effects', () => {
  it('are lines of the record that asks for them, after all that came with it, and replay as they were', async () => {
    const world = new CounterWorld()
    const host = await world.open(echo)
    await host.start('counter/a', {})
    const before = world.records
    const told: number[] = []
    const stop = host.watch(({ snapshot }) => told.push((snapshot.context as CounterContext).sum))
    await Promise.all([host.send('counter/a', { type: 'ask', text: 'x' }), host.send('counter/a', { type: 'add', n: 5 })])
    stop()
    expect([world.records - before, answersOf(host), host.stats().openEffects]).toEqual([1, ['echo.done'], 0])
    expect(told, 'told once, as it has become').toEqual([5])
    expect(stateOf(await world.open(echo))).toEqual(stateOf(host))
  })

  it('leave nothing where the record is not written, and are asked for once where it is', async () => {
    for (const [when, answers] of [['beforeAppend', 0], ['afterAppend', 1]] as const) {
      const world = new CounterWorld()
      let dies = false
      let asked = 0
      const counted = { instant: ({ text }: { text: string }) => { asked++; return { type: 'echo.done', text } }, run: never }
      const host = await world.open(counted, { [when]: () => { if (dies) throw new AigenError('journal.conflict') } })
      await host.start('counter/a', {})
      dies = true
      await host.send('counter/a', { type: 'ask', text: 'x' }).catch(() => undefined)
      const again = await world.open(counted)
      await world.settle()
      expect([answersOf(again).length, again.stats().openEffects, asked], when).toEqual([answers, 0, 1])
    }
  })

  it('that throw run like any', async () => {
    const world = new CounterWorld()
    const host = await world.open({ instant: () => { throw new Error('not at once') }, run: async () => ({ type: 'echo.done' }) })
    await host.start('counter/a', {})
    await host.send('counter/a', { type: 'ask', text: 'x' })
    await host.until('counter/a', ({ context }) => (context as CounterContext).answers.length > 0, 1_000)
    expect([answersOf(host), host.stats().openEffects]).toEqual([['echo.done'], 0])
  })

  it('are not computed for an actor that has taken them back, and end with one that has ended', async () => {
    const world = new CounterWorld()
    let asked = 0
    const host = await world.open({ ...echo, instant: ({ text }: { text: string }) => { asked++; return { type: 'echo.done', text } } })
    await Promise.all([host.start('counter/a', {}), host.start('counter/b', {})])
    await Promise.all([
      host.send('counter/a', { type: 'ask', text: 'x' }), host.send('counter/a', { type: 'abort' }),
      host.send('counter/b', { type: 'ask', text: 'y' }), host.send('counter/b', { type: 'end' }),
    ])
    expect([answersOf(host), answersOf(host, 'counter/b'), asked, host.stats().openEffects]).toEqual([[], [], 1, 0])
    expect(stateOf(await world.open(echo))).toEqual(stateOf(host))
  })

  it('that lead to further ones without an end run like any after some rounds, so that a record ends', async () => {
    const world = new CounterWorld()
    const looping = await world.open({ instant: () => ({ type: 'ask', text: 'x' }), run: async () => ({ type: 'echo.done' }) })
    await looping.start('counter/a', {})
    await looping.send('counter/a', { type: 'ask', text: 'x' })
    await looping.until('counter/a', ({ context }) => (context as CounterContext).answers.length > 0, 1_000)
    expect(looping.peek('counter/a')!.number).toBe(1 + 1 + 64 + 1)
  })
})
