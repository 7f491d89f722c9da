import { afterEach, describe, expect, it } from 'vitest'
import { virtualClock } from '../../runtime/memory/clock.ts'
import type { PurseContext } from '../../runtime/payments/lane.ts'
import { verifyReceipt } from '../../runtime/payments/receipt.ts'
import type { TillContext } from '../../runtime/payments/till.machine.ts'
import { paidCalls, receiptsOf } from '../../pipelines/bill.ts'
import type { RunContext } from '../../pipelines/run.machine.ts'
import { keysOf, MemoryWorld, SHOUT, shouter } from '../memory-network.fixture.ts'
import { hire, type HireOptions } from '../user/hire.ts'
import type { User } from '../user/user.ts'
import { available, type WalletContext } from '../user/wallet.machine.ts'
import type { HopContext } from './hop.machine.ts'

const hub = keysOf('safe').participant
const seller = keysOf('p1').participant
const call = { capability: SHOUT.id, input: { text: 'hi' }, maxPrice: '0.05', deadlineMs: 5_000, attempts: 1, settle: 'locked', through: {}, key: 'one' } satisfies HireOptions

const lanesOf = (user: User) => Object.values(user.node.host.context<PurseContext>('purse/0')!.lanes)
/** I2, I3 at the payer: what is not spent is available again, the chain balances, every receipt verifies. */
const balanced = async (world: MemoryWorld, user: User, spent: bigint, where = ''): Promise<void> => {
  const { host, wire } = user.node
  const wallet = host.context<WalletContext>('wallet')!
  expect(wallet.holds, where).toEqual({})
  expect(available(wallet), where).toBe(10_000_000n - spent)
  expect(world.rail.imbalance(), where).toBe(0n)
  let paid = 0n
  for (const run of host.list('run')) {
    for (const receipt of await receiptsOf(host, run.snapshot.context as RunContext, wire.credentials.verifier)) verifyReceipt(receipt)
    for (const { amount } of await paidCalls(host, run.snapshot.context as RunContext, wire.credentials.verifier)) paid += amount
  }
  expect(paid, where).toBe(spent)
}

describe('a call that is paid through a hub', () => {
  let world: MemoryWorld
  afterEach(() => world.close())

  it('needs one lane of the payer, to the hub; both hops are paid, folded and proven', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    const safe = await world.drive(world.payments('safe'))
    const providers = [await world.drive(world.provider(shouter('p1', '0.01', 90))), await world.drive(world.provider(shouter('p2', '0.02', 90)))]
    const alice = await world.drive(world.user('alice'))
    for (const [nth, only] of [[0, 'p1'], [1, 'p1'], [2, 'p2']] as const) {
      const { bill, output } = await world.drive(hire(alice, { ...call, key: `k${nth}`, only: [keysOf(only).participant] }))
      expect(output).toEqual({ text: 'HI', quality: 90 })
      const [spent, fee] = only === 'p1' ? ['0.01005', '0.00005'] : ['0.0201', '0.0001']
      expect(bill).toMatchObject({ spent, settled: spent, steps: [{ state: 'done', charged: spent, through: { hub, hubName: 'safe', fee, receipt: expect.any(String), onward: expect.any(String) } }] })
    }
    expect(lanesOf(alice)).toMatchObject([{ payee: hub, cumulative: '40200', use: null, payment: null, escrow: null, voucher: { kind: 'plain' } }])
    for (let waited = 0; waited < 100 && (await world.rail.balance(seller)) < 20_000n; waited++) await world.drive(world.clock.sleep(1_000))
    expect(await world.rail.balance(seller)).toBe(20_000n)
    for (const provider of providers) for (const { snapshot } of provider.node.host.list('till')) expect(snapshot.context as TillContext).toMatchObject({ payer: hub, owed: null, open: null, lock: null, voucher: { kind: 'plain' } })
    expect(safe.user.node.host.list('hop')).toSatisfy((hops: Iterable<{ snapshot: { context: HopContext } }>) => [...hops].every(({ snapshot }) => snapshot.context.key !== null))
    await balanced(world, alice, 40_200n)
  })
})
