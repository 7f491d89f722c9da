import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Hash, Hex32 } from '../../schemas/documents.gen.ts'
import { foldedItems, foldedText, foldRef, NO_REF } from './fold.ts'

const hex = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('hex'))
const amount = fc.bigInt({ min: 0n, max: 2n ** 128n - 1n })

describe('the chain of refs', () => {
  it('is SHA-256 of previous ref, delivery hash and the amount in 16 bytes', () => {
    fc.assert(fc.property(hex, hex, amount, (previous, delivery, paid) => {
      const bytes = Buffer.from(previous + delivery + paid.toString(16).padStart(32, '0'), 'hex')
      expect(foldRef(`0x${previous}`, `sha256-${delivery}`, `${paid}`)).toBe(`0x${createHash('sha256').update(bytes).digest('hex')}`)
    }))
  })
  it('never comes to the same ref by another way', () => {
    const step = fc.record({ delivery: hex.map((one): Hash => `sha256-${one}`), amount: amount.map(String) })
    const end = (steps: { delivery: Hash; amount: string }[]): Hex32 => steps.reduce((ref, one) => foldRef(ref, one.delivery, one.amount), NO_REF)
    fc.assert(fc.property(fc.array(step, { maxLength: 4 }), fc.array(step, { maxLength: 4 }), (one, other) => {
      expect(end(one) === end(other)).toBe(JSON.stringify(one) === JSON.stringify(other))
    }))
  })

  it('says what it folds in one text, and reads that back, and the list that earlier versions kept', () => {
    fc.assert(fc.property(fc.array(fc.record({ delivery: hex.map((one): Hash => `sha256-${one}`), amount: amount.map(String) }), { maxLength: 64 }), (items) => {
      expect(foldedItems(foldedText(items))).toEqual(items)
      expect(foldedItems(items)).toEqual(items)
    }))
  })
})
