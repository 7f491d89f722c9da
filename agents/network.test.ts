import { afterEach, describe, expect, it } from 'vitest'
import { MemoryWorld, SHOUT, shouter } from './memory-network.fixture.ts'
import { finishRun, startRun } from './user/run.ts'

const document = {
  name: 'shout-twice',
  version: '1.0.0',
  input: { type: 'object', required: ['text'], properties: { text: { type: 'string' } } },
  budget: { max: '0.25' },
  steps: {
    first: { uses: SHOUT.id, with: { text: '${input.text}' }, price: { max: '0.05' }, sla: { deadline: '5s' }, expect: '${output.quality > 80.0}', retry: { attempts: 2, on: ['expect', 'timeout', 'failed'], elsewhere: true } },
    second: { uses: SHOUT.id, with: { text: '${steps.first.text + "!"}' }, price: { max: '0.05' }, sla: { deadline: '5s' } },
  },
  output: { text: '${steps.second.text}' },
}

describe('one paid pipeline', () => {
  let world: MemoryWorld
  afterEach(() => world.close())

  it('runs, pays each step and settles what it paid', async () => {
    world = new MemoryWorld()
    await world.provider(shouter('cheap', '0.01', 90, { price: { list: '0.01', floor: '0.008' } }))
    await world.provider(shouter('dear', '0.02', 95))
    const user = await world.user('alice')

    const run = await startRun(user, { document, inputs: { text: 'hello' } })
    const { output, error, bill } = await finishRun(user, run, 10_000)
    expect(error).toBeNull()
    expect(output).toEqual({ text: 'HELLO!' })
    expect(bill.spent).toBe('0.018')
    expect(bill.settled).toBe(bill.spent)
    expect(bill.steps.map((step) => step.state)).toEqual(['done', 'done'])
    expect(bill.transactions).toHaveLength(1)
  })
})
