/**
 * What happened in a simulated run, a line an event, by logical names: the same seed gives the same
 * lines, byte by byte (D10). Lines are made only when they are wanted; events are always counted.
 */
import { createHash } from 'node:crypto'

export class Trace {
  /** Events so far: messages, records, chain writes, starts and ends of processes. */
  events = 0
  readonly lines: string[] = []
  readonly #wanted: boolean
  readonly #now: () => number

  /** `now` is virtual time in ms since the start. */
  constructor(wanted: boolean, now: () => number) {
    this.#wanted = wanted
    this.#now = now
  }

  /** Notes an event; `what` is called only when lines are wanted. */
  note(what: () => string): void {
    this.events++
    if (this.#wanted) this.lines.push(`${this.#now().toFixed(3).padStart(11)} ${what()}`)
  }
}

/** Short name of some bytes in a trace: two runs that differ in one bit differ in a line. */
export function mark(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 8)
}
