/**
 * The ids of plans and subscriptions, computed without a chain: the same in the EVM rail and in memory
 * (D10), so that a buyer knows the id of what it buys before it has bought it.
 */
import type { Hex } from '../ports/signer.ts'
import { putHex, putUint, toHex } from './hex.ts'
import { keccak } from './keccak.ts'
import { passId } from './pass-id.ts'

/** keccak256(abi.encode(provider, number)), as `ISubscription.planIdOf`. */
export const planId = passId

/** keccak256(abi.encode(plan, holder, number)), as `ISubscription.tokenIdOf`. */
export function subscriptionId(plan: Hex, holder: Hex, number: number): Hex {
  const words = Buffer.alloc(96)
  putHex(words, 0, plan, 32)
  putHex(words, 44, holder, 20)
  putUint(words, 64, number, 64)
  return toHex(keccak(words))
}
