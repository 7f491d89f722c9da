/** Subscriptions over a whole network: bought on the chain, checked by the provider, calls for nothing (I1, I2, I3). */
import { afterEach, describe, expect, it } from 'vitest'
import { verifyReceipt } from '../runtime/payments/receipt.ts'
import { virtualClock } from '../runtime/memory/clock.ts'
import type { MemoryJournalHooks } from '../runtime/memory/journal.ts'
import type { PurseContext } from '../runtime/payments/lane.ts'
import type { TillContext } from '../runtime/payments/till.machine.ts'
import { paidCalls } from '../pipelines/bill.ts'
import type { RunContext } from '../pipelines/run.machine.ts'
import { Payer } from './payer.fixture.ts'
import { keysOf, MemoryWorld, SHOUT, shouter } from './memory-network.fixture.ts'
import type { ProviderDefinition } from './provider/define.ts'
import { hire, type Hired } from './user/hire.ts'
import { buyPass, listPasses } from './user/pass.ts'
import type { User } from './user/user.ts'
import { available, type WalletContext } from './user/wallet.machine.ts'

const DAY = 86_400_000
const seller = keysOf('p1').participant
const never = new Promise<never>(() => undefined)

describe('a subscription', () => {
  let world: MemoryWorld
  afterEach(() => world.close())

  const definition = (change: Partial<ProviderDefinition> = {}): ProviderDefinition => shouter('p1', '0.01', 90, { pass: { number: 1, price: '0.5', periodDays: 30 }, ...change })
  const open = async (change: Partial<ProviderDefinition> = {}): Promise<User & { kill(): Promise<void> }> => {
    world = new MemoryWorld({ clock: virtualClock() })
    await world.drive(world.provider(definition(change)))
    return world.drive(world.user('alice'))
  }
  const call = (user: User, key?: string): Promise<Hired> => world.drive(hire(user, { capability: SHOUT.id, input: { text: 'hi' }, maxPrice: '0.02', ...(key ? { key } : {}) }))
  const buy = (user: User, periods = 1): ReturnType<typeof buyPass> => world.drive(buyPass(user, { provider: 'p1', periods, faucet: true }))

  /** The chain says so of every pass: waiting thirty days would take long in virtual time too. */
  const endAt = (expiresAt: number): void => {
    (world.rail.passes as { pass: unknown }).pass = async () => ({ expiresAt })
  }

  it('is bought on the chain, and every call is then done for nothing, with a receipt', async () => {
    const user = await open()
    expect(await world.drive(listPasses(user.node, user.node.participant))).toMatchObject([{ name: 'p1', provider: seller, price: '0.5', periodDays: 30, expiresAt: 0 }])
    const now = world.clock.now()
    const bought = await buy(user, 2)
    expect(bought.paid).toBe('1')
    expect(Math.abs(bought.expiresAt - now - 60 * DAY)).toBeLessThan(5_000)
    expect(await world.rail.balance(seller)).toBe(1_000_000n)
    for (let turn = 0; turn < 3; turn++) {
      const { output, charged, bill } = await call(user)
      expect([output, charged, bill.spent, bill.settled]).toEqual([{ text: 'HI', quality: 90 }, '0', '0', '0'])
      expect(bill.steps[0]).toMatchObject({ agreed: '0', list: '0.01', receipt: expect.any(String), outputHash: expect.any(String) })
      const [paid] = await paidCalls(user.node.host, user.node.host.context<RunContext>(`run/${bill.run}`)!, user.node.wire.credentials.verifier)
      verifyReceipt(paid!.receipt)
      expect(paid!.receipt.agreement.terms).toMatchObject({ pass: bought.pass, unitPrice: '0', cap: '0' })
    }
    // One lane, with the least reserved, did for all of them.
    expect(Object.values(user.node.host.context<PurseContext>('purse/0')!.lanes)).toMatchObject([{ cumulative: '0', reserved: '4' }])
    expect(available(user.node.host.context<WalletContext>('wallet')!)).toBe(10_000_000n)
    expect(await world.rail.balance(seller)).toBe(1_000_000n)
    expect(world.rail.imbalance()).toBe(0n)
  })

  it('paid and free calls share a lane, and what is owed is paid', async () => {
    const user = await open({ pass: { number: 1, price: '0.5', periodDays: 1, quotaPerDay: 2 } })
    await buy(user)
    const charged: string[] = []
    for (let turn = 0; turn < 4; turn++) charged.push((await call(user)).charged)
    expect(charged).toEqual(['0', '0', '0.01', '0.01'])
    expect(await world.rail.balance(seller)).toBe(520_000n)
    expect(world.rail.imbalance()).toBe(0n)
  })

  it('counts a day\'s quota across a restart of its provider, however many ask at once', async () => {
    // Five minutes before midnight.
    world = new MemoryWorld({ clock: virtualClock(20_000 * DAY - 300_000) })
    const limited = definition({ pass: { number: 1, price: '0.5', periodDays: 30, quotaPerDay: 3 }, concurrency: 8 })
    const provider = await world.drive(world.provider(limited))
    const user = await world.drive(world.user('alice'))
    await buy(user)
    expect((await call(user)).charged).toBe('0')
    await provider.kill()
    await world.drive(world.provider(limited))
    const many = await world.drive(Promise.all(Array.from({ length: 5 }, () => hire(user, { capability: SHOUT.id, input: { text: 'hi' }, maxPrice: '0.02' }))))
    expect(many.map(({ charged }) => charged).toSorted()).toEqual(['0', '0', '0.01', '0.01', '0.01'])
    await world.drive(world.clock.sleep(300_000), 400_000)
    expect((await call(user)).charged).toBe('0')
  })

  it('is nobody\'s who has none: the list price is asked, and terms of one\'s own making are refused', async () => {
    await open()
    const liar = new Payer(world, 'mallory')
    const lane = await liar.reserve(seller, 100n)
    const quote = await world.drive(liar.quote(seller))
    expect(quote.terms).toMatchObject({ unitPrice: '10000' })
    expect(quote.terms.pass).toBeUndefined()
    const terms = { ...quote.terms, unitPrice: '0', cap: '0', pass: world.rail.passes.id(seller, 1) }
    await expect(world.drive(liar.accept(seller, quote, lane, { terms }))).rejects.toMatchObject({ code: 'auth.forged' })
  })

  it('that ends between quote and accept is refused, and the call is hired again at the list price', async () => {
    const user = await open()
    await buy(user)
    const ends = Math.floor(world.clock.now() / 1_000) + 5
    endAt(ends)
    const wire = user.node.wire
    const original = wire.call.bind(wire)
    const late: string[] = []
    wire.call = (async (to: never, verb: string, body: any, options: never) => {
      if (verb === 'accept') late.push(body.terms.unitPrice)
      if (verb === 'accept' && late.length === 1) await world.clock.sleep(ends * 1_000 - world.clock.now())
      return original(to, verb, body, options)
    }) as never
    expect((await call(user)).charged).toBe('0.01')
    // An answer that says `retry` is asked for again, then everybody is.
    expect([...new Set(late)]).toEqual(['0', '10000'])
    wire.call = original
    endAt(ends + 10_000)
    await world.drive(world.clock.sleep(61_000))
    expect((await call(user)).charged).toBe('0')
  })

  it('counts while the chain is down until it ends; who is not known pays as they go', async () => {
    const user = await open()
    await buy(user)
    const ends = Math.floor(world.clock.now() / 1_000) + 300
    endAt(ends)
    expect((await call(user)).charged).toBe('0')
    const bob = await world.drive(world.user('bob'))
    let asked = 0
    const { pass } = world.rail.passes
    ;(world.rail.passes as { pass: typeof pass }).pass = () => (asked++, asked % 2 ? Promise.reject(new Error('down')) : never)
    await world.drive(world.clock.sleep(120_000))
    for (let turn = 0; turn < 3; turn++) expect([(await call(user)).charged, (await call(bob)).charged]).toEqual(['0', '0.01'])
    expect(asked).toBe(2)
    await world.drive(world.clock.sleep(ends * 1_000 - world.clock.now()), 400_000)
    expect((await call(user)).charged).toBe('0.01')
  })

  it('a card that says another price than the chain sells nothing, nor does a wallet without money buy', async () => {
    const user = await open()
    await expect(world.drive(buyPass(user, { provider: 'p1' }))).rejects.toMatchObject({ code: 'wallet.empty' })
    await expect(world.drive(buyPass(user, { provider: 'p2' }))).rejects.toMatchObject({ code: 'usage.invalid' })
    const { passClass } = world.rail.passes
    ;(world.rail.passes as { passClass: typeof passClass }).passClass = async (id) => ({ ...(await passClass(id))!, price: 900_000n })
    await expect(buy(user)).rejects.toMatchObject({ code: 'market.refused' })
    await expect(world.drive(world.provider(definition()))).rejects.toMatchObject({ code: 'input.invalid' })
  })

  const dieAt = (nth: number): { hooks: MemoryJournalHooks; died: Promise<'died'>; arm(): void } => {
    let [count, armed] = [0, false]
    let die: (word: 'died') => void = () => undefined
    const died = new Promise<'died'>((resolve) => (die = resolve))
    return { died, arm: () => (armed = true), hooks: { afterAppend: () => (armed && ++count >= nth ? (die('died'), never) : undefined) } }
  }
  const even = (user: User): void => {
    const tills = Object.values(user.node.host.context<PurseContext>('purse/0')!.lanes)
    expect(tills.every(({ cumulative, payment, use }) => cumulative === '0' && payment === null && use === null)).toBe(true)
    expect(user.node.host.context<WalletContext>('wallet')!.holds).toEqual({})
    expect(world.rail.imbalance()).toBe(0n)
  }

  it('the payer, killed after each append of buying and of a free call: bought once, done once', async () => {
    for (let nth = 1; ; nth++) {
      world = new MemoryWorld({ clock: virtualClock() })
      let worked = 0
      const provider = await world.drive(world.provider(definition({ handler: async () => (worked++, { output: { text: 'HI', quality: 90 }, units: { call: 1 } }) })))
      const fault = dieAt(nth)
      const doomed = await world.drive(world.user('alice', {}, fault.hooks))
      fault.arm()
      const both = async (user: User): Promise<Hired> => {
        const [line] = await listPasses(user.node, user.node.participant)
        if (line!.expiresAt === 0) await buyPass(user, { provider: 'p1', faucet: true })
        return hire(user, { capability: SHOUT.id, input: { text: 'hi' }, maxPrice: '0.02', key: 'one' })
      }
      const over = await world.drive(Promise.race([fault.died, both(doomed).then(() => 'done')]))
      if (over === 'done') break
      await doomed.kill()
      const again = await world.drive(world.user('alice'))
      const { charged } = await world.drive(both(again))
      expect([charged, worked], `killed after append ${nth}`).toEqual(['0', 1])
      expect(await world.rail.balance(seller)).toBe(500_000n)
      await world.drive(world.clock.sleep(5_000))
      even(again)
      for (const till of provider.node.host.list('till')) expect((till.snapshot.context as TillContext).owed).toBeNull()
      await world.close()
      expect(nth).toBeLessThan(90)
    }
  }, 60_000)

  it('the provider, killed after each append of a free call: done, and nothing is left owed', async () => {
    for (let nth = 1; ; nth++) {
      world = new MemoryWorld({ clock: virtualClock() })
      const fault = dieAt(nth)
      const doomed = await world.drive(world.provider(definition(), fault.hooks))
      const user = await world.drive(world.user('alice'))
      await buy(user)
      fault.arm()
      const hired = hire(user, { capability: SHOUT.id, input: { text: 'hi' }, maxPrice: '0.02' })
      const over = await world.drive(Promise.race([fault.died, hired.then(() => 'done')]))
      if (over === 'done') break
      await doomed.kill()
      const provider = await world.drive(world.provider(definition()))
      expect((await world.drive(hired)).charged, `killed after append ${nth}`).toBe('0')
      await world.drive(world.clock.sleep(40_000))
      even(user)
      for (const till of provider.node.host.list('till')) expect((till.snapshot.context as TillContext).owed).toBeNull()
      await world.close()
      expect(nth).toBeLessThan(60)
    }
  }, 60_000)
})
