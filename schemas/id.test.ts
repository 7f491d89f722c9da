/** Ids: form, order, and that time and randomness come from outside only (D1). */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { agreementId, asId, newId, nodeId, participantId } from './id.ts'

const zeros = new Uint8Array(10)
const REFUSED = expect.objectContaining({ code: 'input.invalid' })

describe('newId', () => {
  it('is made of prefix, time and randomness', () => {
    expect(newId('run', 0, zeros)).toBe('run_00000000000000000000000000')
    expect(newId('call', 2 ** 48 - 1, new Uint8Array(10).fill(255))).toBe('call_7zzzzzzzzzzzzzzzzzzzzzzzzz')
    expect(newId('quo', 1_469_918_176_385, zeros).slice(4, 14)).toBe('01aryz6s41') // the example of the ULID specification
  })

  it('sorts by time, then is as different as its randomness', () => {
    const bytes = fc.uint8Array({ minLength: 10, maxLength: 10 })
    fc.assert(fc.property(fc.nat(2 ** 31), fc.nat(2 ** 31), bytes, bytes, (a, b, x, y) => {
      const [first, second] = [newId('run', a, x), newId('run', b, y)]
      if (a !== b) expect(first < second).toBe(a < b)
      else expect(first === second).toBe(Buffer.from(x).equals(Buffer.from(y)))
      expect(asId('run', first)).toBe(first)
    }))
  })

  it.each([[-1, zeros], [1.5, zeros], [2 ** 48, zeros], [NaN, zeros], [0, new Uint8Array(9)]])('refuses time %s with bytes %o', (at, random) => {
    expect(() => newId('run', at, random)).toThrow(expect.objectContaining({ code: 'internal' }))
  })
})

describe('texts taken as ids', () => {
  it.each([['quo_00000000000000000000000000'], ['run_0'], ['run_0000000000000000000000000l'], ['run_8zzzzzzzzzzzzzzzzzzzzzzzzz'], ['']])('%j is no run', (text) => {
    expect(() => asId('run', text)).toThrow(REFUSED)
  })
  it('takes participants in any case, in lower case afterwards', () => {
    expect(participantId('0xABCDEF0000000000000000000000000000000001')).toBe('0xabcdef0000000000000000000000000000000001')
    for (const bad of ['', '0x12', '0xg'.padEnd(42, '0'), 'abcdef0000000000000000000000000000000001']) expect(() => participantId(bad)).toThrow(REFUSED)
  })
  it('takes hashes as agreements and Ed25519 keys as nodes', () => {
    expect(agreementId(`sha256-${'a'.repeat(64)}`)).toHaveLength(71)
    expect(() => agreementId(`sha256-${'A'.repeat(64)}`)).toThrow(REFUSED)
    expect(nodeId('A'.repeat(43))).toHaveLength(43)
    expect(() => nodeId('A'.repeat(42) + 'B')).toThrow(REFUSED)
  })
})
