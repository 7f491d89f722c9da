/**
 * Outputs that only their key opens, and the voucher that pays for the key (payments.md). The delivery
 * names the hashes of plaintext, ciphertext and key, signed before anybody has paid; the key is the
 * preimage of the payer's lock. So nobody gets the key without a payment that counts, nor the payment
 * without the key; and a wrong content is proven by the delivery, the ciphertext and the key alone.
 * Used by both sides.
 */
import { createCipheriv, createDecipheriv, createHash } from 'node:crypto'
import { hashOf } from '../../schemas/canonical.ts'
import type { Delivery, Hash, Hex32, LockedVoucher, Parcel, Sealed } from '../../schemas/documents.gen.ts'
import { AigenError, asError } from '../../schemas/error.ts'
import { fromHex, toHex } from '../evm/hex.ts'
import type { LaneState, Rail } from '../ports/rail.ts'
import type { WalletSigner } from '../ports/signer.ts'
import type { LockedStake } from './stake.ts'
import { toRail, verifyVoucher, type VoucherFacts } from './voucher.ts'

/** How long a payer locks its money, in ms, and how much of it a provider must have left to claim. */
export const LOCK_MS = 900_000
const CLAIM_MS_MIN = 600_000
/**
 * Through a hub: how long a payer locks its money, in ms, and how much earlier the hub's own lock to the
 * provider expires. When the key shows at the last moment, the hub has the difference to claim with it.
 */
export const HUB_LOCK_MS = 1_500_000
export const HUB_MARGIN_MS = 600_000
const TAG_BYTES = 16
/** A key seals one output and nothing else. */
const NONCE = Buffer.alloc(12)

/** What is sealed. */
export interface Content {
  readonly output: unknown
  readonly parcels: readonly Parcel[]
}

const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest()
const cipherHash = (sealed: string): Hash => `sha256-${sha256(Buffer.from(sealed, 'base64')).toString('hex')}`

/** The hash by which a lock names its key. */
export function lockHashOf(key: Hex32): Hex32 {
  return toHex(sha256(fromHex(key, 32)))
}

/** The content under the key, as base64; the same for the same. */
export function seal(content: Content, key: Hex32): string {
  const cipher = createCipheriv('aes-256-gcm', fromHex(key, 32), NONCE)
  const body = Buffer.concat([cipher.update(JSON.stringify(content), 'utf8'), cipher.final()])
  return Buffer.concat([body, cipher.getAuthTag()]).toString('base64')
}

/** What a delivery says of the sealed content. */
export function sealedBy(content: Content, key: Hex32): Sealed {
  return { lockHash: lockHashOf(key), cipherHash: cipherHash(seal(content, key)) }
}

/** Content that is not encrypted, as base64, handed over where a sealed one would be. */
export function openly(content: Content): string {
  return Buffer.from(JSON.stringify(content), 'utf8').toString('base64')
}

/** What a delivery says of an open content that is paid for the key of another's output. */
export function lockedBy(content: Content, lockHash: Hex32): Sealed {
  return { lockHash, cipherHash: cipherHash(openly(content)), open: true }
}

/** Checks that the ciphertext is the one that was signed for. Error `step.output`. */
export function verifySealed({ body }: Delivery, sealed: string): void {
  if (!body.sealed) throw new AigenError('step.output', 'the delivery says nothing of a sealed output')
  if (cipherHash(sealed) !== body.sealed.cipherHash) throw new AigenError('step.output', 'the ciphertext is not the one delivered')
}

/** Whether delivery, ciphertext and key prove that the provider signed for another content. Error `input.invalid`: they prove nothing, or that it did not. */
export function proveWrongContent(delivery: Delivery, sealed: string, key: Hex32): void {
  if (!delivery.body.sealed || cipherHash(sealed) !== delivery.body.sealed.cipherHash) throw new AigenError('input.invalid', 'the ciphertext is not the one that was signed for', { path: 'proof.sealed' })
  if (lockHashOf(key) !== delivery.body.sealed.lockHash) throw new AigenError('input.invalid', 'the key is not the one that was signed for', { path: 'proof.key' })
  try {
    unseal(delivery, sealed, key)
  } catch (thrown) {
    if (asError(thrown).code === 'step.output') return
    throw thrown
  }
  throw new AigenError('input.invalid', 'the key opens the very output that was signed for', { path: 'proof' })
}

