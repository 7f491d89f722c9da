import { afterEach, describe, expect, it } from 'vitest'
import type { BillStep, PlainVoucher } from '../schemas/documents.gen.ts'
import { virtualClock } from '../runtime/memory/clock.ts'
import type { PurseContext } from '../runtime/payments/purse.machine.ts'
import { verifyReceipt } from '../runtime/payments/receipt.ts'
import type { TillContext } from '../runtime/payments/till.machine.ts'
import { toRail } from '../runtime/payments/voucher.ts'
import { paidCalls } from '../pipelines/bill.ts'
import type { RunContext } from '../pipelines/run.machine.ts'
import { dieAt, STRIDE } from './die-at.fixture.ts'
import { openLiar, silence, type Tricks } from './liar.fixture.ts'
import { Payer, type Made } from './payer.fixture.ts'
import { keysOf, MemoryWorld, SHOUT, shouter } from './memory-network.fixture.ts'
import { hire, type HireOptions } from './user/hire.ts'
import { billNow, keyedRun } from './user/run.ts'
import type { User } from './user/user.ts'
import { available, type WalletContext } from './user/wallet.machine.ts'

const seller = keysOf('p1').participant
const call = { capability: SHOUT.id, input: { text: 'hi' }, maxPrice: '0.05', deadlineMs: 5_000, attempts: 1, settle: 'prepaid', key: 'one' } satisfies HireOptions

const tillOf = (node: User['node']): TillContext => [...node.host.list('till')][0]!.snapshot.context as TillContext
const laneOf = (user: User) => Object.values(user.node.host.context<PurseContext>('purse/0')!.lanes).find((one) => one.provider === seller)!
/** I2 at the payer: what is not spent is available again, and the chain balances. */
const balanced = (world: MemoryWorld, user: User, spent: bigint, where = ''): void => {
  const wallet = user.node.host.context<WalletContext>('wallet')!
  expect(wallet.holds, where).toEqual({})
  expect(available(wallet), where).toBe(10_000_000n - spent)
  expect(world.rail.imbalance(), where).toBe(0n)
}
/** Both sides count alike, and the lane goes on. */
const alike = (user: User, provider: User['node'], cumulative: string, where = ''): void => {
  const { ref, ...lane } = laneOf(user)
  expect(lane, where).toMatchObject({ cumulative, use: null, payment: null, escrow: null })
  expect(tillOf(provider), where).toMatchObject({ cumulative, ref, open: null, owed: null })
}

