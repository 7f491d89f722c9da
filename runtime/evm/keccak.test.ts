/** Keccak-256 equals viem's for every length around its block size, and for random bytes. */
import fc from 'fast-check'
import { keccak256 } from 'viem'
import { expect, it } from 'vitest'
import { toHex } from './hex.ts'
import { keccak } from './keccak.ts'

it('equals viem for every length up to four blocks', () => {
  for (let length = 0; length <= 4 * 136 + 1; length += 1) {
    const data = Uint8Array.from({ length }, (_, i) => (i * 31 + length) % 256)
    expect(toHex(keccak(data))).toBe(keccak256(data))
  }
})

it('equals viem for any bytes', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 1_000 }), (data) => {
    expect(toHex(keccak(data))).toBe(keccak256(data))
  }))
})

it('knows the hash of nothing', () => {
  expect(toHex(keccak(new Uint8Array()))).toBe('0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470')
})
