/** What every source of randomness does (DESIGN D10). */
import { describe, expect, test } from 'vitest'
import type { Random } from './random.ts'

/** Registers the conformance tests of a source of randomness. */
export function randomContract(name: string, setUp: () => Random): void {
  describe(`${name} is random`, () => {
    test('bytes have the length asked for and do not repeat', () => {
      const random = setUp()
      const seen = new Set<string>()
      for (const length of [0, 1, 3, 16, 31]) expect(random.bytes(length)).toHaveLength(length)
      for (let i = 0; i < 1_000; i++) seen.add(Buffer.from(random.bytes(16)).toString('hex'))
      expect(seen.size).toBe(1_000)
    })

    test('every byte value occurs about equally often', () => {
      const counts = new Array<number>(256).fill(0)
      for (const byte of setUp().bytes(256 * 400)) counts[byte]!++
      expect(Math.min(...counts)).toBeGreaterThan(280)
      expect(Math.max(...counts)).toBeLessThan(520)
    })

    test('fractions lie in [0, 1) and spread', () => {
      const random = setUp()
      let sum = 0
      for (let i = 0; i < 4_000; i++) {
        const fraction = random.fraction()
        expect(fraction >= 0 && fraction < 1).toBe(true)
        sum += fraction
      }
      expect(Math.abs(sum / 4_000 - 0.5)).toBeLessThan(0.05)
    })
  })
}
