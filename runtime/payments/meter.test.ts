import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { charge } from './meter.ts'

const terms = { unit: 'page', unitPrice: '18000', cap: '54000' }

describe('what a call costs', () => {
  it.each([[{ page: 0 }, 0n], [{ page: 1 }, 18_000n], [{ page: 1.2 }, 36_000n], [{ page: 3 }, 54_000n], [{ page: 4 }, 54_000n], [{ page: 1_000_000_000 }, 54_000n]])('%j is %s', (units, due) => {
    expect(charge(terms, units)).toBe(due)
  })
  it.each([[{}], [{ call: 1 }], [{ page: 1, call: 1 }], [{ page: -1 }], [{ page: Number.NaN }], [{ page: Number.POSITIVE_INFINITY }], [{ page: 1_000_000_001 }]])('%j is refused', (units) => {
    expect(() => charge(terms, units as Record<string, number>)).toThrowError(expect.objectContaining({ code: 'step.output' }))
  })
  it.each([
    ['a minimum', { min: '50000' }, [[0, 50_000n], [2, 50_000n], [3, 54_000n]]],
    ['tiers', { cap: '999999', tiers: [{ above: 2, unitPrice: '10000' }, { above: 4, unitPrice: '5000' }] }, [[2, 36_000n], [3, 46_000n], [4, 56_000n], [6, 66_000n]]],
    ['a tier that is dearer', { cap: '999999', tiers: [{ above: 1, unitPrice: '90000' }] }, [[3, 54_000n]]],
    ['free units', { free: 2, min: '20000' }, [[0, 0n], [2, 0n], [3, 20_000n], [4, 36_000n]]],
    ['free units before tiers', { free: 2, cap: '999999', tiers: [{ above: 1, unitPrice: '1000' }] }, [[3, 18_000n], [4, 19_000n]]],
    ['tiers by the thousand', { unitPrice: '1000', per: 1_000, tiers: [{ above: 1_000, unitPrice: '500' }] }, [[999, 999n], [1_000, 1_000n], [1_001, 1_001n], [3_000, 2_000n]]],
  ] as const)('with %s', (_what, change, counts) => {
    for (const [page, due] of counts) expect([page, charge({ ...terms, ...change } as never, { page })]).toEqual([page, due])
  })
  it('is never above the cap, and never falls when more is used', () => {
    const amount = fc.bigInt({ min: 0n, max: 10n ** 18n })
    const count = fc.integer({ min: 0, max: 10 ** 9 })
    const tiers = fc.array(fc.record({ above: count, unitPrice: amount.map(String) }), { maxLength: 4 })
    fc.assert(fc.property(amount, fc.bigInt({ min: 0n, max: 10n ** 20n }), amount, tiers, fc.integer({ min: 0, max: 1_000 }), fc.integer({ min: 1, max: 1_000 }), count, count, (price, cap, min, steps, free, per, one, other) => {
      const t = { unit: 'u', unitPrice: `${price}`, per, cap: `${cap}`, min: `${min}`, tiers: steps, free }
      const [less, more] = [Math.min(one, other), Math.max(one, other)].map((used) => charge(t, { u: used }))
      expect(less! <= more! && more! <= cap).toBe(true)
    }))
  })
})
