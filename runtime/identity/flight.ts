/**
 * Calls under way at a callee: bounds them, in all and for each caller, and lets a repeated call
 * share the answer of the one that is running (D3). What has ended is forgotten here: the durable
 * actor behind the handler knows it from its journal.
 */
import type { Hash } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'

export interface FlightLimits {
  readonly total: number
  readonly perCaller: number
}

interface Running {
  readonly verb: string
  readonly bodyHash: Hash
  readonly caller: string
  /** Monotonic time after which the place may be given away. */
  readonly until: number
  readonly answer: Promise<unknown>
}

export class Flight {
  readonly #limits: FlightLimits
  readonly #running = new Map<string, Running>()
  readonly #perCaller = new Map<string, number>()

  constructor(limits: FlightLimits) {
    this.#limits = limits
  }

  get size(): number {
    return this.#running.size
  }

  /**
   * The answer of `work`, or of the same call if it is running already.
   *
   * - `market.conflict`: the id is running with another body or verb.
   * - `node.busy`: too much is under way, in all or for this caller.
   */
  run(
    call: { caller: string; callId: string; verb: string; bodyHash: Hash; until: number },
    now: number,
    work: () => Promise<unknown>,
  ): Promise<unknown> {
    const key = `${call.caller} ${call.callId}`
    const same = this.#running.get(key)
    if (same) {
      if (same.verb !== call.verb || same.bodyHash !== call.bodyHash) throw new AigenError('market.conflict')
      return same.answer
    }
    if (this.#running.size >= this.#limits.total || this.#count(call.caller) >= this.#limits.perCaller) {
      this.#sweep(now)
      if (this.#running.size >= this.#limits.total || this.#count(call.caller) >= this.#limits.perCaller) {
        throw new AigenError('node.busy')
      }
    }
    this.#perCaller.set(call.caller, this.#count(call.caller) + 1)
    const answer = work().finally(() => {
      if (this.#running.get(key) === running) this.#end(key, running)
    })
    const running: Running = { ...call, answer }
    this.#running.set(key, running)
    return answer
  }

  #count(caller: string): number {
    return this.#perCaller.get(caller) ?? 0
  }

  #end(key: string, running: Running): void {
    this.#running.delete(key)
    const left = this.#count(running.caller) - 1
    if (left > 0) this.#perCaller.set(running.caller, left)
    else this.#perCaller.delete(running.caller)
  }

  /** Gives away the places of calls that nobody waits for any more. */
  #sweep(now: number): void {
    for (const [key, running] of this.#running) if (running.until < now) this.#end(key, running)
  }
}
