import { afterEach, expect, it } from 'vitest'
import { virtualClock } from '../runtime/memory/clock.ts'
import { dieAt } from './die-at.fixture.ts'
import { MemoryWorld, SHOUT, shouter } from './memory-network.fixture.ts'
import { finishRun, listRuns, startRun } from './user/run.ts'

const document = {
  name: 'shout', version: '1.0.0', input: { type: 'object', required: ['text'], properties: { text: { type: 'string' } } }, budget: { max: '0.25' },
  steps: { only: { uses: SHOUT.id, with: { text: '${input.text}' }, price: { max: '0.05' }, sla: { deadline: '5s', grace: '1s' } } },
  output: '${steps.only.text}',
}

let world: MemoryWorld
afterEach(() => world.close())

/** Every deadline of a negotiation is over, and so is every quote, when its node comes back. */
it('a node that comes back after all its time is over asks again, and does not fail the step', async () => {
  let agreed = 0
  for (let nth = 1; ; nth++) {
    world = new MemoryWorld({ clock: virtualClock() })
    await world.drive(world.provider(shouter('p1', '0.01', 90)))
    const fault = dieAt(nth, 'after')
    const doomed = await world.drive(world.user('alice', {}, fault.hooks))
    fault.arm()
    const started = startRun(doomed, { document, inputs: { text: 'hi' } })
    const over = await world.drive(Promise.race([fault.died.then(() => 'died' as const), started.then((run) => finishRun(doomed, run, 60_000)).then(() => 'done' as const)]))
    if (over === 'done') break
    await doomed.kill()
    await world.drive(world.clock.sleep(300_000), 310_000)
    const again = await world.drive(world.user('alice'))
    const [known] = await listRuns(again)
    const negotiation = [...again.node.host.list('negotiation')].at(-1)
    if (known && (!negotiation || negotiation.snapshot.status === 'active')) {
      agreed++
      const { output, error, bill } = await world.drive(finishRun(again, known.run, 60_000))
      expect({ nth, error, output, spent: bill.spent }).toEqual({ nth, error: null, output: 'HI', spent: '0.01' })
    }
    await world.close()
  }
  expect(agreed).toBeGreaterThan(3)
}, 60_000)
