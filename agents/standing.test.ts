/**
 * Standing agreements through whole nodes (D6): one negotiation for many calls, several in flight, deliveries
 * and vouchers by the group; what each side can lose, and what a crash or a liar changes. I1, I2, I3, I4.
 */
import { afterEach, describe, expect, it } from 'vitest'
import { hashOf } from '../schemas/canonical.ts'
import type { Delivery, Hex32, PlainVoucher } from '../schemas/documents.gen.ts'
import { AigenError } from '../schemas/error.ts'
import { virtualClock, type VirtualClock } from '../runtime/memory/clock.ts'
import type { StandingContext } from '../runtime/market/standing.machine.ts'
import { deliveryHash } from '../runtime/payments/delivery.ts'
import { foldAll, NO_REF, sumOf } from '../runtime/payments/fold.ts'
import { verifyReceipt } from '../runtime/payments/receipt.ts'
import type { PurseContext } from '../runtime/payments/purse.machine.ts'
import type { TillContext } from '../runtime/payments/till.machine.ts'
import { signPlainVoucher } from '../runtime/payments/voucher.ts'
import { paidCalls } from '../pipelines/bill.ts'
import type { RunContext } from '../pipelines/run.machine.ts'
import { dieAt } from './die-at.fixture.ts'
import { openLiar } from './liar.fixture.ts'
import { Payer } from './payer.fixture.ts'
import { keysOf, MemoryWorld, SHOUT, shouter } from './memory-network.fixture.ts'
import type { ProviderDefinition } from './provider/define.ts'
import { finishRun, startRun, type Finished } from './user/run.ts'
import type { User } from './user/user.ts'
import { available, type WalletContext } from './user/wallet.machine.ts'

const POLICY = { calls: 100, forMs: 600_000 }
const STANDING = { calls: 100 }
/** Of the appends of a run, which a process dies at: every one in the long tests. */
const EACH = process.env['AIGEN_LONG'] ? 1 : 13
/** `items` calls, so many at once. */
const fanOf = (items: number, parallel: number, change: object = {}): object => ({
  name: 'many', version: '1.0.0', budget: { max: '5' },
  steps: { all: { uses: SHOUT.id, forEach: `\${[${Array.from({ length: items }, (_, at) => at).join(',')}]}`, maxItems: items, parallel, with: { text: '${"t" + string(item)}' }, price: { max: '0.02' }, sla: { deadline: '5s', grace: '1s' }, ...change } },
  output: '${steps.all}',
})
const seller = (change: Partial<ProviderDefinition> = {}): ProviderDefinition => shouter('p1', '0.01', 90, { concurrency: 32, queue: 64, standing: STANDING, ...change })

const tills = (node: User['node']): TillContext[] => [...node.host.list('till')].map(({ snapshot }) => snapshot.context as TillContext)
const standingOf = (user: User): StandingContext => user.node.host.context<StandingContext>('standing/0')!
const agreementsOf = (user: User): number => [...user.node.host.list('negotiation')].filter(({ snapshot }) => snapshot.value === 'agreed').length

let world: MemoryWorld
afterEach(() => world.close())

/** Runs a document to its end. */
const run = async (user: User, document: object, key?: string): Promise<Finished> => {
  const id = await world.drive(startRun(user, { document, inputs: {}, ...(key ? { key } : {}) }))
  return world.drive(finishRun(user, id, 100_000))
}
/** I2, I3: what is spent is what the chain paid, and each payment has a receipt that verifies without us. */
const proven = async (user: User, { run: id, bill }: Finished, spent: string, settled: { settled?: string } = { settled: spent }): Promise<void> => {
  expect(bill).toMatchObject({ spent, ...settled })
  const paid = await paidCalls(user.node.host, user.node.host.context<RunContext>(`run/${id}`)!, user.node.wire.credentials.verifier)
  for (const { receipt } of paid) verifyReceipt(receipt)
  expect(new Set(paid.map(({ delivery }) => `${delivery.body.agreement} ${delivery.body.call}`)).size).toBe(paid.length)
  expect(user.node.host.context<WalletContext>('wallet')!.holds).toEqual({})
  expect(world.rail.imbalance()).toBe(0n)
}

