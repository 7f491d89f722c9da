import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decode, encode } from './codec.ts'

const read = (value: unknown): unknown => decode(encode(value))

test('a value is read back as it was written, in the order of its keys', () => {
  fc.assert(fc.property(fc.jsonValue({ maxDepth: 4 }).map((value) => JSON.parse(JSON.stringify(value)) as unknown), (value) => {
    expect(read(value)).toEqual(value)
    expect(JSON.stringify(read(value))).toBe(JSON.stringify(value))
  }))
})

test.each([
  '{"__proto__": {"polluted": 1}}',
  '{"a": [{"b": 2, "__proto__": null, "__proto_": 3}], "c": "__proto__"}',
])('a key named __proto__ stays data: %s', (text) => {
  const value = read(JSON.parse(text))
  expect(JSON.stringify(value)).toBe(JSON.stringify(JSON.parse(text)))
  expect((value as { polluted?: unknown }).polluted).toBeUndefined()
})

test('bytes beside such a key stay bytes', () => {
  const value = read({ hash: new Uint8Array([1, 2, 3]), event: JSON.parse('{"__proto__": 1}') }) as { hash: Uint8Array }
  expect([...value.hash]).toEqual([1, 2, 3])
})
