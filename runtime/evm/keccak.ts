/**
 * Keccak-256 in WebAssembly: several times as fast as in JavaScript, and it is the greater part of a
 * voucher's digest (DESIGN, Cost of one step). Compiled while the process starts; what is hashed
 * before that, or where there is no WebAssembly, is hashed in JavaScript. The test holds both equal to
 * viem's. Used by everything in `runtime/evm` that hashes per step.
 */
import { createKeccak, type IHasher } from 'hash-wasm'
import { keccak_256 } from '@noble/hashes/sha3.js'

let compiled: IHasher | undefined

/** Over once the fast one is there, or will not be. */
export const keccakReady: Promise<void> = createKeccak(256).then((hasher) => { compiled = hasher }, () => undefined)

/**
 * The 32-byte Keccak-256 hash of `data` (Ethereum's, with the original padding, not SHA-3's).
 *
 * @example toHex(keccak(new Uint8Array())) // '0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470'
 */
export function keccak(data: Uint8Array): Uint8Array {
  return compiled ? compiled.init().update(data).digest('binary') : keccak_256(data)
}
