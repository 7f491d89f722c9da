/** Documents of every construct: whenever the user dies, the run ends as it would have, and nothing is paid twice (I1, I2, I5). */
import { afterEach, describe, expect, it } from 'vitest'
import type { RunContext } from '../pipelines/run.machine.ts'
import { stepsOf } from '../pipelines/steps-of.ts'
import { virtualClock } from '../runtime/memory/clock.ts'
import { dieAt } from './die-at.fixture.ts'
import { MemoryWorld, SHOUT, shouter } from './memory-network.fixture.ts'
import { finishRun, startRun } from './user/run.ts'
import type { WalletContext } from './user/wallet.machine.ts'

const standard = new Map([[SHOUT.id, SHOUT]])
const call = (text: string, more: object = {}): object => ({ uses: SHOUT.id, with: { text }, price: { max: '0.02' }, sla: { deadline: '4s', grace: '1s' }, ...more })
const undo = { uses: SHOUT.id, with: { text: '${output.text}' }, price: { max: '0.02' } }
const inner = { name: 'inner', version: '1.0.0', budget: { max: '0.1' }, steps: { one: call('one'), two: call('${steps.one.text}') }, output: '${steps.two.text}' }

const DOCUMENTS: Record<string, { readonly steps: object; readonly output: unknown; readonly gives: unknown; readonly error?: string }> = {
  'a race and a quorum': {
    steps: { raced: call('r', { race: { providers: 2 } }), agreed: call('q', { quorum: { providers: 3, agree: 3 } }) }, output: '${steps.raced.text + steps.agreed.text}', gives: 'RQ',
  },
  'a sub-pipeline, also an item each': {
    steps: { sub: { pipeline: 'inner' }, subs: { pipeline: 'inner', forEach: "${['a', 'b']}", maxItems: 2 } }, output: '${[steps.sub, steps.subs]}', gives: ['ONE', ['ONE', 'ONE']],
  },
  'a saga': {
    steps: { one: call('one', { compensate: undo }), two: call('two', { needs: ['one'], compensate: undo }), bad: call('bad', { needs: ['two'], expect: '${output.quality > 95.0}' }) },
    output: '${steps.bad.text}', gives: null, error: 'step.expect',
  },
  'waits, a switch, a fallback and tolerated items': {
    steps: {
      nap: { wait: { for: '2s' } }, chosen: { needs: ['nap'], switch: [{ when: '${1 > 2}', value: 'no' }, { uses: SHOUT.id, with: { text: 'case' }, price: { max: '0.02' } }] },
      stood: call('x', { expect: '${output.quality > 95.0}', fallback: { value: { text: 'low', quality: 1 } } }), some: call('${item}', { forEach: "${['a', 7]}", maxItems: 2, tolerate: 1 }),
    },
    output: "${[steps.chosen.text, steps.stood.text, steps.some.map(one, one == null ? '' : one.text).join('-')]}", gives: ['CASE', 'low', 'A-'],
  },
}

describe.each(Object.entries(DOCUMENTS))('%s', (_name, { steps, output, gives, error: fails }) => {
  let world: MemoryWorld
  afterEach(() => world.close())
  const document = { name: 'all', version: '1.0.0', budget: { max: '5' }, pipelines: { inner }, steps, output }
  // Each append of the run, or one in so many.
  const every = process.env['AIGEN_LONG'] ? 1 : 13

  it.each(['before', 'after'] as const)('its user killed %s an append', async (when) => {
    for (let nth = when === 'before' ? 1 : 7; ; nth += every) {
      world = new MemoryWorld({ clock: virtualClock() })
      for (const [at, name] of ['p1', 'p2', 'p3'].entries()) {
        await world.drive(world.provider(shouter(name, `0.01${at}`, 90, { handler: async ({ text }: { text: string }) => {
          await world.clock.sleep(100 + at * 150)
          return { output: { text: text.toUpperCase(), quality: 90 }, units: { call: 1 } }
        } })))
      }
      const first = await world.drive(world.user('alice', { standard }))
      await world.drive(first.close())
      const fault = dieAt(nth, when)
      const doomed = await world.drive(world.user('alice', { standard }, fault.hooks))
      fault.arm()
      const start = { document, inputs: {}, key: 'once' }
      const over = await world.drive(Promise.race([fault.died.then(() => 'died' as const), startRun(doomed, start).then((run) => finishRun(doomed, run, 60_000)).then(() => 'done' as const)]))
      if (over === 'done') break
      await doomed.kill()
      const user = await world.drive(world.user('alice', { standard }))
      const run = await world.drive(startRun(user, start))
      const where = `killed ${when} append ${nth}`
      const { output: answer, error, bill } = await world.drive(finishRun(user, run, 100_000), 200_000)
      expect([error?.code, answer], where).toEqual([fails, gives])
      expect(bill.settled, where).toBe(bill.spent)
      const context = (await user.node.host.look<RunContext>(`run/${run}`))!
      expect(BigInt(context.spent) <= BigInt(context.plan.worst), where).toBe(true)
      expect(user.node.host.context<WalletContext>('wallet')!.holds, where).toEqual({})
      expect(world.rail.imbalance(), where).toBe(0n)
      const states = new Map<string, string | undefined>()
      for await (const { name, state } of stepsOf(user.node.host, context)) states.set(name, state)
      if (fails) expect([states.get('two/undo'), states.get('one/undo')], where).toEqual(['done', 'done'])
      for (const kind of ['run', 'step', 'fan', 'gate', 'nest', 'saga', 'inquiry']) for await (const actor of user.node.host.all(kind)) expect(actor.snapshot.status, `${where}: ${actor.id}`).toBe('done')
      await world.close()
      expect(nth, 'the run has an end').toBeLessThan(300)
    }
  }, 120_000)
})
