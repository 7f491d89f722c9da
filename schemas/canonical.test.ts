/** Canonical bytes: RFC 8785's own examples, strictness, and properties over any JSON value (D5). */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonicalBytes, canonicalText, hashOf, hashOfBytes, sha256 } from './canonical.ts'

describe('canonicalText', () => {
  it('writes the example of RFC 8785, section 3.2.2', () => {
    const value = JSON.parse(`{ "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\"\\/", "literals": [null, true, false] }`)
    expect(canonicalText(value)).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}')
  })

  it('sorts keys by UTF-16 units, as RFC 8785, section 3.2.3', () => {
    const value = { '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\u{1f600}': 5, '\u0080': 6, '\u00f6': 7 }
    expect(canonicalText(value)).toBe('{"\\r":2,"1":4,"\u0080":6,"\u00f6":7,"\u20ac":1,"\u{1f600}":5,"\ufb33":3}')
  })

  it.each([
    ['undefined', undefined, ''],
    ['a property that is undefined', { a: { b: undefined } }, 'a.b'],
    ['an undefined item', [1, undefined], '[1]'],
    ['a hole', [1, , 3], '[1]'], // eslint-disable-line no-sparse-arrays
    ['a function', { f: () => 1 }, 'f'],
    ['a symbol', Symbol('s'), ''],
    ['a bigint', { n: 1n }, 'n'],
    ['NaN', { n: NaN }, 'n'],
    ['infinity', [Infinity], '[0]'],
    ['a date', { at: new Date(0) }, 'at'],
    ['a map', new Map(), ''],
    ['bytes', new Uint8Array(2), ''],
    ['toJSON', { toJSON: () => 'other' }, ''],
    ['half a surrogate pair', { s: '\ud800' }, 's'],
    ['half a surrogate pair in a key', { '\udfff': 1 }, ''],
  ])('refuses %s and names the place', (_name, value, path) => {
    expect(() => canonicalText(value)).toThrow(expect.objectContaining({ code: 'input.invalid', path }))
  })

  it('refuses what is too deep, cycles included', () => {
    const cycle: Record<string, unknown> = {}
    cycle['self'] = cycle
    expect(() => canonicalText(cycle)).toThrow(expect.objectContaining({ code: 'input.too-deep' }))
  })

  it('keeps a key __proto__ as data', () => {
    expect(canonicalText(JSON.parse('{"b":1,"__proto__":{"a":2}}'))).toBe('{"__proto__":{"a":2},"b":1}')
  })

  it('says the same of equal values in any key order, and parses back to the value', () => {
    fc.assert(fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
      const text = canonicalText(value)
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)))
      expect(canonicalText(reversed(value))).toBe(text)
      expect(canonicalText(JSON.parse(text))).toBe(text)
    }))
  })
})

describe('hashes', () => {
  it('are SHA-256 of the canonical bytes', () => {
    expect(hashOf({ b: 1, a: 2 })).toBe(hashOfBytes('{"a":2,"b":1}'))
    expect(hashOfBytes('')).toBe('sha256-e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
    expect(Buffer.from(sha256(canonicalBytes([]))).toString('hex')).toBe(hashOf([]).slice(7))
  })
})

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).reverse().map(([key, item]) => [key, reversed(item)]))
}
