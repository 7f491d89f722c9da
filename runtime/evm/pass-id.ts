/**
 * The id of a class of passes, computed without a chain: the same in the EVM rail and in memory (D10).
 */
import type { Hex } from '../ports/signer.ts'
import { putHex, putUint, toHex } from './hex.ts'
import { keccak } from './keccak.ts'

/** keccak256(abi.encode(provider, number)), as `IPass.idOf`. */
export function passId(provider: Hex, number: number): Hex {
  const words = Buffer.alloc(64)
  putHex(words, 12, provider, 20)
  putUint(words, 32, number, 64)
  return toHex(keccak(words))
}
