import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compileSchema } from '../schemas/compile-schema.ts'
import { compileExpression } from './expression.ts'
import type { Inferred } from './inference.ts'
import { Expressions } from './infer.ts'
import { shapeOf } from './schema-path.ts'
import { compileTemplate, evaluateTemplate } from './template.ts'
import { asJson, atom, inWords, mapOf, typeOfShape, withNull, type ValueType } from './value-type.ts'

const input = {
  type: 'object', additionalProperties: false, required: ['s', 'n', 'l', 'names', 'rows', 'm', 'b', 'maybe', 'either', 'open', 'any'],
  properties: {
    s: { type: 'string' }, n: { type: 'number' }, b: { type: 'boolean' }, l: { type: 'array', items: { type: 'number' } }, names: { type: 'array', items: { type: 'string' } },
    rows: { type: 'array', items: { type: 'object', additionalProperties: false, required: ['k'], properties: { k: { type: 'string' }, p: { type: 'number' } } } },
    m: { type: 'object', additionalProperties: false, required: ['a'], properties: { a: { type: 'number' }, note: { type: 'string' } } },
    maybe: { type: ['string', 'null'] }, either: { type: ['string', 'number'] }, open: { type: 'object' }, any: {},
    one: { anyOf: [{ type: 'object', required: ['x'], properties: { x: { type: 'string' } } }, { type: 'null' }] },
  },
}

const run = mapOf({ spent: atom('Money'), startedAt: atom('double') })
const steps = mapOf({ x: withNull(mapOf({ text: atom('string'), deep: mapOf({ n: atom('double') }) }), 'x may be skipped') })
const meta = mapOf({ x: mapOf({ state: atom('string') }) })

function infer(source: string, schema: object = input): { type: ValueType; found: Inferred[] } {
  const compiled = compileExpression(source)
  if ('fault' in compiled) throw new Error(`${source}: ${compiled.fault.message}`)
  const roots: Readonly<Record<string, ValueType>> = { input: typeOfShape(shapeOf(schema)), run, steps, meta, item: 'any', index: atom('double') }
  const expressions = new Expressions({ root: (name) => roots[name] ?? 'any' })
  const type = expressions.of(compiled.expression.tree)
  return { type, found: expressions.found }
}

test.each<[source: string, type: string]>([
  ['input.n + 1', 'a number'], ['input.s + "x"', 'text'], ['input.l.map(x, string(x))', 'a list'], ['input.l.map(x, string(x))[0]', 'text'], ['input.rows.map(r, r.k).join(",")', 'text'],
  ['input.rows.filter(r, r.k == "a").first().orValue({"k": ""}).k', 'text'], ['size(input.l) > 2', 'a boolean'], ['input.b ? input.s : dyn(input.n)', 'anything'], ['input.m.?note.orValue("-")', 'text'], ['input.open.foo', 'anything'],
  ['input.any + 1', 'anything'], ['run.spent + money("1")', 'an amount'], ['fromMillis(run.startedAt)', 'a time'], ['input.names.sort().last().value()', 'text'], ['input.maybe == null ? "" : input.maybe', 'text'], ['input.maybe != null && input.maybe.size() > 1', 'a boolean'],
  ['has(input.m.note) ? input.m.note : "-"', 'text'], ['has(input.m.note) && input.m.note != ""', 'a boolean'], ['type(input.either) == string && input.either.size() > 1', 'a boolean'], ['input.l.sum()', 'a number'], ['[[1], [2]].flatten()[0] + 1', 'a number'],
  ['steps.x == null ? "" : steps.x.text', 'text'], ['meta.x.state == "done" ? steps.x.text : ""', 'text'], ['!(meta.x.state == "done") ? "" : steps.x.text', 'text'], ['has(steps.x.text) ? steps.x.text : ""', 'text'], ['steps.x.?text.orValue("")', 'text'],
  ['steps.x != null && steps.x.deep.n > 1', 'a boolean'], ['steps.x == null || steps.x.deep.n > 1', 'a boolean'], ['steps.x.?deep.?n.orValue(0.0) > 1', 'a boolean'], ['input.rows.map(r, has(r.p), r.p).sum()', 'a number'], ['input.rows.map(s, s.k)[0]', 'text'],
  ['cel.bind(x, input.s, x.size())', 'a number'], ['input.m.values()', 'a list'], ['"%s".format([input.s])', 'text'], ['input.rows.groupBy(r, r.k)', 'an object'], ['input.s.substring(0, input.n)', 'text'], ['1 in input.l', 'a boolean'], ['input.names + input.l', 'a list'], ['{"a": input.n}.a', 'a number'],
])('%s is %s, and nothing is said', (source, type) => {
  const inferred = infer(source)
  expect(inferred.found).toEqual([])
  expect(inWords(inferred.type)).toBe(type)
})

