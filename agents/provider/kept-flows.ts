/**
 * What a provider keeps of the pieces it sent ahead, after the work has ended: a payer that was
 * killed and is back asks for all of them. Kept until the call is over (paid, or nothing is owed),
 * or five minutes past its deadline (D3), and no more than a bound of all together. In memory: of a
 * provider that was killed itself, pieces of calls that had been delivered are gone.
 */
import type { Host } from '../../runtime/actors/host.ts'
import type { FlowSender } from '../../runtime/identity/flow.ts'
import type { Clock, Timer } from '../../runtime/ports/clock.ts'

/** Flows, and bytes of all of them; beyond, the oldest are let go. */
const FLOWS_MAX = 512
const BYTES_MAX = 64 * 2 ** 20
/** D3: known calls are answered for this long after their expiry. */
const LATE_MS = 300_000

interface Kept { readonly sender: FlowSender; readonly timer: Timer }

export class KeptFlows {
  readonly #clock: Clock
  readonly #host: () => Host
  readonly #kept = new Map<string, Kept>()
  #bytes = 0
  #watches = false

  constructor({ clock, host }: { readonly clock: Clock; readonly host: () => Host }) {
    this.#clock = clock
    this.#host = host
  }

  /** Keeps the flow of call actor `actor`, whose deadline is `until`, in ms since the epoch. */
  keep(actor: string, sender: FlowSender, until: number): void {
    this.#watch()
    this.#letGo(actor)
    this.#kept.set(actor, { sender, timer: this.#clock.timer(until + LATE_MS, () => this.#letGo(actor)) })
    this.#bytes += sender.held
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= FLOWS_MAX && this.#bytes <= BYTES_MAX) break
      this.#letGo(oldest)
    }
    // It may have ended while the work did.
    if (this.#host().peek(actor)?.snapshot.status === 'done') this.#letGo(actor)
  }

  /** How many are kept. */
  get size(): number { return this.#kept.size }

  #watch(): void {
    if (this.#watches) return
    this.#watches = true
    this.#host().watch(({ id, snapshot }) => { if (snapshot.status === 'done') this.#letGo(id) })
  }

  #letGo(actor: string): void {
    const kept = this.#kept.get(actor)
    if (!kept) return
    this.#kept.delete(actor)
    this.#bytes -= kept.sender.held
    kept.timer.cancel()
    kept.sender.close().catch(() => undefined)
  }
}
