import { afterEach, describe, expect, it } from 'vitest'
import type { BuyAnswer, BuyRequest, Invoice } from '../../schemas/documents.gen.ts'
import { virtualClock } from '../../runtime/memory/clock.ts'
import type { MemoryJournalHooks } from '../../runtime/memory/journal.ts'
import { keysOf, MemoryWorld, SHOUT, shouter } from '../memory-network.fixture.ts'
import { imbalanceOf } from '../../runtime/payments/ledger.ts'
import { hire } from '../user/hire.ts'
import type { User } from '../user/user.ts'
import type { PaymentsOptions } from './open.ts'
import { buyOnCredit, creditBalance, depositCredit } from '../user/credit.ts'
import { DEPOSIT_CAPABILITY } from './credit.ts'
import { accountOf, credits, type CreditsContext } from './credits.machine.ts'

const agent = keysOf('safe').participant
const seller = keysOf('p1').participant
const request: BuyRequest = { key: 'one', capability: SHOUT.id, input: { text: 'hi' }, maxPrice: '0.05', deadlineMs: 5_000 }

const options: Partial<PaymentsOptions> = { operators: [keysOf('boss').participant], accepted: [{ asset: 'EUR', rate: '0.92', until: 1e15, payTo: 'DE02 1203 0000 0000 2020 51' }, { asset: 'GBP', rate: '0.8', until: 1, payTo: 'x' }] }

