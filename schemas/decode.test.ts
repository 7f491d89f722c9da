/** Bytes from outside: size, encoding, syntax, depth and keys are judged before anything else (I8). */
import { describe, expect, it } from 'vitest'
import { decodeJson } from './decode.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

describe('decodeJson', () => {
  it('gives the value', () => {
    expect(decodeJson(bytes('{"a":[1,"é",null]}'))).toEqual({ a: [1, 'é', null] })
  })

  it.each<[string, Uint8Array, string]>([
    ['nothing', bytes(''), 'input.unparsable'],
    ['no JSON', bytes('{a:1}'), 'input.unparsable'],
    ['two values', bytes('1 2'), 'input.unparsable'],
    ['no UTF-8', Uint8Array.of(34, 0xff, 34), 'input.unparsable'],
    ['a cut-off character', Uint8Array.of(34, 0xc3), 'input.unparsable'],
    ['over 1 MiB', bytes(`"${'x'.repeat(1_048_576)}"`), 'input.too-large'],
    ['65 levels', bytes(`${'['.repeat(66)}${']'.repeat(66)}`), 'input.too-deep'],
    ['a million levels', bytes('['.repeat(500_000) + ']'.repeat(500_000)), 'input.too-deep'],
    ['a key __proto__', bytes('{"a":{"__proto__":{"admin":true}}}'), 'input.invalid'],
    ['an escaped key __proto__', bytes('{"\\u005f_proto__":1}'), 'input.invalid'],
  ])('refuses %s', (_name, data, code) => {
    expect(() => decodeJson(data)).toThrow(expect.objectContaining({ code }))
  })

  it('takes other limits', () => {
    expect(() => decodeJson(bytes('[[1]]'), { depthMax: 0 })).toThrow(expect.objectContaining({ code: 'input.too-deep' }))
    expect(() => decodeJson(bytes('12345'), { bytesMax: 4 })).toThrow(expect.objectContaining({ code: 'input.too-large' }))
  })
})
