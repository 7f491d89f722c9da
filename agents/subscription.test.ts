/** Subscriptions over a whole network: bought, renewed and given away on the chain, served for nothing, paid once (I1, I2, I3, I4). */
import { afterEach, describe, expect, it } from 'vitest'
import { virtualClock } from '../runtime/memory/clock.ts'
import type { MemoryJournalHooks } from '../runtime/memory/journal.ts'
import { verifyReceipt } from '../runtime/payments/receipt.ts'
import type { Held } from '../runtime/payments/subscriptions.machine.ts'
import { paidCalls } from '../pipelines/bill.ts'
import type { RunContext } from '../pipelines/run.machine.ts'
import { Payer } from './payer.fixture.ts'
import { keysOf, MemoryWorld, SHOUT, shouter } from './memory-network.fixture.ts'
import type { ProviderDefinition } from './provider/define.ts'
import { hire, type Hired } from './user/hire.ts'
import { readRuns } from './user/read.ts'
import { cancelSubscription, giveSubscription, heldSubscriptions, listPlans, setRenewals, subscribe, takeUp } from './user/subscription.ts'
import { setPolicy } from './user/treasury.ts'
import type { User } from './user/user.ts'

const DAY = 86_400_000
const seller = keysOf('p1').participant
const [alice, bob] = [keysOf('alice').participant, keysOf('bob').participant]
const never = new Promise<never>(() => undefined)
const WHISPER = { ...SHOUT, id: 'text.whisper@1' } as const

