/**
 * Wakes actors at their stored times (I5). The truth is the fold's table, rebuilt by replay; this
 * only keeps one port timer for the earliest of them. Used by `host`.
 */
import type { Clock, Timer } from '../ports/clock.ts'
import { timerKey, type PendingTimer } from './fold.ts'

/** Node's timers overflow beyond 2^31-1 ms: longer waits are taken in pieces of this length. */
const LONGEST_WAIT_MS = 2_000_000_000

export class Timers {
  readonly #clock: Clock
  readonly #fire: (timer: PendingTimer) => void
  /** A binary heap by due time; entries that are no longer in `#live` are skipped when they surface. */
  readonly #heap: PendingTimer[] = []
  readonly #live = new Map<string, PendingTimer>()
  #armed: { readonly timer: Timer; readonly at: number } | undefined
  #stopped = false

  constructor(clock: Clock, fire: (timer: PendingTimer) => void) {
    this.#clock = clock
    this.#fire = fire
  }

  set(timer: PendingTimer): void {
    this.#live.set(timerKey(timer.actor, timer.id), timer)
    push(this.#heap, timer)
    this.#arm()
  }

  clear(actor: string, id: string): void {
    this.#live.delete(timerKey(actor, id))
  }

  stop(): void {
    this.#stopped = true
    this.#armed?.timer.cancel()
  }

  #arm(): void {
    if (this.#stopped) return
    while (this.#heap.length > 0 && this.#live.get(timerKey(this.#heap[0]!.actor, this.#heap[0]!.id)) !== this.#heap[0]) pop(this.#heap)
    const first = this.#heap[0]
    if (!first || (this.#armed && this.#armed.at <= first.dueAt)) return
    this.#armed?.timer.cancel()
    const at = Math.min(first.dueAt, this.#clock.now() + LONGEST_WAIT_MS)
    this.#armed = { at, timer: this.#clock.timer(at, () => this.#wake()) }
  }

  #wake(): void {
    this.#armed = undefined
    const now = this.#clock.now()
    while (this.#heap.length > 0 && this.#heap[0]!.dueAt <= now) {
      const timer = pop(this.#heap)!
      const key = timerKey(timer.actor, timer.id)
      if (this.#live.get(key) !== timer) continue
      this.#live.delete(key)
      this.#fire(timer)
    }
    this.#arm()
  }
}

function push(heap: PendingTimer[], timer: PendingTimer): void {
  heap.push(timer)
  for (let child = heap.length - 1; child > 0; ) {
    const parent = (child - 1) >> 1
    if (heap[parent]!.dueAt <= heap[child]!.dueAt) return
    ;[heap[parent], heap[child]] = [heap[child]!, heap[parent]!]
    child = parent
  }
}

function pop(heap: PendingTimer[]): PendingTimer | undefined {
  const top = heap[0]
  const last = heap.pop()
  if (heap.length === 0 || last === undefined) return top
  heap[0] = last
  for (let parent = 0; ; ) {
    const left = 2 * parent + 1
    if (left >= heap.length) return top
    const child = left + 1 < heap.length && heap[left + 1]!.dueAt < heap[left]!.dueAt ? left + 1 : left
    if (heap[parent]!.dueAt <= heap[child]!.dueAt) return top
    ;[heap[parent], heap[child]] = [heap[child]!, heap[parent]!]
    parent = child
  }
}
