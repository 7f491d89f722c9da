/** Schemas of strangers: what works, what is refused, and that neither they nor values can stall us (D6). */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compiledSchema, compileSchema, SCHEMA_SIZE_MAX } from './compile-schema.ts'

const blob = (mediaType: string) => ({ $blob: `sha256-${'0'.repeat(64)}`, size: 1, mediaType })
const reasons = (schema: unknown): string[] => {
  try {
    compileSchema(schema)
    return []
  } catch (error) {
    return (error as { issues: { path: string; message: string }[] }).issues.map(({ path, message }) => `${path}: ${message}`)
  }
}

describe('a schema that may be used', () => {
  const schema = {
    type: 'object', required: ['image', 'lang'], additionalProperties: false,
    properties: { image: { $ref: 'aigen:blob#image' }, lang: { $ref: '#/$defs/lang' }, any: { $ref: 'aigen:blob' }, 'x-y': { format: 'email' } },
    $defs: { lang: { type: 'string', pattern: '^[a-z]{2}$' } },
  }
  const compiled = compileSchema(schema)

  it.each([
    [{ image: blob('image/png'), lang: 'en' }, []],
    [{ image: blob('image/png'), lang: 'en', any: blob('audio/wav'), 'x-y': 'no address: formats are ignored' }, []],
    [{ image: blob('text/csv'), lang: 'en' }, ['image.mediaType: expected a media type of image/…, found "text/csv"']],
    [{ image: { $blob: 'x', size: 1, mediaType: 'image/png' }, lang: 'en' }, [expect.stringContaining('image.$blob: expected a SHA-256 hash')]],
    [{ image: blob('image/png'), lang: 'eng' }, ['lang: expected text that matches ^[a-z]{2}$, found "eng"']],
    [{ image: blob('image/png') }, ['lang: expected a value, found nothing']],
    [{ image: blob('image/png'), lang: 'en', lnag: 1 }, ['lnag: is not a known property']],
  ])('judges %j', (value, expected) => {
    expect(compiled.issues(value).map(({ path, message }) => `${path}: ${message}`)).toEqual(expected)
    expect(compiled.accepts(value)).toBe(expected.length === 0)
  })

  it('is compiled once, found by its hash, and does not follow later changes of the object', () => {
    const mine = structuredClone(schema)
    expect(compileSchema(mine)).toBe(compiled)
    expect(compiledSchema(compiled.hash)).toBe(compiled)
    mine.required = []
    expect(compileSchema(mine)).not.toBe(compiled)
    expect(compiled.accepts({})).toBe(false)
  })

  it('does not take inherited names for properties', () => {
    const check = compileSchema({ type: 'object', required: ['toString', 'constructor'] })
    expect(check.accepts({})).toBe(false)
    expect(check.accepts({ toString: 1, constructor: 2 })).toBe(true)
  })

  it('keeps at most 512', () => {
    for (let size = 0; size < 520; size++) compileSchema({ type: 'string', maxLength: 10_000 + size })
    expect(compiledSchema(compiled.hash)).toBeUndefined()
  })
})

