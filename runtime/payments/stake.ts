/**
 * What a payer signs for before it has an output: the escrow voucher of an escrowed call, the plain
 * voucher of a prepaid one, which fold the agreement, since no delivery is there yet; the locked voucher
 * for the key of a sealed output, which folds its delivery. Pure; used by the purse
 * and its effects, and by the provider's check of a prepayment.
 */
import type { Hash, Hex32, PlainVoucher, Terms } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import type { Rail } from '../ports/rail.ts'
import type { EscrowStake } from './escrow.ts'
import { foldRef } from './fold.ts'
import { verifyVoucher, type VoucherFacts } from './voucher.ts'

/** Paid whatever comes of the call. */
export interface PrepaidStake {
  readonly kind: 'prepaid'
  readonly agreement: Hash
  /** Atomic; all that the call costs. */
  readonly amount: string
}

/** For the key of an output that is there already. */
export interface LockedStake {
  readonly kind: 'locked'
  /** Hash of the delivery, which the voucher folds. */
  readonly delivery: Hash
  readonly amount: string
  readonly lockHash: Hex32
  /** Seconds, as the chain counts. */
  readonly lockExpiry: number
}

export type Stake = (EscrowStake & { readonly kind?: undefined }) | PrepaidStake | LockedStake

/** Where a lane stands, or what a voucher on it says. */
export interface Standing {
  readonly cumulative: string
  readonly ref: Hex32
}

/** Cumulative and ref of the voucher that stakes `stake` on a lane which stands at `cumulative` and `ref`. */
export function staked({ cumulative, ref }: Standing, stake: Pick<PrepaidStake, 'agreement' | 'amount'> | Pick<LockedStake, 'delivery' | 'amount'>): Standing {
  return { cumulative: (BigInt(cumulative) + BigInt(stake.amount)).toString(), ref: foldRef(ref, 'delivery' in stake ? stake.delivery : stake.agreement, stake.amount) }
}

/**
 * Checks what a payer hands over for a prepaid call, `due` as `staked` says.
 *
 * - `voucher.prepaid`: it is missing.
 * - `voucher.lane`, `voucher.too-low`, `voucher.ref`, `voucher.key`, `auth.forged`: as for any voucher.
 */
export function verifyPrepayment(rail: Rail, voucher: PlainVoucher | undefined, terms: Pick<Terms, 'cap'>, due: VoucherFacts): PlainVoucher {
  if (!voucher) throw new AigenError('voucher.prepaid', `${terms.cap} are paid before the work`, { path: 'prepaid' })
  verifyVoucher(rail, voucher, due)
  return voucher
}
