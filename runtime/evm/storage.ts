/**
 * Where the Vault contract and the token keep what a light node reads: slots as solc lays them out
 * (`forge inspect … storageLayout`), and what the words mean. The integration test of the light rail
 * holds this to the contract's own answers. Used by `runtime/light` and `runtime/memory`.
 */
import type { LaneState, VaultState } from '../ports/rail.ts'
import type { Hex } from '../ports/signer.ts'
import { fromHex, toHex } from './hex.ts'
import { keccak } from './keccak.ts'

const VAULTS = 2
const LANES = 3
const CREDITS = 4
const RULINGS = 5

/** Slots of the token's mappings; these differ from token to token. */
export interface TokenLayout {
  readonly balances: number
  /** EIP-3009: account → nonce → used. */
  readonly authorisations: number
  /** EIP-2612: account → next nonce of a permit. */
  readonly nonces: number
}

/** The devnet's dollar (OpenZeppelin's ERC-20 with Permit and ERC-3009). */
export const TEST_DOLLAR_LAYOUT: TokenLayout = { balances: 0, authorisations: 8, nonces: 7 }

const word = (value: Hex | number | bigint): Uint8Array =>
  fromHex(`0x${(typeof value === 'string' ? value.slice(2) : value.toString(16)).padStart(64, '0')}`, 32)

/** Slot of a mapping's entry. */
const entry = (key: Hex, slot: Uint8Array): Uint8Array => keccak(Buffer.concat([word(key), slot]))
const rows = (first: Uint8Array, count: number): Hex[] => Array.from({ length: count }, (_, i) => toHex(word(BigInt(toHex(first)) + BigInt(i))))

export const laneSlots = (lane: Hex): Hex[] => rows(entry(lane, word(LANES)), 3)
export const vaultSlots = (vault: Hex): Hex[] => rows(entry(vault, word(VAULTS)), 4)
export const creditSlot = (token: Hex, account: Hex): Hex => toHex(entry(account, entry(token, word(CREDITS))))
export const rulingSlot = (voucher: Hex): Hex => toHex(entry(voucher, word(RULINGS)))
export const balanceSlot = (layout: TokenLayout, account: Hex): Hex => toHex(entry(account, word(layout.balances)))
export const nonceSlot = (layout: TokenLayout, account: Hex): Hex => toHex(entry(account, word(layout.nonces)))
export const authorisationSlot = (layout: TokenLayout, account: Hex, nonce: Hex): Hex => toHex(entry(nonce, entry(account, word(layout.authorisations))))

const part = (value: bigint, at: number, bytes: number): bigint => (value >> BigInt(8 * at)) & ((1n << BigInt(8 * bytes)) - 1n)
const hex = (value: bigint, bytes: number): Hex => `0x${value.toString(16).padStart(2 * bytes, '0')}`

export type VaultWords = Omit<VaultState, 'id'> & { readonly token: Hex }

/** The vault in its four words; undefined where none was opened. */
export function vaultOf([first, second, third, fourth]: readonly bigint[]): VaultWords | undefined {
  const owner = part(first!, 0, 20)
  if (owner === 0n) return undefined
  return {
    owner: hex(owner, 20), delay: Number(part(first!, 20, 6)), voucherKey: hex(part(second!, 0, 20), 20),
    number: Number(part(second!, 20, 8)), token: hex(part(third!, 0, 20), 20), free: part(fourth!, 0, 16),
  }
}

export type LaneWords = Pick<LaneState, 'vault' | 'payee' | 'number' | 'exitAt' | 'closed' | 'reserved' | 'claimed'>

/** The lane in its three words; undefined where nothing was ever reserved. */
export function laneOf([first, second, third]: readonly bigint[]): LaneWords | undefined {
  if (first === 0n) return undefined
  return {
    vault: hex(first!, 32), payee: hex(part(second!, 0, 20), 20), number: Number(part(second!, 20, 8)),
    reserved: part(third!, 0, 13), claimed: part(third!, 13, 13), exitAt: Number(part(third!, 26, 5)), closed: part(third!, 31, 1) !== 0n,
  }
}

/** The words of a vault, as the contract stores them. */
export function vaultWords({ owner, delay, voucherKey, number, free }: Omit<VaultState, 'id'>, token: Hex): bigint[] {
  return [BigInt(owner) | BigInt(delay) << 160n, BigInt(voucherKey) | BigInt(number) << 160n, BigInt(token), free]
}

/** The words of a lane, as the contract stores them. */
export function laneWords({ vault, payee, number, exitAt, closed, reserved, claimed }: LaneWords): bigint[] {
  return [BigInt(vault), BigInt(payee) | BigInt(number) << 160n, reserved | claimed << 104n | BigInt(exitAt) << 208n | BigInt(closed ? 1 : 0) << 248n]
}
