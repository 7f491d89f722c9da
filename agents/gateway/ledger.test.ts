import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { virtualClock, type VirtualClock } from '../../runtime/memory/clock.ts'
import { openDatabase, type GatewayDatabase } from './database.ts'
import type { KeyLimits } from './keys.ts'
import { openLedger, type Ledger, type Reservation } from './ledger.ts'
import { HOUSE } from './postings.ts'
import { DAY_MS, MONTH_MS, type Tier } from './tiers.ts'

const PAID: Record<string, Tier> = { paid: { feeBps: 500 } }
let opened: GatewayDatabase[] = []
afterEach(async () => {
  await Promise.all(opened.map((one) => one.close()))
  opened = []
})

async function ledgerWith(tiers: Record<string, Tier> = PAID, credit = 1_000_000n, limits: KeyLimits = {}): Promise<{ ledger: Ledger; clock: VirtualClock }> {
  const database = await openDatabase({ file: ':memory:' })
  opened.push(database)
  const clock = virtualClock()
  const ledger = openLedger({ db: database.db, clock, tiers })
  await ledger.enrol('ann', Object.keys(tiers)[0]!)
  if (credit > 0n) await ledger.credit('ann', credit, 'gift')
  await ledger.addKey('ann', 'k', 'test', limits)
  return { ledger, clock }
}

const call = (id: string, worst = 1_000n, change: Partial<Reservation> = {}): Reservation => ({ call: id, customer: 'ann', key: 'k', route: 'test', worst, tokens: 10, run: `run_${id}`, ...change })

async function balanced(ledger: Ledger): Promise<Readonly<Record<string, bigint>>> {
  const { sum, wrong, balances } = await ledger.audit()
  expect([sum, wrong]).toEqual([0n, []])
  return balances
}

