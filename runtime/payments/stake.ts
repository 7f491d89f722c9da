/**
 * What a payer signs for before the work: the escrow voucher of an escrowed call, or the plain voucher
 * of a prepaid one. Both fold the agreement, since no delivery is there yet. Pure; used by the purse
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

export type Stake = (EscrowStake & { readonly kind?: undefined }) | PrepaidStake

/** Where a lane stands, or what a voucher on it says. */
export interface Standing {
  readonly cumulative: string
  readonly ref: Hex32
}

/** Cumulative and ref of the voucher that stakes `stake` on a lane which stands at `cumulative` and `ref`. */
export function staked({ cumulative, ref }: Standing, { agreement, amount }: Pick<Stake, 'agreement' | 'amount'>): Standing {
  return { cumulative: (BigInt(cumulative) + BigInt(amount)).toString(), ref: foldRef(ref, agreement, amount) }
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
