import { describe, expect, it } from 'vitest'
import { seededRandom } from '../memory/random.ts'
import { balanceIn, imbalanceOf, movesOf, post, type Book } from './ledger.ts'

const free = (account: string): boolean => account.endsWith(':free')

describe('double entry', () => {
  it('moves nothing that does not sum to zero, in each asset by itself', () => {
    expect(() => movesOf('x', { a: 1n, b: -2n })).toThrow(expect.objectContaining({ code: 'internal' }))
    expect(() => post({}, 'x', { USD: { a: 1n }, EUR: { a: -1n } }, free)).toThrow(expect.objectContaining({ code: 'internal' }))
    expect(movesOf('x', { b: -1n, c: 0n, a: 1n })).toEqual([['a', 1n], ['b', -1n]])
  })

  it('keeps an account above zero, and then moves nothing at all', () => {
    const book = post({}, 'in', { USD: { 'a:paid': -5n, 'a:free': 5n } }, free)!
    expect(post(book, 'out', { USD: { 'a:free': -6n, 'a:held': 6n } }, free)).toBeUndefined()
    expect(balanceIn(book, 'USD', 'a:free')).toBe(5n)
    expect(balanceIn(book, 'EUR', 'a:free')).toBe(0n)
  })

  it.each(Array.from({ length: 20 }, (_, seed) => [seed]))('sums to zero at every moment (seed %i)', (seed) => {
    const random = seededRandom(`ledger ${seed}`)
    const pick = <T>(list: readonly T[]): T => list[Math.floor(random.fraction() * list.length)]!
    let book: Book = {}
    let refused = 0
    for (let count = 0; count < 200; count++) {
      const amount = BigInt(Math.floor(random.fraction() * 100))
      const [from, to] = [pick(['a:free', 'b:free', 'a:paid', 'a:held']), pick(['b:free', 'a:spent', 'b:paid', 'a:held'])]
      const next = from === to ? book : post(book, 'move', { [pick(['USD', 'EUR'])]: { [from]: -amount, [to]: amount } }, free)
      if (!next) refused++
      book = next ?? book
      expect(imbalanceOf(book)).toEqual({})
      for (const balances of Object.values(book)) for (const [account, balance] of Object.entries(balances)) expect(free(account) && BigInt(balance) < 0n).toBe(false)
    }
    expect(refused).toBeGreaterThan(0)
  })

  it('shows what is off', () => expect(imbalanceOf({ USD: { a: '1' }, EUR: { a: '2', b: '-2' } })).toEqual({ USD: 1n }))
})
