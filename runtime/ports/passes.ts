/**
 * Subscriptions on the chain: a provider's class of passes, and until when an account holds one
 * (contracts/IPass.sol). A part of the rail, by the same chain and the same sender; implemented by
 * `runtime/evm` and `runtime/memory`, which both pass `passes.contract.ts`. Used by providers that
 * sell subscriptions and by who buys them. Amounts are bigint, times whole seconds, as in `rail.ts`.
 */
import type { Hex } from './signer.ts'

/** A class as it was registered; it never changes. */
export interface PassClass {
  /** Hash of provider and number. */
  readonly id: Hex
  /** Who is paid. */
  readonly provider: Hex
  readonly token: Hex
  /** Of one period. */
  readonly price: bigint
  /** Seconds of one period. */
  readonly period: number
  /** Most periods that a pass may reach ahead of now. */
  readonly ahead: number
  /** Most calls of one day (UTC) for one holder, counted by the provider; 0 for any number. */
  readonly quota: number
}

export interface Passes {
  /** The pass contract. */
  readonly contract: Hex
  /** Pure: the class's id. `number` is 0 … 2^53−1. */
  id(provider: Hex, number: number): Hex
  /** The class, or undefined where none was registered. Error `chain.unreachable`. */
  passClass(id: Hex): Promise<PassClass | undefined>
  /** Second from which the holder's pass no longer counts; 0 where it never had one. Error `chain.unreachable`. */
  pass(id: Hex, holder: Hex): Promise<{ readonly expiresAt: number }>
}

export type PassWrite =
  /** By the provider, in the rail's token; the same terms again change nothing, others of the same number revert. */
  | { readonly kind: 'pass-class', readonly number: number, readonly price: bigint, readonly period: number, readonly ahead: number, readonly quota: number }
  /** Lets the pass contract draw `amount` of the account's tokens; needed before `pass-buy`. */
  | { readonly kind: 'pass-approve', readonly amount: bigint }
  /** Buys or renews for the account itself; the money goes to the provider in the same transaction. */
  | { readonly kind: 'pass-buy', readonly pass: Hex, readonly periods: number }
