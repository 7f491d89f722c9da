/**
 * How both sides bargain and how a payer chooses (the thin market: price, promised latency and past
 * deliveries, one counter-offer). Pure; used by `negotiation` and by the provider's quoting.
 */
import type { Address, PipelineProviders, Quote, ReputationFigures } from '../../schemas/documents.gen.ts'
import { weightOf } from '../payments/meter.ts'

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
  /** How long the payer may use an output again for the same input, by the card, in ms; absent: never. */
  readonly cacheMs?: number
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

/** Who is preferred: the cheapest where nothing is said. */
export type Choice = NonNullable<PipelineProviders['choose']>

/** What an offer costs, atomic: its asked price for the units expected, and never more than its cap. */
function priceFor({ quote: { terms } }: Offer): number {
  return Math.min(weightOf(terms, terms.units), Number(terms.cap))
}

/** Share of calls that go right by what the payer itself saw: the rule of succession with a mild prior. */
function ownShare({ history: { delivered, failed } }: Offer): number {
  return (delivered + 9) / (delivered + failed + 10)
}

/** Time to expect, in ms: promised or measured, whichever is longer. */
function latencyOf({ latencyMs, reputation }: Offer): number {
  return Math.max(latencyMs, reputation?.p95Ms ?? 0)
}

/** Share of calls that should go right, by what the payer saw and what guardians agree on; above 0, below 1. */
export function trustIn(offer: Offer): number {
  const { reputation } = offer
  const agreed = reputation ? ((reputation.success ?? NEUTRAL * 10_000) / 10_000) * ((reputation.uptime ?? 10_000) / 10_000) : NEUTRAL
  return ownShare(offer) * Math.max(agreed, 0.01)
}

/**
 * What an offer is worth comparing by, lower is better.
 *
 * - `cheapest`: its price, dearer by the chance that it fails, by the part of the deadline it takes,
 *   and by its reputation: the cheapest that is likely to deliver.
 * - `fastest`: its latency, longer by the chance that it fails.
 * - `trusted`: the chance that it fails.
 * - weights: price, latency and that chance, each to the power of its share of the weights. So what
 *   counts is how many times better an offer is, and others that come or go change no order.
 */
export function score(offer: Offer, choice: Choice = 'cheapest'): number {
  const price = priceFor(offer)
  const latencyMs = latencyOf(offer)
  const doubt = 1 - trustIn(offer)
  if (choice === 'fastest') return latencyMs / trustIn(offer)
  if (choice === 'trusted') return doubt
  if (choice === 'cheapest') return (price / ownShare(offer)) * (1 + LATENCY_WEIGHT * Math.min(1, latencyMs / offer.quote.terms.deadlineMs)) * reputationFactor(offer.reputation)
  const weights = [choice.price ?? 0, choice.latency ?? 0, choice.reputation ?? 0]
  const all = weights.reduce((sum, weight) => sum + weight, 0)
  // Nothing is free of doubt or takes no time, and a price of 0 must not make the rest meaningless.
  return [price + 1, latencyMs + 1, doubt].reduce((product, figure, index) => product * figure ** (all === 0 ? 0 : weights[index]! / all), 1)
}

/** Best offer first, what is equally good by price, then by provider address, so that the order never depends on arrival. */
export function rank(offers: readonly Offer[], choice: Choice = 'cheapest'): Offer[] {
  const order = (one: Offer, other: Offer): number =>
    score(one, choice) - score(other, choice) || (choice === 'cheapest' ? 0 : score(one) - score(other)) || (one.quote.terms.provider < other.quote.terms.provider ? -1 : 1)
  return [...offers].sort(order)
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
