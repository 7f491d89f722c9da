import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { gather } from '../actors/actor.ts'
import { advance, type Outcome } from '../actors/transition.ts'
import type { Hash, Hex32 } from '../../schemas/documents.gen.ts'
import { foldRef, NO_REF } from './fold.ts'
import { expected, till, type TillContext, type TillEvent } from './till.machine.ts'

const lane: Hex32 = `0x${'a1'.repeat(32)}`
const hash = (n: number): Hash => `sha256-${n.toString(16).padStart(64, '0')}`
const born = (): Outcome => advance(till, undefined, { type: 'start', at: 1, input: { lane, payer: `0x${'01'.repeat(20)}`, payee: `0x${'02'.repeat(20)}`, voucherKey: `0x${'03'.repeat(20)}` } })
const contextOf = (outcome: Outcome): TillContext => outcome.snapshot.context as TillContext
const told = (outcome: Outcome): string[] => outcome.tells.map(({ to, event }) => `${to} ${event.type}`)
const voucher = (cumulative: string, ref: Hex32, kind = 'plain'): any => ({ kind, lane, cumulative, ref, signature: `0x${'00'.repeat(65)}` })
const after = (...events: TillEvent[]): Outcome => events.reduce((now, event) => advance(till, now.snapshot, { ...event, at: 1 } as never), born())
const take = (n: number, cap = '100'): TillEvent => ({ type: 'take', agreement: hash(n), cap })
const invoked = (n: number): TillEvent => ({ type: 'invoked', agreement: hash(n), call: 'call/x/0' })
const owe = (n: number, amount = '60'): TillEvent => ({ type: 'owe', owed: { agreement: hash(n), delivery: hash(n + 1_000), amount } })
const pay = (context: TillContext, change: object = {}): TillEvent => ({ type: 'pay', call: 'call/x/0', voucher: { ...voucher(expected(context).cumulative, expected(context).ref), ...change } })

