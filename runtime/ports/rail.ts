/**
 * The payment rail: vaults, lanes and vouchers (DESIGN Words, D1, D7; reference/payments.md).
 *
 * An owner deposits into a *vault*, reserves parts of it in *lanes* to payees and then pays off
 * chain with *vouchers*; only reserving, claiming and closing touch the chain. Implemented by
 * `runtime/evm` (the Vault contract) and `runtime/memory`; both pass `rail.contract.ts`.
 * Used by `runtime/payments` and by the sender actor (`runtime/evm/sender.machine.ts`).
 *
 * Keeps I1 (claimed never falls, a closed lane is never used again) and I2 (per token, balance =
 * Σ(reserved − claimed) + free + credits).
 *
 * Units: amounts are bigint of the token's smallest unit; chain times are whole **seconds** since
 * the epoch, because that is what a contract compares (everything off chain is milliseconds).
 * Addresses and hashes are lower-case hex on the way out and any case on the way in.
 */
import type { ChainProofs } from './chain-proofs.ts'
import type { Passes, PassWrite } from './passes.ts'
import type { Hex, OwnerSigner, WalletSigner } from './signer.ts'
import type { Subscriptions, SubscriptionWrite } from './subscriptions.ts'
import type { DepositAuthorisation, DepositOrder, EscrowVoucher, LockedVoucher, Release, Reserve, ReserveOrder, Ruling, VaultTerms, Voucher } from './voucher.ts'

export type { DepositAuthorisation, DepositOrder, EscrowVoucher, LockedVoucher, PlainVoucher, Release, Reserve, ReserveOrder, Ruling, VaultTerms, Voucher } from './voucher.ts'

/** Where the money is: one token in one vault contract on one chain. */
export interface RailTerms {
  readonly chainId: number
  /** The vault contract. */
  readonly contract: Hex
  readonly token: Hex
  /** The pass contract, where the network has one. */
  readonly passes?: Hex
  /** The subscription contract, where the network has one. */
  readonly subscriptions?: Hex
  /** CAIP-19, `eip155:31337/erc20:0x…`, lower case. */
  readonly asset: string
  readonly decimals: number
  readonly symbol: string
  /** The token's EIP-712 domain; absent where it takes no signed authorisations (EIP-3009). */
  readonly tokenDomain?: { readonly name: string, readonly version: string }
}

export interface VaultState extends VaultTerms {
  readonly id: Hex
  /** Deposited and not reserved for anybody. */
  readonly free: bigint
}

export interface LaneState {
  readonly id: Hex
  readonly vault: Hex
  readonly owner: Hex
  readonly voucherKey: Hex
  readonly payee: Hex
  readonly number: number
  /** Total ever reserved, claimed part included; never falls. */
  readonly reserved: bigint
  /** Total ever paid out; never falls and never exceeds `reserved` (I1). */
  readonly claimed: bigint
  /** The vault's challenge delay in seconds. */
  readonly delay: number
  /** From this second on anybody may finalize; 0 while the owner has not asked to exit. */
  readonly exitAt: number
  /** Closed for good: nothing can be claimed or reserved any more. */
  readonly closed: boolean
}

/** A voucher on its way to the chain. */
export interface Claim {
  readonly voucher: Voucher
  /** 65 bytes by the vault's voucher key. */
  readonly signature: Hex
  /** 32 bytes; needed for a locked voucher. */
  readonly preimage?: Hex
}