describe('what must fail is an error', () => {
  test.each<[source: string, message: string, hint?: string]>([
    ['input.n + "x"', '+ does not go with a number and text', 'Write string(input.n), or put both into one text.'], ['size(input.n)', 'size() takes text or a list or an object or bytes, input.n is a number', 'A number has no size: compare it as it is.'],
    ['input.s > 3', '> does not go with text and a number'], ['input.s == 3', 'text never equals a number'], ['input.s.txt', 'input.s is text, which has no fields'], ['input.m.nota', 'input.m has no nota', 'Did you mean input.m.note?'], ['input.l.sumo', 'input.l is a list, which has no fields'],
    ['input.rows.map(r, r.price)', 'r has no price', 'There is r.k, r.p.'], ['input.s && true', '&& takes a boolean, input.s is text'], ['input.n ? 1 : 2', 'the condition before ? takes a boolean, input.n is a number'], ['-input.s', '- takes a number, input.s is text'], ['!input.n', '! takes a boolean, input.n is a number'],
    ['input.n.startsWith("a")', 'startsWith() takes text, input.n is a number'], ['input.s.startsWith(input.n)', 'startsWith() takes text, input.n is a number'], ['input.l.join(",")', 'join() takes a list of texts, input.l is a list'], ['sum(input.names)', 'sum() takes a list of numbers, input.names is a list'],
    ['input.n.map(x, x)', 'map() takes a list or an object, input.n is a number'], ['input.l.filter(x, x + 1)', 'the condition of filter() takes a boolean, x + 1 is a number'], ['run.spent > 0.1', '> does not go with an amount and a number', "Write amounts as money('0.20')."], ['input.l[input.s]', 'an index of a list takes a number, input.s is text'],
    ['input.s in input.n', 'in takes a list or an object, input.n is a number'], ['input.m[input.n]', 'a key of an object takes text, input.n is a number'],
    ['steps.x == null ? steps.x.text : ""', 'steps.x is null here: it has no text'], ['input.m.note.size', 'input.m.note is text, which has no fields'], ['math.abs(input.s)', 'math.abs() takes a number, input.s is text'], ['input.rows.sortBy(r, r)', 'the key of sortBy() takes a number or text or a boolean or a time, r is an object'],
  ])('%s: %s', (source, message, hint) => {
    const [first] = infer(source).found.filter(({ error }) => error)
    expect(first?.message).toBe(message)
    if (hint) expect(first?.hint).toBe(hint)
  })
})

describe('what may fail is a warning', () => {
  test.each<[source: string, message: string, hint?: string]>([
    ['input.m.note', 'input.m.note may be absent', 'Test it: has(input.m.note) ? … : …, or write input.m.?note.orValue(…).'], ['input.maybe.size()', 'input.maybe may be null: its schema allows null', 'Test it: input.maybe == null ? … : …'], ['steps.x.text', 'steps.x may be null: x may be skipped'],
    ['input.either.size()', 'size() takes text, input.either may be a number', 'Test it: type(input.either) == …'], ['input.either + "x"', '+ may meet a number and text'], ['input.maybe + "x"', 'input.maybe may be null: its schema allows null'], ['input.rows.map(r, r.p)', 'r.p may be absent'],
    ['steps.x.deep.n > 1 && steps.x != null', 'steps.x may be null: x may be skipped'], ['has(steps.x.deep.n)', 'steps.x may be null: x may be skipped'], ['input.rows.filter(r, r.p > 1)', 'r.p may be absent'], ['input.one.x', 'input.one may be absent'], ['input.rows.exists(steps1, steps1.p > 1)', 'steps1.p may be absent'],
  ])('%s: %s', (source, message, hint) => {
    const { found } = infer(source)
    expect(found.filter(({ error }) => error)).toEqual([])
    expect(found.map((one) => one.message)).toContain(message)
    if (hint) expect(found[0]?.hint).toBe(hint)
  })
})

test('a variable hides what was known of the name it has', () => {
  expect(infer('input.maybe != null && input.rows.exists(input1, input1.k == input.maybe)').found).toEqual([])
  expect(infer('has(input.m.note) && input.rows.exists(r, r.k == "a") && [input.m].exists(m, m.note == "")').found.map(({ message }) => message)).toEqual(['m.note may be absent'])
})

/** Schemas that say everything: then what is said of an expression must be the whole truth. */
const schemas = fc.letrec<{ schema: object }>((tie) => ({
  schema: fc.oneof({ depthSize: 'small', maxDepth: 3, withCrossShrink: true },
    fc.constantFrom({ type: 'string' }, { type: 'number' }, { type: 'integer' }, { type: 'boolean' }, { type: ['string', 'null'] }, { type: ['number', 'string'] }, { type: ['number', 'null'] }),
    tie('schema').map((items) => ({ type: 'array', items })),
    fc.tuple(fc.dictionary(fc.constantFrom('a', 'b', 'c'), tie('schema'), { minKeys: 1, maxKeys: 3 }), fc.subarray(['a', 'b', 'c'])).map(([properties, required]) => ({ type: 'object', additionalProperties: false, properties, required: required.filter((name) => name in properties) })),
    tie('schema').map((schema) => ({ anyOf: [schema, { type: 'null' }] })),
  ),
})).schema

