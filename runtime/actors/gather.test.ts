/** What many actors of a record tell one that gathers it: one event of its, in the order it was told, and nothing else differs (D2, I7). */
import { createMachine, enqueueActions } from 'xstate'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AigenError } from '../../schemas/error.ts'
import { defineActor, gathered, type ActorKind } from './actor.ts'
import { CounterWorld } from './counter.fixture.ts'
import type { Host } from './host.ts'

interface HubContext {
  readonly heard: readonly string[]
  /** What a teller said, in its order. */
  readonly said?: readonly string[]
}
type HubEvent = { readonly type: string; readonly at?: number; readonly n: string; readonly back?: string }

/** Writes down what it is told, and tells `back` to whoever wants that. */
function hubKind(gathers: boolean): ActorKind {
  const note: any = enqueueActions(({ context, event, enqueue }: any) => {
    const events = gathered(event as HubEvent)
    for (const { back, n } of events) if (back !== undefined) enqueue({ type: 'tell', params: { to: back, event: { type: 'back', n } } })
    enqueue.assign({ heard: [...context.heard, ...events.map(({ type, n, at }) => `${type} ${n} ${at}`)] })
  })
  return defineActor('hub', '1', createMachine({
    id: 'hub', types: {} as { context: HubContext; events: any }, context: { heard: [] }, initial: 'open',
    states: { open: { on: { one: { actions: note }, two: { actions: note }, single: { actions: note }, boom: { actions: enqueueActions<any, any, any, any, any, any, any, any, any>(() => { throw new AigenError('internal', 'boom') }) } } } },
  }), undefined, gathers ? { gathers: ({ type }) => type !== 'single' } : {})
}

const teller = defineActor('teller', '1', createMachine({
  id: 'teller', types: {} as { context: HubContext; events: any }, context: { heard: [] }, initial: 'open',
  states: { open: { on: {
    say: { actions: enqueueActions(({ context, event, enqueue }: any) => {
      for (const said of event.all) enqueue({ type: 'tell', params: { to: 'hub/a', event: said } })
      enqueue.assign({ said: [...(context.said ?? []), ...event.all.map(({ n }: HubEvent) => n)] })
    }) },
    back: { actions: enqueueActions(({ context, event: { n }, enqueue }: any) => {
      const again = n.endsWith('!') ? [n.slice(0, -1)] : []
      for (const one of again) enqueue({ type: 'tell', params: { to: 'hub/a', event: { type: 'two', n: one } } })
      enqueue.assign({ heard: [...context.heard, n], said: [...(context.said ?? []), ...again] })
    }) },
    // Whoever hears back says it again, and so on without an end.
    loop: { actions: enqueueActions(({ event, enqueue }: any) => enqueue({ type: 'tell', params: { to: 'hub/a', event: { type: 'one', n: event.n, back: 'echoer/a' } } })) },
  } } },
}))
const echoer = defineActor('echoer', '1', createMachine({
  id: 'echoer', types: {} as { context: object; events: any }, context: {}, initial: 'open',
  states: { open: { on: { back: { actions: enqueueActions(({ event, enqueue }: any) => enqueue({ type: 'tell', params: { to: 'hub/a', event: { type: 'one', n: event.n, back: 'echoer/a' } } })) } } } },
}))

async function open(world: CounterWorld, gathers = true): Promise<Host> {
  return world.open({}, {}, [hubKind(gathers), teller, echoer])
}
const heardBy = (host: Host, id = 'hub/a'): readonly string[] => host.context<HubContext>(id)!.heard
const bare = (heard: readonly string[]): string[] => heard.map((one) => one.split(' ').slice(0, 2).join(' '))

