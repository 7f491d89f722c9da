/**
 * Turns a `RailWrite` into calldata, and calldata into signed EIP-1559 bytes. Deterministic given
 * nonce, gas and fees, so the same write signs to the same bytes. Used by `rail.ts` and `deploy.ts`.
 */
import { encodeAbiParameters, encodeFunctionData, keccak256, parseAbiParameters, parseTransaction, serializeTransaction, type Signature } from 'viem'
import { AigenError } from '../../schemas/error.ts'
import { ROWS_MAX, type Claim, type PreparedWrite, type RailTerms, type RailWrite, type Reserve } from '../ports/rail.ts'
import type { Hex, OwnerSigner, TransactionRequest } from '../ports/signer.ts'
import { testDollarAbi } from './contracts/test-dollar.gen.ts'
import { vaultAbi } from './contracts/vault.gen.ts'
import { fromHex, toHex } from './hex.ts'
import { ownerSignature } from './owner-signature.ts'
import { passCall } from './passes.ts'
import { subscriptionCall } from './subscriptions.ts'

const ZERO_HASH: Hex = `0x${'00'.repeat(32)}`
const ZERO_ADDRESS: Hex = `0x${'00'.repeat(20)}`
/** `IVault.Lock` and `IVault.Hold`. */
const LOCK = parseAbiParameters('uint128, bytes32, uint48, bytes32')
const HOLD = parseAbiParameters('uint128, address, uint48, uint48')

/** What a lane is made of, and never changes: its id is the hash of these. */
export interface LaneFacts {
  readonly vault: Hex
  readonly payee: Hex
  readonly number: bigint
}

/** The claims in their order, as batches of one vault and payee each. */
function batchesOf(claims: readonly Claim[], facts: ReadonlyMap<Hex, LaneFacts>) {
  const batches: { readonly vaultId: Hex, readonly payee: Hex, readonly rows: ReturnType<typeof claimRow>[] }[] = []
  for (const claim of claims) {
    const { lane } = claim.voucher
    // A lane that is not there goes by its id alone, and is refused under it.
    const { vault, payee, number } = facts.get(lane.toLowerCase() as Hex) ?? { vault: lane, payee: ZERO_ADDRESS, number: 0n }
    const last = batches.at(-1)
    if (last !== undefined && last.vaultId === vault && last.payee === payee) last.rows.push(claimRow(claim, number))
    else batches.push({ vaultId: vault, payee, rows: [claimRow(claim, number)] })
  }
  return batches
}

/** One row of `Vault.claim`. */
function claimRow({ voucher, signature, preimage = ZERO_HASH }: Claim, number: bigint) {
  fromHex(preimage, 32)
  const row = { kind: 0, number, cumulative: voucher.cumulative, ref: voucher.ref, signature, condition: '0x' as Hex }
  switch (voucher.kind) {
    case 'plain':
      return row
    case 'locked':
      return { ...row, kind: 1, condition: encodeAbiParameters(LOCK, [voucher.lockAmount, voucher.lockHash, voucher.lockExpiry, preimage]) }
    case 'escrow':
      return { ...row, kind: 2, condition: encodeAbiParameters(HOLD, [voucher.amount, voucher.arbiter, voucher.challengeEnd, voucher.expiry]) }
  }
}

function bounded<T>(rows: readonly T[]): readonly T[] {
  if (rows.length === 0 || rows.length > ROWS_MAX) throw new AigenError('input.invalid', `1 to ${ROWS_MAX} rows, not ${rows.length}.`)
  return rows
}

function reservations(reserves: readonly Reserve[]) {
  return bounded(reserves).map((row) => ({ payee: row.payee, number: BigInt(row.number), total: row.total }))
}

/**
 * Whom the write of `from` calls and with what; `facts` are of the lanes of a claim, those that are there.
 * `input.invalid` when it has no or too many rows.
 */
