/** Keccak-256 equals viem's for every length around its block size, and for random bytes: compiled, and where it cannot be. */
import fc from 'fast-check'
import { keccak256 } from 'viem'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { toHex } from './hex.ts'
import { keccak, keccakReady } from './keccak.ts'

const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 31 + length) % 256)

describe('keccak', () => {
  afterEach(() => vi.doUnmock('hash-wasm'))

  it.each(['compiled', 'where nothing compiles'])('equals viem for every length up to four blocks, %s', async (how) => {
    vi.resetModules()
    if (how !== 'compiled') vi.doMock('hash-wasm', () => ({ createKeccak: () => Promise.reject(new Error('no WebAssembly')) }))
    const fresh = await import('./keccak.ts')
    await fresh.keccakReady
    for (let length = 0; length <= 4 * 136 + 1; length += 1) expect(toHex(fresh.keccak(bytes(length)))).toBe(keccak256(bytes(length)))
  })

  it('equals viem for any bytes, and keeps what it gave', async () => {
    await keccakReady
    fc.assert(fc.property(fc.uint8Array({ maxLength: 1_000 }), fc.uint8Array({ maxLength: 1_000 }), (data, next) => {
      const hash = keccak(data)
      keccak(next)
      expect(toHex(hash)).toBe(keccak256(data))
      expect(toHex(keccak(Buffer.concat([Buffer.alloc(3), data]).subarray(3)))).toBe(keccak256(data))
    }))
  })

  it('knows the hash of nothing', () => {
    expect(toHex(keccak(new Uint8Array()))).toBe('0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470')
  })
})
