import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Quote } from '../../schemas/documents.gen.ts'
import { answerCounter, counterPrice, latestOf, rank, score, trustIn, type Choice, type Offer } from './strategy.ts'

const quote = (provider: string, unitPrice: bigint | number): Quote => ({ terms: { provider, unitPrice: `${unitPrice}`, units: 1, cap: `${unitPrice}`, deadlineMs: 10_000 } } as unknown as Quote)
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
      expect(rank(offers).map((one) => score(one))).toEqual(offers.map((one) => score(one)).toSorted((one, other) => one - other))
    }))
  })
})

describe('policies', () => {
  const dear = offer('dear', 200, { latencyMs: 10, reputation: { success: 9_900, uptime: 10_000, p95Ms: 20 } })
  const slow = offer('slow', 100, { latencyMs: 5_000, reputation: { success: 9_990, uptime: 10_000, p95Ms: 4_000 } })
  const poor = offer('poor', 50, { latencyMs: 100, reputation: { success: 9_000, uptime: 10_000, p95Ms: 100 } })
  it.each<[Choice, readonly string[]]>([
    ['cheapest', ['poor', 'slow', 'dear']],
    ['fastest', ['dear', 'poor', 'slow']],
    ['trusted', ['slow', 'dear', 'poor']],
    [{ price: 1 }, ['poor', 'slow', 'dear']],
    [{ latency: 1 }, ['dear', 'poor', 'slow']],
    [{ reputation: 7 }, ['slow', 'dear', 'poor']],
    [{ price: 60, latency: 40 }, ['poor', 'dear', 'slow']],
    [{ price: 0 }, ['poor', 'slow', 'dear']],
  ])('%j ranks', (choice, names) => {
    expect(rank([dear, slow, poor], choice).map((one) => one.name)).toEqual(names)
  })
  it('a promise that guardians measured otherwise does not count', () => {
    const boast = offer('boast', 100, { latencyMs: 1, reputation: { success: 9_900, uptime: 10_000, p95Ms: 9_000 } })
    expect(rank([boast, slow], 'fastest').map((one) => one.name)).toEqual(['slow', 'boast'])
  })
  it('a provider that failed the payer is trusted less, one that delivered more, and a newcomer between them', () => {
    const known = (delivered: number, failed: number): number => trustIn(offer('a', 1, { history: { delivered, failed } }))
    expect([known(20, 0), known(0, 0), known(0, 5)]).toEqual([known(20, 0), known(0, 0), known(0, 5)].toSorted((one, other) => other - one))
  })
  it('keep a total order, whoever else offers', () => {
    const offers = fc.array(fc.record({ price: fc.integer({ min: 0, max: 1e9 }), latencyMs: fc.integer({ min: 0, max: 60_000 }), delivered: fc.nat(100), failed: fc.nat(100) }), { minLength: 2, maxLength: 8 })
    const choice = fc.oneof(fc.constantFrom<Choice>('cheapest', 'fastest', 'trusted'), fc.record({ price: fc.nat(100), latency: fc.nat(100), reputation: fc.nat(100) }))
    fc.assert(fc.property(offers, choice, (all, how) => {
      const made = all.map(({ price, latencyMs, ...history }, index) => offer(`p${index}`, price, { latencyMs, history }))
      const ranked = rank(made, how)
      expect(rank([...made].reverse(), how)).toEqual(ranked)
      // without any one of them the others stand in the same order
      expect(rank(made.slice(1), how)).toEqual(ranked.filter((one) => one !== made[0]))
      for (const one of made) expect(Number.isFinite(score(one, how))).toBe(true)
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
