/** An agent's node killed before and after each append: nothing lost, nothing paid twice (I1, I2, I4). */
import { afterEach, describe, expect, it } from 'vitest'
import type { RunContext } from '../../pipelines/run.machine.ts'
import { virtualClock } from '../../runtime/memory/clock.ts'
import { dieAt, STRIDE } from '../die-at.fixture.ts'
import { keysOf, MemoryWorld, SHOUT } from '../memory-network.fixture.ts'
import { hire } from '../user/hire.ts'
import { finishRun, keyedRun, listRuns } from '../user/run.ts'
import { available, type WalletContext } from '../user/wallet.machine.ts'
import { isAsking, isRunning, owner, scriptedModel, shop, shoutPlan, YES } from './agent.fixture.ts'
import { agentReport, approveAgent, finishAgent, startAgent, type AgentOptions } from './pursue.ts'

const GOAL: AgentOptions = { goal: 'Say hi loudly', budget: '0.50', policy: { approval: 'never' }, key: 'one' }

describe('an agent whose node dies', () => {
  let world: MemoryWorld
  afterEach(() => world.close())

  it.each(['before', 'after'] as const)('%s each append goes on where it was', async (when) => {
    for (let nth = 1; ; nth += STRIDE) {
      world = new MemoryWorld({ clock: virtualClock() })
      // the first plan is faulty, so that a repair is among what is interrupted
      const model = scriptedModel('m1', ({ judge, messages }) => (judge ? YES : messages.length === 2 ? shoutPlan('hi', {}, { uses: 'text.shuot@1' }) : shoutPlan('hi')))
      await world.drive(world.provider(model))
      let worked = 0
      await world.drive(world.provider(shop({ handler: async () => (worked++, { output: { text: 'HI', quality: 90 }, units: { call: 1 } }) })))
      await world.drive((await world.drive(owner(world))).close())
      const fault = dieAt(nth, when)
      const doomed = await world.drive(owner(world, fault.hooks))
      fault.arm()
      const started = startAgent(doomed, GOAL)
      const over = await world.drive(Promise.race([fault.died.then(() => 'died' as const), started.then((id) => finishAgent(doomed, id, 60_000)).then(() => 'done' as const)]))
      if (over === 'done') break
      await doomed.kill()
      const again = await world.drive(owner(world))
      const id = await world.drive(startAgent(again, GOAL))
      const report = await world.drive(finishAgent(again, id, 100_000))
      const where = `killed ${when} append ${nth}`
      expect(report, where).toMatchObject({ state: 'done', output: 'HI', spent: '0.013', reserved: '0', error: null })
      expect(report.calls.map(({ purpose, charged }) => [purpose, charged]), where).toEqual([['plan', '0.001'], ['plan', '0.001'], ['run', '0.01'], ['judge', '0.001']])
      expect([model.heard.length, worked], where).toEqual([3, 1])
      const wallet = again.node.host.context<WalletContext>('wallet')!
      expect(wallet.holds, where).toEqual({})
      expect(available(wallet), where).toBe(10_000_000n - 13_000n)
      expect([...again.node.host.list('run')].length, where).toBe(4)
      for (const { run } of await listRuns(again)) await world.drive(finishRun(again, run, 60_000))
      expect(world.rail.imbalance()).toBe(0n)
      expect([await world.rail.balance(keysOf('m1').participant), await world.rail.balance(keysOf('p1').participant)], where).toEqual([3_000n, 10_000n])
      await world.close()
      expect(nth, 'the agent has an end').toBeLessThan(150)
    }
  }, 120_000)

  it('between planning and running: the plan is not asked for again, and runs once it is approved', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    const model = scriptedModel('m1', ({ judge }) => (judge ? YES : shoutPlan('hi')))
    await world.drive(world.provider(model))
    await world.drive(world.provider(shop()))
    const first = await world.drive(owner(world))
    const id = await world.drive(startAgent(first, { ...GOAL, policy: {} }))
    await world.drive(first.node.host.until(`agent/${id}`, isAsking, 60_000))
    await first.kill()
    const again = await world.drive(owner(world))
    expect(await agentReport(again, id)).toMatchObject({ state: 'asking', asking: { question: 1, worst: '0.02' }, spent: '0.001' })
    await world.drive(approveAgent(again, id, 1))
    expect(await world.drive(finishAgent(again, id, 60_000))).toMatchObject({ state: 'done', spent: '0.012' })
    expect(model.heard.map(({ judge }) => judge)).toEqual([false, true])
  })

  it('is left alone by a session that hosts no agents, and goes on in the next one that does', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    const model = scriptedModel('m1', ({ judge }) => (judge ? YES : shoutPlan('hi')))
    await world.drive(world.provider(model))
    await world.drive(world.provider(shop()))
    const first = await world.drive(owner(world))
    const id = await world.drive(startAgent(first, { ...GOAL, policy: {} }))
    await world.drive(first.node.host.until(`agent/${id}`, isAsking, 60_000))
    await world.drive(first.close())
    const plain = await world.drive(world.user('alice'))
    expect(await world.drive(hire(plain, { capability: SHOUT.id, input: { text: 'own' }, maxPrice: '0.02' }))).toMatchObject({ charged: '0.01' })
    await world.drive(plain.close())
    const again = await world.drive(owner(world))
    await world.drive(approveAgent(again, id, 1))
    expect(await world.drive(finishAgent(again, id, 60_000))).toMatchObject({ state: 'done', spent: '0.012' })
    expect(available(again.node.host.context<WalletContext>('wallet')!)).toBe(10_000_000n - 22_000n)
  })

  it('while it is being cancelled: the run under way is still cancelled, and counted', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    await world.drive(world.provider(scriptedModel('m1', ({ judge }) => (judge ? YES : shoutPlan('hi')))))
    await world.drive(world.provider(shop({ latencyMs: 4_000, handler: async (_input, { signal }) => {
      await world.clock.sleep(4_000, signal)
      return { output: { text: 'HI', quality: 90 }, units: { call: 1 } }
    } })))
    const fault = dieAt(1, 'after')
    const first = await world.drive(owner(world, fault.hooks))
    const id = await world.drive(startAgent(first, GOAL))
    await world.drive(first.node.host.until(`agent/${id}`, isRunning, 60_000))
    await world.drive(world.clock.sleep(1_000))
    fault.arm()
    void first.node.host.send(`agent/${id}`, { type: 'cancel' }).catch(() => undefined)
    await world.drive(fault.died)
    await first.kill()
    const again = await world.drive(owner(world))
    expect(await world.drive(finishAgent(again, id, 60_000))).toMatchObject({ state: 'failed', error: { code: 'agent.cancelled' }, spent: '0.001', reserved: '0' })
    expect(again.node.host.context<RunContext>(`run/${keyedRun(`agent/${id}/1`)}`)).toMatchObject({ cancelled: true, spent: '0' })
    expect(world.rail.imbalance()).toBe(0n)
  })
})
