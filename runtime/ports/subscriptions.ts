/**
 * Subscriptions on the chain (contracts/ISubscription.sol): ERC-721 tokens with an expiry, which may be
 * given away, while a pass (`passes.ts`) stays with who bought it. A part of the rail, by the same chain
 * and the same sender; implemented by `runtime/evm` and `runtime/memory`, which both pass
 * `subscriptions.contract.ts`. Amounts are bigint, times whole seconds, as in `rail.ts`.
 */
import type { Hex } from './signer.ts'

/** What a provider sells, as it was registered; only `closed` ever changes. */
export interface Plan {
  /** Hash of provider and number. */
  readonly id: Hex
  /** Who is paid. */
  readonly provider: Hex
  readonly token: Hex
  /** Of one period. */
  readonly price: bigint
  /** Seconds of one period. */
  readonly period: number
  /** Most periods that a subscription may reach ahead of now. */
  readonly ahead: number
  /** Most calls of one day (UTC) for one subscription, counted by the provider; 0 for any number. */
  readonly quota: number
  /** Nothing more is sold or renewed; what is paid for stays. */
  readonly closed: boolean
}

export interface Subscription {
  /** Hash of plan, first holder and the number that this one chose. */
  readonly id: Hex
  readonly plan: Hex
  /** Who is served by it now. */
  readonly holder: Hex
  /** Second from which it no longer counts. */
  readonly expiresAt: number
  /** It can be renewed no more, and counts until it expires. */
  readonly cancelled: boolean
}

export interface Subscriptions {
  /** The subscription contract. */
  readonly contract: Hex
  /** Pure: the plan's id. `number` is 0 … 2^53−1. */
  planId(provider: Hex, number: number): Hex
  /** Pure: the id of a subscription. `number` is 0 … 2^53−1, the buyer's own choice. */
  id(plan: Hex, holder: Hex, number: number): Hex
  /** The plan, or undefined where none was registered. Error `chain.unreachable`. */
  plan(id: Hex): Promise<Plan | undefined>
  /** The subscription, or undefined where none was bought. Error `chain.unreachable`. */
  subscription(id: Hex): Promise<Subscription | undefined>
  /**
   * What was bought, renewed, cancelled or given away in the blocks after `since`, each id once. `at` is the
   * last block that was looked at, at most 5,000 further: ask from there on. It is below `since` where the
   * chain has lost blocks. Error `chain.unreachable`.
   */
  changed(since: number): Promise<{ readonly at: number, readonly ids: readonly Hex[] }>
}

/** Most blocks of one answer of `changed`. */
export const CHANGED_BLOCKS_MAX = 5_000

export type SubscriptionWrite =
  /** By the provider, in the rail's token; the same terms again change nothing, others of the same number revert. */
  | { readonly kind: 'subscription-plan', readonly number: number, readonly price: bigint, readonly period: number, readonly ahead: number, readonly quota: number }
  /** By the provider: ends the sale of its plan. */
  | { readonly kind: 'subscription-close', readonly number: number }
  /** Lets the subscription contract draw `amount` of the account's tokens; needed before buying and renewing. */
  | { readonly kind: 'subscription-approve', readonly amount: bigint }
  /** Buys for the account itself; a number that it has used for the plan reverts, so that sent twice it is paid once. */
  | { readonly kind: 'subscription-buy', readonly plan: Hex, readonly number: number, readonly periods: number }
  /** By anybody, who pays; `seconds` is a whole number of periods. */
  | { readonly kind: 'subscription-renew', readonly subscription: Hex, readonly seconds: number }
  /** By its holder. */
  | { readonly kind: 'subscription-cancel', readonly subscription: Hex }
  /** By its holder: the rest of its time goes to somebody else. */
  | { readonly kind: 'subscription-give', readonly subscription: Hex, readonly to: Hex }
