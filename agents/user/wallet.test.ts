import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { advance, type Outcome } from '../../runtime/actors/transition.ts'
import { policyOf, policyState, type SpendingPolicy } from './policy.ts'
import { available, wallet, type WalletContext, type WalletEvent } from './wallet.machine.ts'

const born = (): Outcome => advance(wallet, undefined, { type: 'start', at: 0, input: {} })
const send = (now: Outcome, event: WalletEvent): Outcome => advance(wallet, now.snapshot, { at: 0, ...event })
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
    expect(contextOf(twice)).toEqual({ deposits: { d: '100' }, holds: {}, parts: {}, spent: '10', day: { day: 0, spent: '10', capabilities: {} } })
  })
  it('a close of a run that holds nothing is nothing', () => {
    expect(contextOf(after({ type: 'deposited', id: 'd', amount: '100' }, { type: 'close', run: 'run/x', spent: '10' })).spent).toBe('0')
  })
  it('whatever comes, open holds and spendings within them never exceed the deposits', () => {
    const run = fc.constantFrom('run/a', 'run/b', 'run/c')
    const event: fc.Arbitrary<WalletEvent> = fc.oneof(
      fc.record({ type: fc.constant('withdraw' as const), id: fc.constantFrom('w1', 'w2'), to: fc.constant('0x00' as const), amount: fc.integer({ min: 1, max: 80 }).map(String) }),
      fc.record({ type: fc.constantFrom('withdraw.done' as const, 'withdraw.failed' as const), id: fc.constantFrom('w1', 'w2') }),
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

describe('spending policies (I4)', () => {
  const DAY = 86_400_000
  const OCR = 'vision.ocr@1'
  const rich = (policy: SpendingPolicy): Outcome => after({ type: 'deposited', id: 'd', amount: '1000000000' }, { type: 'policy', policy })
  const why = (outcome: Outcome): unknown => outcome.tells.map(({ event }) => (event['error'] as { code: string; path: string; message: string } | undefined))[0]

  it('refuses with the rule and what it leaves, and holds nothing then', () => {
    const now = rich({ perRun: '5000000', perDay: '8000000', capabilities: { [OCR]: '2000000' } })
    expect(why(send(now, { type: 'hold', run: 'run/a', amount: '5000001' }))).toMatchObject({ code: 'policy.refused', path: 'perRun' })
    const held = send(now, { type: 'hold', run: 'run/a', amount: '5000000', capabilities: { [OCR]: '1500000' } })
    expect(told(held)).toEqual([['run/a', 'held', undefined]])
    const refused = send(held, { type: 'hold', run: 'run/b', amount: '3000001' })
    expect(why(refused)).toMatchObject({ code: 'policy.refused', path: 'perDay', message: expect.stringMatching(/allows 8, 3 of it is left, the run may cost 3\.000001/) })
    expect(contextOf(refused)).toEqual(contextOf(held))
    expect(why(send(held, { type: 'hold', run: 'run/b', amount: '1000000', capabilities: { [OCR]: '500001' } }))).toMatchObject({ code: 'policy.refused', path: `capabilities.${OCR}` })
    // Other capabilities are not limited by it.
    expect(told(send(held, { type: 'hold', run: 'run/b', amount: '1000000', capabilities: { 'text.shout@1': '1000000' } }))).toEqual([['run/b', 'held', undefined]])
  })
  it('an open run counts with its hold, a closed one with what it cost, on the day it closed', () => {
    const held = send(rich({ perDay: '10' }), { type: 'hold', run: 'run/a', amount: '10', at: DAY - 1 })
    expect(told(send(held, { type: 'hold', run: 'run/b', amount: '1', at: DAY + 1 }))).toEqual([['run/b', 'refused', 'policy.refused']])
    const closed = send(held, { type: 'close', run: 'run/a', spent: '4', at: DAY + 2 })
    expect(policyState(contextOf(closed), DAY + 2)).toEqual([{ rule: 'perDay', limit: '0.00001', spent: '0.000004', held: '0', left: '0.000006' }])
    expect(told(send(closed, { type: 'hold', run: 'run/b', amount: '7', at: DAY + 3 }))).toEqual([['run/b', 'refused', 'policy.refused']])
    expect(told(send(closed, { type: 'hold', run: 'run/b', amount: '10', at: 2 * DAY }))).toEqual([['run/b', 'held', undefined]])
    // A clock that goes back begins no day anew.
    expect(told(send(closed, { type: 'hold', run: 'run/b', amount: '7', at: 0 }))).toEqual([['run/b', 'refused', 'policy.refused']])
  })
  it('whatever runs, however they interleave, no day costs more than it may, in all or of a capability', () => {
    const ids = [OCR, 'text.shout@1']
    const at = fc.integer({ min: 0, max: 3 * DAY })
    const run = fc.constantFrom('run/a', 'run/b', 'run/c', 'run/d', 'run/e')
    // A run spends at any time while it is open, of any of its capabilities, within what it holds of each.
    const move = fc.record({ at, run, what: fc.constantFrom('hold', 'spend', 'close'), parts: fc.tuple(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 60 })) })
    fc.assert(fc.property(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 60 }), fc.array(move, { maxLength: 60 }), (perDay, ofOcr, moves) => {
      let now = rich({ perDay: String(perDay), capabilities: { [OCR]: String(ofOcr) } })
      const open = new Map<string, { held: number[]; spent: number[] }>()
      const days = new Map<number, number[]>()
      let runs = 0
      const actor = new Map<string, string>()
      for (const one of moves.toSorted((a, b) => a.at - b.at)) {
        const known = open.get(one.run)
        if (one.what === 'hold' && !known) {
          actor.set(one.run, `${one.run}.${runs++}`)
          const amount = one.parts[0] + one.parts[1]
          now = send(now, { type: 'hold', run: actor.get(one.run)!, amount: String(amount), capabilities: Object.fromEntries(ids.map((id, i) => [id, String(one.parts[i])])), at: one.at })
          if (now.tells[0]!.event.type === 'held') open.set(one.run, { held: [...one.parts], spent: [0, 0] })
        } else if (one.what === 'spend' && known) {
          const paid = known.held.map((most, i) => Math.min(most - known.spent[i]!, one.parts[i]!))
          const day = Math.floor(one.at / DAY)
          open.set(one.run, { held: known.held, spent: known.spent.map((had, i) => had + paid[i]!) })
          days.set(day, (days.get(day) ?? [0, 0]).map((had, i) => had + paid[i]!))
        } else if (one.what === 'close' && known) {
          now = send(now, { type: 'close', run: actor.get(one.run)!, spent: String(known.spent[0]! + known.spent[1]!), at: one.at })
          open.delete(one.run)
        }
        for (const [ocr, shout] of days.values()) {
          expect(ocr! + shout!).toBeLessThanOrEqual(perDay)
          expect(ocr).toBeLessThanOrEqual(ofOcr)
        }
      }
    }), { numRuns: process.env['AIGEN_LONG'] ? 5_000 : 200 })
  })
  it('takes decimal amounts and whole capability names', () => {
    expect(policyOf({ perRun: '0.5', capabilities: { [OCR]: '1' } })).toEqual({ perRun: '500000', capabilities: { [OCR]: '1000000' } })
    expect(() => policyOf({ capabilities: { ocr: '1' } })).toThrowError(expect.objectContaining({ code: 'input.invalid', path: 'capabilities.ocr' }))
    expect(() => policyOf({ perDay: 'much' })).toThrowError(expect.objectContaining({ code: 'money.invalid' }))
  })
})

describe('withdrawals', () => {
  const funded = after({ type: 'deposited', id: 'd', amount: '100' }, { type: 'hold', run: 'run/a', amount: '60' })
  const to = '0x00' as const

  it('sets aside what no run holds, once an id, and gives it back where the chain refused', () => {
    expect(contextOf(send(funded, { type: 'withdraw', id: 'w', amount: '41', to })).withdrawals).toBeUndefined()
    const asked = send(funded, { type: 'withdraw', id: 'w', amount: '40', to })
    expect(available(contextOf(asked))).toBe(0n)
    expect(told(send(asked, { type: 'hold', run: 'run/b', amount: '1' }))).toEqual([['run/b', 'refused', 'wallet.empty']])
    expect(contextOf(send(asked, { type: 'withdraw', id: 'w', amount: '1', to }))).toEqual(contextOf(asked))
    expect(available(contextOf(send(asked, { type: 'withdraw.failed', id: 'w' })))).toBe(40n)
    const done = send(asked, { type: 'withdraw.done', id: 'w' })
    expect(available(contextOf(send(done, { type: 'withdraw.failed', id: 'w' })))).toBe(0n)
  })
})