describe('a standing agreement', () => {
  it('is made once, and every later step takes the next of its calls', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    const provider = await world.drive(world.provider(seller()))
    const user = await world.drive(world.user('alice', { standing: POLICY }))
    const first = await run(user, fanOf(3, 1))
    expect(first.error).toBeNull()
    await proven(user, first, '0.03')
    const second = await run(user, fanOf(3, 1))
    await proven(user, second, '0.03')
    // The second call came before the first one's voucher was handed over: it waited for that.
    expect(agreementsOf(user)).toBe(1)
    const [one] = Object.values(standingOf(user).agreements)
    expect(one).toMatchObject({ next: 6, open: [], due: [], paying: [], sent: 0, window: 7 })
    expect(tills(provider.node).map(({ cumulative }) => cumulative)).toEqual(['60000'])
    expect(tills(provider.node).find(({ tab }) => tab)).toMatchObject({ tab: { window: 7, atWork: [], owed: [] } })
    expect(available(user.node.host.context<WalletContext>('wallet')!)).toBe(10_000_000n - 60_000n)
  })

  it('of a hundred runs that end in one moment each is settled, though a payee takes 64 calls of one caller at once', async () => {
    const clock = virtualClock()
    world = new MemoryWorld({ clock })
    const provider = await world.drive(world.provider(seller({ concurrency: 200, queue: 200, standing: { calls: 1_000, first: 200 }, credit: { calls: 200 } })))
    const user = await world.drive(world.user('alice', { standing: POLICY }))
    await run(user, fanOf(100, 100))
    // A block takes two seconds.
    const broadcast = world.rail.broadcast.bind(world.rail)
    world.rail.broadcast = async (bytes) => {
      await clock.sleep(2_000)
      return broadcast(bytes)
    }
    const runs = await world.drive(Promise.all(Array.from({ length: 100 }, () => startRun(user, { document: fanOf(1, 1), inputs: {} }))))
    const ends = await world.drive(Promise.all(runs.map((id) => finishRun(user, id, 100_000))))
    expect(ends.filter(({ error, bill }) => error !== null || bill.settled !== bill.spent || bill.spent !== '0.01').map(({ error, bill }) => [error?.code, bill.settled])).toEqual([])
    expect(tills(provider.node).reduce((sum, { claimed }) => sum + BigInt(claimed), 0n)).toBe(2_000_000n)
    expect(world.rail.imbalance()).toBe(0n)
  })

  it('has several calls in flight once it has earned them, signed and paid by the group', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    const provider = await world.drive(world.provider(seller({ standing: { ...STANDING, first: 16 } })))
    const user = await world.drive(world.user('alice', { standing: POLICY }))
    await run(user, fanOf(1, 1))
    const many = await run(user, fanOf(16, 16))
    await proven(user, many, '0.16')
    const paid = await paidCalls(user.node.host, user.node.host.context<RunContext>(`run/${many.run}`)!, user.node.wire.credentials.verifier)
    expect(agreementsOf(user)).toBeLessThan(4)
    expect(paid.some(({ delivery }) => delivery.group !== undefined)).toBe(true)
    expect(new Set(paid.map(({ voucher }) => voucher.ref)).size).toBeLessThan(16)
    expect(tills(provider.node).every(({ owed, tab }) => owed === null && (tab?.owed.length ?? 0) === 0)).toBe(true)
  })
})

