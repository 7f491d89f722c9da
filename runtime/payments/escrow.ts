/**
 * Escrow vouchers: handed over with the invoke, so that the provider is secured before it works, and
 * cut by nobody but the agreed arbiter before the challenge ends (payments.md). The ref folds the
 * agreement, since no delivery is there yet; acceptance is a plain voucher of the same cumulative
 * that folds the delivery. Worst loss: the payer's is the price of one call where the arbiter is
 * silent or lies, the provider's one call where it lies. Used by purse, provider and escrow agent.
 */
import type { EscrowTerms, EscrowVoucher, Hash, Hex32, Terms } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { toHex } from '../evm/hex.ts'
import type { Rail } from '../ports/rail.ts'
import type { WalletSigner } from '../ports/signer.ts'
import { toRail, verifyVoucher, type VoucherFacts } from './voucher.ts'

/** Clocks of both sides and of the chain may differ by this much, in seconds. */
const SKEW_S = 60
/** A provider needs this long between the end of the challenge and the expiry to claim, in ms. */
export const CLAIM_MS_MIN = 600_000
/** Longest challenge that anybody should wait for, in ms. */
const CHALLENGE_MS_MAX = 7 * 86_400_000

/** What makes an escrow voucher besides the lane's own numbers; times in seconds, as the chain counts. */
export interface EscrowStake {
  readonly agreement: Hash
  /** Atomic; all that the call costs. */
  readonly amount: string
  readonly arbiter: EscrowVoucher['arbiter']
  readonly challengeEnd: number
  readonly expiry: number
}

/** The stake of an agreement whose last delivery that counts comes at `until` (ms since the epoch). */
export function stakeOf(terms: Terms, agreement: Hash, until: number): EscrowStake {
  const { arbiter, challengeMs, expiryMs } = escrowOf(terms)
  return { agreement, amount: terms.cap, arbiter, challengeEnd: Math.ceil((until + challengeMs) / 1_000), expiry: Math.ceil((until + expiryMs) / 1_000) }
}

/** When a delivery stops to count by the voucher, in ms since the epoch: what both sides have signed, whatever their clocks say. */
export function latestDelivery(voucher: Pick<EscrowVoucher, 'challengeEnd'>, terms: Terms): number {
  return voucher.challengeEnd * 1_000 - escrowOf(terms).challengeMs
}

/** Why nobody should agree to these terms, or undefined. */
export function escrowFault({ challengeMs, expiryMs }: EscrowTerms): string | undefined {
  if (challengeMs > CHALLENGE_MS_MAX) return `a challenge of ${challengeMs} ms, at most ${CHALLENGE_MS_MAX}`
  return expiryMs - challengeMs < CLAIM_MS_MIN ? `${expiryMs - challengeMs} ms to claim, at least ${CLAIM_MS_MIN}` : undefined
}

/** The escrow clause. Error `voucher.escrow` where the terms have none. */
export function escrowOf(terms: Terms): EscrowTerms {
  if (terms.settle !== 'escrow' || !terms.escrow) throw new AigenError('voucher.escrow', 'the agreement is not settled in escrow')
  return terms.escrow
}

export function signEscrowVoucher(rail: Rail, signer: WalletSigner, lane: Hex32, at: { readonly cumulative: string; readonly ref: Hex32 }, stake: EscrowStake): EscrowVoucher {
  const { amount, arbiter, challengeEnd, expiry } = stake
  const voucher = { kind: 'escrow', lane, ...at, amount, arbiter, challengeEnd, expiry } as const
  return { ...voucher, signature: rail.signVoucher(toRail({ ...voucher, signature: '0x' }), signer) }
}

/** Digest of the voucher, by which rulings name it. */
export function escrowDigest(rail: Pick<Rail, 'voucherDigest'>, voucher: EscrowVoucher): Hex32 {
  return toHex(rail.voucherDigest(toRail(voucher)))
}

/**
 * Checks what a payer hands over before the work, as of `now` (ms since the epoch).
 *
 * - `voucher.escrow`: another kind, amount or arbiter than agreed, or times that do not fit the call.
 * - `voucher.lane`, `voucher.too-low`, `voucher.ref`, `voucher.key`, `auth.forged`: as for any voucher.
 */
export function verifyEscrowVoucher(rail: Rail, voucher: EscrowVoucher | undefined, terms: Terms, due: VoucherFacts, now: number): void {
  const { arbiter, challengeMs, expiryMs } = escrowOf(terms)
  const refuse = (why: string, field: string): never => {
    throw new AigenError('voucher.escrow', why, { path: `escrow${field}` })
  }
  if (!voucher) return refuse('the work is secured before it begins', '')
  if (voucher.arbiter !== arbiter) refuse(`the arbiter is ${voucher.arbiter}, agreed was ${arbiter}`, '.arbiter')
  verifyVoucher(rail, voucher, due)
  if (voucher.amount !== terms.cap) refuse(`${voucher.amount} in escrow, agreed were ${terms.cap}`, '.amount')
  const until = Math.ceil((now + terms.deadlineMs + terms.graceMs) / 1_000)
  const end = voucher.challengeEnd - Math.ceil(challengeMs / 1_000)
  if (Math.abs(end - until) > SKEW_S) refuse(`the challenge ends ${end - until} s beside what was agreed`, '.challengeEnd')
  if (voucher.expiry - voucher.challengeEnd < Math.floor((expiryMs - challengeMs) / 1_000)) refuse('it expires too soon after the challenge', '.expiry')
}
