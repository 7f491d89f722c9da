/** A provider's process that another has taken over from, and that does not know it yet, speaks for nobody (I6). */
import { afterEach, expect, it } from 'vitest'
import { virtualClock } from '../runtime/memory/clock.ts'
import { MemoryWorld, SHOUT, shouter } from './memory-network.fixture.ts'
import { finishRun, startRun } from './user/run.ts'

const step = { uses: SHOUT.id, with: { text: 'hi' }, price: { max: '0.05' }, sla: { deadline: '5s', grace: '1s' }, retry: { attempts: 2, on: ['timeout', 'failed'] } }
const document = { name: 'twice', version: '1.0.0', input: { type: 'object' }, budget: { max: '0.50' }, steps: { a: step, b: { ...step, needs: ['a'] }, c: { ...step, needs: ['b'] } }, output: '${steps.c.text}' }

let world: MemoryWorld
afterEach(() => world.close())

it('all is hired from, delivered by and paid to the one that owns its journal', async () => {
  world = new MemoryWorld({ clock: virtualClock() })
  let worked: string[] = []
  const as = (who: string): Parameters<typeof shouter>[3] => ({ handler: async ({ text }: { text: string }) => (worked.push(who), { output: { text: text.toUpperCase(), quality: 90 }, units: { call: 1 } }) })
  await world.drive(world.provider(shouter('p1', '0.01', 90, as('old'))))
  const user = await world.drive(world.user('alice'))
  const run = async (): Promise<{ error: unknown; spent: string; settled: string }> => {
    const id = await world.drive(startRun(user, { document, inputs: {} }))
    const { error, bill } = await world.drive(finishRun(user, id, 200_000), 210_000)
    return { error, spent: bill.spent, settled: bill.settled }
  }
  expect(await run()).toEqual({ error: null, spent: '0.03', settled: '0.03' })
  // The old one is not killed: it listens on, with the sessions that it has.
  await world.drive(world.provider(shouter('p1', '0.01', 90, as('new'))))
  await world.drive(world.clock.sleep(5_000))
  worked = []
  expect(await run()).toEqual({ error: null, spent: '0.03', settled: '0.03' })
  expect(worked).toEqual(['new', 'new', 'new'])
  expect(world.rail.imbalance()).toBe(0n)
})
