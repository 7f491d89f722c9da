/** A watcher: when it looks, when it fires, what it pays, and where it stops. */
import { afterEach, describe, expect, it } from 'vitest'
import { virtualClock } from '../../runtime/memory/clock.ts'
import type { MemoryJournalHooks } from '../../runtime/memory/journal.ts'
import type { Capability, Watcher } from '../../schemas/documents.gen.ts'
import { STRIDE } from '../die-at.fixture.ts'
import { evaluateHere, keysOf, MemoryWorld, SHOUT, shouter } from '../memory-network.fixture.ts'
import type { ProviderDefinition } from '../provider/define.ts'
import { finishRun, listRuns } from './run.ts'
import type { User } from './user.ts'
import { available, type WalletContext } from './wallet.machine.ts'
import { listWatchers, startWatcher, stopWatcher, untilWatcher, watcherReport } from './watch.ts'
import { watcherRooms } from './watcher-effects.ts'

const GAUGE: Capability = {
  id: 'data.gauge@1', title: 'Gauge', description: 'Reads a figure.', unit: 'call',
  input: { type: 'object', additionalProperties: false, required: ['of'], properties: { of: { type: 'string' } } },
  output: { type: 'object', additionalProperties: false, required: ['n'], properties: { n: { type: 'number' } } },
}
const document = {
  name: 'gauge-watch',
  look: { uses: GAUGE.id, with: { of: 'x ${literal}' }, price: { max: '0.001' }, deadline: '5s' },
  when: '${output.n > 10.0}',
  every: '2s',
  pipeline: {
    name: 'tell', version: '1.0.0', budget: { max: '0.02' },
    input: { type: 'object', required: ['text'], properties: { text: { type: 'string' } } },
    steps: { shout: { uses: SHOUT.id, with: { text: '${input.text}' }, price: { max: '0.02' }, sla: { deadline: '5s', grace: '1s' } } },
    output: '${steps.shout.text}',
  },
  inputs: { text: 'now ${output.n}, before ${steps.last == null ? "nothing" : string(steps.last.n)}' },
  budget: '1',
} as unknown as Watcher

const never = new Promise<never>(() => undefined)