describe('whoever dies under a standing agreement, at whichever append, nothing is lost and nothing paid twice (I1, I2, I4)', () => {
  const document = fanOf(6, 3, { retry: { attempts: 2, on: ['timeout', 'failed', 'refused'] } })

  it.each(['before', 'after'] as const)('the user, killed %s an append of a run', async (when) => {
    for (let nth = 1; ; nth += EACH) {
      world = new MemoryWorld({ clock: virtualClock() })
      const calls = new Map<string, number>()
      const provider = await world.drive(world.provider(seller({
        standing: { ...STANDING, first: 3 },
        handler: async ({ text }: { text: string }, { callId }) => (calls.set(callId, (calls.get(callId) ?? 0) + 1), { output: { text: text.toUpperCase(), quality: 90 }, units: { call: 1 } }),
      })))
      const first = await world.drive(world.user('alice', { standing: POLICY }))
      await world.drive(first.close())
      const fault = dieAt(nth, when)
      const doomed = await world.drive(world.user('alice', { standing: POLICY }, fault.hooks))
      fault.arm()
      const started = startRun(doomed, { document, inputs: {}, key: 'one' })
      const over = await world.drive(Promise.race([fault.died.then(() => 'died' as const), started.then((id) => finishRun(doomed, id, 100_000)).then(() => 'done' as const)]))
      if (over === 'done') break
      await doomed.kill()
      const again = await world.drive(world.user('alice', { standing: POLICY }))
      const finished = await run(again, document, 'one')
      expect(finished.error, `killed ${when} append ${nth}`).toBeNull()
      await proven(again, finished, '0.06')
      expect([...calls.values()].every((times) => times === 1)).toBe(true)
      expect(available(again.node.host.context<WalletContext>('wallet')!)).toBe(10_000_000n - 60_000n)
      const held = tills(provider.node)
      for (const lane of Object.values(again.node.host.context<PurseContext>('purse/0')!.lanes)) expect(held.find((till) => till.lane === lane.id)?.cumulative ?? '0').toBe(lane.cumulative)
      expect(held.every(({ owed, tab }) => owed === null && (tab?.owed.length ?? 0) === 0)).toBe(true)
      await world.close()
      expect(nth, 'the run has an end').toBeLessThan(150)
    }
  }, 60_000)

  it.each(['before', 'after'] as const)('the provider, killed %s an append and started again', async (when) => {
    for (let nth = 1; ; nth += EACH) {
      world = new MemoryWorld({ clock: virtualClock() })
      const fault = dieAt(nth, when)
      const doomed = await world.drive(world.provider(seller({ standing: { ...STANDING, first: 3 } }), fault.hooks))
      const user = await world.drive(world.user('alice', { standing: POLICY }))
      fault.arm()
      const id = await world.drive(startRun(user, { document, inputs: {} }))
      const finished = finishRun(user, id, 100_000)
      const over = await world.drive(Promise.race([fault.died.then(() => 'died' as const), finished.then(() => 'done' as const)]))
      if (over === 'done') break
      await doomed.kill()
      await world.drive(world.provider(seller({ standing: { ...STANDING, first: 3 } })))
      const end = await world.drive(finished)
      expect(end.error, `killed ${when} append ${nth}`).toBeNull()
      // One that was away when it was asked to claim does so at its next sweep.
      await proven(user, end, '0.06', {})
      await world.close()
      expect(nth, 'the run has an end').toBeLessThan(150)
    }
  }, 60_000)
})

