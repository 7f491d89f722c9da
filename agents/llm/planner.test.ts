/** An agent driven by a scripted model: what it reaches, what it pays, and where it stops. */
import { afterEach, describe, expect, it } from 'vitest'
import { virtualClock } from '../../runtime/memory/clock.ts'
import type { AgentPolicy } from '../../schemas/documents.gen.ts'
import { MemoryWorld, keysOf } from '../memory-network.fixture.ts'
import type { ProviderDefinition } from '../provider/define.ts'
import { available, type WalletContext } from '../user/wallet.machine.ts'
import { finishRun, listRuns } from '../user/run.ts'
import type { User } from '../user/user.ts'
import { isAsking, isRunning, NO, owner, scriptedModel, shop, shoutPlan, YES } from './agent.fixture.ts'
import type { AgentReport } from './agent-report.ts'
import { agentReport, approveAgent, cancelAgent, finishAgent, listAgents, rejectAgent, startAgent, type AgentOptions } from './pursue.ts'

const FREE: AgentPolicy = { approval: 'never' }

describe('an agent', () => {
  let world: MemoryWorld
  let user: User
  afterEach(() => world.close())

  const open = async (...definitions: ProviderDefinition[]): Promise<User> => {
    world = new MemoryWorld({ clock: virtualClock() })
    for (const definition of definitions) await world.drive(world.provider(definition))
    return (user = await world.drive(owner(world)))
  }
  const pursue = async (options: Partial<AgentOptions> = {}): Promise<AgentReport> => {
    const id = await world.drive(startAgent(user, { goal: 'Say hi loudly', budget: '0.50', policy: FREE, ...options }))
    return world.drive(finishAgent(user, id, 3_600_000), 3_700_000)
  }
  const balanced = (spent: bigint): void => {
    const wallet = user.node.host.context<WalletContext>('wallet')!
    expect(wallet.holds).toEqual({})
    expect(available(wallet)).toBe(10_000_000n - spent)
    expect(world.rail.imbalance()).toBe(0n)
  }

  it('looks, has a plan written, runs it, has it judged, and accounts for every cent', async () => {
    const model = scriptedModel('m1', ({ judge }) => (judge ? YES : shoutPlan('${input.word}')))
    await open(model, shop())
    const report = await pursue({ inputs: { word: 'hi' } })
    expect(report).toMatchObject({ state: 'done', error: null, output: 'HI', spent: '0.012', reserved: '0', budget: '0.5', asking: null })
    expect(report.calls.map(({ purpose, charged, state, providers }) => [purpose, charged, state, providers])).toEqual([
      ['plan', '0.001', 'done', ['m1']], ['run', '0.01', 'done', ['p1']], ['judge', '0.001', 'done', ['m1']],
    ])
    expect(report.attempts).toMatchObject([{ pipeline: 'shout@1.0.0', worst: '0.02', charged: '0.01', met: true, approved: false, reason: 'it says so' }])
    // the model was told what is for sale, what there is, and what it may spend
    const [, said] = model.heard[0]!.messages
    expect(said!.content).toContain('text.shout@1')
    expect(said!.content).toContain('Budget for this plan at worst: 0.4')
    expect(said!.content).toContain('{ word: string }')
    balanced(12_000n)
    for (const { run } of await listRuns(user)) await world.drive(finishRun(user, run, 60_000))
    expect(await world.rail.balance(keysOf('m1').participant)).toBe(2_000n)
    expect(await listAgents(user.node.host)).toHaveLength(1)
  })

  it('repairs an invalid document from the checker\'s errors', async () => {
    const model = scriptedModel('m1', ({ judge, call }) => (judge ? YES : call === 1 ? shoutPlan('hi', { output: '${steps.shuot.text}' }, { uses: 'text.shuot@1' }) : shoutPlan('hi')))
    await open(model, shop())
    expect(await pursue()).toMatchObject({ state: 'done', output: 'HI', spent: '0.013' })
    const { messages } = model.heard[1]!
    expect(messages.map(({ role }) => role)).toEqual(['system', 'user', 'assistant', 'user'])
    expect(messages[3]!.content).toContain('steps.shout.uses: nobody offers text.shuot@1. Did you mean text.shout@1?')
    expect(messages[3]!.content).toContain('Did you mean steps.shout?')
  })

  it('an acceptance expression judges without a model, and what failed is told to the next plan', async () => {
    const model = scriptedModel('m1', ({ call }) => shoutPlan(call === 1 ? 'hi' : 'hello'))
    await open(model, shop())
    const report = await pursue({ accept: 'output.size() > 3' })
    expect(report).toMatchObject({ state: 'done', output: 'HELLO', spent: '0.022' })
    expect(report.attempts.map(({ met, reason }) => [met, reason])).toEqual([[false, 'output.size() > 3 is false'], [true, 'output.size() > 3 holds']])
    expect(model.heard[1]!.messages[1]!.content).toContain('1. shout: output.size() > 3 is false')
  })

  it('gives up after the attempts allowed, with what each one came to', async () => {
    await open(scriptedModel('m1', ({ judge }) => (judge ? NO : shoutPlan('hi'))), shop())
    const report = await pursue({ policy: { ...FREE, attempts: 2 } })
    expect(report).toMatchObject({ state: 'failed', error: { code: 'agent.not-met' }, spent: '0.024', output: 'HI' })
    expect(report.attempts.map(({ reason }) => reason)).toEqual(['too quiet', 'too quiet'])
    balanced(24_000n)
  })

  describe('stops at its budget', () => {
    it('when a plan is too dear, which the model may mend', async () => {
      const model = scriptedModel('m1', ({ judge, call }) => (judge ? YES : shoutPlan('hi', {}, { price: { max: call === 1 ? '0.40' : '0.02' } })))
      await open(model, shop())
      expect(await pursue({ budget: '0.20' })).toMatchObject({ state: 'done', spent: '0.013' })
      expect(model.heard[1]!.messages[3]!.content).toContain('the worst case is 0.4, the budget given is 0.149')
    })

    it('when every plan is too dear', async () => {
      await open(scriptedModel('m1', () => shoutPlan('hi', {}, { price: { max: '0.40' } })), shop())
      const report = await pursue({ budget: '0.20', policy: { ...FREE, repairs: 2 } })
      expect(report).toMatchObject({ state: 'failed', error: { code: 'agent.no-plan', message: expect.stringContaining('the worst case is 0.4') }, attempts: [], spent: '0.003' })
      balanced(3_000n)
    })

    it('when it ran out midway', async () => {
      await open(scriptedModel('m1', ({ judge }) => (judge ? NO : shoutPlan('hi'))), shop())
      const report = await pursue({ budget: '0.03', policy: { ...FREE, attempts: 10, pricePerModelCall: '0.02' }, accept: 'output == "never"' })
      expect(report).toMatchObject({ state: 'failed', error: { code: 'budget.too-small' }, spent: '0.011', budget: '0.03' })
      expect(report.attempts).toHaveLength(1)
      balanced(11_000n)
    })

    it('when not even a plan can be paid: nothing is hired', async () => {
      const model = scriptedModel('m1', () => shoutPlan('hi'))
      await open(model, shop())
      expect(await pursue({ budget: '0.01' })).toMatchObject({ state: 'failed', error: { code: 'budget.too-small' }, spent: '0', calls: [] })
      expect(model.heard).toEqual([])
      await expect(startAgent(user, { goal: 'x', budget: '0' })).rejects.toMatchObject({ code: 'budget.too-small' })
    })

    it('the smaller of the policy\'s and the given one counts', async () => {
      await open(scriptedModel('m1', () => YES), shop())
      expect(await pursue({ budget: '5', policy: { ...FREE, budget: '0.01' } })).toMatchObject({ budget: '0.01', spent: '0' })
    })
  })

  describe('asks its owner', () => {
    const asked = async (policy: AgentPolicy = {}): Promise<string> => {
      await open(scriptedModel('m1', ({ judge }) => (judge ? YES : shoutPlan('hi'))), shop())
      const id = await world.drive(startAgent(user, { goal: 'Say hi', budget: '0.50', policy }))
      await world.drive(user.node.host.until(`agent/${id}`, isAsking, 60_000))
      return id
    }

    it('by default, shows what would run, and goes on when approved', async () => {
      const id = await asked()
      const { asking, spent } = await agentReport(user, id)
      expect(asking).toMatchObject({ question: 1, worst: '0.02', steps: [{ step: 'shout', uses: 'text.shout@1', max: '0.02', sellers: ['p1'] }] })
      expect(asking!.until).toBeGreaterThan(world.clock.now())
      expect(spent).toBe('0.001')
      await expect(approveAgent(user, id, 2)).rejects.toMatchObject({ code: 'agent.moved-on' })
      await world.drive(approveAgent(user, id, 1))
      expect(await world.drive(finishAgent(user, id, 60_000))).toMatchObject({ state: 'done', output: 'HI', attempts: [{ approved: true }] })
      await expect(approveAgent(user, id)).rejects.toMatchObject({ code: 'agent.moved-on' })
      await expect(approveAgent(user, 'agent_x')).rejects.toMatchObject({ code: 'agent.unknown' })
    })

    it('is refused', async () => {
      const id = await asked()
      await world.drive(rejectAgent(user, id, 'too dear'))
      expect(await world.drive(finishAgent(user, id, 60_000))).toMatchObject({ state: 'failed', error: { code: 'agent.rejected', message: expect.stringContaining('too dear') }, spent: '0.001', attempts: [] })
      balanced(1_000n)
    })

    it('is not answered in time, also when nobody was there at that time', async () => {
      const id = await asked({ approvalTimeout: '10m' })
      await user.close()
      await world.drive(world.clock.sleep(900_000), 1_000_000)
      user = await world.drive(owner(world))
      expect(await world.drive(finishAgent(user, id, 60_000))).toMatchObject({ state: 'failed', error: { code: 'agent.unanswered' }, spent: '0.001' })
    })

    it('above an amount only, and many small runs do not slip below it', async () => {
      await open(scriptedModel('m1', ({ judge }) => (judge ? NO : shoutPlan('hi'))), shop())
      const id = await world.drive(startAgent(user, { goal: 'Say hi', budget: '0.50', policy: { approval: { above: '0.035' }, attempts: 5 } }))
      await world.drive(user.node.host.until(`agent/${id}`, isAsking, 60_000))
      const report = await agentReport(user, id)
      // 0.02 + 0.02 spent unasked would be more than 0.035
      expect(report.attempts.map(({ charged, approved }) => [charged, approved])).toEqual([['0.01', false], ['0.01', false]])
    })
  })

  it('ends at its deadline and when it is cancelled, and counts what was under way', async () => {
    const model = scriptedModel('m1', ({ judge }) => (judge ? YES : shoutPlan('hi')))
    const slow = shop({ latencyMs: 4_000, handler: async (_input, { signal }) => {
      await world.clock.sleep(4_000, signal)
      return { output: { text: 'HI', quality: 90 }, units: { call: 1 } }
    } })
    await open(model, slow)
    const id = await world.drive(startAgent(user, { goal: 'Say hi', budget: '0.50', policy: FREE }))
    await world.drive(user.node.host.until(`agent/${id}`, isRunning, 60_000))
    await world.drive(world.clock.sleep(500))
    await world.drive(cancelAgent(user, id))
    expect(await world.drive(finishAgent(user, id, 60_000))).toMatchObject({ state: 'failed', error: { code: 'agent.cancelled' }, spent: '0.001', calls: [{ purpose: 'plan' }, { purpose: 'run', state: 'failed', charged: '0' }] })
    balanced(1_000n)
    const late = await pursue({ policy: { ...FREE, deadline: '3s' } })
    expect(late).toMatchObject({ state: 'failed', error: { code: 'agent.late' }, reserved: '0' })
    expect(late.endedAt! - late.startedAt).toBeGreaterThanOrEqual(3_000)
    expect(late.endedAt! - late.startedAt).toBeLessThan(15_000)
  })

  describe('a model that is no use', () => {
    it('answers rubbish', async () => {
      await open(scriptedModel('m1', () => 'I would rather not. {"steps": oops}'), shop())
      expect(await pursue({ policy: { ...FREE, repairs: 1 } })).toMatchObject({ state: 'failed', error: { code: 'agent.no-plan', message: expect.stringContaining('not a JSON object') }, spent: '0.002' })
    })

    it('never answers: it is not paid, and another one is asked when there is one', async () => {
      const mute = scriptedModel('mute', (_asked, signal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))), { price: { list: '0.0005' } })
      await open(mute, shop())
      const report = await pursue({ policy: { ...FREE, repairs: 1, modelDeadline: '2s' } })
      expect(report).toMatchObject({ state: 'failed', error: { code: 'agent.no-plan' }, spent: '0' })
      balanced(0n)
      await world.drive(world.provider(scriptedModel('m2', ({ judge }) => (judge ? YES : shoutPlan('hi')))))
      const next = await pursue({ policy: { ...FREE, modelDeadline: '2s' } })
      expect(next).toMatchObject({ state: 'done', output: 'HI' })
      expect(next.calls.map(({ purpose, providers, state }) => [purpose, providers[0], state])).toEqual([['plan', 'mute', 'failed'], ['plan', 'm2', 'done'], ['run', 'p1', 'done'], ['judge', 'm2', 'done']])
    })

    it('gives no verdict: it is asked once more, then the run does not count', async () => {
      await open(scriptedModel('m1', ({ judge }) => (judge ? '{"met": "yes"}' : shoutPlan('hi'))), shop())
      const report = await pursue({ policy: { ...FREE, attempts: 1 } })
      expect(report).toMatchObject({ state: 'failed', error: { code: 'agent.not-met' }, output: 'HI', spent: '0.013' })
      expect(report.calls.map(({ purpose }) => purpose)).toEqual(['plan', 'run', 'judge', 'judge'])
    })

    it('is not there at all', async () => {
      await open(shop())
      expect(await pursue()).toMatchObject({ state: 'failed', error: { code: 'market.no-provider' }, spent: '0' })
    })
  })

  it('the same key is the same agent', async () => {
    await open(scriptedModel('m1', ({ judge }) => (judge ? YES : shoutPlan('hi'))), shop())
    const options = { goal: 'Say hi', budget: '0.50', policy: FREE, key: 'k' }
    const id = await world.drive(startAgent(user, options))
    expect(await world.drive(startAgent(user, options))).toBe(id)
    await expect(startAgent(user, { ...options, budget: '0.60' })).rejects.toMatchObject({ code: 'run.conflict' })
    expect(await world.drive(finishAgent(user, id, 60_000))).toMatchObject({ spent: '0.012' })
  })
})
