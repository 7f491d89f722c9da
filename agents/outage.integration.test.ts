import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RunContext } from '../pipelines/run.machine.ts'
import { SHOUT, shouter } from './memory-network.fixture.ts'
import { RealWorld } from './real-network.fixture.ts'
import { finishRun, startRun } from './user/run.ts'
import type { User } from './user/user.ts'
import type { WalletContext } from './user/wallet.machine.ts'

const pipeline = {
  name: 'shout-twice',
  version: '1.0.0',
  input: { type: 'object', required: ['text'], properties: { text: { type: 'string' } } },
  budget: { max: '0.30' },
  steps: {
    first: { uses: SHOUT.id, with: { text: '${input.text}' }, price: { max: '0.05' }, sla: { deadline: '20s' }, retry: { attempts: 2, on: ['timeout', 'failed'] } },
    second: { uses: SHOUT.id, with: { text: '${steps.first.text + "!"}' }, price: { max: '0.05' }, sla: { deadline: '20s' }, retry: { attempts: 2, on: ['timeout', 'failed'] } },
  },
  output: '${steps.second.text}',
}

describe('on a real NATS server and a real EVM node', () => {
  let world: RealWorld
  let user: User
  /** What the next call of the handler does first. */
  let meanwhile: () => Promise<void> | void = () => undefined
  let worked = 0
  const once = (act: () => void): void => {
    meanwhile = () => {
      meanwhile = () => undefined
      act()
    }
  }

  beforeAll(async () => {
    world = await RealWorld.open()
    for (const name of ['one', 'two']) {
      await world.provider(shouter(name, '0.01', 90, {
        handler: async ({ text }: { text: string }) => {
          worked++
          await meanwhile()
          return { output: { text: text.toUpperCase(), quality: 90 }, units: { call: 1 } }
        },
      }))
    }
    user = await world.user('alice')
  })
  afterAll(() => world?.close())

  const settles = async (text: string): Promise<void> => {
    const run = await startRun(user, { document: pipeline, inputs: { text } })
    const { output, error, bill } = await finishRun(user, run, 50_000)
    expect(error).toBeNull()
    expect(output).toBe(`${text.toUpperCase()}!`)
    expect(bill.steps.map((step) => step.state)).toEqual(['done', 'done'])
    expect(bill.spent).toBe('0.02')
    expect(bill.settled).toBe(bill.spent)
    expect(user.node.host.context<WalletContext>('wallet')!.holds).toEqual({})
    expect(user.node.host.context<RunContext>(`run/${run}`)!.doubts).toBe(0)
  }

  it('a run is paid step by step and settled on the chain', async () => {
    await settles('plain')
    expect(worked).toBe(2)
  })

  it('NATS dies in the middle of a step: the run goes on, no step is paid twice', async () => {
    once(() => process.kill(world.nats.pid, 'SIGKILL'))
    await settles('after nats')
  })

  it('the EVM node dies in the middle of a run: the run goes on and settles', async () => {
    once(() => process.kill(world.anvil.pid()!, 'SIGKILL'))
    await settles('after anvil')
  })
})
