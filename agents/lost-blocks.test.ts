/** A chain that forgets: what it has lost of reservations and claims comes back, and nobody pays or is paid twice (I1, I2). */
import { afterEach, describe, expect, it } from 'vitest'
import { virtualClock } from '../runtime/memory/clock.ts'
import type { PurseContext } from '../runtime/payments/purse.machine.ts'
import { keysOf, MemoryWorld, SHOUT, shouter } from './memory-network.fixture.ts'
import { finishRun, startRun, type Finished } from './user/run.ts'

const document = {
  name: 'shout-once',
  version: '1.0.0',
  input: { type: 'object', required: ['text'], properties: { text: { type: 'string' } } },
  budget: { max: '0.25' },
  steps: { only: { uses: SHOUT.id, with: { text: '${input.text}' }, price: { max: '0.05' }, sla: { deadline: '5s', grace: '1s' } } },
  output: '${steps.only.text}',
}
const MINUTES = 120_000

describe('when the chain loses blocks', () => {
  let world: MemoryWorld
  afterEach(() => world.close())

  const set = async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    const provider = await world.drive(world.provider(shouter('p1', '0.01', 90)))
    const user = await world.drive(world.user('alice'))
    const run = async (): Promise<Finished> => {
      const id = await world.drive(startRun(user, { document, inputs: { text: 'hi' } }))
      return world.drive(finishRun(user, id, 100_000))
    }
    return { provider, user, run }
  }
  const earned = (): Promise<bigint> => world.rail.balance(keysOf('p1').participant)
  /** Lets time pass until the provider has `amount` on the chain. */
  const until = (amount: bigint): Promise<void> => world.drive((async () => {
    while (await earned() !== amount) await world.clock.sleep(100)
  })(), MINUTES)

  it('a claim that was lost is made again', async () => {
    const { run } = await set()
    const first = await run()
    expect(first.bill.settled).toBe('0.01')
    const mark = world.rail.mark()
    await run()
    expect(await earned()).toBe(20_000n)
    world.rail.rewind(mark)
    expect(await earned()).toBe(10_000n)
    await until(20_000n)
    expect(world.rail.imbalance()).toBe(0n)
  })

  it('reservation and claim that were lost together come back, whoever sends first', async () => {
    const { run } = await set()
    const mark = world.rail.mark()
    await run()
    world.rail.rewind(mark)
    expect(await earned()).toBe(0n)
    await until(10_000n)
    expect(world.rail.imbalance()).toBe(0n)
  })

  it('a lane that the chain has forgotten is reserved again for the next step', async () => {
    const { run, user, provider } = await set()
    const mark = world.rail.mark()
    await run()
    // A provider that has not seen the lane before looks at the chain.
    await world.drive(provider.stop(0))
    await world.drive(world.provider(shouter('p1', '0.01', 90)))
    world.rail.rewind(mark)
    const { error, bill } = await run()
    expect(error).toBeNull()
    expect(bill.steps.map(({ state }) => state)).toEqual(['done'])
    await until(20_000n)
    const lanes = Object.values(user.node.host.context<PurseContext>('purse/0')!.lanes)
    expect(lanes.map(({ cumulative }) => cumulative)).toEqual(['20000'])
    expect((await world.rail.lane(lanes[0]!.id))?.claimed).toBe(20_000n)
    expect(world.rail.imbalance()).toBe(0n)
  })
})
