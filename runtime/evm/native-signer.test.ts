/** The native signer passes the conformance suite and equals viem byte for byte. */
import { createHash } from 'node:crypto'
import { getAddress, hashMessage, toHex as viemHex } from 'viem'
import { privateKeyToAccount, sign as viemSign } from 'viem/accounts'
import { describe, expect, it } from 'vitest'
import { signerContract } from '../ports/signer.contract.ts'
import { fromHex } from './hex.ts'
import { checksumAddress, generateWalletKey, nativeSigner, recoverAddress } from './native-signer.ts'

const keyOf = (seed: string): Uint8Array => createHash('sha256').update(seed).digest()

signerContract('native', { make: (seed) => nativeSigner(keyOf(seed)), recover: recoverAddress })

describe('native signer', () => {
  it('has the addresses and signatures of viem', async () => {
    for (let i = 0; i < 20; i += 1) {
      const key = keyOf(`key ${i}`)
      const digest = hashMessage(`message ${i}`)
      const signer = nativeSigner(key)
      expect(signer.address).toBe(privateKeyToAccount(viemHex(key)).address)
      expect(signer.sign(fromHex(digest))).toBe(await viemSign({ hash: digest, privateKey: viemHex(key), to: 'hex' }))
    }
  })

  it('checksums addresses as EIP-55 says', () => {
    for (const address of ['0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed', '0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359'] as const) {
      expect(checksumAddress(address.toLowerCase())).toBe(address)
      expect(getAddress(address)).toBe(address)
    }
    expect(() => checksumAddress('0x12')).toThrowError(expect.objectContaining({ code: 'input.invalid' }))
  })

  it('keeps its own copy of the key', () => {
    const key = keyOf('mine')
    const signer = nativeSigner(key)
    const before = signer.sign(new Uint8Array(32).fill(1))
    key.fill(9)
    expect(signer.sign(new Uint8Array(32).fill(1))).toBe(before)
  })

  it('refuses what is no key', () => {
    for (const key of [new Uint8Array(32), new Uint8Array(31).fill(1), new Uint8Array(32).fill(255)]) {
      expect(() => nativeSigner(key)).toThrowError(expect.objectContaining({ code: 'input.invalid' }))
    }
  })

  it('draws keys from the random source until one is valid', () => {
    const draws = [new Uint8Array(32), new Uint8Array(32).fill(255), keyOf('good')]
    expect(generateWalletKey({ bytes: () => draws.shift() ?? new Uint8Array(32), fraction: () => 0 })).toEqual(keyOf('good'))
    expect(() => generateWalletKey({ bytes: () => new Uint8Array(32), fraction: () => 0 })).toThrow()
  })
})
