import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AigenError } from '../../schemas/error.ts'
import { CounterWorld, counterKind, stateOf, type CounterContext } from './counter.fixture.ts'
import type { Host } from './host.ts'

const sumOf = (host: Host, id = 'counter/a'): number => host.context<CounterContext>(id)!.sum
const answersOf = (host: Host, id = 'counter/a'): readonly string[] => host.context<CounterContext>(id)!.answers
const codeOf = (thrown: unknown): string => (thrown instanceof AigenError ? thrown.code : String(thrown))
const gate = (): { wait: Promise<void>; open: () => void } => {
  let open = (): void => undefined
  return { wait: new Promise<void>((resolve) => (open = resolve)), open: () => open() }
}

describe('group commit (D2)', () => {
  it('puts what arrives during an append into the next record', async () => {
    const world = new CounterWorld()
    const door = gate()
    let held = false
    const host = await world.open({}, { beforeAppend: () => (held ? door.wait : undefined) })
    await host.start('counter/a', {})
    held = true
    const before = world.records
    const first = host.send('counter/a', { type: 'add', n: 1 })
    await world.settle()
    const more = Array.from({ length: 100 }, () => host.send('counter/a', { type: 'add', n: 1 }))
    await world.settle()
    expect(sumOf(host), 'nothing is folded before it is durable').toBe(0)
    door.open()
    await Promise.all([first, ...more])
    expect(sumOf(host)).toBe(101)
    expect(world.records - before).toBe(2)
  })

  it('puts what an actor tells another into the same record', async () => {
    const world = new CounterWorld()
    const host = await world.open()
    await Promise.all([host.start('counter/a', {}), host.start('counter/b', {})])
    const before = world.records
    await host.send('counter/a', { type: 'pass', to: 'counter/b', n: 7 })
    expect(sumOf(host, 'counter/b')).toBe(7)
    expect(world.records - before).toBe(1)
  })

  it('drops what is told to an actor that is not there, and goes on', async () => {
    const world = new CounterWorld()
    const host = await world.open()
    await host.start('counter/a', {})
    await host.send('counter/a', { type: 'pass', to: 'counter/nobody', n: 7 })
    await host.send('counter/a', { type: 'add', n: 1 })
    expect(sumOf(host)).toBe(1)
  })
})

describe('ownership (I6)', () => {
  it('ends with a failed compare-and-swap, and nothing of the loser takes effect', async () => {
    const world = new CounterWorld()
    let ran = 0
    const echo = { run: async () => (ran++, { type: 'echo.done' }) }
    const old = await world.open(echo)
    await old.start('counter/a', {})
    const owner = await world.open()
    const answers = await Promise.allSettled([old.send('counter/a', { type: 'add', n: 5 }), old.send('counter/a', { type: 'ask', text: 'x' })])
    expect(answers.map((one) => codeOf((one as PromiseRejectedResult).reason))).toEqual(['journal.conflict', 'journal.conflict'])
    expect(ran, 'no effect of a record that lost').toBe(0)
    expect(world.lost.map((error) => error.code)).toEqual(['journal.conflict'])
    await expect(old.send('counter/a', { type: 'add', n: 5 })).rejects.toMatchObject({ code: 'journal.conflict' })
    await expect(old.until('counter/a', () => false, 1_000)).rejects.toMatchObject({ code: 'journal.conflict' })
    await owner.send('counter/a', { type: 'add', n: 1 })
    expect(sumOf(owner)).toBe(1)
    expect(sumOf(await world.open())).toBe(1)
  })

  it('is proven by an append within the last second, else by a look, and not at all once another has taken over', async () => {
    const world = new CounterWorld()
    const old = await world.open()
    await old.start('counter/a', {})
    await old.prove()
    await world.clock.advance(5_000)
    await old.prove()
    expect(world.lost).toEqual([])
    const owner = await world.open()
    await world.clock.advance(5_000)
    await expect(old.prove()).rejects.toMatchObject({ code: 'journal.conflict' })
    await expect(old.prove()).rejects.toMatchObject({ code: 'journal.conflict' })
    expect(world.lost.map(({ code }) => code)).toEqual(['journal.conflict'])
    await owner.prove()
  })

  it('goes to exactly one of two that recover at once, whatever their random numbers', async () => {
    const world = new CounterWorld()
    const door = gate()
    const ids: string[] = []
    const hooks = { beforeAppend: (partition: string, id: string) => (partition === 'p0' && ids.push(id), door.wait) }
    const both = [world.open({}, hooks, [counterKind()], 'one'), world.open({}, hooks, [counterKind()], 'two')]
    await world.settle()
    door.open()
    const settled = await Promise.allSettled(both)
    expect(settled.map((one) => one.status).toSorted()).toEqual(['fulfilled', 'rejected'])
    expect(new Set(ids).size, 'their fences have ids of their own').toBe(2)
    expect(world.records).toBe(1)
  })

  it('counts the epochs, one an owner', async () => {
    const world = new CounterWorld()
    expect((await world.open()).stats().epoch).toBe(1)
    expect((await world.open()).stats().epoch).toBe(2)
  })
})

