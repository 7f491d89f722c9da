/**
 * What a claim is entitled to, in the Vault contract's order of checks: `_settle` and `_total` of
 * Vault.sol in TypeScript. Pure. Used by `vault-contract.ts`.
 */
import { createHash } from 'node:crypto'
import { fromHex, toHex } from '../evm/hex.ts'
import type { Claim, LaneState, Rail, Refusal } from '../ports/rail.ts'
import type { Hex } from '../ports/signer.ts'

export interface ClaimFacts {
  readonly signing: Pick<Rail, 'voucherDigest' | 'recover'>
  readonly rulings: ReadonlyMap<Hex, bigint>
  /** Second of the block. */
  readonly now: number
}

const ZERO_PREIMAGE: Hex = `0x${'00'.repeat(32)}`

/** The lane's total that the claim entitles to now, or why it does not. */
export function entitled({ voucher, signature, preimage }: Claim, lane: LaneState, { signing, rulings, now }: ClaimFacts): bigint | Refusal {
  if (lane.closed) return 'closed'
  let total = voucher.cumulative
  if (voucher.kind === 'locked') {
    if (voucher.lockAmount > voucher.cumulative) return 'malformed'
    if (now >= voucher.lockExpiry) return 'expired'
    const lock = createHash('sha256').update(fromHex(preimage ?? ZERO_PREIMAGE, 32)).digest()
    if (toHex(lock) !== voucher.lockHash.toLowerCase()) return 'preimage'
  } else if (voucher.kind === 'escrow') {
    if (voucher.amount > voucher.cumulative) return 'malformed'
    if (now >= voucher.expiry) return 'expired'
    const ruled = rulings.get(toHex(signing.voucherDigest(voucher)))
    if (ruled === undefined && now < voucher.challengeEnd) return 'too-early'
    if (ruled !== undefined) total = voucher.cumulative - voucher.amount + ruled
  }
  if (total <= lane.claimed) return 'nothing-new'
  if (total > lane.reserved) return 'over-reserve'
  return signed(() => signing.recover(voucher, signature), lane.voucherKey) ? total : 'signature'
}

/** Whether `recover` finds that account; a signature that recovers nothing is nobody's. */
export function signed(recover: () => Hex, by: Hex): boolean {
  try {
    return recover() === by.toLowerCase()
  } catch {
    return false
  }
}