describe('the till (I1: one call at a time, paid before the next)', () => {
  it('takes, owes and is paid', () => {
    const owing = after(take(1), invoked(1), owe(1))
    expect(expected(contextOf(owing))).toEqual({ cumulative: '60', ref: foldRef(NO_REF, hash(1_001), '60') })
    const paid = advance(till, owing.snapshot, pay(contextOf(owing)) as never)
    expect(contextOf(paid)).toMatchObject({ cumulative: '60', owed: null, open: null })
    expect(told(paid)).toContain('call/x/0 paid')
  })

  it.each([[null, 'paid'], ['25', 'paid'], ['0', 'ruled']] as const)('a call that has delivered hears its end from a ruling of %s', (ruled, end) => {
    const escrow = { ...voucher('60', hash(9) as never, 'escrow'), amount: '60' }
    const ending = after(take(1), { ...invoked(1), escrow } as TillEvent, owe(1), { type: 'ruled', agreement: hash(1), ruled })
    expect(told(ending)).toContain(`call/x/0 ${end}`)
    // Nothing was delivered: the call ends by itself.
    expect(told(after(take(1), { ...invoked(1), escrow } as TillEvent, { type: 'ruled', agreement: hash(1), ruled })).filter((one) => one.startsWith('call/'))).toEqual([])
  })

  it('gives the lane to a newer agreement until it is invoked, never after', () => {
    expect(contextOf(after(take(1), take(2))).open?.agreement).toBe(hash(2))
    expect(told(after(take(1), take(2), invoked(1)))).toEqual(['call/x/0 lane.lost'])
    expect(told(after(take(1), take(2), invoked(2)))).toEqual([])
    expect(contextOf(after(take(1), invoked(1), take(2))).open?.agreement).toBe(hash(1))
    expect(contextOf(after(take(1), invoked(1), owe(1), take(2))).open?.agreement).toBe(hash(1))
  })

  it.each<[string, TillEvent[], object]>([
    ['an amount above the cap', [take(1, '50'), invoked(1), owe(1, '51')], { owed: null }],
    ['a debt of an agreement without the lane', [take(1), invoked(1), owe(2)], { owed: null }],
    ['a second debt', [take(1), invoked(1), owe(1), owe(1, '70')], { owed: { amount: '60' } }],
    ['a free of another agreement', [take(1), invoked(1), { type: 'free', agreement: hash(2) }], { open: { agreement: hash(1) } }],
    ['a free of what is owed for', [take(1), invoked(1), owe(1), { type: 'free', agreement: hash(1) }], { open: { agreement: hash(1) }, owed: { amount: '60' } }],
    ['a claim that falls', [{ type: 'claimed', claimed: '9' }, { type: 'claimed', claimed: '8' }], { claimed: '9' }],
  ])('does not take %s', (_what, events, holds) => {
    expect(contextOf(after(...events))).toMatchObject(holds)
  })

  it.each<[string, object]>([
    ['too low', { cumulative: '59' }], ['too high', { cumulative: '61' }], ['another ref', { ref: NO_REF }], ['another kind', { kind: 'locked' }],
  ])('does not take a voucher: %s', (_what, change) => {
    const owing = after(take(1), invoked(1), owe(1))
    const next = advance(till, owing.snapshot, pay(contextOf(owing), change) as never)
    expect(contextOf(next)).toMatchObject({ cumulative: '0', owed: { amount: '60' } })
    expect(told(next)).toEqual([])
  })

  it('whatever comes: cumulative and claimed never fall, and grow by what was owed only', () => {
    const n = fc.integer({ min: 1, max: 3 })
    const event = fc.oneof(
      n.map((one) => take(one)), n.map(invoked), fc.tuple(n, fc.integer({ min: 0, max: 120 })).map(([one, amount]) => owe(one, `${amount}`)),
      n.map((one): TillEvent => ({ type: 'free', agreement: hash(one) })), fc.integer({ min: 0, max: 99 }).map((claimed): TillEvent => ({ type: 'claimed', claimed: `${claimed}` })),
      fc.constantFrom<'due' | 'low' | 'old'>('due', 'low', 'old'),
    )
    fc.assert(fc.property(fc.array(event, { maxLength: 40 }), (events) => {
      let now = born()
      for (const one of events) {
        const before = contextOf(now)
        const what = typeof one !== 'string' ? one : pay(before, one === 'due' ? {} : one === 'low' ? { cumulative: '1' } : { cumulative: before.cumulative, ref: before.ref })
        now = advance(till, now.snapshot, { ...what, at: 1 } as never)
        const context = contextOf(now)
        const grown = BigInt(context.cumulative) - BigInt(before.cumulative)
        expect(grown === 0n || (before.owed !== null && grown === BigInt(before.owed.amount))).toBe(true)
        expect(BigInt(context.claimed)).toBeGreaterThanOrEqual(BigInt(before.claimed))
        if (context.owed) expect(BigInt(context.owed.amount)).toBeLessThanOrEqual(100n)
      }
    }))
  })

  it('what many calls tell together is what each would have told by itself', () => {
    const n = fc.integer({ min: 1, max: 2 })
    const number = fc.integer({ min: 0, max: 5 })
    const begin = fc.tuple(n, number).map(([one, call]): TillEvent => ({ type: 'invoked', agreement: hash(one), call: `call/x/${call}`, number: call }))
    const owing = fc.tuple(n, number, fc.integer({ min: 1, max: 6 })).map(([one, call, amount]): TillEvent => ({ type: 'owe', number: call, owed: { agreement: hash(one), delivery: hash(100 + call), amount: `${amount}` } }))
    const runs = fc.array(fc.oneof(fc.array(begin, { minLength: 1, maxLength: 5 }), fc.array(owing, { minLength: 1, maxLength: 5 })), { maxLength: 5 })
    const stood = fc.constantFrom<readonly TillEvent[]>([], [{ type: 'stand', agreement: hash(1), terms: { cap: '4', standing: { calls: 5, until: 10 } } as never, credit: { first: 3, most: 3, amount: '12' } }])
    fc.assert(fc.property(stood, runs, (before, all) => {
      let [together, apart] = [after(...before), after(...before)]
      for (const run of all) {
        const said: string[] = []
        for (const event of run) said.push(...told(apart = advance(till, apart.snapshot, { ...event, at: 2 } as never)))
        together = advance(till, together.snapshot, { ...gather(run as never), at: 2 })
        expect(told(together)).toEqual(said)
        expect(contextOf(together)).toEqual(contextOf(apart))
      }
    }))
  })
})