/**
 * What the key opens. Error `step.output` where it opens nothing, or another output than the delivery
 * names: with the three of them anybody can see that the provider has cheated.
 */
export function unseal(delivery: Delivery, sealed: string, key: Hex32): Content {
  verifySealed(delivery, sealed)
  if (lockHashOf(key) !== delivery.body.sealed!.lockHash) throw new AigenError('step.output', 'the key is not the one of the delivery')
  const bytes = Buffer.from(sealed, 'base64')
  let content: Partial<Content>
  try {
    if (delivery.body.sealed!.open) content = JSON.parse(bytes.toString('utf8')) as Partial<Content>
    else {
      const decipher = createDecipheriv('aes-256-gcm', fromHex(key, 32), NONCE, { authTagLength: TAG_BYTES })
      decipher.setAuthTag(bytes.subarray(-TAG_BYTES))
      content = JSON.parse(Buffer.concat([decipher.update(bytes.subarray(0, -TAG_BYTES)), decipher.final()]).toString('utf8')) as Partial<Content>
    }
  } catch (cause) {
    throw new AigenError('step.output', 'its key does not open the output', { cause })
  }
  const output = content?.output ?? null
  if (hashOf(output) !== delivery.body.outputHash) throw new AigenError('step.output', 'what the key opens is not the output delivered')
  return { output, parcels: Array.isArray(content.parcels) ? content.parcels : [] }
}

/**
 * Checks that whoever locks for a key that its payee has to buy first leaves the time to claim with it: its own
 * lock expires `HUB_MARGIN_MS` earlier. As of `now`, on the lane as the chain has it.
 *
 * - `voucher.locked`: too little time, or so much that the lane could be closed before.
 * - `lane.closed`, `voucher.over-reserve`: the chain would not pay it.
 */
export function verifyForwarded({ cumulative, lockExpiry }: LockedVoucher, lane: LaneState | undefined, now: number): void {
  const leftMs = lockExpiry * 1_000 - now
  if (!lane || lane.closed || lane.exitAt !== 0) throw new AigenError('lane.closed', undefined, { path: 'voucher.lane' })
  if (BigInt(cumulative) > lane.reserved) throw new AigenError('voucher.over-reserve', `${lane.reserved} is reserved`, { path: 'voucher.cumulative' })
  if (leftMs < HUB_MARGIN_MS + CLAIM_MS_MIN) throw new AigenError('voucher.locked', `${leftMs} ms, at least ${HUB_MARGIN_MS + CLAIM_MS_MIN} through a hub`, { path: 'voucher.lockExpiry' })
  if (leftMs > lane.delay * 500) throw new AigenError('voucher.locked', `${leftMs} ms, at most half of the delay of ${lane.delay} s`, { path: 'voucher.lockExpiry' })
}

export function signLockedVoucher(rail: Rail, signer: WalletSigner, lane: Hex32, at: { readonly cumulative: string; readonly ref: Hex32 }, { amount, lockHash, lockExpiry }: LockedStake): LockedVoucher {
  const voucher = { kind: 'locked', lane, ...at, lockAmount: amount, lockHash, lockExpiry } as const
  return { ...voucher, signature: rail.signVoucher(toRail({ ...voucher, signature: '0x' }), signer) }
}

/**
 * Checks what a payer locks for the key of `delivery`, as of `now` (ms since the epoch).
 *
 * - `voucher.locked`: another amount or lock, or too little time to claim.
 * - `voucher.lane`, `voucher.too-low`, `voucher.ref`, `voucher.key`, `auth.forged`: as for any voucher.
 */
export function verifyLockedVoucher(rail: Rail, voucher: LockedVoucher, { body }: Delivery, due: VoucherFacts, now: number): void {
  verifyVoucher(rail, voucher, due)
  if (voucher.lockAmount !== body.amount) throw new AigenError('voucher.locked', `${voucher.lockAmount} locked, the call costs ${body.amount}`, { path: 'voucher.lockAmount' })
  if (voucher.lockHash !== body.sealed?.lockHash) throw new AigenError('voucher.locked', 'another lock', { path: 'voucher.lockHash' })
  if (voucher.lockExpiry * 1_000 - now < CLAIM_MS_MIN) throw new AigenError('voucher.locked', `${voucher.lockExpiry * 1_000 - now} ms to claim, at least ${CLAIM_MS_MIN}`, { path: 'voucher.lockExpiry' })
}
