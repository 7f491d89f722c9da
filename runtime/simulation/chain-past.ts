/**
 * The newest blocks of a simulated chain, so that it can lose some: what was in them is nowhere any
 * more, as on a development chain that was killed before it saved. Used by `world`.
 */
import type { ChainMark, MemoryRail } from '../memory/rail.ts'
import { BLOCKS_MAX } from './faults.ts'

export class ChainPast {
  readonly #rail: MemoryRail
  /** After each block, the newest last. */
  #marks: ChainMark[] = []

  constructor(rail: MemoryRail) {
    this.#rail = rail
  }

  /** A block was added. */
  grown(): void {
    this.#marks = [...this.#marks, this.#rail.mark()].slice(-BLOCKS_MAX - 1)
  }

  /** Loses blocks; false where there are not so many. */
  lose(blocks: number): boolean {
    if (this.#marks.length <= blocks) return false
    this.#marks = this.#marks.slice(0, -blocks)
    this.#rail.rewind(this.#marks.at(-1)!)
    return true
  }
}
