/**
 * Hex text and fixed-width words of the EVM, without viem's per-call cost. Used by everything in
 * `runtime/evm`. Anything that is not what it should be is `input.invalid`.
 */
import { AigenError } from '../../schemas/error.ts'
import type { Hex } from '../ports/signer.ts'

const HEX = /^0x(?:[0-9a-fA-F]{2})*$/

/** The bytes of `0x…` text; `length` refuses any other number of bytes. */
export function fromHex(text: string, length?: number): Uint8Array {
  if (typeof text !== 'string' || !HEX.test(text) || (length !== undefined && text.length !== 2 + 2 * length)) {
    throw new AigenError('input.invalid', length === undefined ? 'Hex text is needed.' : `${length} bytes of hex are needed.`)
  }
  return Buffer.from(text.slice(2), 'hex')
}

/** Lower-case `0x…` text of `bytes`. */
export function toHex(bytes: Uint8Array): Hex {
  return `0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')}`
}

/** Writes `0x…` text of `length` bytes at `at`. */
export function putHex(into: Buffer, at: number, text: Hex, length: number): void {
  if (!HEX.test(text) || text.length !== 2 + 2 * length) throw new AigenError('input.invalid', `${length} bytes of hex are needed.`)
  into.write(text.slice(2), at, length, 'hex')
}

/** Writes an unsigned integer of at most `bits` bits as a 32-byte word at `at`. */
export function putUint(into: Buffer, at: number, value: bigint | number, bits: number): void {
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value) || value < 0 || (bits < 53 && value >= 2 ** bits)) throw tooWide(value, bits)
    into.fill(0, at, at + 24)
    into.writeUInt32BE(Math.floor(value / 0x1_0000_0000), at + 24)
    into.writeUInt32BE(value >>> 0, at + 28)
    return
  }
  if (value < 0n || value >> BigInt(bits) !== 0n) throw tooWide(value, bits)
  into.fill(0, at, at + 16)
  into.writeBigUInt64BE(value >> 64n, at + 16)
  into.writeBigUInt64BE(value & 0xffff_ffff_ffff_ffffn, at + 24)
}

function tooWide(value: bigint | number, bits: number): AigenError {
  return new AigenError('input.invalid', `${value} is not an unsigned integer of ${bits} bits.`)
}