describe('a payer that does not pay under a standing agreement', () => {
  const provider = keysOf('p1').participant
  const PRICE = 10_000n

  /** An agreement for ten calls, with the window at its start. */
  const open = async ({ credit, ...change }: Partial<NonNullable<ProviderDefinition['standing']>> & Pick<ProviderDefinition, 'credit'> = {}) => {
    world = new MemoryWorld({ clock: virtualClock() })
    const shop = await world.drive(world.provider(seller({ standing: { calls: 10, ...change }, ...(credit ? { credit } : {}) })))
    const mallory = new Payer(world, 'mallory')
    const lane = await mallory.reserve(provider, 1_000_000n)
    const made = await world.drive(mallory.quote(provider, { standing: { calls: 10, until: world.clock.now() + 60_000 } }).then((quote) => mallory.accept(provider, quote, lane)))
    const call = (number: number, on = made): Promise<any> => world.drive(mallory.invoke(provider, on.id, `t${number}`, { call: number }))
    const voucherOn = (where: Hex32, deliveries: readonly Delivery[], before: Pick<PlainVoucher, 'cumulative' | 'ref'> = { cumulative: '0', ref: NO_REF }): PlainVoucher => {
      const items = deliveries.map((one) => ({ delivery: deliveryHash(one), amount: one.body.amount }))
      return signPlainVoucher(world.rail, mallory.keys.voucher, where, (BigInt(before.cumulative) + sumOf(items)).toString(), foldAll(before.ref, items))
    }
    const pay = (voucher: PlainVoucher, deliveries: readonly Delivery[]): Promise<any> => world.drive(mallory.call(provider, 'pay', { lane: voucher.lane, voucher, deliveries: deliveries.map(deliveryHash) }))
    const tab = () => shop.node.host.context<TillContext>(`till/${lane}`)!
    return { shop, mallory, lane, made, call, pay, voucherOn, tab }
  }
  const refused = (promise: Promise<unknown>, code: string): Promise<void> => expect(promise).rejects.toMatchObject({ code })

  it('gets one call at first, one more for each that it paid, never more than the window: that is all it can take', async () => {
    const { call, pay, voucherOn, lane, tab } = await open({ credit: { calls: 3 } })
    const taken: Delivery[] = []
    let last: PlainVoucher | undefined
    for (const [paidBefore, window] of [[0, 1], [1, 2], [3, 3], [6, 3]] as const) {
      const these: Delivery[] = []
      for (let number = 0; number < window && paidBefore + number < 10; number++) {
        const { state, delivery } = await call(paidBefore + number)
        expect(state).toBe('delivered')
        these.push(delivery)
      }
      if (paidBefore + window < 10) await refused(call(paidBefore + window), 'node.busy')
      taken.push(...these)
      last = voucherOn(lane, these, last)
      expect(await pay(last, these)).toEqual({ cumulative: (PRICE * BigInt(taken.length)).toString(), window: Math.min(3, window + these.length) })
    }
    expect(tab()).toMatchObject({ cumulative: '90000', tab: { owed: [], atWork: [], window: 3 } })
  })

  it('loses its window where it pays late, and gets nothing beyond it before it pays', async () => {
    const { call, pay, voucherOn, lane } = await open({ first: 4 })
    const { delivery } = await call(0)
    await (world.clock as VirtualClock).advance(31_000)
    await refused(call(1), 'node.busy')
    expect(await pay(voucherOn(lane, [delivery]), [delivery])).toEqual({ cumulative: '10000', window: 1 })
    await call(1)
    await refused(call(2), 'node.busy')
  })

  it('gets no more over several lanes and agreements than its credit', async () => {
    const { mallory, call } = await open({ first: 4, credit: { calls: 4 } })
    const other = await mallory.reserve(provider, 1_000_000n, { number: 1 })
    const second = await world.drive(mallory.quote(provider, { standing: { calls: 10, until: world.clock.now() + 60_000 } }).then((quote) => mallory.accept(provider, quote, other, { number: 1 })))
    for (const number of [0, 1, 2]) expect(await call(number)).toMatchObject({ state: 'delivered' })
    expect(await call(0, second)).toMatchObject({ state: 'delivered' })
    await refused(call(1, second), 'node.busy')
    await refused(call(3), 'node.busy')
  })

  it('gets no more than its credit is worth, but always one call', async () => {
    const { call } = await open({ first: 4, credit: { amount: '0.025' } })
    for (const number of [0, 1]) await call(number)
    await refused(call(2), 'node.busy')
  })

  it.each<[string, string, (at: { lane: Hex32; deliveries: readonly Delivery[]; voucherOn: (lane: Hex32, deliveries: readonly Delivery[], before?: PlainVoucher) => PlainVoucher; stranger: Payer }) => { voucher: PlainVoucher; paid?: readonly Delivery[] }]>([
    ['with a voucher of less', 'voucher.too-low', ({ lane, deliveries, voucherOn }) => ({ voucher: voucherOn(lane, deliveries.slice(1)) })],
    ['with one that folds them in another order than it says', 'voucher.ref', ({ lane, deliveries, voucherOn }) => ({ voucher: voucherOn(lane, deliveries.toReversed()) })],
    ['with one that folds a delivery twice', 'voucher.ref', ({ lane, deliveries, voucherOn }) => ({ voucher: voucherOn(lane, [deliveries[0]!, deliveries[0]!]), paid: [deliveries[0]!, deliveries[0]!] })],
    ['with one of another key', 'voucher.key', ({ lane, deliveries, stranger }) => {
      const items = deliveries.map((one) => ({ delivery: deliveryHash(one), amount: one.body.amount }))
      return { voucher: signPlainVoucher(world.rail, stranger.keys.voucher, lane, sumOf(items).toString(), foldAll(NO_REF, items)) }
    }],
    ['with one for another lane', 'voucher.lane', ({ deliveries, voucherOn }) => ({ voucher: voucherOn(`0x${'ab'.repeat(32)}`, deliveries) })],
  ])('pays %s: nothing is taken, everything is owed still', async (_what, code, lie) => {
    const { call, mallory, lane, voucherOn, pay, tab } = await open({ first: 2 })
    const deliveries = [(await call(0)).delivery, (await call(1)).delivery] as const
    const { voucher, paid = deliveries } = lie({ lane, deliveries, voucherOn, stranger: new Payer(world, 'eve') })
    await refused(world.drive(mallory.call(provider, 'pay', { lane, voucher, deliveries: paid.map(deliveryHash) })), code)
    expect(tab()).toMatchObject({ cumulative: '0', tab: { owed: [{ call: 0 }, { call: 1 }] } })
    // Any of them may be paid, in any order.
    await pay(voucherOn(lane, deliveries.toReversed()), deliveries.toReversed())
    expect(tab()).toMatchObject({ cumulative: '20000', tab: { owed: [] } })
  })

  it('clears what it owes by no higher voucher of its own that is worth less', async () => {
    const { call, mallory, lane, voucherOn, tab } = await open({ first: 2 })
    await call(0)
    await call(1)
    const cheap = signPlainVoucher(world.rail, mallory.keys.voucher, lane, '1', voucherOn(lane, []).ref)
    await world.drive(mallory.call(provider, 'latest', { lane, voucher: cheap }))
    expect(tab()).toMatchObject({ cumulative: '0', tab: { owed: [{ call: 0 }, { call: 1 }] } })
  })

  it('says the same call, and the same voucher, many times and in any order: done once, paid once', async () => {
    const { call, pay, voucherOn, lane, tab } = await open({ first: 3 })
    const [one, same] = [await call(0), await call(0)]
    expect(same.delivery).toEqual(one.delivery)
    const two = await call(1)
    const [first, both] = [voucherOn(lane, [one.delivery]), voucherOn(lane, [one.delivery, two.delivery])]
    await pay(both, [one.delivery, two.delivery])
    expect(await pay(both, [one.delivery, two.delivery])).toMatchObject({ cumulative: '20000' })
    await refused(pay(first, [one.delivery]), 'voucher.ref')
    expect(tab()).toMatchObject({ cumulative: '20000', tab: { owed: [] } })
  })

  it('asks beyond the quota, after the end, under an agreement that is none, on a lane that is busy', async () => {
    const { mallory, lane, call, made } = await open({ calls: 2, first: 2 })
    await refused(call(2), 'market.expired')
    await refused(world.drive(mallory.invoke(provider, hashOf('none'), 'x', { lane })), 'market.unknown-agreement')
    await call(0)
    const quote = await world.drive(mallory.quote(provider))
    await refused(world.drive(mallory.accept(provider, quote, lane)), 'lane.unpaid')
    await (world.clock as VirtualClock).advance(66_000)
    await refused(call(1, made), 'market.expired')
  })
})

