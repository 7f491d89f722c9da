/** What a payer can count by itself, and what it does with a provider's count that is more. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Meter, Terms } from '../../schemas/documents.gen.ts'
import { checkCount, checkMeter, countable, counted } from './count.ts'

const blob = { $blob: `sha256-${'0'.repeat(64)}`, size: 5_000, mediaType: 'image/png' }
const output = { rows: [1, 2, 3], other: [4], pages: 2, text: 'The quick brown fox jumps over the lazy dog.', nested: { list: ['one two', { deep: 'three' }] }, picture: blob }
const used = { input: { text: 'Hello world' }, output, elapsedMs: 2_100 }
const terms = (meter: Meter, settle: Terms['settle'] = 'postpaid'): Pick<Terms, 'unit' | 'meter' | 'settle'> => ({ unit: 'u', meter, settle })

describe('a count', () => {
  it.each<[string, Meter, number]>([
    ['items of a list', { by: 'items', of: [{ path: 'output.rows' }] }, 3],
    ['items of lists together', { by: 'items', of: [{ path: 'output.rows' }, { path: 'output.other', times: 4 }] }, 7],
    ['no list', { by: 'items', of: [{ path: 'output.text' }] }, 0],
    ['nothing there, nor behind a prototype', { by: 'items', of: [{ path: 'output.nobody.length' }, { path: 'output.constructor' }] }, 0],
    ['a number', { by: 'number', of: [{ path: 'output.pages' }] }, 2],
    ['bytes of canonical JSON', { by: 'bytes', of: [{ path: 'output.rows' }] }, '[1,2,3]'.length],
    ['bytes of blobs, by what their hash is of', { by: 'bytes', of: [{ path: 'output.picture' }] }, 5_000 + JSON.stringify(blob).length],
    ['tokens', { by: 'tokens', of: [{ path: 'output.text' }] }, 10],
    ['tokens read and written, weighted', { by: 'tokens', of: [{ path: 'input.text' }, { path: 'output.text', times: 4 }] }, 42],
    ['tokens of texts inside', { by: 'tokens', of: [{ path: 'output.nested' }] }, 4],
    ['with what models differ by', { by: 'tokens', of: [{ path: 'output.text' }], tolerance: 25 }, 13],
    ['seconds, begun ones too', { by: 'seconds' }, 3],
  ])('of %s', (_what, meter, most) => {
    checkMeter(meter)
    expect(countable(meter, used)).toBe(most)
    expect(() => checkCount(terms(meter), { u: most }, used)).not.toThrow()
    expect(() => checkCount(terms(meter), { u: most + 1 }, used)).toThrowError(expect.objectContaining({ code: 'step.output' }))
    expect(counted(terms(meter), { u: most + 1 }, used)).toEqual({ u: most })
    expect(counted(terms(meter), { u: 0 }, used)).toEqual({ u: 0 })
  })

  it('says nothing where there is no clause, where a part is not known, and where the price is the cap whatever is counted', () => {
    expect(() => checkCount({ unit: 'u', settle: 'postpaid' }, { u: 9_999 }, used)).not.toThrow()
    expect(countable({ by: 'items', of: [{ path: 'input.rows' }, { path: 'output.rows' }] }, { output })).toBeUndefined()
    expect(countable({ by: 'seconds' }, { output })).toBeUndefined()
    for (const settle of ['escrow', 'prepaid'] as const) expect(() => checkCount(terms({ by: 'items', of: [{ path: 'output.rows' }] }, settle), { u: 9 }, used)).not.toThrow()
  })

  it('of tokens is bounded in time, and never less than what there is, however long a text', () => {
    const meter: Meter = { by: 'tokens', of: [{ path: 'output.text' }] }
    const whole = countable(meter, { output: { text: 'word '.repeat(3_000) } })!
    // Beyond what is counted each character may be a token.
    expect(countable(meter, { output: { text: 'word '.repeat(30_000) } })).toBeGreaterThan(whole * 10)
    const longest = 'ab'.repeat(100_000)
    expect(countable(meter, { output: { text: longest } })).toBeGreaterThanOrEqual(200_000 - 16_384)
  })

  it('is the same on both sides, and a provider that charges what it counted is never refused', () => {
    fc.assert(fc.property(fc.array(fc.jsonValue(), { maxLength: 8 }), fc.string({ maxLength: 60 }), fc.constantFrom('items', 'bytes', 'number', 'tokens'), fc.nat(9_999), fc.nat(100), (rows, text, by, claimed, tolerance) => {
      const meter: Meter = { by, of: [{ path: 'output.rows' }, { path: 'output.text' }], tolerance }
      const facts = { output: JSON.parse(JSON.stringify({ rows, text })) as unknown }
      expect(() => checkCount(terms(meter), counted(terms(meter), { u: claimed }, facts), { ...facts, elapsedMs: 1 })).not.toThrow()
    }), { numRuns: 100 })
  })

  it.each<[Meter, string]>([[{ by: 'items' }, 'meter.of'], [{ by: 'seconds', of: [{ path: 'output.s' }] }, 'meter.of'], [{ by: 'bytes', of: [{ path: 'output' }], tokenizer: 'o200k_base' }, 'meter.tokenizer']])('a clause that counts nothing is refused: %j', (meter, path) => {
    expect(() => checkMeter(meter)).toThrowError(expect.objectContaining({ code: 'input.invalid', path }))
  })
})