describe('an append that nobody confirmed', () => {
  it.each(['beforeAppend', 'afterAppend'] as const)('is sent again with the same id (%s)', async (when) => {
    const world = new CounterWorld()
    let faults = 0
    const ids: string[] = []
    const host = await world.open({}, {
      [when]: (_partition: string, id: string) => {
        ids.push(id)
        if (faults > 0) {
          faults -= 1
          throw new AigenError('journal.unknown')
        }
      },
    })
    await host.start('counter/a', {})
    ids.length = 0
    faults = 1
    const sent = host.send('counter/a', { type: 'add', n: 1 })
    await world.pass(10_000)
    await sent
    expect(sumOf(host)).toBe(1)
    // A record that was stored is found by its id before it is stored again.
    expect(ids).toEqual(when === 'beforeAppend' ? [ids[0], ids[0]] : [ids[0]])
    expect(world.records).toBe(3)
    expect(sumOf(await world.open())).toBe(1)
  })

  it('gives up in the end, and tells everybody who waits', async () => {
    const world = new CounterWorld()
    let down = false
    const host = await world.open({}, { beforeAppend: () => { if (down) throw new AigenError('journal.unknown') } })
    await host.start('counter/a', {})
    down = true
    const sent = host.send('counter/a', { type: 'add', n: 1 })
    sent.catch(() => undefined)
    await world.pass(60_000)
    await expect(sent).rejects.toMatchObject({ code: 'journal.unknown' })
    expect(world.lost).toHaveLength(1)
    down = false
    expect(sumOf(await world.open())).toBe(0)
  })
})

