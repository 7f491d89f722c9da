import { afterEach, describe, expect, it } from 'vitest'
import type { BuyAnswer, BuyRequest } from '../../schemas/documents.gen.ts'
import { virtualClock } from '../../runtime/memory/clock.ts'
import type { MemoryJournalHooks } from '../../runtime/memory/journal.ts'
import { keysOf, MemoryWorld, SHOUT, shouter } from '../memory-network.fixture.ts'
import { hire } from '../user/hire.ts'
import type { User } from '../user/user.ts'
import { DEPOSIT_CAPABILITY } from './credit.ts'

const agent = keysOf('safe').participant
const seller = keysOf('p1').participant
const request: BuyRequest = { key: 'one', capability: SHOUT.id, input: { text: 'hi' }, maxPrice: '0.05', deadlineMs: 5_000 }

describe('an account in credits', () => {
  let world: MemoryWorld
  let calls = 0
  afterEach(() => world.close())

  const open = async (hooks: MemoryJournalHooks = {}) => {
    calls = 0
    world = new MemoryWorld({ clock: virtualClock() })
    const safe = await world.drive(world.payments('safe', {}, hooks))
    await world.drive(world.provider(shouter('p1', '0.01', 90, {
      handler: async ({ text }: { text: string }) => {
        if (text === 'bad') throw new Error('no')
        return { output: { text: text.toUpperCase(), quality: 90 }, units: { call: 1 } }
      },
    })))
    const bob = await world.drive(world.user('bob'))
    return { safe, bob }
  }
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
      await world.drive(world.payments('safe'))
      expect(await bought, `killed ${when} append ${nth}`).toMatchObject({ state: 'done', charged: '0.01', fee: '0.0002' })
      expect(await balance(bob)).toEqual({ deposited: '0.1', held: '0', spent: '0.01', fees: '0.0002', free: '0.0898' })
      for (let waited = 0; waited < 100 && (await world.rail.balance(seller)) !== 10_000n; waited++) await world.drive(world.clock.sleep(1_000))
      expect(await world.rail.balance(seller)).toBe(10_000n)
      await world.close()
      expect(nth).toBeLessThan(60)
    }
  }, 120_000)
})