describe('an account in credits', () => {
  let world: MemoryWorld
  let calls = 0
  afterEach(() => world.close())

  const open = async (hooks: MemoryJournalHooks = {}) => {
    calls = 0
    world = new MemoryWorld({ clock: virtualClock() })
    const safe = await world.drive(world.payments('safe', options, hooks))
    safe.user.node.host.watch(({ id }) => { if (id === 'credits') balances(safe) })
    await world.drive(world.provider(shouter('p1', '0.01', 90, {
      handler: async ({ text }: { text: string }) => {
        if (text === 'bad') throw new Error('no')
        return { output: { text: text.toUpperCase(), quality: 90 }, units: { call: 1 } }
      },
    })))
    const bob = await world.drive(world.user('bob'))
    return { safe, bob }
  }
  /** Every entry of the book sums to zero, whenever it is looked at (I2). */
  const balances = (payments: { readonly user: User }): void => expect(imbalanceOf(payments.user.node.host.context<CreditsContext>('credits')!.book)).toEqual({})
  const ask = (user: User, verb: string, body: object): Promise<any> => user.node.wire.call(agent, verb, body, { callId: `t-${verb}-${calls++}`, timeoutMs: 5_000 })
  const balance = (user: User): Promise<any> => world.drive(ask(user, 'balance', {}))
  const deposit = async (user: User, cents: number, key: string): Promise<void> => {
    await world.drive(hire(user, { capability: DEPOSIT_CAPABILITY, input: { cents }, maxPrice: '10', only: [agent], attempts: 1, key }))
  }
  const buy = async (user: User, change: Partial<BuyRequest> = {}): Promise<BuyAnswer> => {
    const answer = async (): Promise<BuyAnswer> => {
      for (;;) {
        const one: BuyAnswer | undefined = await ask(user, 'buy', { ...request, ...change }).catch((error) => { if (!error.rule?.retry) throw error })
        if (one && one.state !== 'pending') return one
        await world.clock.sleep(200)
      }
    }
    return world.drive(answer(), 200_000)
  }

  it('is opened by a deposit, pays for calls with a fee, and is never charged twice for one key', async () => {
    const { bob } = await open()
    await deposit(bob, 10, 'd1')
    expect(await balance(bob)).toEqual({ deposited: '0.1', held: '0', spent: '0', fees: '0', free: '0.1' })
    const first = await buy(bob)
    expect(first).toEqual({ state: 'done', output: { text: 'HI', quality: 90 }, charged: '0.01', fee: '0.0002', provider: 'p1' })
    expect(await buy(bob)).toEqual(first)
    expect(await balance(bob)).toEqual({ deposited: '0.1', held: '0', spent: '0.01', fees: '0.0002', free: '0.0898' })
    expect(await world.rail.balance(seller)).toBe(10_000n)
    await world.drive(expect(ask(bob, 'buy', { ...request, maxPrice: '0.06' })).rejects.toMatchObject({ code: 'run.conflict' }))
    // two at once under one key: one is bought
    const raced = await Promise.all(['a', 'b'].map((text) => ask(bob, 'buy', { ...request, key: 'raced', input: { text } }).then(() => 'taken', (error) => error.code)).map((one) => world.drive(one, 200_000)))
    expect(raced.toSorted()).toEqual(['run.conflict', 'taken'])
    expect(world.rail.imbalance()).toBe(0n)
  })

  it('a call that fails costs nothing, and what was held is free again', async () => {
    const { bob } = await open()
    await deposit(bob, 10, 'd1')
    expect(await buy(bob, { input: { text: 'bad' } })).toMatchObject({ state: 'failed', charged: '0', fee: '0', error: { code: 'step.failed' } })
    expect(await balance(bob)).toMatchObject({ held: '0', spent: '0', free: '0.1' })
    expect(await buy(bob, { key: 'two', capability: 'text.whisper@1' })).toMatchObject({ state: 'failed', charged: '0' })
    expect(await balance(bob)).toMatchObject({ held: '0', spent: '0', free: '0.1' })
  })

  it('buys from a program: the same key is the same call, and what it fails with is thrown', async () => {
    const { bob, safe } = await open()
    await world.drive(depositCredit(bob, '0.10'))
    const one = { ...request, key: 'one' }
    const bought = await world.drive(buyOnCredit(bob, one), 200_000)
    expect(bought).toEqual({ output: { text: 'HI', quality: 90 }, charged: '0.01', fee: '0.0002', provider: 'p1' })
    expect(await world.drive(buyOnCredit(bob, one), 200_000)).toEqual(bought)
    await world.drive(expect(buyOnCredit(bob, { ...one, input: { text: 'ho' } })).rejects.toMatchObject({ code: 'run.conflict' }), 200_000)
    await world.drive(expect(buyOnCredit(bob, { ...request, key: 'bad', input: { text: 'bad' } })).rejects.toMatchObject({ code: 'step.failed' }), 200_000)
    await world.drive(expect(buyOnCredit(bob, { ...request, key: 'dear', maxPrice: '1' })).rejects.toMatchObject({ code: 'credit.short' }), 200_000)
    expect(await world.drive(creditBalance(bob))).toMatchObject({ held: '0', spent: '0.01', fees: '0.0002', free: '0.0898' })
    // Where nobody answers it is said that nothing was heard, and the call may be under way.
    await safe.kill()
    await world.drive(expect(buyOnCredit(bob, { ...request, key: 'late' }, { timeoutMs: 5_000 })).rejects.toMatchObject({ rule: { fault: 'network' } }), 200_000)
  })

  it('is kept by whom it is said, where several keep accounts', async () => {
    const { bob } = await open()
    await world.drive(world.payments('other'))
    await world.drive(expect(depositCredit(bob, '0.10')).rejects.toMatchObject({ code: 'usage.invalid', message: expect.stringMatching(/safe, other|other, safe/) }))
    expect(await world.drive(depositCredit(bob, '0.10', { at: 'other' }))).toBe('0.1')
    expect(await world.drive(creditBalance(bob, { at: keysOf('other').participant }))).toMatchObject({ free: '0.1' })
    expect(await world.drive(creditBalance(bob, { at: 'safe' }))).toMatchObject({ free: '0' })
  })

  it('many at once: no more is held than there is credit, and nobody spends another\'s', async () => {
    const { bob } = await open()
    await deposit(bob, 11, 'd1')
    const answers = await Promise.all(Array.from({ length: 6 }, (_, index) => ask(bob, 'buy', { ...request, key: `k${index}` })).map((one) => world.drive(one, 200_000)))
    expect(answers.filter((one) => one.error?.code === 'credit.short')).toHaveLength(4)
    for (let index = 0; index < 6; index++) await buy(bob, { key: `k${index}` })
    expect(await balance(bob)).toEqual({ deposited: '0.11', held: '0', spent: '0.02', fees: '0.0004', free: '0.0896' })
    const carol = await world.drive(world.user('carol'))
    expect(await buy(carol)).toMatchObject({ state: 'failed', error: { code: 'credit.short' } })
    expect(await balance(carol)).toMatchObject({ deposited: '0', free: '0' })
  })

  describe('paid by invoice, in another asset', () => {
    it('is credited when the operator says so, once, at the rate of the invoice', async () => {
      const { bob, safe } = await open()
      const boss = await world.drive(world.user('boss'))
      const invoice: Invoice = await world.drive(ask(bob, 'invoice', { credit: '10', asset: 'EUR' }))
      expect(invoice.body).toMatchObject({ account: keysOf('bob').participant, provider: agent, credit: '10', amount: '9.2', rate: '0.92' })
      expect(await balance(bob)).toMatchObject({ deposited: '0' })
      expect(await world.drive(ask(boss, 'acknowledge', { invoice, reference: 'bank 1' }))).toEqual({ account: keysOf('bob').participant, credit: '10' })
      await world.drive(ask(boss, 'acknowledge', { invoice, reference: 'bank 1' }))
      expect(await balance(bob)).toEqual({ deposited: '10', held: '0', spent: '0', fees: '0', free: '10' })
      expect(safe.user.node.host.context<CreditsContext>('credits')!.book['EUR']).toEqual({ [`${keysOf('bob').participant}:paid`]: '-9200000', [`${keysOf('bob').participant}:exchanged`]: '9200000' })
      expect(safe.provider.node.directory.entry(agent)?.card.body.credit).toMatchObject({ feePercent: 2, rates: [{ asset: 'EUR', rate: '0.92' }, { asset: 'GBP' }] })
    })

    it('is refused to whoever is no operator, for what was forged, paid otherwise, or is not sold', async () => {
      const { bob } = await open()
      const boss = await world.drive(world.user('boss'))
      const [invoice, other]: Invoice[] = [await world.drive(ask(bob, 'invoice', { credit: '10', asset: 'EUR' })), await world.drive(ask(bob, 'invoice', { credit: '1', asset: 'EUR' }))]
      const refused = (user: User, verb: string, body: object, code: string): Promise<void> => world.drive(expect(ask(user, verb, body)).rejects.toMatchObject({ code }))
      await refused(bob, 'acknowledge', { invoice, reference: 'bank 1' }, 'auth.unauthorised')
      await refused(boss, 'acknowledge', { invoice: { ...invoice!, body: { ...invoice!.body, credit: '1000' } }, reference: 'bank 1' }, 'auth.forged')
      await world.drive(ask(boss, 'acknowledge', { invoice, reference: 'bank 1' }))
      await refused(boss, 'acknowledge', { invoice: other, reference: 'bank 1' }, 'run.conflict')
      await refused(boss, 'acknowledge', { invoice, reference: 'bank 2' }, 'run.conflict')
      await refused(bob, 'invoice', { credit: '1', asset: 'GBP' }, 'market.refused')
      await refused(bob, 'invoice', { credit: '0', asset: 'EUR' }, 'money.invalid')
      expect(await balance(bob)).toMatchObject({ deposited: '10', free: '10' })
    })
  })

  it('what is not used is taken out again, once, to the account on the chain', async () => {
    const { bob, safe } = await open()
    await deposit(bob, 10, 'd1')
    await buy(bob)
    const before = await world.rail.balance(keysOf('bob').participant)
    await world.drive(expect(ask(bob, 'refund', { key: 'r', amount: '0.09' })).rejects.toMatchObject({ code: 'credit.short' }))
    const refund = async (): Promise<{ state: string }> => {
      const answer = await ask(bob, 'refund', { key: 'r', amount: '0.05' })
      return answer.state === 'done' ? answer : refund()
    }
    for (const _time of [1, 2]) expect(await world.drive(refund())).toEqual({ state: 'done', amount: '0.05' })
    await world.drive(expect(ask(bob, 'refund', { key: 'r', amount: '0.01' })).rejects.toMatchObject({ code: 'run.conflict' }))
    expect(await balance(bob)).toEqual({ deposited: '0.1', held: '0', spent: '0.01', fees: '0.0002', free: '0.0398', refunded: '0.05' })
    expect(await world.rail.balance(keysOf('bob').participant)).toBe(before + 50_000n)
    expect(world.rail.imbalance()).toBe(0n)
    balances(safe)
  })

  it('a refund that its payment provider died in is paid when it is back, once', async () => {
    for (const nth of [1, 2, 3, 4, 5]) {
      let count = 0
      let armed = false
      const { safe, bob } = await open({ beforeAppend: () => (armed && ++count >= nth ? new Promise<never>(() => undefined) : undefined) })
      await deposit(bob, 10, 'd1')
      const before = await world.rail.balance(keysOf('bob').participant)
      armed = true
      await world.drive(ask(bob, 'refund', { key: 'r', amount: '0.1' }).catch(() => undefined))
      await safe.kill()
      await world.drive(world.payments('safe', options))
      const again = async (): Promise<void> => {
        if ((await ask(bob, 'refund', { key: 'r', amount: '0.1' }).catch(() => ({ state: 'pending' }))).state !== 'done') await world.clock.sleep(500).then(again)
      }
      await world.drive(again())
      expect(await balance(bob), `killed at append ${nth}`).toMatchObject({ free: '0', refunded: '0.1' })
      expect(await world.rail.balance(keysOf('bob').participant)).toBe(before + 100_000n)
      await world.close()
    }
  }, 60_000)

  it('an account of the first version goes on in double entry', () => {
    const before = { value: 'open', context: { accounts: { '0xaa': { deposited: '10', held: '3', spent: '2', fees: '1' } }, posted: { d: true }, holds: { p: { account: '0xaa', amount: '3' } } } }
    const { context } = credits.migrate!(before, 'credits@1:00') as { context: CreditsContext }
    expect(imbalanceOf(context.book)).toEqual({})
    expect(accountOf(context, '0xaa')).toEqual({ deposited: '10', free: '4', held: '3', spent: '2', fees: '1', owed: '0', refunded: '0' })
    expect(credits.migrate!(before, 'credits@0:00')).toBeUndefined()
  })

  it.each(['before', 'after'] as const)('the payment provider, killed %s each append of a purchase: bought once, charged once', async (when) => {
    for (let nth = 1; ; nth += 2) {
      let armed = false
      let count = 0
      let die: () => void = () => undefined
      const died = new Promise<void>((resolve) => (die = resolve))
      const hook = (): Promise<void> | void => {
        if (!armed || ++count < nth) return
        die()
        return new Promise<never>(() => undefined)
      }
      const { safe, bob } = await open(when === 'before' ? { beforeAppend: hook } : { afterAppend: hook })
      await deposit(bob, 10, 'd1')
      await balance(bob)
      armed = true
      const bought = buy(bob)
      const over = await world.drive(Promise.race([died.then(() => 'died' as const), bought.then(() => 'done' as const)]), 200_000)
      if (over === 'done') break
      await safe.kill()
      balances(await world.drive(world.payments('safe', options)))
      expect(await bought, `killed ${when} append ${nth}`).toMatchObject({ state: 'done', charged: '0.01', fee: '0.0002' })
      expect(await balance(bob)).toEqual({ deposited: '0.1', held: '0', spent: '0.01', fees: '0.0002', free: '0.0898' })
      for (let waited = 0; waited < 100 && (await world.rail.balance(seller)) !== 10_000n; waited++) await world.drive(world.clock.sleep(1_000))
      expect(await world.rail.balance(seller)).toBe(10_000n)
      await world.close()
      expect(nth).toBeLessThan(60)
    }
  }, 120_000)
})