describe('the ledger', () => {
  it('holds the worst case with its fee, charges what it cost, gives the rest back', async () => {
    const { ledger } = await ledgerWith()
    expect(await ledger.reserve(call('a'))).toMatchObject({ state: 'open', total: 1_050n })
    expect(await ledger.customer('ann')).toMatchObject({ balance: 998_950n, held: 1_050n })
    expect(await ledger.settle('a', 301n)).toMatchObject({ state: 'settled', cost: 301n, fee: 16n }) // 5 % of 301, rounded up
    expect(await ledger.customer('ann')).toMatchObject({ balance: 1_000_000n - 317n, held: 0n })
    expect(await balanced(ledger)).toMatchObject({ [HOUSE.network]: 301n, [HOUSE.revenue]: 16n, [HOUSE.deposits]: -1_000_000n })
  })

  it('does each thing once, however often it is said', async () => {
    const { ledger } = await ledgerWith()
    await ledger.credit('ann', 1_000_000n, 'gift')
    await expect(ledger.credit('ann', 5n, 'gift')).rejects.toMatchObject({ code: 'gateway.repeat' })
    const twice = await Promise.all([ledger.reserve(call('a')), ledger.reserve(call('a'))])
    expect(twice[0]).toEqual(twice[1])
    await Promise.all([ledger.settle('a', 400n), ledger.settle('a', 400n), ledger.settle('a', 0n)])
    expect(await ledger.reserve(call('a'))).toMatchObject({ state: 'settled', cost: 400n })
    expect(await ledger.customer('ann')).toMatchObject({ balance: 1_000_000n - 420n, held: 0n })
    await balanced(ledger)
  })

  it.each([
    ['credit', {}, 950n, 'gateway.credit'],
    ['budget', { maxBudget: '0.001' }, 1_000_000n, 'gateway.budget'],
    ['parallel', { maxParallel: 1 }, 1_000_000n, 'gateway.parallel'],
    ['requests', { rpm: 1 }, 1_000_000n, 'gateway.rate'],
    ['tokens', { tpm: 15 }, 1_000_000n, 'gateway.rate'],
  ] as const)('refuses what is beyond the %s, and moves nothing', async (_what, limits, credit, code) => {
    const { ledger } = await ledgerWith(PAID, credit, limits)
    const first = await ledger.reserve(call('a', 500n))
    const before = await balanced(ledger)
    await expect(ledger.reserve(call('b', 500n))).rejects.toMatchObject({ code })
    expect(await ledger.hold('b')).toBeUndefined()
    expect(await balanced(ledger)).toEqual(before)
    expect(first.state).toBe('open')
  })

  it('limits come back: a minute later, in the next window, when a call has ended', async () => {
    const { ledger, clock } = await ledgerWith(PAID, 1_000_000n, { rpm: 1, maxBudget: '0.00105', budgetDurationMs: 10 * 60_000, maxParallel: 1 })
    await ledger.reserve(call('a'))
    await ledger.settle('a', 1_000n)
    await expect(ledger.reserve(call('b'))).rejects.toMatchObject({ code: 'gateway.rate' })
    await clock.advance(60_000)
    await expect(ledger.reserve(call('b'))).rejects.toMatchObject({ code: 'gateway.budget' })
    await clock.advance(9 * 60_000)
    expect(await ledger.reserve(call('b'))).toMatchObject({ state: 'open' })
    expect((await ledger.key('k')).counters).toMatchObject({ used: 1_050n, parallel: 1 })
  })

  it('a revoked key reserves nothing; a key of somebody else neither', async () => {
    const { ledger } = await ledgerWith()
    await ledger.enrol('bob', 'paid')
    expect(await ledger.revoke('bob', 'k')).toBe(false)
    await expect(ledger.reserve(call('x', 1n, { customer: 'bob' }))).rejects.toMatchObject({ code: 'gateway.key' })
    expect(await ledger.revoke('ann', 'k')).toBe(true)
    await expect(ledger.reserve(call('y'))).rejects.toMatchObject({ code: 'gateway.key' })
    await expect(ledger.credit('nobody', 1n, 'r')).rejects.toMatchObject({ code: 'gateway.account' })
  })

  it('spends the free quota of a day, then the balance; the quota bears no fee and does not pile up', async () => {
    const { ledger, clock } = await ledgerWith({ mixed: { free: { calls: 2, amount: '0.0015' }, feeBps: 1_000 } })
    await ledger.reserve(call('a'))
    await ledger.settle('a', 1_000n)
    expect(await ledger.reserve(call('b'))).toMatchObject({ total: 1_050n }) // 500 free, 500 paid and a tenth
    await ledger.settle('b', 600n)
    expect(await ledger.customer('ann')).toMatchObject({ balance: 1_000_000n - 110n, free: 0n, freeCalls: 2 })
    await clock.advance(DAY_MS)
    expect(await ledger.customer('ann')).toMatchObject({ free: 1_500n, freeCalls: 0 })
    await clock.advance(DAY_MS)
    expect(await ledger.customer('ann')).toMatchObject({ free: 1_500n })
    await ledger.reserve(call('c', 100n))
    await ledger.reserve(call('d', 100n))
    expect(await ledger.reserve(call('e', 100n))).toMatchObject({ total: 110n }) // the third call of the day is paid
    // what was held yesterday and is not needed goes back to the gateway, not into today's quota
    await clock.advance(DAY_MS)
    await ledger.settle('c', 0n)
    expect(await ledger.customer('ann')).toMatchObject({ free: 1_500n })
    await balanced(ledger)
  })

  it('a free tier alone cannot spend the balance', async () => {
    const { ledger } = await ledgerWith({ free: { free: { calls: 5, amount: '0.001' } } })
    await ledger.reserve(call('a', 1_000n))
    await expect(ledger.reserve(call('b', 1n))).rejects.toMatchObject({ code: 'gateway.credit' })
  })

  it('a monthly plan is charged, includes its amount, renews by the clock and lapses without money', async () => {
    const { ledger, clock } = await ledgerWith({ monthly: { feeBps: 500, plan: { price: '0.4', included: '0.5' } } })
    expect(await ledger.customer('ann')).toMatchObject({ balance: 600_000n, plan: 500_000n })
    await ledger.reserve(call('a', 100_000n))
    expect(await ledger.settle('a', 100_000n)).toMatchObject({ fee: 0n })
    await clock.advance(MONTH_MS)
    expect(await ledger.customer('ann')).toMatchObject({ balance: 200_000n, plan: 500_000n })
    await clock.advance(MONTH_MS)
    expect(await ledger.customer('ann')).toMatchObject({ balance: 200_000n, plan: 0n, planUntil: 0 })
    await ledger.credit('ann', 200_000n, 'more')
    expect(await ledger.customer('ann')).toMatchObject({ balance: 0n, plan: 500_000n })
    await balanced(ledger)
  })

  it('twenty at once on a budget for ten: ten are held', async () => {
    const { ledger } = await ledgerWith(PAID, 1_000_000n, { maxBudget: '0.0105' })
    const results = await Promise.allSettled(Array.from({ length: 20 }, (_, index) => ledger.reserve(call(`c${index}`))))
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(10)
    expect(await ledger.customer('ann')).toMatchObject({ held: 10_500n })
    await balanced(ledger)
  })

  it('any order of reserve, settle, release, repeat, credit and time keeps the sum at zero and no purse below it', async () => {
    const command = fc.oneof(
      fc.record({ do: fc.constant('reserve' as const), call: fc.integer({ min: 0, max: 5 }), amount: fc.integer({ min: 1, max: 3_000 }) }),
      fc.record({ do: fc.constant('settle' as const), call: fc.integer({ min: 0, max: 5 }), amount: fc.integer({ min: 0, max: 4_000 }) }),
      fc.record({ do: fc.constant('credit' as const), call: fc.integer({ min: 0, max: 3 }), amount: fc.constant(1_000) }),
      fc.record({ do: fc.constant('wait' as const), call: fc.constant(0), amount: fc.integer({ min: 1, max: 40 }) }),
    )
    await fc.assert(fc.asyncProperty(fc.array(command, { maxLength: 30 }), fc.boolean(), async (commands, together) => {
      const { ledger, clock } = await ledgerWith({ all: { free: { calls: 3, amount: '0.001' }, feeBps: 333, plan: { price: '0.002', included: '0.003' } } }, 5_000n, { maxBudget: '0.02', budgetDurationMs: DAY_MS })
      const cost = new Map<number, bigint>()
      const act = async (one: typeof commands[number]): Promise<void> => {
        if (one.do === 'reserve') await ledger.reserve(call(`c${one.call}`, BigInt(one.amount)))
        else if (one.do === 'settle') await ledger.settle(`c${one.call}`, BigInt(one.amount)).then((hold) => cost.set(one.call, hold.cost))
        else if (one.do === 'credit') await ledger.credit('ann', BigInt(one.amount), `r${one.call}`)
        else await clock.advance(one.amount * DAY_MS)
      }
      const quietly = (one: typeof commands[number]): Promise<void> => act(one).catch((error: { code?: string; message: string }) => {
        if (!['gateway.credit', 'gateway.budget'].includes(error.code ?? '') && !error.message.includes('never reserved')) throw error
      })
      if (together) await Promise.all(commands.map(quietly))
      else for (const one of commands) await quietly(one)
      const balances = await balanced(ledger)
      for (const [account, amount] of Object.entries(balances)) if (!account.startsWith('house:')) expect(amount, account).toBeGreaterThanOrEqual(0n)
      // what the network was paid is what the closed calls cost, once each
      expect(balances[HOUSE.network] ?? 0n).toBe([...cost.values()].reduce((sum, one) => sum + one, 0n))
      const open = await ledger.open()
      expect((await ledger.customer('ann')).held).toBe(open.reduce((sum, one) => sum + one.total, 0n))
      await opened.pop()!.close()
    }), { numRuns: process.env['AIGEN_LONG'] ? 500 : 40 })
  })
})
