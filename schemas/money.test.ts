/** Money as tables: what an amount is, and what is refused (D7). */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ATOMIC_MAX, formatAsset, formatAtomic, formatMoney, parseAsset, parseAtomic, parseMoney } from './money.ts'

const REFUSED = expect.objectContaining({ code: 'money.invalid' })

describe('parseMoney', () => {
  it.each([
    ['0', 6, 0n], ['0.0', 6, 0n], ['1', 6, 1_000_000n], ['0.018', 6, 18_000n], ['0.25', 6, 250_000n],
    ['12.345678', 6, 12_345_678n], ['7', 0, 7n], ['0.000000000000000001', 18, 1n],
    ['340282366920938463463374607431768.211455', 6, 340282366920938463463374607431768211455n],
  ] as const)('%s with %i decimals is %s', (text, decimals, amount) => {
    expect(parseMoney(text, decimals)).toBe(amount)
  })

  it.each([
    ['', 6], [' 1', 6], ['1 ', 6], ['-1', 6], ['+1', 6], ['1e3', 6], ['1E3', 6], ['0x10', 6], ['.5', 6], ['5.', 6], ['01', 6], ['1,5', 6],
    ['1_000', 6], ['NaN', 6], ['Infinity', 6], ['٣', 6], ['1\n', 6], ['0.0000001', 6], ['0.0180000', 6], ['1.0', 0],
    ['340282366920938463463374607431768.211456', 6], ['9'.repeat(400), 6], ['9'.repeat(39), 0],
  ] as const)('refuses %j with %i decimals', (text, decimals) => {
    expect(() => parseMoney(text, decimals)).toThrow(REFUSED)
  })

  it.each([[5], [null], [undefined], [1n], [['1']], [{ toString: () => '1' }]])('refuses %s, which is no string', (value) => {
    expect(() => parseMoney(value as unknown as string)).toThrow(REFUSED)
  })

  it('reads what formatMoney writes, exactly', () => {
    fc.assert(fc.property(fc.bigInt(0n, ATOMIC_MAX), fc.integer({ min: 0, max: 18 }), (amount, decimals) => {
      expect(parseMoney(formatMoney(amount, decimals), decimals)).toBe(amount)
    }))
  })
})

describe('formatMoney', () => {
  it.each([[0n, '0'], [1n, '0.000001'], [18_000n, '0.018'], [250_000n, '0.25'], [1_000_000n, '1'], [10_100_000n, '10.1']])('%s is %s', (amount, text) => {
    expect(formatMoney(amount)).toBe(text)
  })
  it.each([[-1n], [ATOMIC_MAX + 1n]])('refuses %s', (amount) => {
    expect(() => formatMoney(amount)).toThrow(REFUSED)
  })
})

describe('atomic amounts', () => {
  it('go back and forth', () => {
    fc.assert(fc.property(fc.bigInt(0n, ATOMIC_MAX), (amount) => {
      expect(parseAtomic(formatAtomic(amount))).toBe(amount)
    }))
  })
  it.each([[''], ['1.0'], ['-1'], ['01'], ['1e3'], [(ATOMIC_MAX + 1n).toString()]])('refuses %j', (text) => {
    expect(() => parseAtomic(text)).toThrow(REFUSED)
  })
})

describe('assets', () => {
  const token = '0x5FbDB2315678afecb367f032d93F642f64180aa3'
  it('are parsed with any case and written in lower case', () => {
    const asset = `eip155:31337/erc20:${token}`
    expect(parseAsset(asset)).toEqual({ chainId: 31337, token: token.toLowerCase() })
    expect(formatAsset(parseAsset(asset))).toBe(asset.toLowerCase())
  })
  it.each([
    ['eip155:0/erc20:' + token], ['eip155:1/erc721:' + token], ['eip155:1/erc20:0x12'], ['solana:1/erc20:' + token], ['USDC'],
    ['eip155:99999999999999999999/erc20:' + token], [''],
  ])('refuses %s', (text) => {
    expect(() => parseAsset(text)).toThrow(REFUSED)
  })
})
