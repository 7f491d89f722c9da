import { describe, expect, it } from 'vitest'
import { seededRandom } from '../memory/random.ts'
import { isNodeKey, nodeSigner, verifyNode } from './ed25519.ts'
import { codeOf } from './two-nodes.fixture.ts'
import { ephemeral } from './x25519.ts'

const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'))

describe('ed25519', () => {
  it('gives the values of RFC 8032, section 7.1, test 2', () => {
    const signer = nodeSigner(hex('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb'))
    expect(Buffer.from(signer.publicKey).toString('hex')).toBe('3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c')
    const signature = signer.sign(hex('72'))
    expect(Buffer.from(signature).toString('hex')).toBe(
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
    )
    expect(verifyNode(signer.publicKey, hex('72'), signature)).toBe(true)
    expect(verifyNode(signer.publicKey, hex('73'), signature)).toBe(false)
  })

  it('refuses what is malformed without throwing', () => {
    const signer = nodeSigner(seededRandom(1).bytes(32))
    const signature = signer.sign(hex('72'))
    expect(verifyNode(signer.publicKey, hex('72'), signature.subarray(1))).toBe(false)
    expect(verifyNode(signer.publicKey.subarray(1), hex('72'), signature)).toBe(false)
    // the same signature with s + L: malleable, not canonical
    const order = 2n ** 252n + 27742317777372353535851937790883648493n
    const s = BigInt(`0x${Buffer.from(signature.subarray(32)).reverse().toString('hex')}`) + order
    const malleable = Uint8Array.from(signature)
    malleable.set(Buffer.from(s.toString(16).padStart(64, '0'), 'hex').reverse(), 32)
    expect(verifyNode(signer.publicKey, hex('72'), malleable)).toBe(false)
  })

  it('refuses keys of small order, which sign everything', () => {
    const identity = hex(`01${'00'.repeat(31)}`)
    // R = identity, s = 0 satisfies the equation for every message under that key
    const universal = hex(`01${'00'.repeat(63)}`)
    expect(isNodeKey(identity)).toBe(false)
    expect(verifyNode(identity, hex('72'), universal)).toBe(false)
    expect(isNodeKey(hex(`${'ec'}${'ff'.repeat(30)}ff`))).toBe(false)
    expect(isNodeKey(nodeSigner(seededRandom(1).bytes(32)).publicKey)).toBe(true)
  })
})

describe('x25519', () => {
  it('agrees, and refuses points of small order', () => {
    const [one, two] = [ephemeral(seededRandom(1)), ephemeral(seededRandom(2))]
    expect(one.agree(two.publicKey)).toEqual(two.agree(one.publicKey))
    expect(codeOf(() => one.agree(new Uint8Array(32)))).toBe('auth.forged')
    expect(codeOf(() => one.agree(hex(`01${'00'.repeat(31)}`)))).toBe('auth.forged')
    expect(codeOf(() => one.agree(new Uint8Array(31)))).toBe('auth.forged')
  })
})