describe('a subscription that can be given away', () => {
  let world: MemoryWorld
  afterEach(() => world.close())

  const plan = { number: 1, price: '0.5', periodDays: 1 }
  const definition = (change: Partial<ProviderDefinition> = {}): ProviderDefinition => shouter('p1', '0.01', 90, { subscription: plan, concurrency: 8, ...change })
  const open = async (change: Partial<ProviderDefinition> = {}): Promise<User & { kill(): Promise<void> }> => {
    world = new MemoryWorld({ clock: virtualClock() })
    await world.drive(world.provider(definition(change)))
    return world.drive(world.user('alice'))
  }
  const ask = (user: User, capability: string = SHOUT.id): Promise<Hired> => hire(user, { capability, input: { text: 'hi' }, maxPrice: '0.02' })
  const call = async (user: User, capability?: string): Promise<string> => (await world.drive(ask(user, capability))).charged
  const buy = (user: User, more: object = {}): ReturnType<typeof subscribe> => world.drive(subscribe(user, { provider: 'p1', faucet: true, ...more }))
  const wait = (ms: number): Promise<unknown> => world.drive(world.clock.sleep(ms), ms * 2)
  /** Long enough for the provider's cache to look again. */
  const LOOKED = 6_000

  it('is bought once, and every call is then done for nothing; terms and receipt name it', async () => {
    const user = await open()
    expect(listPlans(user.node)).toMatchObject([{ name: 'p1', provider: seller, capabilities: [SHOUT.id], price: '0.5', periodDays: 1 }])
    expect(await call(user)).toBe('0.01')
    const bought = await buy(user, { periods: 2 })
    expect(bought.paid).toBe('1')
    // Whoever reads the journal beside the node sees it too: a quote is asked for with it.
    expect((await readRuns(user.node)).context('subscriptions')).toMatchObject({ held: { [bought.id]: { expiresAt: bought.expiresAt } } })
    const { charged, bill } = await world.drive(ask(user))
    expect([charged, bill.spent]).toEqual(['0', '0'])
    const [paid] = await paidCalls(user.node.host, user.node.host.context<RunContext>(`run/${bill.run}`)!, user.node.wire.credentials.verifier)
    verifyReceipt(paid!.receipt)
    expect(paid!.receipt.agreement.terms).toMatchObject({ subscription: bought.id, unitPrice: '0', cap: '0' })
    expect(await world.rail.balance(seller)).toBe(1_010_000n)
    expect(world.rail.imbalance()).toBe(0n)
  })

  it('covers all that its plan does, and has one quota a day for it, whatever restarts and however many ask', async () => {
    world = new MemoryWorld({ clock: virtualClock(20_000 * DAY - 300_000) })
    const both = [definition({ subscription: { ...plan, quotaPerDay: 3 } }), definition({ capability: WHISPER, subscription: { ...plan, quotaPerDay: 3 } })]
    const provider = await world.drive(world.provider(both as never))
    const user = await world.drive(world.user('alice'))
    expect((await buy(user)).capabilities).toEqual([SHOUT.id, WHISPER.id])
    expect([await call(user), await call(user, WHISPER.id)]).toEqual(['0', '0'])
    await provider.kill()
    await world.drive(world.provider(both as never))
    const many = await world.drive(Promise.all([SHOUT.id, WHISPER.id, SHOUT.id].map((id) => ask(user, id))))
    expect(many.map(({ charged }) => charged).toSorted()).toEqual(['0', '0.01', '0.01'])
    await wait(300_000)
    expect(await call(user)).toBe('0')
  })

  it('goes with who it is given to, the old holder refused; cancelled it lasts as long as it is paid', async () => {
    const user = await open({ subscription: { ...plan, quotaPerDay: 3 } })
    const other = await world.drive(world.user('bob'))
    const { id } = await buy(user)
    expect(await call(user)).toBe('0')
    await world.drive(giveSubscription(user, id, bob))
    await wait(LOOKED)
    expect([await call(user), await call(other)]).toEqual(['0.01', '0.01'])
    // What names it all the same is told nothing for nothing: the chain says whose it is.
    const liar = new Payer(world, 'mallory')
    const quote = await world.drive(liar.quote(seller, { subscriptions: [id] }))
    expect(quote.terms).toMatchObject({ unitPrice: '10000' })
    await expect(world.drive(takeUp(user, id))).rejects.toMatchObject({ code: 'usage.invalid' })
    await world.drive(takeUp(other, id))
    // The rest of the day's quota went along.
    expect(await call(other)).toBe('0')
    await world.drive(cancelSubscription(other, id))
    await wait(LOOKED)
    expect([await call(other), await call(other)]).toEqual(['0', '0.01'])
    await expect(world.drive(setRenewals(user, id, 1))).rejects.toMatchObject({ code: 'usage.invalid' })
  })

  it('that ends between quote and accept is refused, and the call is hired again at the list price', async () => {
    const user = await open()
    await buy(user)
    const wire = user.node.wire
    const original = wire.call.bind(wire)
    const asked: string[] = []
    wire.call = (async (to: never, verb: string, body: any, options: never) => {
      if (verb === 'accept') asked.push(body.terms.unitPrice)
      if (verb === 'accept' && asked.length === 1) {
        ;(world.rail.subscriptions as { subscription: unknown }).subscription = async () => undefined
        ;(world.rail.subscriptions as { changed: unknown }).changed = async () => ({ at: 0, ids: [] })
        await world.clock.sleep(LOOKED)
      }
      return original(to, verb, body, options)
    }) as never
    expect(await call(user)).toBe('0.01')
    expect([...new Set(asked)]).toEqual(['0', '10000'])
  })

  /** Says that periods are ten days long, so that the day that is paid for is renewed at once: waiting a day takes long in virtual time too. */
  const dueNow = async (user: User, renewals: number): Promise<void> => {
    const [{ renewals: _r, error: _e, tries: _t, notBefore: _n, ...subscription }] = await heldSubscriptions(user) as [Held]
    await user.node.host.send('subscriptions', { type: 'bought', subscription: { ...subscription, seconds: 864_000 }, renewals })
  }
  const fill = async (): Promise<void> => {
    await world.rail.broadcast((await world.rail.prepare({ kind: 'mint', to: alice, amount: 5_000_000n }, keysOf('p1').wallet, await world.rail.nonce(seller))).bytes)
  }

  it('renews itself within the policy, whose day counts it, and not where the plan is closed', async () => {
    const user = await open()
    await fill()
    const { id, expiresAt } = await buy(user)
    expect(await world.rail.balance(seller)).toBe(500_000n)
    await world.drive(setPolicy(user, { perDay: '0.4' }))
    await world.drive(dueNow(user, 5))
    await wait(10_000)
    expect(await heldSubscriptions(user)).toMatchObject([{ renewals: 5, expiresAt, error: { code: 'policy.refused' } }])
    expect(await world.rail.balance(seller)).toBe(500_000n)
    await world.drive(setPolicy(user, { perDay: '0.6' }))
    await world.drive(setRenewals(user, id, 5))
    await wait(10_000)
    expect(await heldSubscriptions(user)).toMatchObject([{ renewals: 4, expiresAt: expiresAt + 86_400, error: null }])
    expect(await world.rail.balance(seller)).toBe(1_000_000n)
    // 0.5 of today's 0.6 is gone: a run that may cost more than what is left is refused.
    await expect(world.drive(hire(user, { capability: SHOUT.id, input: { text: 'hi' }, maxPrice: '0.2' }))).rejects.toMatchObject({ code: 'policy.refused' })
    const { plan: planOf } = world.rail.subscriptions
    ;(world.rail.subscriptions as { plan: typeof planOf }).plan = async (one) => ({ ...(await planOf(one))!, closed: true })
    await world.drive(setPolicy(user, {}))
    await user.node.host.send('subscriptions', { type: 'bought', subscription: { ...(await heldSubscriptions(user))[0]!, seconds: 864_000, expiresAt: Math.ceil(world.clock.now() / 1_000) + 60 }, renewals: 3 })
    ;(world.rail.subscriptions as { subscription: unknown }).subscription = async () => ({ id, plan: (await heldSubscriptions(user))[0]!.plan, holder: alice, expiresAt: Math.ceil(world.clock.now() / 1_000) + 50, cancelled: false })
    await wait(10_000)
    expect(await heldSubscriptions(user)).toMatchObject([{ renewals: 0, error: { code: 'market.refused' } }])
    expect(await world.rail.balance(seller)).toBe(1_000_000n)
  })

  it('the payer, killed after each append of buying and renewing: each period is paid once', async () => {
    // Every third in passing; each one where time is no matter.
    for (let nth = 1; ; nth += process.env['AIGEN_LONG'] ? 1 : 3) {
      world = new MemoryWorld({ clock: virtualClock() })
      await world.drive(world.provider(definition()))
      let [count, armed] = [0, false]
      let die: (word: 'died') => void = () => undefined
      const died = new Promise<'died'>((resolve) => (die = resolve))
      const hooks: MemoryJournalHooks = { afterAppend: () => (armed && ++count >= nth ? (die('died'), never) : undefined) }
      const doomed = await world.drive(world.user('alice', {}, hooks))
      await fill()
      armed = true
      const all = async (user: User): Promise<string> => {
        if ((await heldSubscriptions(user)).length === 0) await subscribe(user, { provider: 'p1' })
        if ((await heldSubscriptions(user))[0]!.seconds === 86_400) await dueNow(user, 1)
        for (let turn = 0; turn < 200 && (await heldSubscriptions(user))[0]!.renewals > 0; turn++) await world.clock.sleep(1_000)
        return 'done'
      }
      const over = await world.drive(Promise.race([died, all(doomed)]))
      if (over === 'done') break
      await doomed.kill()
      const again = await world.drive(world.user('alice'))
      await world.drive(all(again))
      expect(await world.rail.balance(seller), `killed after append ${nth}`).toBe(1_000_000n)
      await world.close()
      expect(nth).toBeLessThan(60)
    }
  }, 60_000)
})