describe('effects', () => {
  it('run again after a restart with the same key, when they may', async () => {
    const world = new CounterWorld()
    const keys: { key: string; again: boolean }[] = []
    const hang = { run: async (_params: object, { key, again }: { key: string; again: boolean }) => (keys.push({ key, again }), new Promise<never>(() => undefined)) }
    const first = await world.open(hang)
    await first.start('counter/a', {})
    await first.send('counter/a', { type: 'ask', text: 'x' })
    await first.close()
    const second = await world.open({ run: async (_params, { key, again }) => (keys.push({ key, again }), { type: 'echo.done' }) })
    await second.until('counter/a', ({ context }) => context.answers.length > 0, 1_000)
    expect(keys).toEqual([{ key: 'counter/a#2.0', again: false }, { key: 'counter/a#2.0', again: true }])
    expect(second.stats().openEffects).toBe(0)
    const third = await world.open({ run: async () => { throw new Error('an effect that ended runs no more') } })
    await world.settle()
    expect(answersOf(third)).toEqual(['echo.done'])
  })

  it('that are at most once are never run again: their actor hears that nobody knows', async () => {
    const world = new CounterWorld()
    let ran = 0
    const first = await world.open({ mode: 'atMostOnce', run: () => (ran++, new Promise<never>(() => undefined)) })
    await first.start('counter/a', {})
    await first.send('counter/a', { type: 'ask', text: 'x' })
    await first.close()
    const second = await world.open({ mode: 'atMostOnce', run: async () => (ran++, { type: 'echo.done' }) })
    await second.until('counter/a', ({ context }) => context.answers.length > 0, 1_000)
    expect(answersOf(second)).toEqual(['echo.unknown'])
    expect(ran).toBe(1)
    expect(answersOf(await world.open({ mode: 'atMostOnce' }))).toEqual(['echo.unknown'])
  })

  it('that are at most once are not repeated within a process either', async () => {
    const world = new CounterWorld()
    let ran = 0
    const host = await world.open({ mode: 'atMostOnce', run: async () => { ran++; throw new AigenError('network.timeout') } })
    await host.start('counter/a', {})
    await host.send('counter/a', { type: 'ask', text: 'x' })
    await world.pass(60_000)
    expect(answersOf(host)).toEqual(['echo.failed'])
    expect(ran).toBe(1)
  })

  it('back off between attempts, by the clock, and only for what may be tried again', async () => {
    const world = new CounterWorld()
    const at: number[] = []
    const host = await world.open({ attempts: 4, pauseMs: 1_000, maxPauseMs: 1_500, run: async () => { at.push(world.clock.monotonic()); throw new AigenError('network.timeout') } })
    await host.start('counter/a', {})
    await host.send('counter/a', { type: 'ask', text: 'x' })
    await world.settle()
    expect(at).toHaveLength(1)
    await world.pass(10_000)
    expect(at).toHaveLength(4)
    at.slice(1).forEach((time, index) => expect(time - at[index]!).toBeLessThanOrEqual(Math.min(1_500, 1_000 * 2 ** index)))
    expect(answersOf(host)).toEqual(['echo.failed'])

    const other = new CounterWorld()
    let ran = 0
    const strict = await other.open({ run: async () => { ran++; throw new AigenError('input.invalid') } })
    await strict.start('counter/a', {})
    await strict.send('counter/a', { type: 'ask', text: 'x' })
    await other.pass(60_000)
    expect(ran).toBe(1)
  })

  it('wait their turn beyond their concurrency', async () => {
    const world = new CounterWorld()
    const open: (() => void)[] = []
    let most = 0
    let now = 0
    const host = await world.open({ concurrency: 2, run: async () => { most = Math.max(most, ++now); await new Promise<void>((resolve) => open.push(resolve)); now--; return { type: 'echo.done' } } })
    await host.start('counter/a', {})
    for (let n = 0; n < 6; n++) await host.send('counter/a', { type: 'ask', text: `${n}` })
    for (let n = 0; n < 6; n++) {
      await world.settle()
      open.shift()?.()
    }
    await world.settle()
    expect(most).toBe(2)
    expect(answersOf(host)).toHaveLength(6)
  })

  it('are stopped when the machine aborts them, and their late result is dropped', async () => {
    const world = new CounterWorld()
    const door = gate()
    let aborted = false
    const host = await world.open({ run: async (_params, { signal }) => { signal.addEventListener('abort', () => (aborted = true)); await door.wait; return { type: 'echo.done' } } })
    await host.start('counter/a', {})
    await host.send('counter/a', { type: 'ask', text: 'x' })
    await host.send('counter/a', { type: 'abort' })
    expect(aborted).toBe(true)
    door.open()
    await world.settle()
    expect(answersOf(host)).toEqual([])
    expect(host.stats().openEffects).toBe(0)
    expect((await world.open()).stats().openEffects).toBe(0)
  })

  it('of a kind that nobody registered fail as a bug, and do not hang', async () => {
    const world = new CounterWorld()
    const kind = counterKind({ asks: 'nothing.known' })
    const host = await world.open({}, {}, [kind])
    await host.start('counter/a', {})
    await host.send('counter/a', { type: 'ask', text: 'x' })
    await world.settle()
    expect(host.stats().openEffects).toBe(0)
  })
})

