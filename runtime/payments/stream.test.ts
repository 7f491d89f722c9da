/** The meter of a call that is paid piece by piece: both sides count alike, and what is signed for is what came. */
import { describe, expect, it } from 'vitest'
import { hashOf } from '../../schemas/canonical.ts'
import type { Delivery } from '../../schemas/documents.gen.ts'
import { checkMeter, isDue, metered, unmetered, verifyStreamed } from './stream.ts'

const AGREEMENT = hashOf('an agreement')
const after = (...pieces: [unknown, number][]) => pieces.reduce((meter, [piece, units]) => metered(meter, piece, units), unmetered(AGREEMENT, 0))
const signed = (meter: ReturnType<typeof after>, change: object = {}): Delivery =>
  ({ body: { units: { word: meter.units }, outputHash: meter.chain, stream: { pieces: meter.pieces, chain: meter.chain, part: true }, ...change } }) as unknown as Delivery

describe('the meter of a stream', () => {
  const whole = after([{ word: 'a' }, 1], [{ word: 'b' }, 2])

  it('depends on each piece, on the units after each, on their order and on the call', () => {
    const others = [after([{ word: 'b' }, 1], [{ word: 'a' }, 2]), after([{ word: 'a' }, 2], [{ word: 'b' }, 2]), after([{ word: 'a' }, 1]), metered(metered(unmetered(AGREEMENT, 1), { word: 'a' }, 1), { word: 'b' }, 2)]
    expect(new Set([whole, ...others].map(({ chain }) => chain)).size).toBe(5)
    expect(after([{ word: 'a' }, 1], [{ word: 'b' }, 2])).toEqual(whole)
  })

  it('says when a part is due', () => {
    const terms = { every: 2, units: 10 }
    expect([after(['x', 1]), after(['x', 10]), after(['x', 1], ['y', 2])].map((meter) => isDue(terms, unmetered(AGREEMENT, 0), meter))).toEqual([false, true, true])
  })

  it('is refused where it runs back, or too fast', () => {
    const terms = { unit: 'word', stream: { every: 2, units: 10 } }
    const paid = { pieces: 0, units: 5 }
    expect(() => checkMeter(terms, paid, { units: 7 }, 15)).not.toThrow()
    for (const units of [6, 16, Number.NaN, Number.POSITIVE_INFINITY]) expect(() => checkMeter(terms, paid, { units: 7 }, units), `${units}`).toThrow(expect.objectContaining({ code: 'step.output' }))
  })

  it('takes what was signed for only where it is what came', () => {
    expect(() => verifyStreamed(signed(whole), { unit: 'word' }, whole)).not.toThrow()
    // The whole may take more than its pieces did; a part may not.
    expect(() => verifyStreamed(signed(whole, { units: { word: 3 }, outputHash: hashOf(1), stream: { pieces: 2, chain: whole.chain } }), { unit: 'word' }, whole)).not.toThrow()
    const wrong = [
      { units: { word: 3 } }, { units: { page: 2 } }, { outputHash: hashOf(1) }, { stream: undefined }, { stream: { pieces: 3, chain: whole.chain, part: true } },
      { stream: { pieces: 2, chain: hashOf(2), part: true } }, { units: { word: 1 }, stream: { pieces: 2, chain: whole.chain } },
    ]
    for (const change of wrong) expect(() => verifyStreamed(signed(whole, change), { unit: 'word' }, whole), JSON.stringify(change)).toThrow(expect.objectContaining({ code: 'step.output' }))
  })
})
