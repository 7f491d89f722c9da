/**
 * Which probes a guardian makes in an epoch (D9): offers drawn by chance, cheap ones more often, at
 * random times, within a number and a sum that bound what an epoch costs. The draw is journaled, so a
 * restart draws no second one.
 */
import { formatMoney, parseMoney } from '../../schemas/money.ts'
import type { Directory } from '../../runtime/market/directory.ts'
import type { Clock } from '../../runtime/ports/clock.ts'
import type { Random } from '../../runtime/ports/random.ts'
import type { ProbeBook } from './probe-book.ts'
import type { Probe } from './probe.machine.ts'

export interface PlanLimits {
  /** Probes in an epoch, and most that they may cost together, atomic. */
  readonly probes: number
  readonly spend: bigint
  /** Probes of one offer in an epoch. */
  readonly each: number
}

interface Parts {
  readonly directory: Directory
  readonly clock: Clock
  readonly random: Random
  readonly self: string
}

/** The last part of the epoch is left free, so that what is asked in it is answered in it. */
const QUIET = 0.25

/** Probes of the epoch that ends at `until` (ms since the epoch), in no order. */
export function drawProbes({ directory, clock, random, self }: Parts, book: ProbeBook, { probes, spend, each }: PlanLimits, epoch: number, until: number): Probe[] {
  const now = clock.now()
  const room = Math.max(0, until - now) * (1 - QUIET)
  const drawn = Object.entries(book)
    .flatMap(([capability, kind]) => directory.offers(capability).map((one) => ({ capability, kind, ...one })))
    .filter(({ participant }) => participant !== self)
    .flatMap(({ capability, kind, participant, offer }) => {
      const price = (parseMoney(offer.list) * BigInt(kind.units) + BigInt(offer.capability.per ?? 1) - 1n) / BigInt(offer.capability.per ?? 1)
      // Weighted by cheapness, without replacement (Efraimidis and Spirakis, 2006).
      return Array.from({ length: each }, () => ({ capability, participant, price, offer, rank: Math.log(Math.max(random.fraction(), 1e-12)) * Number(price + 1n) }))
    })
    .sort((one, other) => other.rank - one.rank)
  const chosen: Probe[] = []
  let left = spend
  for (const { capability, participant, price, offer } of drawn) {
    if (chosen.length >= probes || price > left) continue
    left -= price
    chosen.push({
      id: `${epoch}.${chosen.length}`, provider: participant, capability, due: Math.floor(now + random.fraction() * room),
      seed: Buffer.from(random.bytes(16)).toString('hex'), maxPrice: formatMoney(price), promisedMs: offer.latencyMs,
    })
  }
  return chosen
}