describe('timers (I5)', () => {
  it('fire once, across restarts, and late when nobody was there at their time', async () => {
    const world = new CounterWorld()
    const first = await world.open()
    await first.start('counter/a', {})
    await first.send('counter/a', { type: 'wait' })
    await world.clock.advance(30_000)
    await first.close()
    const second = await world.open()
    await second.close()
    await world.clock.advance(90_000)
    const third = await world.open()
    await world.clock.advance(1)
    await third.until('counter/a', ({ context }) => context.ticks === 1, 1_000)
    await third.close()
    const fourth = await world.open()
    await world.clock.advance(300_000)
    expect(fourth.context<CounterContext>('counter/a')!.ticks).toBe(1)
    expect(fourth.stats().timers).toBe(0)
  })

  it('do not fire when their state was left', async () => {
    const world = new CounterWorld()
    const host = await world.open()
    await host.start('counter/a', {})
    await host.send('counter/a', { type: 'wait' })
    await host.send('counter/a', { type: 'stop' })
    await world.clock.advance(300_000)
    expect(host.context<CounterContext>('counter/a')!.ticks).toBe(0)
    expect(host.stats().timers).toBe(0)
  })

  it('fire at their time however far away it is, and in order', async () => {
    const world = new CounterWorld()
    const host = await world.open()
    for (const id of ['a', 'b', 'c']) {
      await host.start(`counter/${id}`, {})
      await host.send(`counter/${id}`, { type: 'wait' })
      await world.clock.advance(1_000)
    }
    const order: string[] = []
    host.watch((actor) => order.push(actor.id))
    await world.clock.advance(120_000)
    expect(order).toEqual(['counter/a', 'counter/b', 'counter/c'])
  })
})

describe('replay (I7)', () => {
  const id = fc.constantFrom('counter/a', 'counter/b', 'counter/c')
  const event = fc.oneof(
    fc.record({ type: fc.constant('add'), n: fc.integer({ min: -5, max: 5 }) }),
    fc.record({ type: fc.constant('keep'), value: fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.parse(JSON.stringify(value)) as unknown) }),
    fc.record({ type: fc.constant('ask'), text: fc.string() }),
    fc.record({ type: fc.constant('pass'), to: id, n: fc.integer({ min: -5, max: 5 }) }),
    fc.constantFrom({ type: 'wait' }, { type: 'stop' }, { type: 'abort' }, { type: 'boom' }, { type: 'end' }),
  )

  it('comes to the same state as having lived through it', async () => {
    await fc.assert(fc.asyncProperty(fc.array(fc.tuple(id, event, fc.integer({ min: 0, max: 2 })), { maxLength: 30 }), async (story) => {
      const world = new CounterWorld()
      const host = await world.open()
      for (const name of ['a', 'b', 'c']) await host.start(`counter/${name}`, { sum: 1 })
      for (const [to, what, pause] of story) {
        const sent = host.send(to, what)
        sent.catch(() => undefined)
        if (pause > 0) await world.settle(2)
        if (pause > 1) await world.clock.advance(61_000)
      }
      await world.settle()
      const lived = stateOf(host)
      const { openEffects, timers } = host.stats()
      await host.close()
      const again = await world.open({ run: () => new Promise<never>(() => undefined) })
      expect(stateOf(again)).toEqual(lived)
      expect(JSON.stringify(stateOf(again))).toBe(JSON.stringify(lived))
      expect(again.stats()).toMatchObject({ openEffects, timers })
    }), { examples: [[[['counter/a', { type: 'keep', value: JSON.parse('{"__proto__": false}') }, 0]]]] })
  }, 60_000)
})

