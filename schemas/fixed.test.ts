import { describe, expect, it } from 'vitest'
import { hashOf } from './canonical.ts'
import { compileSchema } from './compile-schema.ts'
import { compileFixed, hashOfFixed } from './fixed.ts'

describe('objects that never change', () => {
  it('have the hash and the validator of their content', () => {
    const schema = { type: 'object', required: ['text'], properties: { text: { type: 'string' } } }
    expect(hashOfFixed(schema)).toBe(hashOf(schema))
    expect(hashOfFixed(schema)).toBe(hashOf(schema))
    expect(compileFixed(schema).hash).toBe(compileSchema(schema).hash)
    expect(compileFixed(schema)).toBe(compileFixed(schema))
    expect(compileFixed(schema).accepts({ text: 7 })).toBe(false)
    expect(hashOfFixed({ ...schema, title: 'other' })).not.toBe(hashOf(schema))
  })

  it('are refused as often as they are asked for when they may not be used', () => {
    const schema = { type: 'object', $ref: 'https://example.org/other.json' }
    expect(() => compileFixed(schema)).toThrow()
    expect(() => compileFixed(schema)).toThrow()
  })
})
