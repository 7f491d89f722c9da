/**
 * The clock: the only source of time (DESIGN D1, D10). Machines never see it; the host stamps each
 * event with it. Implemented by `systemClock` (`runtime/node`) and the virtual clock of
 * `runtime/memory`; both pass `clock.contract.ts`.
 */
export interface Timer {
  /** Idempotent; a cancelled timer never fires. */
  cancel(): void
}

export interface Clock {
  /** Milliseconds since the epoch. May jump (skew): never used to measure a duration. */
  now(): number
  /** Milliseconds from an arbitrary start, never falling: for durations and latency. */
  monotonic(): number
  /** Calls `fire` once when `now()` has reached `at`; at once (but not synchronously) if it is past. */
  timer(at: number, fire: () => void): Timer
  /** Resolves after `ms`; rejects with `signal`'s reason when it aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}
