/**
 * What every wallet signer must do (port `signer.ts`): run over the native signer of `runtime/evm`
 * and the seeded one of `runtime/memory`.
 */
import { describe, expect, it } from 'vitest'
import type { Hex, WalletSigner } from './signer.ts'

export interface SignerHarness {
  /** The same seed is the same key, another seed another key. */
  make(seed: string): WalletSigner
  /** Lower-case address; throws `auth.forged`. */
  recover(digest: Uint8Array, signature: Hex): Hex
}

const HALF_ORDER = 0x7fff_ffff_ffff_ffff_ffff_ffff_ffff_ffff_5d57_6e73_57a4_501d_dfe9_2f46_681b_20a0n

export function signerContract(name: string, { make, recover }: SignerHarness): void {
  describe(`wallet signer: ${name}`, () => {
    const digests = Array.from({ length: 64 }, (_, i) => Uint8Array.from({ length: 32 }, (_, j) => (i * 37 + j * 11 + 1) % 256))

    it('gives 65 bytes with a low s and v 27 or 28, which recover its address', () => {
      const signer = make('one')
      for (const digest of digests) {
        const signature = signer.sign(digest)
        expect(signature).toMatch(/^0x[0-9a-f]{128}(1b|1c)$/)
        expect(BigInt(`0x${signature.slice(66, 130)}`) <= HALF_ORDER).toBe(true)
        expect(recover(digest, signature)).toBe(signer.address.toLowerCase())
      }
    })

    it('is deterministic, and different for other keys and digests', () => {
      const [one, again, two] = [make('one'), make('one'), make('two')]
      const [first, second] = digests as [Uint8Array, Uint8Array]
      expect(one.address).toBe(again.address)
      expect(one.address).not.toBe(two.address)
      expect(one.sign(first)).toBe(again.sign(first))
      expect(new Set([one.sign(first), one.sign(second), two.sign(first)]).size).toBe(3)
    })

    it('has a checksummed address', () => {
      expect(make('one').address).toMatch(/^0x[0-9a-fA-F]{40}$/)
      expect(make('one').address).not.toBe(make('one').address.toLowerCase())
    })

    it('signs 32 bytes and nothing else', () => {
      for (const length of [0, 31, 33]) expect(() => make('one').sign(new Uint8Array(length))).toThrow()
    })

    it('refuses to recover what is malformed', () => {
      const [digest] = digests as [Uint8Array]
      const good = make('one').sign(digest)
      const bad = [good.slice(0, -2), `${good}00`, '0x', 'zz', `${good.slice(0, 130)}00`, `${good.slice(0, 130)}1d`, `0x${'00'.repeat(64)}1b`]
      for (const signature of bad) {
        expect(() => recover(digest, signature as Hex)).toThrowError(expect.objectContaining({ code: 'auth.forged' }))
      }
    })
  })
}