const root = fc.dictionary(fc.constantFrom('a', 'b', 'c'), schemas, { minKeys: 2, maxKeys: 3 }).map((properties) => ({ type: 'object', additionalProperties: false, properties, required: Object.keys(properties) }))

function valuesOf(schema: any): fc.Arbitrary<unknown> {
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map(valuesOf))
  if (Array.isArray(schema.type)) return fc.oneof(...schema.type.map((type: string) => valuesOf({ ...schema, type })))
  switch (schema.type) {
    case 'string': return fc.constantFrom('', 'a', 'xyz')
    case 'number': return fc.constantFrom(0, 1.5, -2)
    case 'integer': return fc.constantFrom(0, 1, 7)
    case 'boolean': return fc.boolean()
    case 'null': return fc.constant(null)
    case 'array': return fc.array(valuesOf(schema.items), { maxLength: 3 })
    default: {
      const entries = Object.entries(schema.properties as Record<string, object>).map(([name, of]) => [name, valuesOf(of)] as const)
      return fc.record(Object.fromEntries(entries), { requiredKeys: schema.required })
    }
  }
}

/** Sources over `input` and one variable; most are wrong, many are not. */
const sources = fc.letrec<{ path: string; value: string; condition: string }>((tie) => ({
  path: fc.tuple(fc.constantFrom('input.a', 'input.b', 'input.c', 'input.a', 'x'), fc.array(fc.constantFrom('.a', '.b', '.c', '[0]', '.?a', '.?b'), { maxLength: 2 })).map(([base, rest]) => base + rest.join('')),
  condition: fc.oneof({ depthSize: 'small', maxDepth: 3 },
    tie('path').map((path) => `${path} != null`), tie('path').map((path) => `${path} == null`), tie('path').map((path) => `has(${path.replace(/\[0\]$|\.\?[ab]$/, '.a')})`),
    fc.tuple(tie('path'), fc.constantFrom('string', 'double')).map(([path, type]) => `type(${path}) == ${type}`), fc.tuple(tie('value'), fc.constantFrom('<', '==', '!=', '>='), tie('value')).map((parts) => `(${parts.join(' ')})`),
    fc.tuple(tie('condition'), fc.constantFrom('&&', '||'), tie('condition')).map((parts) => `(${parts.join(' ')})`), tie('condition').map((one) => `!(${one})`), fc.tuple(tie('path'), tie('condition')).map(([path, one]) => `${path}.exists(x, ${one})`),
  ),
  value: fc.oneof({ depthSize: 'small', maxDepth: 4 },
    tie('path'), tie('path'), fc.constantFrom('1', '"t"', '1.5', 'true', '[1.0]', '{"a": 1.0}'), fc.tuple(tie('value'), fc.constantFrom('+', '-', '*'), tie('value')).map((parts) => `(${parts.join(' ')})`), fc.tuple(tie('condition'), tie('value'), tie('value')).map(([one, yes, no]) => `(${one} ? ${yes} : ${no})`),
    fc.tuple(tie('path'), fc.constantFrom('size()', 'map(x, x)', 'sort()', 'first().orValue(1)', 'lower()', 'reverse()', 'keys()', 'values()', 'sum()', 'flatten()', 'distinct()', 'join()', 'orValue(2)', 'entries()')).map(([path, call]) => `${path}.${call}`),
    fc.tuple(tie('path'), tie('value')).map(([path, body]) => `${path}.map(x, ${body})`), fc.tuple(tie('path'), tie('condition'), tie('value')).map(([path, one, body]) => `${path}.filter(x, ${one}).map(x, ${body})`),
    tie('value').map((one) => `string(${one})`), tie('value').map((one) => `json(${one})`), tie('condition'), fc.tuple(tie('value'), tie('value')).map(([one, other]) => `[${one}, ${other}]`), tie('path').map((path) => `math.greatest(${path}, 1.0)`),
  ),
}))

/** What a value did wrong, which no type can say before. */
const OF_VALUES = /out of bounds|out of range|overflow|division|of an empty list|an order, and not a mixture|not a JSON number|nested deeper|beyond 2\^53|may have|Optional value/

