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
  it('is never above the cap, and never falls when more is used', () => {
    fc.assert(fc.property(fc.bigInt({ min: 0n, max: 10n ** 18n }), fc.bigInt({ min: 0n, max: 10n ** 20n }), fc.integer({ min: 0, max: 10 ** 9 }), fc.integer({ min: 0, max: 10 ** 9 }), (price, cap, one, other) => {
      const t = { unit: 'u', unitPrice: `${price}`, cap: `${cap}` }
      const [less, more] = [Math.min(one, other), Math.max(one, other)].map((count) => charge(t, { u: count }))
      expect(less! <= more! && more! <= cap).toBe(true)
    }))
  })
})