describe('what is gathered', () => {
  it('of many who tell it in one record is one event, and replays as it was', async () => {
    const world = new CounterWorld()
    const host = await open(world)
    await Promise.all(['hub/a', 'teller/a', 'teller/b', 'teller/c'].map((id) => host.start(id, {})))
    const before = world.records
    await Promise.all(['a', 'b', 'c'].map((n) => host.send(`teller/${n}`, { type: 'say', all: [{ type: 'one', n, back: `teller/${n}` }] })))
    expect([world.records - before, host.peek('hub/a')!.number, bare(heardBy(host))]).toEqual([1, 2, ['one a', 'one b', 'one c']])
    expect(['a', 'b', 'c'].map((n) => heardBy(host, `teller/${n}`)), 'each has its answer, in the same record').toEqual([['a'], ['b'], ['c']])
    const again = await open(world)
    expect([again.peek('hub/a')!.number, heardBy(again)]).toEqual([2, heardBy(host)])
  })

  it('comes in the order it was told, with what is not gathered, whoever tells', async () => {
    const say = fc.array(fc.record({ type: fc.constantFrom('one', 'two', 'single'), back: fc.boolean() }), { maxLength: 4 })
    await fc.assert(fc.asyncProperty(fc.array(fc.tuple(fc.constantFrom('teller/a', 'teller/b'), say, fc.boolean()), { minLength: 1, maxLength: 6 }), async (all) => {
      const [together, apart] = await Promise.all([true, false].map(async (gathers) => {
        const world = new CounterWorld()
        const host = await open(world, gathers)
        await Promise.all(['hub/a', 'teller/a', 'teller/b'].map((id) => host.start(id, {})))
        let n = 0
        await Promise.all(all.map(([who, what, direct]) => {
          const told = what.map(({ type, back }) => ({ type, n: String(n++), ...(back ? { back: who } : {}) }))
          return direct ? Promise.all(told.map((one) => host.send('hub/a', one))) : host.send(who, { type: 'say', all: told })
        }))
        return { heard: ['hub/a', 'teller/a', 'teller/b'].map((id) => heardBy(host, id)), number: host.peek('hub/a')!.number }
      }))
      expect(together!.heard).toEqual(apart!.heard)
      expect(together!.number).toBeLessThanOrEqual(apart!.number)
    }), { numRuns: 60 })
  })

  it('comes from each teller in the order it told, also what it told because of it', async () => {
    const say = fc.array(fc.record({ type: fc.constantFrom('one', 'two', 'single'), back: fc.constantFrom('', '!', '!!') }), { maxLength: 4 })
    await fc.assert(fc.asyncProperty(fc.array(fc.tuple(fc.constantFrom('a', 'b'), say), { minLength: 1, maxLength: 5 }), async (all) => {
      const host = await open(new CounterWorld())
      await Promise.all(['hub/a', 'teller/a', 'teller/b'].map((id) => host.start(id, {})))
      let n = 0
      await Promise.all(all.map(([who, what]) => host.send(`teller/${who}`, { type: 'say', all: what.map(({ type, back }) => ({ type, n: `${who}${n++}${back}`, ...(back ? { back: `teller/${who}` } : {}) })) })))
      const heard = bare(heardBy(host)).map((one) => one.split(' ')[1]!)
      for (const who of ['a', 'b']) expect(heard.filter((one) => one.startsWith(who))).toEqual(host.context<HubContext>(`teller/${who}`)!.said ?? [])
      expect([...host.parked()]).toEqual([])
    }), { numRuns: 200 })
  })

  it('that leads to more of it without an end is stopped, and the record ends', async () => {
    const host = await open(new CounterWorld())
    await Promise.all(['hub/a', 'teller/a', 'echoer/a'].map((id) => host.start(id, {})))
    // Ten thousand lines later, which are more than a record holds: nothing of it has happened.
    await expect(host.send('teller/a', { type: 'loop', n: 'x' })).rejects.toMatchObject({ code: 'input.too-large' })
    await host.send('teller/a', { type: 'say', all: [{ type: 'one', n: 'y' }] })
    expect(bare(heardBy(host))).toEqual(['one y'])
  }, 30_000)

  it('by whom it parks is kept whole', async () => {
    const world = new CounterWorld()
    const host = await open(world)
    await Promise.all(['hub/a', 'teller/a', 'teller/b'].map((id) => host.start(id, {})))
    await Promise.all(['a', 'b'].map((n) => host.send(`teller/${n}`, { type: 'say', all: [{ type: 'boom', n }] })))
    expect([...host.parked()].map(({ actor, reason }) => [actor, reason])).toEqual([['hub/a', expect.stringContaining('boom')]])
    expect(world.disk.get('p0')!.some(({ data }) => Buffer.from(data).includes('each')), 'both wait for it').toBe(true)
  })
})
