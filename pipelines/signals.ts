/**
 * The signals of a run: what somebody told it, and the steps that wait to be told. A signal counts
 * once: for the first that waits for its name, or, where it came before, for the next that does. Pure;
 * used by the run machine and by whoever sends signals.
 */

/** What a run keeps of signals that nobody has taken: so many, the data of each so long as canonical JSON. */
export const SIGNALS_MAX = 64
export const SIGNAL_BYTES_MAX = 4_096

/** What somebody told a run; an id counts once. */
export interface RunSignal {
  readonly id: string
  readonly name: string
  readonly data: unknown
  readonly at: number
  /** A step has it: of a taken one only the id is kept. */
  readonly taken?: true
}

/** A step that waits for a signal. */
export interface Waiter {
  readonly name: string
  /** Actor id. */
  readonly to: string
}

interface Signals {
  readonly signals: readonly RunSignal[]
  readonly waiters: readonly Waiter[]
}

/** What changes, and who is told what. */
export interface Told extends Signals {
  readonly tell?: { readonly to: string; readonly data: unknown }
}

/** Whether a signal is taken on: it is new, and there is room or somebody who waits for it. */
export function takes({ signals, waiters }: Signals, { id, name }: Pick<RunSignal, 'id' | 'name'>): boolean {
  return !signals.some((one) => one.id === id) && (waiters.some((one) => one.name === name) || signals.filter(({ taken }) => !taken).length < SIGNALS_MAX)
}

/** A signal comes. */
export function signalled({ signals, waiters }: Signals, signal: RunSignal): Told {
  const waiter = waiters.find(({ name }) => name === signal.name)
  if (!waiter) return { waiters, signals: [...signals, signal] }
  return { waiters: waiters.filter((one) => one !== waiter), signals: [...signals, { ...signal, data: null, taken: true }], tell: { to: waiter.to, data: signal.data } }
}

/** A step begins to wait. */
export function awaited({ signals, waiters }: Signals, waiter: Waiter): Told {
  const signal = signals.find(({ name, taken }) => name === waiter.name && !taken)
  if (!signal) return { signals, waiters: [...waiters, waiter] }
  return { waiters, signals: signals.map((one) => (one === signal ? { ...one, data: null, taken: true } : one)), tell: { to: waiter.to, data: signal.data } }
}
