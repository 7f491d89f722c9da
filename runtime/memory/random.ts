/**
 * Repeatable randomness for tests and the simulator (DESIGN D10), never for keys of real value:
 * xoshiro128** seeded through SHA-256, so that neighbouring seeds have nothing in common.
 */
import { createHash } from 'node:crypto'
import type { Random } from '../ports/random.ts'

/** The same seed gives the same sequence on every machine. */
export function seededRandom(seed: number | string): Random {
  const digest = createHash('sha256').update(`aigen/random/${seed}`).digest()
  const s = new Uint32Array([0, 4, 8, 12].map((at) => digest.readUInt32LE(at)))
  const word = (): number => {
    const result = Math.imul(rotate(Math.imul(s[1]!, 5), 7), 9) >>> 0
    const t = s[1]! << 9
    s[2]! ^= s[0]!
    s[3]! ^= s[1]!
    s[1]! ^= s[2]!
    s[0]! ^= s[3]!
    s[2]! ^= t
    s[3] = rotate(s[3]!, 11)
    return result
  }
  return {
    bytes(length) {
      const out = new Uint8Array(length)
      for (let i = 0; i < length; i += 4) {
        const value = word()
        for (let j = i; j < Math.min(i + 4, length); j++) out[j] = (value >>> (8 * (j - i))) & 0xff
      }
      return out
    },
    fraction: () => ((word() >>> 5) * 2 ** 26 + (word() >>> 6)) / 2 ** 53,
  }
}

function rotate(value: number, by: number): number {
  return ((value << by) | (value >>> (32 - by))) >>> 0
}