describe('a prepaid call', () => {
  let world: MemoryWorld
  afterEach(() => world.close())

  const open = async (change: Parameters<typeof shouter>[3] = {}, options: Parameters<MemoryWorld['user']>[1] = {}) => {
    world = new MemoryWorld({ clock: virtualClock() })
    const provider = await world.drive(world.provider(shouter('p1', '0.01', 90, change)))
    return { provider, alice: await world.drive(world.user('alice', options)) }
  }
  const failed = async (user: User, options: Partial<HireOptions> = {}, code = /^step\./): Promise<BillStep> => {
    await world.drive(expect(hire(user, { ...call, ...options })).rejects.toMatchObject({ code: expect.stringMatching(code) }), 600_000)
    return (await billNow(user, keyedRun(options.key ?? 'one'))).steps[0]!
  }

  it('is paid before the work begins, once, and the voucher with its delivery is a receipt', async () => {
    const held: string[] = []
    const { alice, provider } = await open({ handler: async ({ text }: { text: string }) => (held.push(tillOf(provider.node).cumulative), { output: { text: text.toUpperCase(), quality: 90 }, units: { call: 1 } }) })
    const { output, charged, bill } = await world.drive(hire(alice, call))
    expect([output, charged, bill.settled, held]).toEqual([{ text: 'HI', quality: 90 }, '0.01', '0.01', ['10000']])
    expect(await world.rail.balance(seller)).toBe(10_000n)
    alike(alice, provider.node, '10000')
    balanced(world, alice, 10_000n)
    const run = alice.node.host.context<RunContext>(`run/${keyedRun('one')}`)!
    const paid = await paidCalls(alice.node.host, run, alice.node.wire.credentials.verifier)
    expect(paid).toHaveLength(1)
    verifyReceipt(paid[0]!.receipt)
    expect(() => verifyReceipt({ ...paid[0]!.receipt, previousRef: `0x${'11'.repeat(32)}` })).toThrow(expect.objectContaining({ code: 'voucher.ref' }))
    // The lane goes on, prepaid and postpaid alike.
    await world.drive(hire(alice, { ...call, key: 'two' }))
    await world.drive(hire(alice, { ...call, key: 'three', settle: 'postpaid' }))
    alike(alice, provider.node, '30000')
  })

  it('costs what was agreed, whatever it used', async () => {
    const metered = { ...SHOUT, unit: 'char', estimate: { units: 20 } }
    const { alice } = await open({ capability: metered, price: { list: '0.001' }, handler: async ({ text }: { text: string }) => ({ output: { text: text.toUpperCase(), quality: 90 }, units: { char: text.length } }) })
    const { charged, bill } = await world.drive(hire(alice, call))
    expect([charged, bill.steps[0]!.units]).toEqual(['0.02', { char: 2 }])
  })

  it('a provider that fails keeps the price of that call and no more; the next is paid for anew', async () => {
    let broken = true
    const { alice, provider } = await open({ handler: async ({ text }: { text: string }) => {
      if (broken) throw new Error('no')
      return { output: { text: text.toUpperCase(), quality: 90 }, units: { call: 1 } }
    } })
    expect(await failed(alice)).toMatchObject({ state: 'failed', charged: '0.01', attempts: [{ state: 'failed', charged: '0.01' }] })
    alike(alice, provider.node, '10000')
    balanced(world, alice, 10_000n)
    broken = false
    expect(await world.drive(hire(alice, { ...call, key: 'two' }))).toMatchObject({ charged: '0.01', bill: { settled: '0.01' } })
    alike(alice, provider.node, '20000')
    balanced(world, alice, 20_000n)
  })

  it('elsewhere again: both are paid, within the budget of both (I4)', async () => {
    const { alice } = await open({ handler: async () => { throw new Error('no') } })
    await world.drive(world.provider(shouter('p2', '0.02', 90)))
    const { bill } = await world.drive(hire(alice, { ...call, attempts: 2 }), 300_000)
    expect(bill).toMatchObject({ spent: '0.03', settled: '0.03', steps: [{ attempts: [{ state: 'failed', charged: '0.01' }, { state: 'done', charged: '0.02' }] }] })
    balanced(world, alice, 30_000n)
  })

  it('a call given up while it is worked on has cost its price', async () => {
    const slow = { handler: async ({ text }: { text: string }, { signal }: { signal: AbortSignal }) => {
      await world.clock.sleep(2_000, signal)
      return { output: { text, quality: 90 }, units: { call: 1 } }
    } }
    const { alice, provider } = await open(slow)
    const abort = new AbortController()
    const hired = hire(alice, { ...call, signal: abort.signal })
    world.clock.timer(world.clock.now() + 1_000, () => abort.abort())
    await world.drive(expect(hired).rejects.toMatchObject({ code: 'step.cancelled' }))
    alike(alice, provider.node, '10000')
    balanced(world, alice, 10_000n)
  })

  it('a stranger is not prepaid above what it is trusted with, and each delivery earns it more', async () => {
    const { alice } = await open({ price: { list: '0.015' } }, { prepaid: { first: 10_000n, most: 1_000_000n } })
    expect(await failed(alice, {}, /^market\.no-provider$/)).toMatchObject({ charged: '0' })
    await world.drive(hire(alice, { ...call, key: 'two', settle: 'postpaid' }))
    expect(await world.drive(hire(alice, { ...call, key: 'three' }))).toMatchObject({ charged: '0.015' })
    balanced(world, alice, 30_000n)
  })

  describe('by a provider that lies costs the payer at most its price', () => {
    const cases: [string, Tricks][] = [
      ['takes the money and says nothing', { invoke: silence, cancel: silence }],
      ['says it failed', { invoke: () => ({ state: 'failed', error: { code: 'step.failed', message: 'no' } }) }],
      ['delivers what fails its schema', { output: { text: 7 } }],
      ['delivers another output than it signs', { delivery: (body) => ({ ...body, outputHash: `sha256-${'1'.repeat(64)}` }) }],
      ['delivers too late', { delivery: (body) => ({ ...body, at: body.at + 60_000 }) }],
      ['charges more than agreed', { delivery: (body) => ({ ...body, amount: '50000' }) }],
      ['never answers that it has the voucher', { invoke: silence, cancel: silence, pay: silence }],
    ]
    it.each(cases)('%s', async (_what, tricks) => {
      world = new MemoryWorld({ clock: virtualClock() })
      const liar = await world.drive(openLiar(world, 'p1', '0.01', tricks))
      const alice = await world.drive(world.user('alice'))
      const step = await failed(alice)
      expect(step).toMatchObject({ state: 'failed', charged: '0.01' })
      // One voucher, whichever way and however often it was told.
      expect([...new Set(liar.vouchers.map((one) => one.cumulative))]).toEqual(['10000'])
      expect([...new Set(liar.vouchers.map((one) => one.ref))]).toHaveLength(1)
      // It claims what it can.
      const voucher = liar.vouchers[0] as PlainVoucher
      const { bytes } = await world.rail.prepare({ kind: 'claim', claims: [{ voucher: toRail(voucher), signature: voucher.signature }] }, keysOf('p1').wallet, await world.rail.nonce(seller))
      await world.rail.broadcast(bytes)
      expect(await world.rail.balance(seller)).toBe(10_000n)
      balanced(world, alice, 10_000n)
    })
  })

  describe('by a payer that lies is not worked on: the provider loses nothing', () => {
    let worked = 0
    const agreed = async (settle: 'prepaid' | 'postpaid' = 'prepaid') => {
      worked = 0
      const { provider } = await open({ handler: async ({ text }: { text: string }) => (worked++, { output: { text: text.toUpperCase(), quality: 90 }, units: { call: 1 } }) })
      const mallory = new Payer(world, 'mallory')
      const lane = await mallory.reserve(seller, 100_000n)
      const made = await world.drive(mallory.quote(seller, { settle }).then((quote) => mallory.accept(seller, quote, lane)))
      return { provider, mallory, made }
    }
    const bad: [string, string, (payer: Payer, made: Made) => PlainVoucher | undefined][] = [
      ['no voucher', 'voucher.prepaid', () => undefined],
      ['less than agreed', 'voucher.too-low', (payer, made) => payer.prepay(made, { cumulative: '9999' })],
      ['more than agreed, which no call of it would fold', 'voucher.ref', (payer, made) => payer.prepay(made, { cumulative: '20000' })],
      ['a ref that names nothing', 'voucher.ref', (payer, made) => payer.prepay(made, { ref: `0x${'11'.repeat(32)}` })],
      ['a voucher of another lane', 'voucher.lane', (payer, made) => payer.prepay(made, { lane: `0x${'22'.repeat(32)}` })],
      ['a signature of somebody else', 'voucher.key', (_payer, made) => new Payer(world, 'bob').prepay(made)],
      ['an amount changed after it was signed', 'voucher.too-low', (payer, made) => ({ ...payer.prepay(made), cumulative: '1' })],
    ]
    it.each(bad)('%s', async (_what, code, make) => {
      const { mallory, made, provider } = await agreed()
      const voucher = make(mallory, made)
      await world.drive(expect(mallory.invoke(seller, made.id, 'hi', voucher ? { prepaid: voucher } : {})).rejects.toMatchObject({ code }))
      expect(worked).toBe(0)
      expect(tillOf(provider.node)).toMatchObject({ cumulative: '0', voucher: null })
      // The honest voucher still counts.
      expect(await world.drive(mallory.invoke(seller, made.id, 'hi', { prepaid: mallory.prepay(made) }))).toMatchObject({ state: 'delivered' })
    })

    it('a prepayment where none was agreed', async () => {
      const { mallory, made } = await agreed('postpaid')
      await world.drive(expect(mallory.invoke(seller, made.id, 'hi', { prepaid: mallory.prepay(made) })).rejects.toMatchObject({ code: 'voucher.prepaid' }))
      expect(worked).toBe(0)
    })

    it('the voucher of the call before, for the next call', async () => {
      const { mallory, made } = await agreed()
      const first = mallory.prepay(made)
      await world.drive(mallory.invoke(seller, made.id, 'hi', { prepaid: first }))
      const again = await world.drive(mallory.quote(seller, { settle: 'prepaid' }).then((quote) => mallory.accept(seller, quote, made.lane)))
      await world.drive(expect(mallory.invoke(seller, again.id, 'ho', { prepaid: first })).rejects.toMatchObject({ code: 'voucher.too-low' }))
      expect(worked).toBe(1)
    })

    it('hands a voucher over for a call it gave up, twice: it counts once', async () => {
      const { mallory, made, provider } = await agreed()
      await world.drive(mallory.call(seller, 'cancel', { lane: made.lane, agreement: made.id, call: 0 }))
      const voucher = mallory.prepay(made)
      const pay = () => world.drive(mallory.call(seller, 'pay', { lane: made.lane, voucher, deliveries: [made.id] }))
      expect([await pay(), await pay()]).toEqual([{ cumulative: '10000' }, { cumulative: '10000' }])
      await world.drive(mallory.invoke(seller, made.id, 'hi', { prepaid: voucher }).catch(() => undefined))
      expect([worked, tillOf(provider.node).cumulative]).toEqual([0, '10000'])
    })
  })

  describe('whoever dies at whichever append: paid once, settled once, both sides count alike (I1, I2)', () => {
    it.each<['payer' | 'provider', 'done' | 'failed', 'before' | 'after']>([
      ['payer', 'done', 'before'], ['payer', 'done', 'after'], ['payer', 'failed', 'before'], ['payer', 'failed', 'after'],
      ['provider', 'done', 'before'], ['provider', 'done', 'after'], ['provider', 'failed', 'before'], ['provider', 'failed', 'after'],
    ])('the %s in a call that is %s, %s', async (who, how, when) => {
      const change = how === 'done' ? {} : { handler: async () => { throw new Error('no') } }
      let nth = 1
      for (; ; nth += STRIDE) {
        world = new MemoryWorld({ clock: virtualClock() })
        const fault = dieAt(nth, when)
        const sell = (hooks = {}) => world.drive(world.provider(shouter('p1', '0.01', 90, change), hooks))
        let provider = await sell(who === 'provider' ? fault.hooks : {})
        let user = await world.drive(world.user('alice', {}, who === 'payer' ? fault.hooks : {}))
        fault.arm()
        const hired = hire(user, call).catch((error) => error)
        const over = await world.drive(Promise.race([fault.died.then(() => 'died' as const), hired.then(() => 'done' as const)]))
        if (over === 'done') break
        const where = `${who} killed ${when} append ${nth}`
        if (who === 'payer') {
          await user.kill()
          user = await world.drive(world.user('alice'))
          await world.drive(hire(user, call).catch((error) => error), 300_000)
        } else {
          await provider.kill()
          provider = await sell()
          await world.drive(hired, 300_000)
        }
        const [step] = (await billNow(user, keyedRun('one'))).steps
        // One that died while it worked may have been too late; it is paid all the same.
        expect(step!.charged, where).toBe('0.01')
        if (how === 'failed') expect(step!.state, where).toBe('failed')
        balanced(world, user, 10_000n, where)
        for (let waited = 0; waited < 200_000 && (await world.rail.balance(seller)) !== 10_000n; waited += 5_000) await world.drive(world.clock.sleep(5_000))
        expect(await world.rail.balance(seller), where).toBe(10_000n)
        alike(user, provider.node, '10000', where)
        await world.close()
        expect(nth, 'it has an end').toBeLessThan(90)
      }
      expect(nth).toBeGreaterThan(3)
    }, 120_000)
  })
})