export type RailWrite =
  | PassWrite
  | SubscriptionWrite
  /** Test dollars from the open faucet of the devnet token. */
  | { readonly kind: 'mint', readonly to: Hex, readonly amount: bigint }
  /** Lets the vault contract draw `amount` of the account's tokens; needed before open and deposit. */
  | { readonly kind: 'approve', readonly amount: bigint }
  /** Opens the vault with a first deposit; opening it again only deposits. */
  | { readonly kind: 'open', readonly vault: VaultTerms, readonly amount: bigint }
  | { readonly kind: 'deposit', readonly vault: Hex, readonly amount: bigint }
  /** By the vault's owner; all or nothing. At most 200 lanes. */
  | { readonly kind: 'reserve', readonly vault: Hex, readonly reserves: readonly Reserve[] }
  /** By anybody who has the depositor's authorisation; opens the vault where it is not open yet. */
  | { readonly kind: 'open-authorised', readonly authorisation: DepositAuthorisation, readonly signature: Hex }
  /** By anybody who has the depositor's order and permit; without a permit (`0x`) an allowance must be there. */
  | { readonly kind: 'open-permitted', readonly order: DepositOrder, readonly signature: Hex, readonly permit: Hex }
  /** By anybody who has the owner's order; a contract wallet's signature is its own business (ERC-1271). */
  | { readonly kind: 'reserve-ordered', readonly order: ReserveOrder, readonly signature: Hex }
  /** By anybody; pays the payees. A bad row is skipped and reported in the outcome. At most 200 rows. */
  | { readonly kind: 'claim', readonly claims: readonly Claim[] }
  /** By anybody who has the payee's signature; what is left goes back to the vault. */
  | { readonly kind: 'release', readonly release: Release, readonly signature: Hex }
  /** By the owner: starts the delay after which the lane can be closed without the payee. */
  | { readonly kind: 'exit', readonly lane: Hex }
  /** By anybody, once the delay is over; what is left goes back to the vault. */
  | { readonly kind: 'finalize', readonly lane: Hex }
  /** By the owner: free balance out of the vault. */
  | { readonly kind: 'withdraw', readonly vault: Hex, readonly amount: bigint, readonly to: Hex }
  /** By a payee: fetches what a token transfer once failed to bring. */
  | { readonly kind: 'collect', readonly to: Hex }
  /** By anybody who has the arbiter's signature, before the voucher's challengeEnd. */
  | { readonly kind: 'rule', readonly voucher: EscrowVoucher, readonly payeeAmount: bigint, readonly signature: Hex }

/** Most reserves or claims in one write. */
export const ROWS_MAX = 200

/** Why a row of a claim was skipped; numbered as in `IVault.Refusal`. */
export const REFUSALS = [
  'none', 'unknown-lane', 'closed', 'nothing-new', 'over-reserve', 'signature', 'preimage', 'expired', 'too-early', 'malformed',
] as const
export type Refusal = (typeof REFUSALS)[number]

/** A row that was paid: `paid` now, `claimed` in total. */
export interface PaidRow {
  readonly lane: Hex
  readonly payee: Hex
  readonly paid: bigint
  readonly claimed: bigint
  readonly ref: Hex
}

export interface RefusedRow {
  /** Place in the write's `claims`. */
  readonly row: number
  readonly lane: Hex
  readonly reason: Refusal
}

/** Signed bytes of one write; journaled before they leave (D1). */
export interface PreparedWrite {
  readonly bytes: Hex
  readonly hash: Hex
}

export type WriteOutcome =
  /** The chain has never seen it, or has forgotten it: broadcast the same bytes again. */
  | { readonly state: 'unknown' }
  | { readonly state: 'pending' }
  | {
    readonly state: 'done'
    /** False: it was mined and reverted, `reason` says why; the nonce is used up. */
    readonly ok: boolean
    readonly block: number
    readonly reason?: string
    /** Of a claim. */
    readonly paid: readonly PaidRow[]
    readonly refused: readonly RefusedRow[]
  }

export interface Rail {
  readonly terms: RailTerms
  /** Proofs for light nodes; absent where the rail is one itself. */
  readonly proofs?: ChainProofs
  /** Whether writes are carried by relays: deposits are then by authorisation and need no `approve`. */
  readonly relayed?: boolean
  /** Subscriptions, where the network has the contract. */
  readonly passes?: Passes
  /** Subscriptions that can be given away, where the network has the contract. */
  readonly subscriptions?: Subscriptions