describe('a watcher', () => {
  let world: MemoryWorld
  let user: User
  /** What the gauge shows at each look, the last one for ever. */
  let figures: number[] = []
  let asked: string[] = []
  let shouted: string[] = []
  afterEach(() => world.close())

  const owner = (hooks: MemoryJournalHooks = {}): ReturnType<MemoryWorld['user']> => world.user('alice', { rooms: watcherRooms({ evaluate: evaluateHere }) }, hooks)
  const open = async (shown: number[], gauge: Partial<ProviderDefinition> = {}): Promise<void> => {
    world = new MemoryWorld({ clock: virtualClock() })
    figures = shown
    asked = []
    shouted = []
    await world.drive(world.provider({
      name: 'g1', capability: GAUGE, price: { list: '0.001' }, latencyMs: 100,
      handler: async ({ of }: { of: string }) => ({ output: { n: figures[Math.min(asked.push(of), figures.length) - 1] }, units: { call: 1 } }), ...gauge,
    }))
    await world.drive(world.provider(shouter('p1', '0.01', 90, { handler: async ({ text }: { text: string }) => (shouted.push(text), { output: { text: text.toUpperCase(), quality: 90 }, units: { call: 1 } }) })))
    user = await world.drive(owner())
  }
  const watch = (change: Partial<Watcher> = {}): Promise<string> => world.drive(startWatcher(user, { ...document, ...change }))
  const pass = (ms: number): Promise<void> => world.drive(world.clock.sleep(ms), ms + 1_000)
  const balanced = (spent: bigint): void => {
    const wallet = user.node.host.context<WalletContext>('wallet')!
    expect(wallet.holds).toEqual({})
    expect(available(wallet)).toBe(10_000_000n - spent)
    expect(world.rail.imbalance()).toBe(0n)
  }

  it('at the times of a cron expression waits for each, across restarts, and makes up for none', async () => {
    await open([20])
    const { every: _every, ...rest } = document
    const id = await world.drive(startWatcher(user, { ...rest, at: '*/10 * * * *', timeZone: 'Europe/Berlin', trigger: 'level' } as Watcher))
    const { startedAt, nextAt } = await watcherReport(user.node.host, id)
    expect([asked.length, nextAt % 600_000, nextAt > startedAt, nextAt - startedAt <= 600_000]).toEqual([0, 0, true, true])
    await pass(nextAt - startedAt - 100)
    expect(asked).toHaveLength(0)
    await pass(60_000)
    expect([asked.length, shouted.length]).toEqual([1, 1])
    await user.close()
    await pass(1_500_000)
    user = await world.drive(owner())
    await pass(60_000)
    expect(asked, 'three times had passed while nobody was there: one look').toHaveLength(2)
    expect((await watcherReport(user.node.host, id)).nextAt % 600_000).toBe(0)
    await pass(600_000)
    expect([asked.length, shouted.length]).toEqual([3, 3])
  })

  it('looks at its times, fires when the condition becomes true and not while it stays true', async () => {
    await open([1, 20, 30, 5, 40])
    const id = await watch()
    await pass(9_600)
    expect(shouted).toEqual(['now 20, before 1', 'now 40, before 5'])
    expect(asked).toEqual(Array.from({ length: 5 }, () => 'x ${literal}'))
    expect(await watcherReport(user.node.host, id)).toMatchObject({ state: 'waiting', looks: 5, fires: 2, spent: '0.025', reserved: '0', fired: [{ state: 'done', charged: '0.01', worst: '0.02' }, { state: 'done' }], problem: null, ended: null })
    expect((await watcherReport(user.node.host, id)).nextAt).toBe((await watcherReport(user.node.host, id)).startedAt + 10_000)
    balanced(25_000n)
    await world.drive(stopWatcher(user, id))
    expect(await watcherReport(user.node.host, id)).toMatchObject({ state: 'ended', ended: 'stopped' })
    await pass(5_000)
    expect(asked).toHaveLength(5)
    expect(await listWatchers(user.node.host)).toHaveLength(1)
  })

  it('by the level, with a cooldown', async () => {
    await open([20])
    await watch({ trigger: 'level', cooldown: '6s' })
    await pass(12_400)
    // looks at 0, 2, … 12 s: it fires at 0, 6 and 12, though the later ones are a little sooner after their look
    expect([asked.length, shouted.length]).toEqual([7, 3])
  })

  it('an edge within the cooldown fires after it, if it still holds', async () => {
    await open([20, 1, 20, 20, 20, 20])
    const id = await watch({ cooldown: '7s' })
    await pass(10_400)
    expect(shouted).toHaveLength(2)
    const [one, other] = (await watcherReport(user.node.host, id)).fired
    expect(Math.round((other!.at - one!.at) / 2_000)).toBe(4)
  })

  it('a condition on what changed since the last look', async () => {
    await open([1, 2, 4, 4.5])
    await watch({ when: '${steps.last != null && output.n > 1.5 * steps.last.n}', trigger: 'level' })
    await pass(6_400)
    expect(shouted).toEqual(['now 2, before 1', 'now 4, before 2'])
  })

  it.each([
    ['its budget', { budget: '0.052', trigger: 'level' }, 'budget', '0.033'],
    ['the runs allowed', { runs: 2, trigger: 'level' }, 'runs', '0.022'],
    ['its expiry', { expires: '3s' }, 'expired', '0.012'],
  ] as const)('ends at %s', async (_what, change, ended, spent) => {
    await open([20])
    const id = await watch(change)
    const report = await world.drive(untilWatcher(user, id, () => false, 300_000), 400_000)
    expect(report).toMatchObject({ state: 'ended', ended, spent, reserved: '0' })
    expect(report.endedAt! - report.startedAt).toBeGreaterThan(1_900)
    balanced(BigInt(Math.round(Number(spent) * 1e6)))
  })

  it('a look that fails costs nothing and is made again at the next time', async () => {
    let looks = 0
    await open([], { handler: async () => {
      if (++looks < 3) throw new Error('no figure')
      return { output: { n: 20 }, units: { call: 1 } }
    } })
    const id = await watch()
    await pass(2_400)
    expect(await watcherReport(user.node.host, id)).toMatchObject({ fires: 0, spent: '0', problem: { error: { code: 'step.failed' } } })
    await pass(2_000)
    expect(await watcherReport(user.node.host, id)).toMatchObject({ looks: 3, fires: 1, spent: '0.011' })
  })

  it('a condition that cannot be evaluated does not fire, and says why', async () => {
    await open([20])
    const id = await watch({ when: '${steps.last.n > 1.0}' })
    await pass(1_000)
    expect(await watcherReport(user.node.host, id)).toMatchObject({ fires: 0, problem: { error: { code: 'step.expression', message: expect.stringContaining('when: ') } } })
    await pass(2_000)
    expect(shouted).toHaveLength(1)
  })

  it('is refused with every place that is wrong', async () => {
    await open([1])
    await expect(startWatcher(user, { ...document, when: '${input.n > 1.0}' })).rejects.toMatchObject({ code: 'input.invalid', issues: [{ path: 'when', message: 'there is no input.n here' }] })
    await expect(startWatcher(user, { ...document, when: '${output.n > }' })).rejects.toMatchObject({ code: 'input.invalid' })
    for (const [change, path] of [[{ at: '* * * * *' }, 'at'], [{ every: undefined }, 'every'], [{ every: undefined, at: 'noon' }, 'at'], [{ every: undefined, at: '* * * * *', timeZone: 'Mars/Base' }, 'timeZone'], [{ timeZone: 'UTC' }, 'timeZone']] as const) {
      const wrong = Object.fromEntries(Object.entries({ ...document, ...change }).filter(([, value]) => value !== undefined)) as unknown as Watcher
      await expect(startWatcher(user, wrong)).rejects.toMatchObject({ code: 'input.invalid', path })
    }
    await expect(startWatcher(user, { ...document, every: '500ms' })).rejects.toMatchObject({ code: 'input.invalid', path: 'every' })
    await expect(startWatcher(user, { ...document, budget: '0.02' })).rejects.toMatchObject({ code: 'budget.too-small' })
    await expect(startWatcher(user, { ...document, pipeline: { ...document.pipeline, output: '${steps.x}' } } as unknown as Watcher)).rejects.toMatchObject({ code: 'pipeline.invalid' })
    await expect(startWatcher(user, { ...document, evry: '1s' } as unknown as Watcher)).rejects.toMatchObject({ code: 'input.invalid' })
    const id = await world.drive(startWatcher(user, document, { key: 'k' }))
    expect(await startWatcher(user, document, { key: 'k' })).toBe(id)
    await expect(startWatcher(user, { ...document, every: '11s' }, { key: 'k' })).rejects.toMatchObject({ code: 'run.conflict' })
    await expect(watcherReport(user.node.host, 'w')).rejects.toThrow('no such watcher')
  })

  it('a time that nobody was there for is one look, not many, and the edge is not forgotten', async () => {
    await open([20, 20, 20])
    const id = await watch()
    await pass(1_000)
    const { startedAt } = await watcherReport(user.node.host, id)
    await user.close()
    await world.drive(world.clock.sleep(startedAt + 20_300 - world.clock.now()))
    user = await world.drive(owner())
    await pass(700)
    expect([asked.length, shouted.length]).toEqual([2, 1])
    await pass(1_800)
    expect(await watcherReport(user.node.host, id)).toMatchObject({ looks: 3, fires: 1, spent: '0.013' })
  })

  it.each(['before', 'after'] as const)('killed %s each append, it looks and pays once for each time', async (when) => {
    for (let nth = 1; ; nth += STRIDE) {
      await open([1, 20])
      await world.drive(user.close())
      let count = 0
      let armed = false
      let die: () => void = () => undefined
      const died = new Promise<void>((resolve) => (die = resolve))
      const hook = (): Promise<void> | void => {
        if (!armed || ++count < nth) return
        die()
        return never
      }
      const doomed = await world.drive(owner(when === 'before' ? { beforeAppend: hook } : { afterAppend: hook }))
      armed = true
      const watcher = { ...document, runs: 1, every: '1s' }
      const done = startWatcher(doomed, watcher, { key: 'k' }).then((id) => untilWatcher(doomed, id, () => false, 60_000))
      const over = await world.drive(Promise.race([died.then(() => 'died' as const), done.then(() => 'done' as const)]))
      if (over === 'done') break
      await doomed.kill()
      user = await world.drive(owner())
      const id = await world.drive(startWatcher(user, watcher, { key: 'k' }))
      const report = await world.drive(untilWatcher(user, id, () => false, 100_000))
      const where = `killed ${when} append ${nth}`
      expect(report, where).toMatchObject({ ended: 'runs', looks: 2, fires: 1, spent: '0.012', reserved: '0' })
      expect([asked.length, shouted], where).toEqual([2, ['now 20, before 1']])
      balanced(12_000n)
      for (const { run } of await listRuns(user)) await world.drive(finishRun(user, run, 60_000))
      expect(await world.rail.balance(keysOf('p1').participant), where).toBe(10_000n)
      await world.close()
      expect(nth, 'it has an end').toBeLessThan(120)
    }
  }, 120_000)
})
