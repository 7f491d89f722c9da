import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { advance, type Outcome } from '../../runtime/actors/transition.ts'
import { available, wallet, type WalletContext, type WalletEvent } from './wallet.machine.ts'

const born = (): Outcome => advance(wallet, undefined, { type: 'start', at: 0, input: {} })
const send = (now: Outcome, event: WalletEvent): Outcome => advance(wallet, now.snapshot, { ...event, at: 0 })
const contextOf = (outcome: Outcome): WalletContext => outcome.snapshot.context as WalletContext
const after = (...events: WalletEvent[]): Outcome => events.reduce(send, born())
const told = (outcome: Outcome): unknown[] => outcome.tells.map(({ to, event }) => [to, event.type, (event['error'] as { code?: string } | undefined)?.code])

describe('the wallet (I4)', () => {
  it('holds what is there, and refuses what is not', () => {
    const held = after({ type: 'deposited', id: 'd', amount: '100' }, { type: 'hold', run: 'run/a', amount: '60' })
    expect(told(held)).toEqual([['run/a', 'held', undefined]])
    expect(told(send(held, { type: 'hold', run: 'run/b', amount: '41' }))).toEqual([['run/b', 'refused', 'wallet.empty']])
    expect(told(send(held, { type: 'hold', run: 'run/b', amount: '40' }))).toEqual([['run/b', 'held', undefined]])
    const closed = send(held, { type: 'close', run: 'run/a', spent: '10' })
    expect(available(contextOf(closed))).toBe(90n)
  })
  it('knows what it heard before: a deposit, a hold and a close told twice count once', () => {
    const twice = after(
      { type: 'deposited', id: 'd', amount: '100' }, { type: 'deposited', id: 'd', amount: '100' },
      { type: 'hold', run: 'run/a', amount: '60' }, { type: 'hold', run: 'run/a', amount: '60' },
      { type: 'close', run: 'run/a', spent: '10' }, { type: 'close', run: 'run/a', spent: '10' },
    )
    expect(contextOf(twice)).toEqual({ deposits: { d: '100' }, holds: {}, spent: '10' })
  })
  it('a close of a run that holds nothing is nothing', () => {
    expect(contextOf(after({ type: 'deposited', id: 'd', amount: '100' }, { type: 'close', run: 'run/x', spent: '10' })).spent).toBe('0')
  })
  it('whatever comes, open holds and spendings within them never exceed the deposits', () => {
    const run = fc.constantFrom('run/a', 'run/b', 'run/c')
    const event = fc.oneof(
      fc.record({ type: fc.constant('deposited' as const), id: fc.constantFrom('d1', 'd2'), amount: fc.constant('100') }),
      fc.record({ type: fc.constant('hold' as const), run, amount: fc.integer({ min: 0, max: 150 }).map(String) }),
      fc.record({ type: fc.constant('close' as const), run, spent: fc.integer({ min: 0, max: 100 }).map(String) }),
    )
    fc.assert(fc.property(fc.array(event, { maxLength: 30 }), (events) => {
      let now = born()
      for (const one of events) {
        const held = one.type === 'close' ? contextOf(now).holds[one.run] : undefined
        // A run spends no more than it holds; that is the run's side of I4.
        now = send(now, one.type === 'close' && held !== undefined && BigInt(one.spent) > BigInt(held) ? { ...one, spent: held } : one)
        expect(available(contextOf(now))).toBeGreaterThanOrEqual(0n)
      }
    }))
  })
})
