import { afterEach, describe, expect, it } from 'vitest'
import type { RunContext } from '../pipelines/run.machine.ts'
import { virtualClock } from '../runtime/memory/clock.ts'
import type { PurseContext } from '../runtime/payments/purse.machine.ts'
import type { TillContext } from '../runtime/payments/till.machine.ts'
import { dieAt } from './die-at.fixture.ts'
import { keysOf, MemoryWorld, SHOUT, shouter } from './memory-network.fixture.ts'
import { available, type WalletContext } from './user/wallet.machine.ts'
import { finishRun, listRuns, startRun } from './user/run.ts'

const document = {
  name: 'shout-twice',
  version: '1.0.0',
  input: { type: 'object', required: ['text'], properties: { text: { type: 'string' } } },
  budget: { max: '0.25' },
  steps: {
    first: { uses: SHOUT.id, with: { text: '${input.text}' }, price: { max: '0.05' }, sla: { deadline: '5s', grace: '1s' }, retry: { attempts: 2, on: ['expect', 'timeout', 'failed'] } },
    second: { uses: SHOUT.id, with: { text: '${steps.first.text + "!"}' }, price: { max: '0.05' }, sla: { deadline: '5s', grace: '1s' } },
  },
  output: '${steps.second.text}',
}

describe('whoever dies, at whichever append, nothing is lost and nothing paid twice (I1, I2, I4)', () => {
  let world: MemoryWorld
  afterEach(() => world.close())

  const balance = (user: Awaited<ReturnType<MemoryWorld['user']>>, run: RunContext): void => {
    expect(world.rail.imbalance()).toBe(0n)
    const wallet = user.node.host.context<WalletContext>('wallet')!
    expect(wallet.holds).toEqual({})
    expect(available(wallet)).toBe(10_000_000n - BigInt(run.spent))
  }

  it.each(['before', 'after'] as const)('the user, killed %s each append of a run', async (when) => {
    for (let nth = 1; ; nth++) {
      world = new MemoryWorld({ clock: virtualClock() })
      let worked = 0
      const provider = await world.drive(world.provider(shouter('p1', '0.01', 90, {
        handler: async ({ text }: { text: string }) => (worked++, { output: { text: text.toUpperCase(), quality: 90 }, units: { call: 1 } }),
      })))
      const first = await world.drive(world.user('alice'))
      await world.drive(first.close())
      const fault = dieAt(nth, when)
      const doomed = await world.drive(world.user('alice', {}, fault.hooks))
      fault.arm()
      const started = startRun(doomed, { document, inputs: { text: 'hi' } })
      const over = await world.drive(Promise.race([fault.died.then(() => 'died' as const), started.then((run) => finishRun(doomed, run, 60_000)).then(() => 'done' as const)]))
      if (over === 'done') break
      await doomed.kill()
      const again = await world.drive(world.user('alice'))
      const [known] = await listRuns(again)
      const run = known?.run ?? (await world.drive(startRun(again, { document, inputs: { text: 'hi' } })))
      const { output, error, bill } = await world.drive(finishRun(again, run, 60_000))
      expect(error, `killed ${when} append ${nth}`).toBeNull()
      expect(output).toBe('HI!')
      expect(bill.spent, `killed ${when} append ${nth}`).toBe('0.02')
      expect(bill.settled).toBe('0.02')
      balance(again, again.node.host.context<RunContext>(`run/${run}`)!)
      expect(await world.rail.balance(keysOf('p1').participant)).toBe(20_000n)
      const purse = again.node.host.context<PurseContext>('purse/0')!
      const tills = [...provider.node.host.list('till')].map((actor) => actor.snapshot.context as TillContext)
      for (const lane of Object.values(purse.lanes)) expect(tills.find((till) => till.lane === lane.id)?.cumulative ?? '0').toBe(lane.cumulative)
      expect(worked).toBe(2)
      await world.close()
      expect(nth, 'the run has an end').toBeLessThan(80)
    }
  }, 60_000)

  it.each(['before', 'after'] as const)('the provider, killed %s each append and started again', async (when) => {
    for (let nth = 1; ; nth++) {
      world = new MemoryWorld({ clock: virtualClock() })
      const fault = dieAt(nth, when)
      const doomed = await world.drive(world.provider(shouter('p1', '0.01', 90), fault.hooks))
      const user = await world.drive(world.user('alice'))
      fault.arm()
      const run = await world.drive(startRun(user, { document, inputs: { text: 'hi' } }))
      const finished = finishRun(user, run, 100_000)
      const over = await world.drive(Promise.race([fault.died.then(() => 'died' as const), finished.then(() => 'done' as const)]))
      if (over === 'done') break
      await doomed.kill()
      await world.drive(world.provider(shouter('p1', '0.01', 90)))
      const { output, error, bill } = await world.drive(finished)
      expect(error, `killed ${when} append ${nth}`).toBeNull()
      expect(output).toBe('HI!')
      expect(bill.spent, `killed ${when} append ${nth}`).toBe('0.02')
      balance(user, user.node.host.context<RunContext>(`run/${run}`)!)
      await world.close()
      expect(nth, 'the run has an end').toBeLessThan(80)
    }
  }, 60_000)
})
