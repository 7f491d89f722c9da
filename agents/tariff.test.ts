/** Prices that are more than units times a price, over a whole network: what is quoted is what is due on both sides (I1, I2, I3). */
import { afterEach, describe, expect, it } from 'vitest'
import { verifyReceipt } from '../runtime/payments/receipt.ts'
import { virtualClock } from '../runtime/memory/clock.ts'
import { paidCalls } from '../pipelines/bill.ts'
import type { RunContext } from '../pipelines/run.machine.ts'
import type { Capability, Meter, Terms } from '../schemas/documents.gen.ts'
import { openLiar, type Liar } from './liar.fixture.ts'
import { Payer } from './payer.fixture.ts'
import { keysOf, MemoryWorld, SHOUT, shouter } from './memory-network.fixture.ts'
import type { ProviderPrice } from './provider/define.ts'
import { hire, hireDocument, type Hired } from './user/hire.ts'
import { finishRun, startRun } from './user/run.ts'
import type { User } from './user/user.ts'
import { available, type WalletContext } from './user/wallet.machine.ts'

const DAY = 86_400_000
const seller = keysOf('p1').participant
/** Sold by the letter; how many is known beforehand. */
const LETTERS: Capability = { ...SHOUT, unit: 'letter', estimate: { expression: 'size(input.text)' } }

