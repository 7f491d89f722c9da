/**
 * How much a payer prepays a provider in one call (D6): little to a stranger, more with each delivery,
 * and as to a stranger again after failures. Earned by the payer's own experience alone, which nobody
 * else can write. Pure; used when offers come in.
 */
import type { History } from './strategy.ts'

/** Atomic amounts of one call. */
export interface Credit {
  /** To a provider without a history, and more by it with each delivery. */
  readonly first: bigint
  /** To anybody. */
  readonly most: bigint
}

/** 0.05 and 1 of a dollar with six decimals. */
export const CREDIT: Credit = { first: 50_000n, most: 1_000_000n }
/** Deliveries that one failure weighs. */
const FAILURE_WEIGHS = 10

/** @example creditFor({ delivered: 3, failed: 0 }, CREDIT) // 200_000n */
export function creditFor({ delivered, failed }: History, { first, most }: Credit): bigint {
  const earned = first * BigInt(1 + Math.max(0, delivered - FAILURE_WEIGHS * failed))
  return earned < most ? earned : most
}