  // Pure: no chain needed, microseconds; but for what the owner signs, whose signer may be a device.

  vaultId(vault: VaultTerms): Hex
  laneId(vault: Hex, payee: Hex, number: number): Hex
  /** EIP-712 digest of the voucher in this rail's domain (chain and contract). */
  voucherDigest(voucher: Voucher): Uint8Array
  /** 65-byte signature of the voucher by `signer`, which should be the vault's voucher key. */
  signVoucher(voucher: Voucher, signer: WalletSigner): Hex
  /**
   * Who signed the voucher, lower case. The caller compares it with the lane's voucher key.
   * `auth.forged` for a signature that is malformed, truncated, has a high s or recovers nothing.
   */
  recover(voucher: Voucher, signature: Hex): Hex
  signRelease(release: Release, signer: OwnerSigner, signal?: AbortSignal): Promise<Hex>
  recoverRelease(release: Release, signature: Hex): Hex
  /** Signed by who deposits; `input.invalid` where the token takes no authorisations. */
  signDeposit(authorisation: DepositAuthorisation, signer: OwnerSigner, signal?: AbortSignal): Promise<Hex>
  signDepositOrder(order: DepositOrder, signer: OwnerSigner, signal?: AbortSignal): Promise<Hex>
  recoverDepositOrder(order: DepositOrder, signature: Hex): Hex
  /** EIP-2612, of the order's amount until its `validBefore`; `nonce` as `permitNonce` says. `input.invalid` where the token takes none. */
  signPermit(order: DepositOrder, nonce: bigint, signer: OwnerSigner, signal?: AbortSignal): Promise<Hex>
  signReserve(order: ReserveOrder, signer: OwnerSigner, signal?: AbortSignal): Promise<Hex>
  recoverReserve(order: ReserveOrder, signature: Hex): Hex
  signRuling(ruling: Ruling, signer: WalletSigner): Hex
  recoverRuling(ruling: Ruling, signature: Hex): Hex

  // Reads. `chain.unreachable` when the chain does not answer in time.

  /** The lane, or undefined when nothing of this rail's token was ever reserved; `depth` blocks below the head (default 0). */
  lane(id: Hex, depth?: number): Promise<LaneState | undefined>
  vault(id: Hex, depth?: number): Promise<VaultState | undefined>
  /** Tokens of an account outside any vault. */
  balance(account: Hex): Promise<bigint>
  /** The token's next nonce for a permit of the account. */
  permitNonce(account: Hex): Promise<bigint>
  /** What waits for a payee whose transfer failed; see the write `collect`. */
  credit(account: Hex): Promise<bigint>
  /** The arbiter's recorded split of an escrow voucher (by its digest), if any. */
  ruling(voucher: Hex): Promise<bigint | undefined>
  /** The key by which a locked voucher was claimed, where the chain shows it; absent where the rail cannot tell. */
  revealed?(voucher: LockedVoucher): Promise<Hex | undefined>
  head(): Promise<{ readonly block: number, readonly time: number }>

  // Writes, in three parts so that a sender can journal between them.

  /**
   * The account's next nonce by its latest mined transaction. A rail whose writes are relayed numbers
   * them by what the sender says: `next` is the number after the last one it saw done.
   */
  nonce(account: Hex, next?: number): Promise<number>
  /**
   * Signs the write at `nonce`; nothing leaves. `bump` > 0 raises the fees to replace the
   * transaction of the same nonce. `chain.reverted` when the chain says now that it would fail; `signer.*`
   * where the owner's signer gives no signature, or a wrong one.
   */
  prepare(write: RailWrite, signer: OwnerSigner, nonce: number, bump?: number, signal?: AbortSignal): Promise<PreparedWrite>
  /** Sends signed bytes; sending known or already mined bytes again succeeds. Returns the hash. */
  broadcast(bytes: Hex): Promise<Hex>
  outcome(hash: Hex): Promise<WriteOutcome>
}