test('what is said nothing of never meets a wrong type, null or an absent field', () => {
  let silent = 0
  const runs = process.env['AIGEN_LONG'] ? 30_000 : 1_000
  fc.assert(fc.property(root.chain((schema) => fc.tuple(fc.constant(schema), fc.array(valuesOf(schema), { minLength: 3, maxLength: 3 }))), sources.value, ([schema, values], source) => {
    const template = compileTemplate(`\${${source}}`)
    if (template.faults.length > 0) return
    const { found, type } = infer(source, schema)
    if (found.length > 0) return
    silent++
    for (const value of values) {
      expect(compileSchema(schema).issues(value)).toEqual([])
      const evaluation = evaluateTemplate(template, { input: value })
      if (!evaluation.ok) expect(evaluation.message).toMatch(OF_VALUES)
      // and it is of the type that was foretold
      else if (asJson(type) !== 'any') expect(asJson(type)).toEqual(expect.arrayContaining([expect.objectContaining({ kind: kindOf(evaluation.value) })]))
    }
  }), { numRuns: runs, seed: Number(process.env['AIGEN_SEED'] ?? 7) })
  expect(silent).toBeGreaterThan(runs / 40)
})

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'list' : { string: 'string', number: 'double', boolean: 'bool', object: 'map' }[typeof value as 'string']
}

test('what is said to fail fails on every value', () => {
  fc.assert(fc.property(root.chain((schema) => fc.tuple(fc.constant(schema), valuesOf(schema))), fc.tuple(fc.constantFrom('input.a', 'input.b', 'input.c'), fc.constantFrom('.size()', ' + 1', ' + "t"', '.lower()', '.sort()', '.a', '[0]', ' > 1', '.join()', '.map(x, x)', '.sum()', '.keys()', ' && true')), ([schema, value], [path, rest]) => {
    const source = path + rest
    const template = compileTemplate(`\${${source}}`)
    if (template.faults.length > 0 || !infer(source, schema).found.some(({ error }) => error)) return
    const evaluation = evaluateTemplate(template, { input: value })
    // an empty list has no items of a wrong type
    if (JSON.stringify(value).includes('[]')) return
    expect([source, evaluation]).toEqual([source, expect.objectContaining({ ok: false })])
  }), { numRuns: process.env['AIGEN_LONG'] ? 20_000 : 1_000, seed: 11 })
})

const good = ['input.n + 1.0', 'input.rows.filter(r, r.k == "a").map(r, r.k).join(",")', 'input.maybe == null ? "" : input.maybe', 'has(input.m.note) && input.m.note.size() > 2', 'steps.x.?text.orValue("-")', "run.spent > money('0.20')", 'input.l.map(x, x * 2.0).sum() > 3.0', "'%s'.format([input.s])"]

test('a changed expression is a valid one or is reported, with a place inside it', () => {
  const change = fc.record({ at: fc.nat(), cut: fc.nat(3), put: fc.constantFrom('', '.', 'x', '(', ')', '"', '1', '?', '[', ' ', 'input', '==', '+', 'null', '.?', '!') })
  fc.assert(fc.property(fc.constantFrom(...good), change, (source, { at, cut, put }) => {
    const start = at % source.length
    const changed = source.slice(0, start) + put + source.slice(start + cut)
    const compiled = compileExpression(changed)
    if ('fault' in compiled) {
      expect(compiled.fault.message).not.toBe('')
      expect(compiled.fault.offset).toBeLessThanOrEqual(changed.length)
      return
    }
    for (const { offset, message } of infer(changed).found) {
      expect(message).not.toBe('')
      expect(offset).toBeGreaterThanOrEqual(0)
      expect(offset).toBeLessThan(changed.length)
    }
  }), { numRuns: process.env['AIGEN_LONG'] ? 20_000 : 2_000, seed: 5 })
})

test('the schemas of strangers do not stop it, whatever they say', () => {
  const word = fc.constantFrom('type', 'properties', 'items', 'anyOf', 'oneOf', 'allOf', 'required', 'additionalProperties', '$ref', 'enum', 'const', 'a', 'b', '$defs')
  const junk = fc.letrec<{ part: unknown }>((tie) => ({ part: fc.oneof({ depthSize: 'small', maxDepth: 5 }, fc.constantFrom<unknown>('object', 'string', ['null', 'array'], true, null, 7, '#/$defs/a', 'aigen:blob'), fc.array(tie('part'), { maxLength: 3 }), fc.dictionary(word, tie('part'), { maxKeys: 4 })) })).part
  fc.assert(fc.property(junk, fc.constantFrom('input.a.b', 'input.a[0].b + 1', 'input.map(x, x.a)', 'size(input.a) > 1 ? input.b : input.a'), (schema, source) => {
    infer(source, { $defs: { a: { anyOf: [{ $ref: '#/$defs/a' }, { $ref: '#/$defs/a' }] } }, type: 'object', properties: { a: schema, b: { $ref: '#/$defs/a' } } })
  }), { numRuns: 500, seed: 3 })
})
