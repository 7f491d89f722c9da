/** A streamed call over a real NATS server and a real chain: pieces in order, the answer whole, paid once; and given up in the middle. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Capability } from '../schemas/documents.gen.ts'
import { RealWorld } from './real-network.fixture.ts'
import { hire } from './user/hire.ts'

const COUNT: Capability = {
  id: 'text.count@1', title: 'Count', description: 'Counts up.', unit: 'number', estimate: { expression: '1.0 * input.to' },
  input: { type: 'object', required: ['to'], properties: { to: { type: 'integer', minimum: 1, maximum: 500 } } },
  output: { type: 'object', required: ['last'], properties: { last: { type: 'integer' } } },
  chunk: { type: 'object', required: ['number'], properties: { number: { type: 'integer' } } },
}
let world: RealWorld

beforeAll(async () => { world = await RealWorld.open() })
afterAll(() => world.close())

it('brings 300 pieces in order, and pays for the part that was made when the caller gives up', async () => {
  let release: (() => void) | undefined
  await world.provider({
    name: 'counter', capability: COUNT, price: { list: '0.0001' }, latencyMs: 5_000,
    handler: async ({ to }: { to: number }, { emit, signal }) => {
      let last = 0
      for (let number = 1; number <= to && !signal.aborted; number++) {
        await emit({ number })
        last = number
        // a number that nobody counts past: until the caller is gone
        if (number === 400) await new Promise<void>((resolve) => { release = resolve; signal.addEventListener('abort', () => resolve(), { once: true }) })
      }
      return { output: { last }, units: { number: last } }
    },
  })
  const user = await world.user('alice')
  const heard: number[] = []
  const whole = await hire(user, { capability: COUNT.id, input: { to: 300 }, maxPrice: '0.05', onChunk: (chunk) => heard.push((chunk as { number: number }).number) })
  expect([whole.output, whole.charged]).toEqual([{ last: 300 }, '0.03'])
  expect(heard).toEqual(Array.from({ length: 300 }, (_, index) => index + 1))

  const gone = new AbortController()
  const part = await hire(user, { capability: COUNT.id, input: { to: 500 }, maxPrice: '0.06', signal: gone.signal, onChunk: (chunk) => {
    if ((chunk as { number: number }).number === 400) gone.abort()
  } })
  release?.()
  expect(part).toMatchObject({ cancelled: true, output: { last: 400 }, charged: '0.04', bill: { spent: '0.04', settled: '0.04' } })
})
