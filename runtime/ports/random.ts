/**
 * Randomness: ids, nonces, jitter (DESIGN D10). `systemRandom` reads the operating system's
 * generator; `seededRandom` (`runtime/memory`) repeats itself and is for tests and simulation only.
 */
export interface Random {
  bytes(length: number): Uint8Array
  /** A double in [0, 1), for jitter and sampling, never for keys. */
  fraction(): number
}
