/**
 * Probes with known answers: by capability, how an ordinary input is made from chance and what a right
 * output of it is. Nothing in a call says that it is one (D9). Guardians may bring books of their own;
 * the one for the standard capabilities is `standard-book.ts`.
 */
import { createHash } from 'node:crypto'

/** Repeatable choices: a probe that is made again after a crash is the same call. */
export interface Chance {
  /** A whole number from 0 up to, not including, `below`. */
  below(below: number): number
  pick<T>(list: readonly T[]): T
}

export interface ProbeCase {
  readonly input: Readonly<Record<string, unknown>>
  readonly blobs?: readonly { readonly bytes: Uint8Array; readonly mediaType: string }[]
  right(output: any): boolean
}

export interface ProbeKind {
  /** Units that a probe uses at most; with the card's price they bound what it costs. */
  readonly units: number
  make(chance: Chance): ProbeCase
}

export type ProbeBook = Readonly<Record<string, ProbeKind>>

/** Choices from a seed: SHA-256 in counter mode. */
export function chanceFrom(seed: string): Chance {
  let count = 0
  const below = (limit: number): number => createHash('sha256').update(`aigen/probe/${seed}/${count++}`).digest().readUIntBE(0, 6) % limit
  return { below, pick: (list) => list[below(list.length)]! }
}
