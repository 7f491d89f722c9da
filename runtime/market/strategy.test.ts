import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Quote } from '../../schemas/documents.gen.ts'
import { answerCounter, counterPrice, latestOf, rank, score, type Offer } from './strategy.ts'

const quote = (provider: string, unitPrice: bigint | number): Quote => ({ terms: { provider, unitPrice: `${unitPrice}`, units: 1, deadlineMs: 10_000 } } as unknown as Quote)
const offer = (provider: string, price: bigint | number, change: Partial<Offer> = {}): Offer => ({ quote: quote(provider, price), name: provider, list: `${price}`, latencyMs: 100, history: { delivered: 0, failed: 0 }, ...change })
const money = fc.bigInt({ min: 0n, max: 10n ** 12n })

describe('choosing', () => {
  it.each<[string, Offer, Offer]>([
    ['cheaper', offer('a', 100), offer('b', 101)],
    ['faster', offer('a', 100), offer('b', 100, { latencyMs: 9_000 })],
    ['proven', offer('a', 100, { history: { delivered: 20, failed: 0 } }), offer('b', 100, { history: { delivered: 20, failed: 10 } })],
    ['much cheaper though slower', offer('a', 50, { latencyMs: 10_000 }), offer('b', 100)],
    ['dearer than one that always fails', offer('a', 150), offer('b', 100, { history: { delivered: 0, failed: 100 } })],
    ['first by name when all is equal', offer('a', 100), offer('b', 100)],
  ])('prefers what is %s', (_what, better, worse) => {
    expect(rank([worse, better])).toEqual([better, worse])
  })
  it('does not depend on the order of arrival, and is a total order', () => {
    fc.assert(fc.property(fc.uniqueArray(fc.record({ name: fc.string({ minLength: 1 }), price: money }), { selector: (one) => one.name, maxLength: 10 }), (all) => {
      const offers = all.map((one) => offer(one.name, one.price))
      expect(rank([...offers].reverse())).toEqual(rank(offers))
      expect(rank(offers).map(score)).toEqual(offers.map(score).toSorted((one, other) => one - other))
    }))
  })
})

describe('bargaining', () => {
  it('a counter-offer is never above nine tenths of the price, nor above the best rival', () => {
    fc.assert(fc.property(money, fc.array(money, { maxLength: 5 }), (asked, rivals) => {
      const price = BigInt(counterPrice(quote('a', asked), [quote('a', asked), ...rivals.map((one, n) => quote(`r${n}`, one))]))
      expect(price <= (asked * 9n) / 10n).toBe(true)
      for (const rival of rivals) expect(price <= rival).toBe(true)
    }))
  })
  it('an answer lies between floor and list, and covers what is wanted where it may', () => {
    fc.assert(fc.property(money, money, money, (one, other, want) => {
      const [floor, list] = one < other ? [one, other] : [other, one]
      const answer = answerCounter(list, floor, want)
      expect(answer >= floor && answer <= list).toBe(true)
      if (want >= floor && want <= list) expect(answer).toBe(want)
    }))
  })
  it('an answer replaces its provider\'s offer only when it is not dearer, and adds none', () => {
    const offers = [offer('a', 100), offer('b', 90)]
    expect(latestOf(offers, quote('a', 80)).map((one) => one.quote.terms.unitPrice)).toEqual(['80', '90'])
    expect(latestOf(offers, quote('a', 101)).map((one) => one.quote.terms.unitPrice)).toEqual(['100', '90'])
    expect(latestOf(offers, quote('c', 1))).toEqual(offers)
  })
})