describe('a price', () => {
  let world: MemoryWorld
  afterEach(() => world.close())

  const definition = (price: ProviderPrice): ReturnType<typeof shouter> => shouter('p1', price.list, 90, {
    capability: LETTERS, price, concurrency: 8,
    handler: async ({ text }: { text: string }) => ({ output: { text: text.toUpperCase(), quality: 90 }, units: { letter: text.length } }),
  })
  const open = async (price: ProviderPrice, at?: number): Promise<User> => {
    world = new MemoryWorld({ clock: virtualClock(at) })
    await world.drive(world.provider(definition(price)))
    return world.drive(world.user('alice'))
  }
  const buy = (user: User, letters: number, more: object = {}): Promise<Hired> => hire(user, { capability: SHOUT.id, input: { text: 'x'.repeat(letters) }, maxPrice: '0.5', ...more })
  const call = (user: User, letters: number, more?: object): Promise<Hired> => world.drive(buy(user, letters, more))
  const termsOf = async ({ node }: User, { bill }: Hired): Promise<Terms> => {
    const [paid] = await paidCalls(node.host, node.host.context<RunContext>(`run/${bill.run}`)!, node.wire.credentials.verifier)
    verifyReceipt(paid!.receipt)
    return paid!.receipt.agreement.terms
  }

  it('has a least and a most, which the receipt names', async () => {
    const user = await open({ list: '0.01', min: '0.03', max: '0.06' })
    const charged: string[] = []
    for (const letters of [1, 3, 5, 6, 9]) charged.push((await call(user, letters)).charged)
    expect(charged).toEqual(['0.03', '0.03', '0.05', '0.06', '0.06'])
    expect(await termsOf(user, await call(user, 9))).toMatchObject({ min: '30000', cap: '60000', units: 9 })
    expect(await world.rail.balance(seller)).toBe(290_000n)
    // What the step pays at most decides who may be hired: the least counts too.
    await expect(call(user, 1, { maxPrice: '0.02' })).rejects.toMatchObject({ code: 'market.no-provider' })
  })

  it('falls with the units of a call, and its worst case is what it costs', async () => {
    const user = await open({ list: '0.01', floor: '0.008', tiers: { over: 'call', steps: [{ above: 2, price: '0.005' }, { above: 4, price: '0.001' }] } })
    // Bargained down to nine tenths; the tiers are already below that.
    const hired = await call(user, 6)
    expect([hired.charged, hired.bill.spent, hired.bill.settled]).toEqual(['0.03', '0.03', '0.03'])
    expect(await termsOf(user, hired)).toMatchObject({ unitPrice: '9000', cap: '30000', tiers: [{ above: 2, unitPrice: '5000' }, { above: 4, unitPrice: '1000' }] })
    expect((await call(user, 1)).charged).toBe('0.009')
    expect((await call(user, 6, { settle: 'prepaid', maxPrice: '0.04' })).charged).toBe('0.03')
  })

  it('falls with what the payer was delivered this month, whatever restarts, and for nobody else', async () => {
    const price: ProviderPrice = { list: '0.01', tiers: { over: 'month', steps: [{ above: 5, price: '0.002' }] } }
    world = new MemoryWorld({ clock: virtualClock(Date.UTC(2026, 0, 31, 23, 30)) })
    const provider = await world.drive(world.provider(definition(price)))
    const user = await world.drive(world.user('alice'))
    expect((await call(user, 3)).charged).toBe('0.03')
    await provider.kill()
    await world.drive(world.provider(definition(price)))
    const second = await call(user, 4)
    expect(second.charged).toBe('0.024')
    expect(await termsOf(user, second)).toMatchObject({ unitPrice: '10000', tiers: [{ above: 2, unitPrice: '2000' }] })
    const third = await call(user, 4)
    expect([third.charged, (await termsOf(user, third)).tiers]).toEqual(['0.008', undefined])
    const bob = await world.drive(world.user('bob'))
    expect((await call(bob, 3)).charged).toBe('0.03')
    await world.drive(world.clock.sleep(1_800_000), 2_000_000)
    expect((await call(user, 3)).charged).toBe('0.03')
    expect(world.rail.imbalance()).toBe(0n)
  })

  it('is nothing for a day\'s first units, however many ask at once and whatever restarts', async () => {
    const price: ProviderPrice = { list: '0.01', free: { units: 4 } }
    world = new MemoryWorld({ clock: virtualClock(20_000 * DAY - 600_000) })
    const provider = await world.drive(world.provider(definition(price)))
    const user = await world.drive(world.user('alice'))
    const free = await call(user, 1)
    expect([free.charged, (await termsOf(user, free)).free]).toEqual(['0', 1])
    await provider.kill()
    await world.drive(world.provider(definition(price)))
    const many = await world.drive(Promise.all(Array.from({ length: 5 }, () => buy(user, 1))))
    expect(many.map(({ charged }) => charged).toSorted()).toEqual(['0', '0', '0', '0.01', '0.01'])
    await world.drive(world.clock.sleep(600_000), 700_000)
    // Of a call that is more than what is left, the rest is charged.
    expect([(await call(user, 3)).charged, (await call(user, 3)).charged]).toEqual(['0', '0.02'])
    expect(world.rail.imbalance()).toBe(0n)
  })

  it('is nothing only for those whose vault holds the deposit; a thousand names without one pay', async () => {
    const user = await open({ list: '0.01', free: { units: 5, deposit: '9' } })
    expect((await call(user, 2)).charged).toBe('0')
    const poor = await world.drive(world.user('poor', { deposit: 5_000_000n }))
    expect([(await call(poor, 2)).charged, (await call(poor, 2)).charged]).toEqual(['0.02', '0.02'])
  })

  it('is not what a payer makes of it: terms of its own, or an older quote of what is used up', async () => {
    await open({ list: '0.01', free: { units: 1 } })
    const liar = new Payer(world, 'mallory')
    const lane = await liar.reserve(seller, 100n)
    const quote = await world.drive(liar.quote(seller))
    expect(quote.terms).toMatchObject({ free: 1, cap: '0' })
    for (const change of [{ free: 1_000 }, { unitPrice: '1', cap: '1' }, { tiers: [{ above: 0, unitPrice: '1' }] }]) {
      await expect(world.drive(liar.accept(seller, quote, lane, { terms: { ...quote.terms, ...change } }))).rejects.toMatchObject({ code: 'auth.forged' })
    }
    const again = await world.drive(liar.quote(seller))
    await world.drive(liar.accept(seller, quote, lane))
    const other = await liar.reserve(seller, 100n)
    await expect(world.drive(liar.accept(seller, again, other))).rejects.toMatchObject({ code: 'market.expired' })
  })

  describe('by units that the payer counts too', () => {
    const meter: Meter = { by: 'items', of: [{ path: 'output.rows' }] }
    const ROWS: Capability = { ...SHOUT, unit: 'row', estimate: { units: 10 }, output: { type: 'object', required: ['rows'], properties: { rows: { type: 'array' } } } }
    const rows = (said: number): ReturnType<typeof shouter> => shouter('p1', '0.001', 90, { capability: ROWS, meter, handler: async () => ({ output: { rows: [1, 2, 3] }, units: { row: said } }) })

    it('costs what can be counted, whatever the handler counted, and the receipt names the clause', async () => {
      world = new MemoryWorld({ clock: virtualClock() })
      await world.drive(world.provider(rows(9)))
      const user = await world.drive(world.user('alice'))
      const hired = await call(user, 1)
      expect([hired.charged, hired.bill.steps[0]!.units]).toEqual(['0.003', { row: 3 }])
      expect(await termsOf(user, hired)).toMatchObject({ meter, cap: '10000' })
    })

    const lying = (world: MemoryWorld): Promise<Liar> => openLiar(world, 'liar', '0.01', {
      card: (body) => ({ ...body, offers: body.offers.map((offer) => ({ ...offer, meter })) }), quote: (terms) => ({ ...terms, meter }),
    })
    it('is not paid to who overstates them; where the output was sealed, that one call is lost and no more', async () => {
      world = new MemoryWorld({ clock: virtualClock() })
      const liar = await world.drive(lying(world))
      const user = await world.drive(world.user('alice'))
      const bills: string[] = []
      for (const settle of ['postpaid', 'locked'] as const) {
        const document = hireDocument({ capability: SHOUT.id, input: { text: 'hi' }, maxPrice: '0.02', attempts: 1, settle })
        const { error, bill } = await world.drive(startRun(user, { document, inputs: {} }).then((id) => finishRun(user, id, 200_000)))
        expect([settle, error?.code]).toEqual([settle, 'step.output'])
        bills.push(bill.spent)
      }
      // The price was due before the key came; delivery, ciphertext and key show what was counted.
      expect(bills).toEqual(['0', '0.01'])
      expect(liar.locked).toHaveLength(1)
      expect(liar.vouchers.map(({ cumulative }) => cumulative)).toEqual(['10000'])
      expect(available(user.node.host.context<WalletContext>('wallet')!)).toBe(10_000_000n - 10_000n)
      expect(world.rail.imbalance()).toBe(0n)
    })
  })

  it.each<[string, ProviderPrice]>([
    ['price.max', { list: '0.01', min: '2', max: '1' }],
    ['price.tiers.steps[1]', { list: '0.01', tiers: { over: 'call', steps: [{ above: 2, price: '0.005' }, { above: 2, price: '0.004' }] } }],
    ['price.tiers.steps[0]', { list: '0.01', tiers: { over: 'call', steps: [{ above: 2, price: '0.02' }] } }],
    ['price.free.units', { list: '0.01', free: { units: 0 } }],
  ])('that makes no sense is refused before it is on a card: %s', async (path, price) => {
    world = new MemoryWorld({ clock: virtualClock() })
    await expect(world.drive(world.provider(definition(price)))).rejects.toMatchObject({ code: 'input.invalid', path })
  })
})
