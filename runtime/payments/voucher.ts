/**
 * Vouchers as documents, between the wire's decimal strings and the rail's bigints, and the checks a
 * payee makes before it takes one (payments.md). Used by purse, till and receipt.
 */
import type { Address, Hex32, PlainVoucher, Voucher } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import type { Rail, Voucher as RailVoucher } from '../ports/rail.ts'
import type { WalletSigner } from '../ports/signer.ts'

/** The voucher as the rail hashes it. */
export function toRail(voucher: Voucher): RailVoucher {
  switch (voucher.kind) {
    case 'plain':
      return { kind: 'plain', lane: voucher.lane, cumulative: BigInt(voucher.cumulative), ref: voucher.ref }
    case 'locked': {
      const { lane, lockHash, lockExpiry, ref } = voucher
      return { kind: 'locked', lane, cumulative: BigInt(voucher.cumulative), lockAmount: BigInt(voucher.lockAmount), lockHash, lockExpiry, ref }
    }
    case 'escrow': {
      const { lane, arbiter, challengeEnd, expiry, ref } = voucher
      return { kind: 'escrow', lane, cumulative: BigInt(voucher.cumulative), amount: BigInt(voucher.amount), arbiter, challengeEnd, expiry, ref }
    }
  }
}

export function signPlainVoucher(rail: Rail, signer: WalletSigner, lane: Hex32, cumulative: string, ref: Hex32): PlainVoucher {
  const voucher = { kind: 'plain', lane, cumulative: BigInt(cumulative), ref } as const
  return { kind: 'plain', lane, cumulative, ref, signature: rail.signVoucher(voucher, signer) }
}

/** What the payee holds the voucher against. */
export interface VoucherFacts {
  readonly lane: Hex32
  readonly voucherKey: Address
  readonly cumulative: string
  readonly ref: Hex32
}

/**
 * Checks a voucher against what is due.
 * Errors: `voucher.lane`, `voucher.too-low`, `voucher.ref`, `voucher.key`, `auth.forged`.
 */
export function verifyVoucher(rail: Rail, voucher: Voucher, due: VoucherFacts): void {
  if (voucher.lane !== due.lane) throw new AigenError('voucher.lane', `for ${voucher.lane}, expected ${due.lane}`, { path: 'voucher.lane' })
  if (BigInt(voucher.cumulative) < BigInt(due.cumulative)) {
    throw new AigenError('voucher.too-low', `cumulative ${voucher.cumulative}, due ${due.cumulative}`, { path: 'voucher.cumulative' })
  }
  if (voucher.ref !== due.ref || voucher.cumulative !== due.cumulative) throw new AigenError('voucher.ref', undefined, { path: 'voucher.ref' })
  const key = rail.recover(toRail(voucher), voucher.signature)
  if (key !== due.voucherKey) throw new AigenError('voucher.key', `signed by ${key}`, { path: 'voucher.signature' })
}
