/** Access keys: what a holder can do to one, and cannot. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { AccessCaveat } from '../../schemas/documents.gen.ts'
import { attenuate, CAVEATS_MAX, describeKey, issueKey, verifyKey } from './access-key.ts'
import { openSealed, publicKeyOf, sealTo } from './hpke.ts'

const root = new Uint8Array(32).fill(7)
const RUNS = process.env['AIGEN_LONG'] ? 2_000 : 100

const caveat: fc.Arbitrary<AccessCaveat> = fc.record({
  capabilities: fc.uniqueArray(fc.constantFrom('a.b@1', 'c.d@2', 'e.f@1'), { minLength: 1 }),
  calls: fc.nat(1000), amount: fc.bigInt(0n, 10n ** 12n).map(String), price: fc.bigInt(0n, 10n ** 6n).map(String), perMinute: fc.integer({ min: 1, max: 600 }), until: fc.nat(),
}, { requiredKeys: [] }).filter((one) => Object.keys(one).length > 0) as fc.Arbitrary<AccessCaveat>

describe('an access key', () => {
  it('carries its caveats, and every caveat added to it', () => {
    fc.assert(fc.property(fc.array(caveat, { maxLength: 4 }), fc.array(caveat, { maxLength: 4 }), (given, added) => {
      const key = added.reduce(attenuate, issueKey(root, 'k1', given))
      const read = verifyKey(root, key)
      expect(read.caveats).toEqual([...given, ...added])
      expect(describeKey(key)).toEqual({ id: 'k1', caveats: [...given, ...added] })
      expect(new Set(read.marks).size).toBe(read.caveats.length)
      // the parent's quotas are counted under the same marks
      expect(read.marks.slice(0, given.length)).toEqual(verifyKey(root, issueKey(root, 'k1', given)).marks)
    }), { numRuns: RUNS })
  })

  it('loses no caveat: dropped, changed, moved or grafted on another id, it does not verify', () => {
    fc.assert(fc.property(fc.array(caveat, { minLength: 1, maxLength: 4 }), caveat, fc.nat(), (caveats, other, at) => {
      const key = issueKey(root, 'k1', caveats)
      const tag = key.split('.')[1]!
      const forge = (id: string, list: readonly AccessCaveat[]): string => {
        const head = issueKey(new Uint8Array(32), id, list).split('.')[0]!
        return `${head}.${tag}`
      }
      const index = at % caveats.length
      const dropped = caveats.filter((_, place) => place !== index)
      const changed = caveats.map((one, place) => (place === index ? other : one))
      for (const bad of [forge('k1', dropped), forge('k2', caveats), forge('k1', [...caveats, other]), ...(JSON.stringify(changed) === JSON.stringify(caveats) ? [] : [forge('k1', changed)])]) {
        expect(() => verifyKey(root, bad)).toThrow(expect.objectContaining({ code: 'auth.forged' }))
      }
      expect(() => verifyKey(new Uint8Array(32).fill(8), key)).toThrow(expect.objectContaining({ code: 'auth.forged' }))
    }), { numRuns: RUNS })
  })

  it('is nothing else: rubbish is refused, and so is a chain that is too long', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.base64String().map((text) => `aigen_ak_${text}.${text}`)), (text) => {
      expect(() => verifyKey(root, text)).toThrow(expect.objectContaining({ code: expect.stringMatching(/^(input\.unparsable|auth\.forged)$/) }))
    }), { numRuns: RUNS })
    const full = Array.from({ length: CAVEATS_MAX }, () => ({ calls: 1 }))
    expect(() => attenuate(issueKey(root, 'k1', full), { calls: 1 })).toThrow(expect.objectContaining({ code: 'input.invalid' }))
    expect(() => attenuate(issueKey(root, 'k1', []), {} as AccessCaveat)).toThrow(expect.objectContaining({ code: 'input.invalid' }))
    expect(() => attenuate(issueKey(root, 'k1', []), { colour: 'red' } as never)).toThrow(expect.objectContaining({ code: 'input.invalid' }))
  })
})

describe('a sealed key', () => {
  const mine = new Uint8Array(32).fill(3)
  const info = Buffer.from('test')

  it('opens for its holder alone, unchanged and in its own place', async () => {
    const sealed = await sealTo(publicKeyOf(mine), info, Buffer.from('a'), Buffer.from('secret'))
    expect(Buffer.from(await openSealed(mine, info, Buffer.from('a'), sealed)).toString()).toBe('secret')
    const spoiled = { ...sealed, ciphertext: sealed.ciphertext.map((byte, at) => (at === 2 ? byte ^ 1 : byte)) }
    // One after the other: a refusal that nobody waits for yet would count as unhandled.
    for (const open of [
      () => openSealed(new Uint8Array(32).fill(4), info, Buffer.from('a'), sealed), () => openSealed(mine, Buffer.from('else'), Buffer.from('a'), sealed),
      () => openSealed(mine, info, Buffer.from('b'), sealed), () => openSealed(mine, info, Buffer.from('a'), spoiled),
    ]) await expect(open()).rejects.toMatchObject({ code: 'auth.forged' })
  })

  it('is not sealed to what is no key', async () => {
    await expect(sealTo(new Uint8Array(31), info, info, info)).rejects.toMatchObject({ code: 'input.invalid' })
    await expect(sealTo(new Uint8Array(32), info, info, info)).rejects.toMatchObject({ code: 'input.invalid' })
  })
})
