/** Randomness of a real process, from the operating system's generator (fit for keys). */
import { randomBytes } from 'node:crypto'
import type { Random } from '../ports/random.ts'

/** The operating system's generator. */
export const systemRandom: Random = {
  bytes: (length) => new Uint8Array(randomBytes(length)),
  fraction: () => (randomBytes(4).readUInt32BE(0) + randomBytes(3).readUIntBE(0, 3) / 2 ** 24) / 2 ** 32,
}
