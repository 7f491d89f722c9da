/**
 * How both sides bargain and how a payer chooses (the thin market: price, promised latency and past
 * deliveries, one counter-offer). Pure; used by `negotiation` and by the provider's quoting.
 */
import type { Address, Quote, ReputationFigures } from '../../schemas/documents.gen.ts'

/** What a payer remembers of a provider and capability. */
export interface History {
  readonly delivered: number
  readonly failed: number
}

export interface Offer {
  readonly quote: Quote
  /** Name on the provider's card. */
  readonly name: string
  /** Asked unit price on the card, atomic. */
  readonly list: string
  /** Promised time from invoke to delivery, in ms. */
  readonly latencyMs: number
  readonly history: History
  /** What guardians agree on (D9); absent where they know nothing. */
  readonly reputation?: Pick<ReputationFigures, 'uptime' | 'success' | 'p95Ms'>
}

/** How much a delivery at the deadline weighs against an instant one: a quarter of the price. */
const LATENCY_WEIGHT = 0.25
/** Offers bargained with. */
export const BARGAIN_WITH = 2
/** The share of the asked price that a payer's counter-offer names, in percent. */
const COUNTER_PERCENT = 90n

/** Share of calls that a provider nobody knows is expected to do right: what reputation is compared with. */
const NEUTRAL = 0.9
/** Most that reputation makes an offer cheaper or dearer by. */
const FACTOR_MIN = 0.9
const FACTOR_MAX = 4

/** How much dearer (above 1) or cheaper an offer looks for its reputation; 1 for a newcomer, so that they get work. */
export function reputationFactor(reputation: Offer['reputation']): number {
  if (!reputation) return 1
  // A figure that guardians could not agree on says nothing.
  const right = (reputation.success ?? NEUTRAL * 10_000) / 10_000
  const there = (reputation.uptime ?? 10_000) / 10_000
  return Math.min(FACTOR_MAX, Math.max(FACTOR_MIN, NEUTRAL / Math.max(right * there, 0.01)))
}

/**
 * What an offer is worth comparing by, lower is better: its price, dearer by the chance that it
 * fails (rule of succession with a mild prior), by the part of the deadline it takes, measured or
 * promised, whichever is longer, and by its reputation.
 */
export function score(offer: Offer): number {
  const { terms } = offer.quote
  const price = (Number(terms.unitPrice) * terms.units) / (terms.per ?? 1)
  const { delivered, failed } = offer.history
  const success = (delivered + 9) / (delivered + failed + 10)
  const latencyMs = Math.max(offer.latencyMs, offer.reputation?.p95Ms ?? 0)
  return (price / success) * (1 + LATENCY_WEIGHT * Math.min(1, latencyMs / terms.deadlineMs)) * reputationFactor(offer.reputation)
}

/** Best offer first, ties by provider address so that the order never depends on arrival. */
export function rank(offers: readonly Offer[]): Offer[] {
  return [...offers].sort((one, other) => score(one) - score(other) || (one.quote.terms.provider < other.quote.terms.provider ? -1 : 1))
}

/** The unit price a payer names against `asked`: the best rival's, or nine tenths of the asking one. */
export function counterPrice(asked: Quote, rivals: readonly Quote[]): string {
  const tenth = (BigInt(asked.terms.unitPrice) * COUNTER_PERCENT) / 100n
  const rival = rivals.filter((one) => one.terms.provider !== asked.terms.provider).map((one) => BigInt(one.terms.unitPrice))
  const best = rival.length === 0 ? tenth : rival.reduce((low, price) => (price < low ? price : low))
  return (best < tenth ? best : tenth).toString()
}

/** A provider's answer to a counter-offer: what is wanted when it covers the floor, else half way there, never below the floor. */
export function answerCounter(list: bigint, floor: bigint, want: bigint): bigint {
  if (want >= list) return list
  if (want >= floor) return want
  const middle = (list + want) / 2n
  return middle > floor ? middle : floor
}

/** Takes `offers` apart by provider: one (the latest round) each. */
export function latestOf(offers: readonly Offer[], answered: Quote): Offer[] {
  const provider: Address = answered.terms.provider
  return offers.map((one) => (one.quote.terms.provider === provider && BigInt(answered.terms.unitPrice) <= BigInt(one.quote.terms.unitPrice) ? { ...one, quote: answered } : one))
}