describe('a schema that may not be used', () => {
  const chain = Object.fromEntries(Array.from({ length: 14 }, (_, n) => [`d${n}`, { anyOf: [{ $ref: `#/$defs/d${n + 1}` }, { $ref: `#/$defs/d${n + 1}` }] }]))
  let deep: object = { type: 'string' }
  for (let level = 0; level < 40; level++) deep = { items: deep }

  it.each<[string, unknown, string]>([
    ['a remote reference', { $ref: 'https://example.com/s.json' }, '$ref: expected #/$defs/name'],
    ['a reference to a file', { items: { $ref: 'file:///etc/passwd' } }, 'items.$ref: expected #/$defs/name'],
    ['a reference to our documents', { $ref: 'https://aigen.dev/schemas/card/v1.json' }, '$ref: expected'],
    ['an unknown kind of blob', { $ref: 'aigen:blob#exe' }, '$ref: expected'],
    ['a missing definition', { $ref: '#/$defs/lnag', $defs: { lang: {} } }, '$ref: there is no definition lnag'],
    ['an inherited definition', { $ref: '#/$defs/toString' }, '$ref: there is no definition toString'],
    ['recursion', { $ref: '#/$defs/n', $defs: { n: { properties: { next: { $ref: '#/$defs/n' } } } } }, '$defs.n.properties.next.$ref: the reference leads back'],
    ['recursion nobody uses', { $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } } }, 'leads back'],
    ['$dynamicRef', { $dynamicRef: '#x' }, '$dynamicRef: is not a keyword'],
    ['$id', { $id: 'aigen:blob' }, '$id: is not a keyword'],
    ['nested $defs', { items: { $defs: {} } }, 'items.$defs: is not a keyword'],
    ['a misspelt keyword', { requird: ['a'] }, 'requird: is not a keyword'],
    ['a keyword of the wrong form', { minLength: 'three' }, 'minLength: expected integer, found "three"'],
    ['a type that is none', { type: 'text' }, 'type'],
    ['too many levels', deep, 'more than 32 levels'],
    ['references that multiply', { $ref: '#/$defs/d0', $defs: { ...chain, d14: { type: 'string' } } }, ': the schema is too complex'],
    ['a long enum', { enum: Array.from({ length: 5000 }, (_, n) => n) }, ': the schema is too complex'],
    ['uniqueItems without a bound', { uniqueItems: true }, 'uniqueItems: expected maxItems'],
    ['many patterns', { allOf: Array.from({ length: 65 }, (_, n) => ({ pattern: `a${n}` })) }, ': the schema has 65 patterns'],
    ['no object', true, ': expected an object'],
    ['an array', [], ': expected an object'],
  ])('%s', (_name, schema, reason) => {
    expect(reasons(schema).join('\n')).toContain(reason)
  })

  it.each([['a backreference', '^(a)\\1$'], ['lookahead', '^(?=a)a$'], ['no pattern at all', '('], ['a huge program', '(a{1,900}){1,90}']])('a pattern with %s', (_name, pattern) => {
    expect(() => compileSchema({ pattern })).toThrow(/pattern/)
    expect(() => compileSchema({ patternProperties: { [pattern]: {} } })).toThrow(/pattern/)
  })

  it('a large one', () => {
    expect(() => compileSchema({ description: 'x'.repeat(SCHEMA_SIZE_MAX) })).toThrow(expect.objectContaining({ code: 'input.too-large' }))
  })

  it('names every place at once', () => {
    expect(reasons({ items: { $id: 'a' }, properties: { b: { $ref: 'c' }, d: 4 } })).toHaveLength(3)
  })
})

describe('time', () => {
  it('a pattern that ruins a backtracking engine is linear here', () => {
    const check = compileSchema({ pattern: '^(a+)+$' })
    const started = performance.now()
    expect(check.accepts(`${'a'.repeat(100_000)}!`)).toBe(false)
    expect(performance.now() - started).toBeLessThan(2000)
  })

  it('patterns that are slow even so may read only so much, in all texts of a value together', () => {
    const check = compileSchema({ items: { pattern: '((a|b)*a(a|b){300}[xy]|(a|b)*b(a|b){200}[xy])$' } })
    const texts = Array.from({ length: 100 }, (_, n) => 'ab'.repeat(1000 + n))
    const started = performance.now()
    expect(check.accepts(texts)).toBe(false)
    expect(check.issues(['ab'.repeat(500_000)])).toEqual([{ path: '', message: 'expected less text for the patterns of its schema' }])
    expect(performance.now() - started).toBeLessThan(5000)
    expect(check.accepts([`${'a'.repeat(302)}x`])).toBe(true)
  })

  it('any object is judged or refused, never a crash', () => {
    const keyword = fc.constantFrom('type', 'items', 'properties', '$ref', 'enum', 'allOf', 'not', 'pattern', 'minimum', 'required', '$defs', 'uniqueItems', 'maxItems', 'const')
    const node = fc.letrec((tie) => ({
      schema: fc.dictionary(keyword, fc.oneof({ depthSize: 'small' }, fc.jsonValue({ maxDepth: 1 }), tie('schema'), fc.array(tie('schema'), { maxLength: 3 })), { maxKeys: 4 }),
    })).schema
    fc.assert(fc.property(node, fc.jsonValue({ maxDepth: 3 }), (schema, value) => {
      try {
        const check = compileSchema(schema)
        expect(check.issues(value).length === 0).toBe(check.accepts(value))
      } catch (error) {
        expect(error).toMatchObject({ name: 'AigenError', code: expect.stringMatching(/^input\./) })
      }
    }))
  })
})
