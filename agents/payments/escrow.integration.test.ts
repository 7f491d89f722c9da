import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SHOUT, shouter } from '../memory-network.fixture.ts'
import { RealWorld } from '../real-network.fixture.ts'
import { hire, type HireOptions } from '../user/hire.ts'
import type { User } from '../user/user.ts'

const call = { capability: SHOUT.id, input: { text: 'hi' }, maxPrice: '0.05', deadlineMs: 3_000, attempts: 1, settle: 'escrow' } satisfies HireOptions

describe('escrow on a real server and a real chain', () => {
  let world: RealWorld
  let alice: User
  let seller: `0x${string}`
  let broken = false

  beforeAll(async () => {
    world = await RealWorld.open()
    await world.payments('safe', { challengeMs: 30_000 })
    const provider = await world.provider(shouter('p1', '0.01', 90, {
      handler: async ({ text }: { text: string }) => {
        if (broken) throw new Error('out of paper')
        return { output: { text: text.toUpperCase(), quality: 90 }, units: { call: 1 } }
      },
    }))
    seller = provider.node.participant
    alice = await world.user('alice')
  }, 60_000)
  afterAll(() => world.close(), 30_000)

  it('a call that is accepted is paid and settled at once', async () => {
    const { charged, bill } = await hire(alice, call)
    expect(charged).toBe('0.011')
    expect(bill.settled).toBe('0.011')
    expect(bill.steps[0]!.escrow).toMatchObject({ agentName: 'safe', state: 'accepted', paid: '0.01', fee: '0.001' })
    expect(await alice.node.rail.balance(seller)).toBe(10_000n)
  }, 30_000)

  it('a call that came to nothing is ruled on, on the chain, and costs the fee', async () => {
    broken = true
    await expect(hire(alice, call)).rejects.toMatchObject({ code: 'step.failed' })
    const [dispute] = [...alice.node.host.list('dispute')].map((one) => one.snapshot.context)
    expect(dispute).toMatchObject({ outcome: 'ruled', paid: '0' })
    broken = false
    expect((await hire(alice, call)).charged).toBe('0.011')
    expect(await alice.node.rail.balance(seller)).toBe(20_000n)
  }, 60_000)
})
