import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ReplayWindow, WINDOW } from './replay-window.ts'

/** The rule in the plainest form. */
class Model {
  readonly seen = new Set<number>()
  highest = -1
  fresh(counter: number): boolean {
    return counter > this.highest - WINDOW && !this.seen.has(counter)
  }
  mark(counter: number): void {
    this.seen.add(counter)
    this.highest = Math.max(this.highest, counter)
  }
}

describe('ReplayWindow', () => {
  it('takes 1,024 messages in any order, each once', () => {
    const window = new ReplayWindow()
    const order = Array.from({ length: WINDOW }, (_, i) => (i * 389) % WINDOW)
    for (const counter of order) {
      expect(window.fresh(counter)).toBe(true)
      window.mark(counter)
    }
    for (const counter of order) expect(window.fresh(counter)).toBe(false)
  })

  it('ends exactly 1,024 behind the highest', () => {
    const window = new ReplayWindow()
    window.mark(5_000)
    expect(window.fresh(5_000 - WINDOW + 1)).toBe(true)
    expect(window.fresh(5_000 - WINDOW)).toBe(false)
    expect(window.fresh(5_000)).toBe(false)
  })

  it('agrees with the plain rule on every sequence', () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.integer({ min: -1_100, max: 40 }) },
      { weight: 2, arbitrary: fc.integer({ min: 0, max: 3_000 }) },
      { weight: 1, arbitrary: fc.integer({ min: 0, max: 200_000 }) },
    )
    fc.assert(fc.property(fc.array(step, { minLength: 1, maxLength: 400 }), (steps) => {
      const window = new ReplayWindow()
      const model = new Model()
      for (const offset of steps) {
        const counter = Math.min(Math.max(0, model.highest + offset), 2 ** 24 - 1)
        expect(window.fresh(counter)).toBe(model.fresh(counter))
        if (!model.fresh(counter)) continue
        window.mark(counter)
        model.mark(counter)
      }
    }), { seed: 3, numRuns: 500 })
  })
})