describe('a provider that lies under a standing agreement', () => {
  it.each<[string, (delivery: Delivery) => Delivery]>([
    ['a root that it did not sign', (delivery) => ({ ...delivery, group: { root: `0x${'ab'.repeat(32)}`, proof: [`0x${'cd'.repeat(32)}`] } })],
    ['the number of another call', (delivery) => ({ ...delivery, body: { ...delivery.body, call: delivery.body.call + 1 } })],
  ])('delivers under %s: nothing is paid, the next call is agreed with another', async (_what, lie) => {
    world = new MemoryWorld({ clock: virtualClock() })
    const liar = await world.drive(openLiar(world, 'liar', '0.005', {
      quote: (honest, call) => ({ ...honest, ...(call.standing ? { standing: call.standing } : {}) }),
      invoke: (honest) => { const outcome = honest(); return outcome.state === 'delivered' ? { ...outcome, delivery: lie(outcome.delivery) } : outcome },
    }))
    const user = await world.drive(world.user('alice', { standing: POLICY }))
    const failed = await run(user, fanOf(1, 1, { retry: { attempts: 1 } }))
    expect(failed.error).toMatchObject({ code: 'step.output' })
    expect(failed.bill.spent).toBe('0')
    expect(liar.vouchers).toEqual([])
    expect(Object.values(standingOf(user).agreements)).toEqual([])
    await world.drive(world.provider(seller()))
    const done = await run(user, fanOf(2, 1, { retry: { attempts: 3, elsewhere: true } }))
    expect(done.error).toBeNull()
    await proven(user, done, '0.02')
  })

  it('takes no voucher it is owed: the calls under way are paid all the same, and no other is made with it', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    const liar = await world.drive(openLiar(world, 'liar', '0.005', {
      quote: (honest, call) => ({ ...honest, ...(call.standing ? { standing: call.standing } : {}) }),
      pay: () => { throw new AigenError('voucher.key') },
    }))
    const user = await world.drive(world.user('alice', { standing: POLICY }))
    const { error, bill } = await run(user, fanOf(1, 1))
    expect([error, bill.spent]).toEqual([null, '0.005'])
    expect(liar.asked['pay']).toBeGreaterThan(0)
    const [lane] = Object.values(user.node.host.context<PurseContext>('purse/0')!.lanes)
    expect(lane).toMatchObject({ cumulative: '5000', payment: null, use: { for: expect.any(String) } })
    expect(Object.values(standingOf(user).agreements)).toEqual([])
  })
})