describe('an actor that cannot go on', () => {
  it('is parked alone, also after a restart', async () => {
    const world = new CounterWorld()
    const host = await world.open()
    await Promise.all([host.start('counter/a', {}), host.start('counter/b', {})])
    const answers = await Promise.allSettled([host.send('counter/a', { type: 'boom' }), host.send('counter/b', { type: 'add', n: 1 })])
    expect(answers.map((one) => one.status)).toEqual(['rejected', 'fulfilled'])
    for (const open of [() => host, () => world.open()]) {
      const now = await open()
      await expect(now.send('counter/a', { type: 'add', n: 1 })).rejects.toThrow(/parked.*boom/)
      await now.send('counter/b', { type: 'add', n: 1 })
    }
    expect(sumOf(await world.open(), 'counter/b')).toBe(3)
  })

  it('takes events again when it is unparked, and what it had asked for is run again under its key', async () => {
    const world = new CounterWorld()
    const keys: string[] = []
    const door = gate()
    const echo = { run: async ({ text }: { text: string }, { key }: { key: string }) => (keys.push(key), await door.wait, { type: 'echo.done', text }) }
    const host = await world.open(echo)
    await host.start('counter/a', {})
    await host.send('counter/a', { type: 'ask', text: 'x' })
    await expect(host.send('counter/a', { type: 'boom' })).rejects.toThrow('boom')
    await host.close()
    const again = await world.open(echo)
    expect(keys).toHaveLength(1)
    const before = world.records
    expect((await again.unpark('counter/a')).parked).toBeUndefined()
    expect(world.records - before).toBe(1)
    await again.unpark('counter/a')
    expect(world.records - before, 'unparked twice is nothing').toBe(1)
    door.open()
    await world.settle()
    expect(keys).toEqual(['counter/a#2.0', 'counter/a#2.0'])
    await again.send('counter/a', { type: 'add', n: 1 })
    expect([sumOf(again), answersOf(again)]).toEqual([1, ['echo.done']])
    await expect(again.unpark('counter/nobody')).rejects.toMatchObject({ code: 'run.unknown' })
    await again.close()
    const last = await world.open()
    expect(stateOf(last)).toEqual([expect.objectContaining({ parked: null, context: expect.objectContaining({ sum: 1 }) })])
    await last.close()
  })

  it('stays parked when this code cannot replay it', async () => {
    const world = new CounterWorld()
    const host = await world.open()
    await host.start('counter/a', {})
    await host.send('counter/a', { type: 'ask', text: 'x' })
    await host.close()
    const changed = await world.open({}, {}, [counterKind({ version: '2', asks: 'shout' })])
    await expect(changed.unpark('counter/a')).rejects.toMatchObject({ code: 'journal.machine-changed' })
    await changed.close()
  })

  it('is parked alone when its machine asks for something else than it did', async () => {
    const world = new CounterWorld()
    const host = await world.open({ run: () => new Promise<never>(() => undefined) })
    await Promise.all([host.start('counter/a', {}), host.start('counter/b', {})])
    await host.send('counter/a', { type: 'ask', text: 'x' })
    await host.send('counter/b', { type: 'add', n: 1 })
    await host.close()
    let ran = 0
    const changed = await world.open({ run: async () => (ran++, { type: 'echo.done' }) }, {}, [counterKind({ version: '2', asks: 'other' })])
    await world.settle()
    await expect(changed.send('counter/a', { type: 'add', n: 1 })).rejects.toThrow(/does not replay/)
    await changed.send('counter/b', { type: 'add', n: 1 })
    expect(sumOf(changed, 'counter/b')).toBe(2)
    expect(ran).toBe(0)
    await changed.close()
    const mended = await world.open()
    await mended.until('counter/a', ({ context }) => context.answers.length === 1, 1_000)
  })

  it('stays itself when not even its first event replays: it is not begun a second time', async () => {
    const world = new CounterWorld()
    const host = await world.open({ run: async () => ({ type: 'echo.done' }) }, {}, [counterKind({ first: 'echo' })])
    await host.start('counter/a', { sum: 5 })
    await host.send('counter/a', { type: 'add', n: 1 })
    await host.close()
    let ran = 0
    const changed = await world.open({ run: async () => (ran++, { type: 'echo.done' }) }, {}, [counterKind({ version: '2' })])
    await expect(changed.start('counter/a', { sum: 5 })).rejects.toMatchObject({ code: 'journal.machine-changed' })
    await expect(changed.send('counter/a', { type: 'add', n: 1 })).rejects.toMatchObject({ code: 'journal.machine-changed' })
    expect(ran).toBe(0)
    await changed.close()
    const mended = await world.open({}, {}, [counterKind({ first: 'echo' })])
    expect(sumOf(mended)).toBe(6)
  })

  it('goes on under a new version that asks for the same', async () => {
    const world = new CounterWorld()
    const host = await world.open()
    await host.start('counter/a', {})
    await host.send('counter/a', { type: 'add', n: 1 })
    await host.close()
    const next = await world.open({}, {}, [counterKind({ version: '2' })])
    await next.send('counter/a', { type: 'add', n: 1 })
    expect(sumOf(next)).toBe(2)
  })
})

