/**
 * Subscriptions as who serves them knows them: an event cache over the port `subscriptions.ts`. One look
 * at the chain's events serves every caller, and a subscription is read again only where it has changed.
 * Who asks has signed what it asks (I8), so the holder's address is all that is left to compare.
 *
 * What changed in the last 12 blocks is read again at each look, so that a block the chain loses takes its
 * purchases with it; what did not change is read twice and then no more. While the chain does not answer, the last word counts until its own expiry.
 */
import type { Clock } from '../ports/clock.ts'
import type { Rail } from '../ports/rail.ts'
import type { Hex } from '../ports/signer.ts'
import { CHANGED_BLOCKS_MAX, type Subscription, type Subscriptions } from '../ports/subscriptions.ts'

/** Blocks that a chain may still lose. */
const DEPTH = 12
const LOOK_MS = 5_000
const KNOWN_MAX = 10_000
/** Answers of `changed` in one look; a cache that is further behind forgets what it knows instead. */
const ROUNDS_MAX = 4

export interface SubscribersOptions {
  readonly subscriptions: Subscriptions
  readonly head: Rail['head']
  readonly clock: Clock
  /** How old a look at the chain may be, in ms; default 5,000. */
  readonly lookMs?: number
}

interface Known {
  readonly state: Subscription | undefined
  /** It stands in blocks that are not lost any more: only an event can change it. */
  settled: boolean
  /** It was read since the last look, or is settled. */
  fresh: boolean
}

export class Subscribers {
  readonly #options: SubscribersOptions
  readonly #known = new Map<Hex, Known>()
  /** Reads under way; many callers wait for one. */
  readonly #reading = new Map<Hex, Promise<Subscription | undefined>>()
  /** What the last look saw change, in blocks that may still be lost too. */
  readonly #recent = new Set<Hex>()
  #at: number | undefined
  #lookedAt = Number.NEGATIVE_INFINITY
  #look: Promise<void> | undefined

  constructor(options: SubscribersOptions) {
    this.#options = options
  }

  /**
   * Whether `holder` holds the subscription, of that plan, and its time is not over.
   * Error `chain.unreachable` where the chain does not answer and nothing is known.
   */
  async counts(id: Hex, plan: Hex, holder: Hex): Promise<boolean> {
    const found = await this.#of(id.toLowerCase() as Hex)
    return found !== undefined && found.plan === plan.toLowerCase() && found.holder === holder.toLowerCase()
      && found.expiresAt * 1_000 > this.#options.clock.now()
  }

  async #of(id: Hex): Promise<Subscription | undefined> {
    try {
      await this.#refresh()
    } catch (thrown) {
      if (!this.#known.has(id)) throw thrown
    }
    const known = this.#known.get(id)
    if (known?.fresh) return known.state
    const reading = this.#reading.get(id) ?? this.#read(id, known).finally(() => this.#reading.delete(id))
    this.#reading.set(id, reading)
    return reading
  }

  async #read(id: Hex, known: Known | undefined): Promise<Subscription | undefined> {
    try {
      const state = await this.#options.subscriptions.subscription(id)
      // The same as before the last look, which saw no change: no block that may still be lost has a part in it.
      const settled = known !== undefined && !this.#recent.has(id) && same(state, known.state)
      this.#known.delete(id)
      if (this.#known.size >= KNOWN_MAX) this.#known.delete(this.#known.keys().next().value!)
      this.#known.set(id, { state, settled, fresh: true })
      return state
    } catch (thrown) {
      if (known === undefined) throw thrown
      return known.state
    }
  }

  /** Looks at the events since the last look, where that one is too old; many callers wait for one. */
  #refresh(): Promise<void> {
    const { clock, lookMs = LOOK_MS } = this.#options
    if (clock.monotonic() - this.#lookedAt < lookMs) return Promise.resolve()
    this.#look ??= this.#events().finally(() => {
      this.#look = undefined
      // A chain that does not answer is not asked again at once either.
      this.#lookedAt = clock.monotonic()
    })
    return this.#look
  }

  async #events(): Promise<void> {
    const { subscriptions, head } = this.#options
    if (this.#at === undefined) {
      this.#at = (await head()).block
      return
    }
    let since = Math.max(0, this.#at - DEPTH)
    this.#recent.clear()
    for (let rounds = 0; rounds < ROUNDS_MAX; rounds += 1) {
      const { at, ids } = await subscriptions.changed(since)
      for (const id of ids) this.#recent.add(id)
      this.#at = at
      // The chain has lost more than it may: nothing that was read of it counts.
      if (at < since) return this.#known.clear()
      if (at < since + CHANGED_BLOCKS_MAX) return this.#age()
      since = at
    }
    this.#at = (await head()).block
    this.#known.clear()
  }

  /** What has changed is read again, and so is what was not read twice the same yet. */
  #age(): void {
    for (const [id, entry] of this.#known) {
      entry.settled &&= !this.#recent.has(id)
      entry.fresh = entry.settled
    }
  }
}

function same(one: Subscription | undefined, other: Subscription | undefined): boolean {
  return one?.holder === other?.holder && one?.expiresAt === other?.expiresAt && one?.cancelled === other?.cancelled
}
