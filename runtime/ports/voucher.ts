/**
 * What is signed on the payment rail: vouchers by which a lane is paid, the payee's release, the
 * arbiter's ruling, and the words of an owner that a relay may carry. A part of `rail.ts`, which says
 * the units. `runtime/evm/typed-data.ts` has their digests.
 */
import type { Hex } from './signer.ts'

/** What a vault is made of; its id is the hash of these with chain, contract and token. */
export interface VaultTerms {
  /** Deposits, reserves, exits and withdraws; may be a contract wallet. */
  readonly owner: Hex
  /** Signs vouchers; always a plain key, never a contract. */
  readonly voucherKey: Hex
  /** Seconds between `exit` and `finalize` of a lane: how long payees have to claim. */
  readonly delay: number
  /** Tells several vaults of the same terms apart; 0 … 2^53−1. */
  readonly number: number
}

/** Pays unconditionally. The highest cumulative wins; a lower or equal one is a no-op. */
export interface PlainVoucher {
  readonly kind: 'plain'
  readonly lane: Hex
  /** The lane's total so far when this voucher is paid in full, everything before included. */
  readonly cumulative: bigint
  /** SHA-256(previous ref ‖ delivery hash ‖ amount), 32 bytes. */
  readonly ref: Hex
}

/** Pays only with the preimage of `lockHash` (SHA-256 of 32 bytes) and only before `lockExpiry`. */
export interface LockedVoucher {
  readonly kind: 'locked'
  readonly lane: Hex
  /** Includes `lockAmount`: folding an opened lock is a plain voucher with the same cumulative. */
  readonly cumulative: bigint
  /** The part of `cumulative` that hangs on the lock. */
  readonly lockAmount: bigint
  readonly lockHash: Hex
  /** Seconds; the claim must be in a block before it. */
  readonly lockExpiry: number
  readonly ref: Hex
}

/** Pays from `challengeEnd` on and before `expiry`, unless the arbiter ruled another split before `challengeEnd`. */
export interface EscrowVoucher {
  readonly kind: 'escrow'
  readonly lane: Hex
  /** Includes `amount`. */
  readonly cumulative: bigint
  /** The part of `cumulative` that a ruling may cut. */
  readonly amount: bigint
  readonly arbiter: Hex
  /** Seconds; a ruling must be recorded in a block before it. */
  readonly challengeEnd: number
  /** Seconds; a claim must be in a block before it. */
  readonly expiry: number
  readonly ref: Hex
}

export type Voucher = PlainVoucher | LockedVoucher | EscrowVoucher

/** The payee's word that nothing above `finalClaimed` is owed on the lane: closes it at once. */
export interface Release {
  readonly lane: Hex
  readonly finalClaimed: bigint
}

/** The arbiter's split of an escrow voucher: the payee gets `payeeAmount` of its `amount`. */
export interface Ruling {
  /** Digest of the escrow voucher. */
  readonly voucher: Hex
  readonly payeeAmount: bigint
}

/** The owner's word that lets a relay deposit into a vault (EIP-3009); its nonce names the vault, so it serves no other. */
export interface DepositAuthorisation {
  readonly vault: VaultTerms
  /** Whose tokens; signs. */
  readonly from: Hex
  readonly amount: bigint
  /** Seconds; the deposit must be in a block after and before them. */
  readonly validAfter: number
  readonly validBefore: number
  /** 32 bytes that tell authorisations of the same vault apart; each is used once. */
  readonly salt: Hex
}

/**
 * The depositor's word that an allowance may go into one vault, once. With an EIP-2612 permit it lets a relay
 * deposit; the permit alone names no vault, so it moves nothing. Also how a contract wallet deposits by signature.
 */
export interface DepositOrder {
  readonly vault: VaultTerms
  /** Whose tokens; signs, or its contract wallet accepts the signature (ERC-1271). */
  readonly from: Hex
  readonly amount: bigint
  /** Seconds; the deposit must be in a block before it. The permit's deadline too. */
  readonly validBefore: number
  /** 32 bytes that tell orders of the same vault apart. */
  readonly salt: Hex
}

/** The owner's word that lets a relay reserve; totals are absolute, so it may be repeated. */
export interface ReserveOrder {
  readonly vault: Hex
  readonly reserves: readonly Reserve[]
  /** Seconds; the reservation must be in a block before it. */
  readonly validBefore: number
}

export interface Reserve {
  readonly payee: Hex
  /** Lane number, 0 … 2^53−1; a closed one is never used again. */
  readonly number: number
  /** Absolute total, below 2^104: what is already reserved stays, a lower or equal total changes nothing. */
  readonly total: bigint
}
