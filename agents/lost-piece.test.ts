/** A piece of a stream that could not be journaled at the payer is lost: who takes the pieces fails and says so, the stream is paid. */
import { afterEach, expect, it } from 'vitest'
import { virtualClock } from '../runtime/memory/clock.ts'
import { AigenError } from '../schemas/error.ts'
import { MemoryWorld, SHOUT } from './memory-network.fixture.ts'
import type { ProviderDefinition } from './provider/define.ts'
import { finishRun, startRun } from './user/run.ts'

const TELL = { ...SHOUT, id: 'text.tell@1', chunk: { type: 'object', required: ['word'], properties: { word: { type: 'string' } } } }
const STANDARD = new Map([SHOUT, TELL].map((one) => [one.id, one]))
const world = new MemoryWorld({ clock: virtualClock() })
afterEach(() => world.close())

it('fails the step that takes the pieces, and does not pass for the whole', async () => {
  const selling = [TELL, SHOUT].map((capability): ProviderDefinition => ({
    name: 'p1', capability, price: { list: '0.01' }, latencyMs: 100, concurrency: 8,
    handler: async ({ text }: { text: string }, { emit }) => {
      if (capability === TELL) for (const word of ['once', 'upon', 'a']) await emit({ word })
      return { output: { text: text.toUpperCase(), quality: 90 }, units: { call: 1 } }
    },
  }))
  await world.drive(world.provider(selling as never))
  const user = await world.drive(world.user('alice', { standard: STANDARD }))
  const { host } = user.node
  const send = host.send.bind(host)
  host.send = (id, event) => (event.type === 'piece' && event['number'] === 2 ? Promise.reject(new AigenError('node.busy')) : send(id, event))
  const step = (uses: string, text: string, more: object = {}): object => ({ uses, with: { text }, price: { max: '0.02' }, sla: { deadline: '4s', grace: '1s' }, ...more })
  const steps = { told: step(TELL.id, 'story'), each: step(SHOUT.id, '${item.word}', { forEach: '${chunks.told}', maxItems: 5 }) }
  const run = await world.drive(startRun(user, { document: { name: 'case', version: '1.0.0', budget: { max: '5' }, steps, output: '${steps.each}' }, inputs: {} }))
  const { error, bill } = await world.drive(finishRun(user, run, 60_000))
  expect(error).toMatchObject({ code: 'step.failed', path: 'steps.each' })
  expect(bill.steps.find((one) => one.step === 'told')).toMatchObject({ state: 'done', charged: '0.01' })
  expect(bill.settled).toBe(bill.spent)
})
