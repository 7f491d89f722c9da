import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ReputationEntry, ReputationFigures } from '../../schemas/documents.gen.ts'
import { aggregate, lowerMedian } from './aggregate.ts'

const NAMES = ['uptime', 'rttMs', 'p50Ms', 'p95Ms', 'success', 'errors', 'breaches', 'probes', 'receipts', 'complaints'] as const
const provider = `0x${'a1'.repeat(20)}` as const
const entry = (figures: ReputationFigures): ReputationEntry => ({ provider, capability: 'text.shout@1', figures })
const figures = (high: number): fc.Arbitrary<ReputationFigures> => fc.record(Object.fromEntries(NAMES.map((name) => [name, fc.nat(high)]))) as unknown as fc.Arbitrary<ReputationFigures>
/** f, honest reports of at least 2f + 1 − liars, and f liars or fewer, of whom some say nothing of the pair. */
const world = fc.integer({ min: 1, max: 4 }).chain((f) => fc.record({
  f: fc.constant(f),
  honest: fc.array(figures(100), { minLength: 2 * f + 1, maxLength: 2 * f + 1 }),
  liars: fc.array(fc.option(figures(10_000), { nil: undefined }), { maxLength: f }),
}))

describe('the registry\'s figures', () => {
  it('lie between honest ones, however few or many of up to f liars speak', () => {
    fc.assert(fc.property(world, ({ f, honest, liars }) => {
      const reports = [...honest.map((one) => [entry(one)]), ...liars.map((one) => (one ? [entry(one)] : []))]
      const [agreed] = aggregate(reports, 2 * f + 1)
      for (const name of NAMES) {
        const range = honest.map((one) => one[name] as number)
        expect(agreed!.figures[name]).toBeGreaterThanOrEqual(Math.min(...range))
        expect(agreed!.figures[name]).toBeLessThanOrEqual(Math.max(...range))
      }
    }))
  })

  it('do so also when liars stand in the place of honest reports, down to a quorum in all', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 4 }).chain((f) => fc.tuple(fc.constant(f), fc.array(figures(100), { minLength: f + 1, maxLength: f + 1 }), fc.array(figures(10_000), { minLength: f, maxLength: f }))), ([f, honest, liars]) => {
      const [agreed] = aggregate([...liars, ...honest].map((one) => [entry(one)]), 2 * f + 1)
      for (const name of NAMES) {
        const range = honest.map((one) => one[name] as number)
        expect(agreed!.figures[name]).toBeGreaterThanOrEqual(Math.min(...range))
        expect(agreed!.figures[name]).toBeLessThanOrEqual(Math.max(...range))
      }
    }))
  })

  it('do not depend on the order of reports', () => {
    const capability = fc.constantFrom('a.b@1', 'a.c@1', 'b@2')
    const report = fc.uniqueArray(fc.record({ provider: fc.constantFrom(provider, `0x${'b2'.repeat(20)}` as const), capability, figures: figures(50) }), { selector: (one) => `${one.provider} ${one.capability}` })
    fc.assert(fc.property(fc.array(report, { minLength: 3, maxLength: 7 }).chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length }))), ([all, shuffled]) => {
      expect(aggregate(shuffled, 3)).toEqual(aggregate(all, 3))
    }))
  })

  it('leave out what fewer than a quorum name, and are null where fewer could measure', () => {
    const known = { ...Object.fromEntries(NAMES.map((name) => [name, 1])), p50Ms: null } as unknown as ReputationFigures
    const full = { ...known, p50Ms: 5 }
    expect(aggregate([[entry(full)], [entry(full)]], 3)).toEqual([])
    expect(aggregate([[entry(full)], [entry(full)], [entry(known)]], 3)[0]!.figures).toMatchObject({ p50Ms: null, success: 1 })
  })

  it('are lower medians', () => {
    expect([[3], [1, 2], [9, 1, 5], [4, 1, 3, 2]].map(lowerMedian)).toEqual([3, 1, 5, 2])
  })
})
