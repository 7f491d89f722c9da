/**
 * What the chain in memory holds: who has how many test dollars, the vaults and lanes, and I2 over
 * all of it. Plain maps, so that a chain can be set back to an earlier state. Used by `rail.ts` and
 * `vault-contract.ts` only.
 */
import type { PassClass } from '../ports/passes.ts'
import type { LaneState, VaultState } from '../ports/rail.ts'
import type { Hex } from '../ports/signer.ts'
import type { Plan, Subscription } from '../ports/subscriptions.ts'

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] }
export type Vault = Mutable<VaultState>
export type Lane = Mutable<LaneState>

export interface Ledger {
  readonly balances: Map<Hex, bigint>
  /** What the vault contract may draw from each account. */
  readonly allowances: Map<Hex, bigint>
  readonly vaults: Map<Hex, Vault>
  readonly lanes: Map<Hex, Lane>
  /** What waits for payees whose transfer failed. */
  readonly credits: Map<Hex, bigint>
  /** Arbiters' splits by the digest of the escrow voucher. */
  readonly rulings: Map<Hex, bigint>
  /** Keys that claims of locked vouchers showed, by their hashes: in the transactions, where anybody can read them. */
  readonly keys: Map<Hex, Hex>
  /** Used EIP-3009 authorisations, as account and nonce. */
  readonly authorisations: Set<string>
  readonly passClasses: Map<Hex, PassClass>
  /** Expiry in seconds by class and holder. */
  readonly passes: Map<string, number>
  /** What the pass contract may draw from each account. */
  readonly passAllowances: Map<Hex, bigint>
  /** Next nonces of permits. */
  readonly permits: Map<Hex, bigint>
  /** Deposit orders that were used, by their digest. */
  readonly orders: Set<Hex>
  readonly plans: Map<Hex, Mutable<Plan>>
  readonly subscriptions: Map<Hex, Mutable<Subscription>>
  /** What the subscription contract may draw from each account. */
  readonly subscriptionAllowances: Map<Hex, bigint>
  /** Which subscription changed in which block, the oldest first. */
  readonly subscriptionChanges: { readonly block: number, readonly id: Hex }[]
}

export function emptyLedger(): Ledger {
  return {
    balances: new Map(), allowances: new Map(), vaults: new Map(), lanes: new Map(), credits: new Map(), rulings: new Map(), keys: new Map(), authorisations: new Set(),
    passClasses: new Map(), passes: new Map(), passAllowances: new Map(), permits: new Map(), orders: new Set(),
    plans: new Map(), subscriptions: new Map(), subscriptionAllowances: new Map(), subscriptionChanges: [],
  }
}

export function add(map: Map<Hex, bigint>, key: Hex, amount: bigint): void {
  map.set(key, (map.get(key) ?? 0n) + amount)
}

/** Test dollars from one account to another; whoever calls has checked that they are there. */
export function move(ledger: Ledger, from: Hex, to: Hex, amount: bigint): void {
  add(ledger.balances, from, -amount)
  add(ledger.balances, to, amount)
}

/** I2: what `contract` holds beyond Σ(reserved − claimed) + free + credits; 0n when all is well. */
export function imbalance(ledger: Ledger, contract: Hex): bigint {
  let owed = 0n
  for (const lane of ledger.lanes.values()) if (!lane.closed) owed += lane.reserved - lane.claimed
  for (const vault of ledger.vaults.values()) owed += vault.free
  for (const credit of ledger.credits.values()) owed += credit
  return (ledger.balances.get(contract) ?? 0n) - owed
}