describe('bounds', () => {
  it('refuses an event that is too large, and takes the next', async () => {
    const world = new CounterWorld()
    world.blobs = undefined
    const host = await world.open()
    await host.start('counter/a', {})
    const large = host.send('counter/a', { type: 'keep', value: 'x'.repeat(1_100_000) })
    const small = host.send('counter/a', { type: 'add', n: 1 })
    await expect(large).rejects.toMatchObject({ code: 'input.too-large' })
    await small
    expect(sumOf(host)).toBe(1)
  })

  it('gives an effect whose result is too large as failed', async () => {
    const world = new CounterWorld()
    world.blobs = undefined
    const host = await world.open({ run: async () => ({ type: 'echo.done', text: 'x'.repeat(1_100_000) }) })
    await host.start('counter/a', {})
    await host.send('counter/a', { type: 'ask', text: 'x' })
    await host.until('counter/a', ({ context }) => context.answers.length > 0, 1_000)
    expect(answersOf(host)).toEqual(['echo.failed'])
  })

  it('splits a group that is too large for one record', async () => {
    const world = new CounterWorld()
    world.blobs = undefined
    const host = await world.open()
    await host.start('counter/a', {})
    const before = world.records
    await Promise.all(Array.from({ length: 20 }, () => host.send('counter/a', { type: 'keep', value: 'x'.repeat(100_000) })))
    expect(host.context<CounterContext>('counter/a')!.values).toHaveLength(20)
    expect(world.records - before).toBeGreaterThan(2)
  })

  it('is busy when too many events wait for the journal, and recovers', async () => {
    const world = new CounterWorld()
    const door = gate()
    let held = false
    const host = await world.open({}, { beforeAppend: () => (held ? door.wait : undefined) })
    await host.start('counter/a', {})
    held = true
    const first = host.send('counter/a', { type: 'add', n: 1 })
    await world.settle()
    const waiting = Array.from({ length: 20_000 }, () => host.send('counter/a', { type: 'add', n: 1 }))
    await expect(host.send('counter/a', { type: 'add', n: 1 })).rejects.toMatchObject({ code: 'node.busy' })
    door.open()
    await Promise.all([first, ...waiting])
    expect(sumOf(host)).toBe(20_001)
  }, 60_000)

  it('says what is not there', async () => {
    const world = new CounterWorld()
    const host = await world.open()
    await expect(host.send('counter/none', { type: 'add', n: 1 })).rejects.toMatchObject({ code: 'run.unknown' })
    await expect(host.start('nothing/a', {})).rejects.toMatchObject({ code: 'internal' })
  })
})
