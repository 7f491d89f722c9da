import fc from 'fast-check'
import { Packr } from 'msgpackr'
import { describe, expect, it } from 'vitest'
import { AigenError } from '../../schemas/error.ts'
import { pack, unpack } from './pack.ts'
import { codeOf } from './two-nodes.fixture.ts'

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')

describe('pack', () => {
  it('gives back any JSON value', () => {
    const json = fc.jsonValue({ maxDepth: 6 }).filter((value) => !JSON.stringify(value).includes('__proto__'))
    fc.assert(fc.property(json, (value) => {
      // JSON has one zero
      expect(unpack(pack(value))).toEqual(JSON.parse(JSON.stringify(value)))
    }), { seed: 1, numRuns: 500 })
  })

  it('leaves out undefined members and refuses what is not JSON', () => {
    expect(unpack(pack({ a: undefined, b: 1 }))).toEqual({ b: 1 })
    const wrong = [() => 1, { f: () => 1 }, [undefined], Symbol('x'), NaN, Infinity, 2n ** 70n, new Date(0), new Map([[1, 2]]), new Uint8Array(3)]
    for (const value of wrong) expect(codeOf(() => pack(value))).toBe('input.invalid')
  })

  it('reads 32 levels and no more, and survives cycles', () => {
    const nest = (levels: number): unknown => (levels === 0 ? 1 : { a: nest(levels - 1) })
    expect(unpack(pack([nest(32)]))).toEqual([nest(32)])
    expect(codeOf(() => pack([nest(33)]))).toBe('input.too-deep')
    const cycle: Record<string, unknown> = {}
    cycle['cycle'] = cycle
    expect(codeOf(() => pack(cycle))).toBe('input.too-deep')
    expect(unpack(pack({ still: 'works' }))).toEqual({ still: 'works' })
    expect(codeOf(() => unpack(Buffer.alloc(1_000_000, 0x91)))).toBe('input.too-deep')
  })

  it.each([
    ['nothing', ''],
    ['a cut string', 'a5 61'],
    ['bytes left over', '01 01'],
    ['an array of four milliards', 'dd ffffffff'],
    ['a map of four milliards', 'df ffffffff'],
    ['a string of four milliards', 'db ffffffff'],
    ['a cut number', 'cb 00'],
    ['a number as key', '81 01 02'],
    ['nil as key', '81 c0 02'],
    ['an array as key', '81 90 02'],
    ['__proto__ as key', '81 a9 5f5f70726f746f5f5f 81 a1 78 01'],
    ['__proto__ as a long key', '81 d9 09 5f5f70726f746f5f5f 01'],
    ['undefined (fixext 1)', 'd4 00 00'],
    ['a timestamp', 'd6 ff 00000000'],
    ['a record definition', 'd4 72 40'],
    ['an extension', 'c7 01 01 00'],
    ['binary', 'c4 01 00'],
    ['the unused type', 'c1'],
    ['NaN', 'cb 7ff8000000000000'],
    ['infinity', 'ca 7f800000'],
    ['an integer above 2^53', 'cf ffffffffffffffff'],
    ['an integer below −2^53', 'd3 8000000000000000'],
  ])('refuses %s', (_, bytes) => {
    expect(codeOf(() => unpack(hex(bytes)))).toBe('input.unparsable')
    expect(({} as { x?: number }).x).toBeUndefined()
  })

  it('reads integers and floats of every width', () => {
    const cases: [string, number][] = [
      ['7f', 127], ['e0', -32], ['cc ff', 255], ['cd ffff', 65535], ['ce ffffffff', 4294967295], ['cf 0000018bcfe56800', 1700000000000],
      ['d0 80', -128], ['d1 8000', -32768], ['d2 80000000', -2147483648], ['d3 ffffffffffffffff', -1], ['ca 3f800000', 1], ['cb 3ff8000000000000', 1.5],
    ]
    for (const [bytes, value] of cases) expect(unpack(hex(bytes))).toBe(value)
  })

  it('never fails other than by the table, whatever the bytes', () => {
    const plain = new Packr({ useRecords: false })
    const bytes = fc.oneof(fc.uint8Array({ maxLength: 64 }), fc.anything().map((value) => {
      try {
        return plain.pack(value)
      } catch {
        return new Uint8Array()
      }
    }))
    fc.assert(fc.property(bytes, (input) => {
      try {
        JSON.stringify(unpack(input))
      } catch (error) {
        expect(error).toBeInstanceOf(AigenError)
      }
    }), { seed: 2, numRuns: 2_000 })
  })
})
