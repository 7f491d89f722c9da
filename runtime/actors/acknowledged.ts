/**
 * How far other partitions have heard this one, where its journal does not know yet (D2): kept for the
 * next record to carry, so that what was heard is not told again after a restart. Used by `partition`.
 */
import type { Send, Sent } from './record.ts'

/** Messages that are heard and still in an outbox: more are not kept for a record to come by. */
const OUTBOX_MAX = 256

export class Acknowledged {
  readonly #through = new Map<number, number>()

  /** Partition `to` has heard all up to `through`. */
  take(to: number, through: number): void {
    this.#through.set(to, through)
  }

  /** The last message that `to` has heard, 0 where the journal knows as much. */
  by(to: number): number {
    return this.#through.get(to) ?? 0
  }

  /** Whether too much of an outbox is known to be heard by this process only. */
  overdue(outbox: ReadonlyMap<number, readonly Send[]>): boolean {
    for (const to of this.#through.keys()) if ((outbox.get(to)?.length ?? 0) >= OUTBOX_MAX) return true
    return false
  }

  lines(): Sent[] {
    return Array.from(this.#through, ([to, through]) => ({ sent: to, through }))
  }

  /** The journal knows these now; what was heard meanwhile stays. */
  written(lines: readonly Sent[]): void {
    for (const { sent, through } of lines) if (this.#through.get(sent) === through) this.#through.delete(sent)
  }
}
