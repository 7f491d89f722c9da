import { afterEach, describe, expect, it } from 'vitest'
import { virtualClock } from '../../runtime/memory/clock.ts'
import type { TillContext } from '../../runtime/payments/till.machine.ts'
import type { PurseContext } from '../../runtime/payments/purse.machine.ts'
import { verifyReceipt } from '../../runtime/payments/receipt.ts'
import { paidCalls } from '../../pipelines/bill.ts'
import type { RunContext } from '../../pipelines/run.machine.ts'
import { keysOf, MemoryWorld, SHOUT, shouter } from '../memory-network.fixture.ts'
import { hire, type HireOptions } from '../user/hire.ts'
import type { User } from '../user/user.ts'
import { available, type WalletContext } from '../user/wallet.machine.ts'

const seller = keysOf('p1').participant
const agent = keysOf('safe').participant
const call = { capability: SHOUT.id, input: { text: 'hi' }, maxPrice: '0.05', deadlineMs: 5_000, attempts: 1, settle: 'escrow' } satisfies HireOptions

describe('a call settled in escrow', () => {
  let world: MemoryWorld
  afterEach(() => world.close())

  const open = async (change: Parameters<typeof shouter>[3] = {}) => {
    world = new MemoryWorld({ clock: virtualClock() })
    const safe = await world.drive(world.payments('safe', { fee: '0.001' }))
    const provider = await world.drive(world.provider(shouter('p1', '0.01', 90, change)))
    const alice = await world.drive(world.user('alice'))
    return { safe, provider, alice }
  }
  /** Every payment has a receipt that verifies, every cent is accounted for (I2, I3). */
  const balanced = (user: User, spent: bigint): void => {
    expect(world.rail.imbalance()).toBe(0n)
    const wallet = user.node.host.context<WalletContext>('wallet')!
    expect(wallet.holds).toEqual({})
    expect(available(wallet)).toBe(10_000_000n - spent)
    for (const run of user.node.host.list('run')) {
      for (const { receipt } of paidCalls(user.node.host, run.snapshot.context as RunContext, user.node.wire.credentials.verifier)) verifyReceipt(receipt)
    }
  }

  it('accepted: the provider is paid at once and once, the agent its fee, and both have receipts', async () => {
    const { alice, provider } = await open()
    const before = world.clock.now()
    const { output, charged, bill } = await world.drive(hire(alice, call))
    expect(output).toEqual({ text: 'HI', quality: 90 })
    expect(charged).toBe('0.011')
    expect(bill.settled).toBe('0.011')
    expect(bill.steps[0]!.escrow).toMatchObject({ agent, agentName: 'safe', fee: '0.001', state: 'accepted', paid: '0.01' })
    // Long before the challenge is over.
    expect(world.clock.now() - before).toBeLessThan(30_000)
    expect(await world.rail.balance(seller)).toBe(10_000n)
    expect(await world.rail.balance(agent)).toBe(1_000n)
    balanced(alice, 11_000n)
    await world.drive(world.clock.sleep(200_000), 300_000)
    expect(await world.rail.balance(seller)).toBe(10_000n)
    const [till] = [...provider.node.host.list('till')].map((one) => one.snapshot.context as TillContext)
    expect(till).toMatchObject({ cumulative: '10000', claimed: '10000', escrow: null, owed: null, open: null })
    const lane = Object.values(alice.node.host.context<PurseContext>('purse')!.lanes).find((one) => one.provider === seller)
    expect(lane).toMatchObject({ use: null, payment: null, escrow: null, cumulative: '10000', ref: till!.ref })
  })
})
