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

  it('takes the cheapest hub that has not failed it, the next where one is away, and none above the fee', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    await world.drive(world.payments('dear', { hubFee: '0.02' }))
    const cheap = await world.drive(world.payments('cheap', { hubFee: '0.01' }))
    await world.drive(world.payments('free', { hubFee: '0.5' }))
    await world.drive(world.provider(shouter('p1', '0.01', 90)))
    const alice = await world.drive(world.user('alice'))
    const through = async (key: string, change: Partial<HireOptions> = {}): Promise<unknown> => (await world.drive(hire(alice, { ...call, key, ...change }), 200_000)).bill.steps[0]!.through?.hubName
    expect(await through('a')).toBe('cheap')
    expect(await through('b', { through: { hub: keysOf('dear').participant } })).toBe('dear')
    await world.drive(expect(hire(alice, { ...call, key: 'c', through: { maxFee: '0.00005' } })).rejects.toMatchObject({ code: 'hub.none' }), 200_000)
    // One that has failed more than it did well comes last.
    for (const _time of [1, 2]) await alice.node.host.send('experience', { type: 'failed', provider: keysOf('cheap').participant, capability: 'payment.hub@1' })
    expect(await through('d')).toBe('dear')
    for (const _time of [1, 2, 3, 4, 5]) await alice.node.host.send('experience', { type: 'delivered', provider: keysOf('cheap').participant, capability: 'payment.hub@1' })
    await cheap.kill()
    expect(await through('e')).toBe('dear')
    expect(lanesOf(alice).map(({ payee }) => payee).toSorted()).toEqual([keysOf('cheap'), keysOf('dear')].map(({ participant }) => participant).toSorted())
  }, 30_000)

  it('is refused by a provider that does not take that hub, and by one whose terms are not for it', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    await world.drive(world.payments('safe'))
    await world.drive(world.provider(shouter('p1', '0.01', 90, { hubs: [keysOf('other').participant] })))
    const alice = await world.drive(world.user('alice'))
    await world.drive(expect(hire(alice, call)).rejects.toMatchObject({ code: 'market.refused' }), 200_000)
    await world.drive(expect(hire(alice, { ...call, key: 'two', settle: 'postpaid' })).rejects.toMatchObject({ code: 'pipeline.invalid' }))
    await balanced(world, alice, 0n)
  }, 30_000)

  it('has 32 lanes for one payer at a time, however many it asks for at once', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    const safe = await world.drive(world.payments('safe'))
    await world.drive(world.provider(shouter('p1', '0.01', 90)))
    const alice = await world.drive(world.user('alice'))
    const route = (nth: number): Promise<unknown> => alice.node.wire.call(hub, 'route', { key: `${100 + nth}`.padStart(32, '0'), payee: seller, amount: '10000', forMs: 60_000 }, { callId: `r${nth}`, timeoutMs: 10_000, validate: (value) => value })
    const answers = await world.drive(Promise.allSettled(Array.from({ length: 40 }, (_, nth) => route(nth))))
    expect(answers.flatMap((one) => (one.status === 'rejected' ? [(one.reason as { code: string }).code] : []))).toEqual(Array.from({ length: 8 }, () => 'node.busy'))
    expect([...safe.user.node.host.list('hop')]).toHaveLength(32)
    expect((await world.drive(Promise.allSettled([route(0)])))[0]!.status).toBe('fulfilled')
  })
})