export function callOf(write: RailWrite, from: Hex, terms: RailTerms, facts: ReadonlyMap<Hex, LaneFacts> = new Map()): { readonly to: Hex, readonly data: Hex } {
  const { contract, token } = terms
  switch (write.kind) {
    case 'mint':
      return { to: token, data: encodeFunctionData({ abi: testDollarAbi, functionName: 'mint', args: [write.to, write.amount] }) }
    case 'approve':
      return { to: token, data: encodeFunctionData({ abi: testDollarAbi, functionName: 'approve', args: [contract, write.amount] }) }
    case 'open': {
      const vault = { ...write.vault, token, number: BigInt(write.vault.number) }
      return { to: contract, data: encodeFunctionData({ abi: vaultAbi, functionName: 'open', args: [vault, write.amount] }) }
    }
    case 'deposit':
      return { to: contract, data: encodeFunctionData({ abi: vaultAbi, functionName: 'deposit', args: [write.vault, write.amount] }) }
    case 'reserve': {
      return { to: contract, data: encodeFunctionData({ abi: vaultAbi, functionName: 'reserve', args: [write.vault, reservations(write.reserves)] }) }
    }
    case 'open-authorised': {
      const { vault, from, amount, validAfter, validBefore, salt } = write.authorisation
      const terms = { ...vault, token, number: BigInt(vault.number) }
      const args = [terms, from, amount, BigInt(validAfter), BigInt(validBefore), salt, write.signature] as const
      return { to: contract, data: encodeFunctionData({ abi: vaultAbi, functionName: 'openWithAuthorization', args }) }
    }
    case 'open-permitted': {
      const { vault, ...order } = write.order
      const args = [{ ...vault, token, number: BigInt(vault.number) }, order, write.signature, write.permit] as const
      return { to: contract, data: encodeFunctionData({ abi: vaultAbi, functionName: 'openWithPermit', args }) }
    }
    case 'reserve-ordered': {
      const { vault, reserves, validBefore } = write.order
      const args = [vault, reservations(reserves), validBefore, write.signature] as const
      return { to: contract, data: encodeFunctionData({ abi: vaultAbi, functionName: 'reserveBySignature', args }) }
    }
    case 'claim':
      return { to: contract, data: encodeFunctionData({ abi: vaultAbi, functionName: 'claim', args: [batchesOf(bounded(write.claims), facts)] }) }
    case 'release': {
      const { lane, finalClaimed } = write.release
      return { to: contract, data: encodeFunctionData({ abi: vaultAbi, functionName: 'release', args: [lane, finalClaimed, write.signature] }) }
    }
    case 'exit':
      return { to: contract, data: encodeFunctionData({ abi: vaultAbi, functionName: 'exit', args: [write.lane] }) }
    case 'finalize':
      return { to: contract, data: encodeFunctionData({ abi: vaultAbi, functionName: 'finalize', args: [write.lane] }) }
    case 'withdraw':
      return { to: contract, data: encodeFunctionData({ abi: vaultAbi, functionName: 'withdraw', args: [write.vault, write.amount, write.to] }) }
    case 'collect':
      return { to: contract, data: encodeFunctionData({ abi: vaultAbi, functionName: 'collect', args: [token, write.to] }) }
    case 'rule': {
      const { lane, cumulative, amount, arbiter, challengeEnd, expiry, ref } = write.voucher
      const voucher = { laneId: lane, cumulative, amount, arbiter, challengeEnd, expiry, ref }
      return { to: contract, data: encodeFunctionData({ abi: vaultAbi, functionName: 'rule', args: [voucher, write.payeeAmount, write.signature] }) }
    }
    case 'pass-class':
    case 'pass-approve':
    case 'pass-buy':
      return passCall(write, terms)
    case 'subscription-plan':
    case 'subscription-close':
    case 'subscription-approve':
    case 'subscription-buy':
    case 'subscription-renew':
    case 'subscription-cancel':
    case 'subscription-give':
      return subscriptionCall(write, from, terms)
  }
}

/** The transaction signed: its bytes and their hash, by which the chain knows it. Errors `signer.*`. */
export async function signTransaction({ kind: _kind, ...asked }: TransactionRequest, signer: OwnerSigner, signal?: AbortSignal): Promise<PreparedWrite> {
  const transaction = { ...asked, type: 'eip1559' } as const
  const signature = await ownerSignature(signer, keccak256(serializeTransaction(transaction), 'bytes'), { kind: 'transaction', ...asked }, signal)
  const bytes = serializeTransaction(transaction, signatureOf(fromHex(signature, 65)))
  return { bytes, hash: keccak256(bytes) }
}

function signatureOf(bytes: Uint8Array): Signature {
  return { r: toHex(bytes.subarray(0, 32)), s: toHex(bytes.subarray(32, 64)), yParity: (bytes[64] ?? 27) - 27 }
}

/**
 * The 65-byte signature of signed EIP-1559 bytes, as a signer gives them. `signer.wrong` for anything else;
 * whether it is of what was asked, the digest tells.
 */
export function signatureIn(raw: Hex): Hex {
  try {
    const { type, r, s, yParity } = parseTransaction(raw)
    if (type !== 'eip1559' || r === undefined || s === undefined || yParity === undefined) throw new AigenError('signer.wrong', 'It is no signed EIP-1559 transaction.')
    return `0x${r.slice(2).padStart(64, '0')}${s.slice(2).padStart(64, '0')}${yParity === 0 ? '1b' : '1c'}`
  } catch (cause) {
    throw cause instanceof AigenError ? cause : new AigenError('signer.wrong', 'It is no signed transaction.', { cause })
  }
}
