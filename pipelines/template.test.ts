import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { makeEnvironment } from './environment.ts'
import { compileTemplate, evaluateTemplate, parsePieces, runsInline } from './template.ts'
import type { Context } from './expression.ts'

const context: Context = {
  input: { n: 86, f: 1.5, s: 'abc', none: null, list: [{ name: 'x', p: 1 }, { name: 'y', p: 2 }], nums: [1, 2, 3], odd: { constructor: 1 } },
  steps: { read: { text: 'T' }, skipped: null },
  meta: { read: { state: 'done', provider: '0x1', providerName: 'eye', price: '0.018', attempts: 1 } },
  run: { id: 'r', spent: '0.21', budget: '0.25', startedAt: 1 },
  output: { confidence: 86 },
}
const valueOf = (template: unknown): unknown => {
  const evaluation = evaluateTemplate(compileTemplate(template), context)
  return evaluation.ok ? evaluation.value : `! ${evaluation.message}`
}

test.each<[template: unknown, value: unknown]>([
  ['${output.confidence > 85}', true],
  ['${output.confidence > 85.0}', true],
  ['${input.n + 1}', 87],
  ['${1 + input.f}', 2.5],
  ['${input.n / 2}', 43],
  ['${input.n % 2}', 0],
  ['${size(input.nums) == 3.0}', true],
  ["${run.spent > money('0.20')}", true],
  ['${run.spent > run.budget}', false],
  ['${run.left}', '0.04'],
  ["${meta.read.price < money('0.02')}", true],
  ['spent ${run.spent} of ${run.budget}', 'spent 0.21 of 0.25'],
  ['${run.spent > 0.1}', "! no such overload: Money > double (write amounts as money('0.20'))"],
  ['${run.spent.atomic}', '! No such key: atomic'],
  ['${input.list.map(x, x.name).join(",")}', 'x,y'],
  ['${input.list.filter(x, x.p > 1)}', [{ name: 'y', p: 2 }]],
  ["${input.s.matches('^a.c$')}", true],
  ["${matches(input.s, 'b')}", true],
  ['${round(2.345, 2)}', 2.35],
  ['${sum(input.nums)}', 6],
  ['${max(input.nums)}', 3],
  ['${input.s.upper()}', 'ABC'],
  ['${input.none}', null],
  ['n: ${input.none} ${input.nums}', 'n: null [1,2,3]'],
  ['${steps.skipped == null}', true],
  ['${has(steps.read.text)}', true],
  ['${{"a}": {"b": "}"}}["a}"]}', { b: '}' }],
  ["${'}' + \"}\"}-${'''}'''}", '}}-}'],
  ['${1 // } a comment\n + 1}', 2],
  ['$${input.n} $ {x} $', '${input.n} $ {x} $'],
  ['$$${input.n}', '$${input.n}'],
  [['$${', { a: ['$${'] }], ['${', { a: ['${'] }]],
  [{ a: ['${input.n}', { b: 'x${input.s}' }], c: 1, d: '$${' }, { a: [86, { b: 'xabc' }], c: 1, d: '${' }],
  ['${input.odd.x}', '! No such key: x'],
  ['${input.odd}', { constructor: 1 }],
  ['${9223372036854775807}', '! the integer 9223372036854775807 is beyond 2^53.'],
  ['${1.0 / 0.0}', '! the result Infinity is not a JSON number.'],
])('%j gives %j', (template, value) => expect(valueOf(template)).toEqual(value))

test.each<[template: string, message: RegExp, hint?: string]>([
  ['${', /no closing brace/],
  ['a ${"x}', /has no end/],
  ['${}', /empty/],
  ['${stepz.a}', /unknown name stepz/, 'Did you mean steps?'],
  ['${mony("1")}', /unknown function mony/, 'Did you mean money()?'],
  ['${input.__proto__}', /cannot be read|Reserved/],
  ['${input["constructor"]}', /constructor cannot be read/],
  ['${input.s.constructor("x")}', /unknown function constructor/],
  ['${input.s.matches("(")}', /missing closing \)/],
  ['${timestamp("2001-01-01T00:00:00Z").getHours("UTC")}', /time zone/],
  ['${input.nums.map(steps, 1)}', /already has a meaning/],
  ['${b"x".json()}', /json is called as/],
  ['${google}', /unknown name/],
])('%s is refused', (template, message, hint) => {
  const [fault] = compileTemplate(template).faults
  expect(fault?.message).toMatch(message)
  if (hint) expect(fault?.hint).toBe(hint)
})

test('a prototype cannot be reached or changed', () => {
  const evaluation = evaluateTemplate(compileTemplate('${{"__proto__": {"polluted": true}, "a": input}}'), { input: JSON.parse('{"__proto__": {"x": 1}, "b": 2}') })
  expect(evaluation.ok).toBe(true)
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  expect(valueOf('${input["__pro" + "to__"]}')).toMatch(/No such key/)
  expect(valueOf('${input["con" + "structor"]}')).toMatch(/No such key/)
  expect(valueOf('${input.s["len" + "gth"]}')).toMatch(/^!/)
})

describe('the end of an expression', () => {
  test('any text without ${ stays as it is', () => {
    fc.assert(fc.property(fc.string({ unit: fc.constantFrom('$', '{', '}', 'a', '"', "'", '\\', '\n') }).filter((text) => !text.includes('${')), (text) => {
      expect(valueOf(text)).toBe(text)
    }))
  })

  test('$${ escapes: any text survives escaping', () => {
    fc.assert(fc.property(fc.string({ unit: fc.constantFrom('$', '{', '}', 'a', '"', '\\') }), (text) => {
      const escaped = text.replaceAll('${', () => '$${')
      expect(valueOf(escaped)).toBe(text)
    }))
  })

  test('is where the library stops reading, for any string literals and nested maps', () => {
    const environment = makeEnvironment()
    const literal = fc.oneof(
      fc.string({ unit: fc.constantFrom('}', '{', '"', "'", '\\', '/', 'a') }).map((text) => JSON.stringify(text)),
      fc.string({ unit: fc.constantFrom('}', '{', '"', '/', 'a') }).map((text) => `'${text}'`),
      fc.string({ unit: fc.constantFrom('}', '{', 'a', '\n') }).map((text) => `"""${text}"""`),
      fc.constant('1'),
    )
    const source = fc.letrec<{ value: string; map: string }>((tie) => ({
      map: fc.array(tie('value'), { maxLength: 3 }).map((values) => `{${values.map((value, key) => `"k${key}}": ${value}`).join(', ')}}`),
      value: fc.oneof({ depthSize: 'small' }, literal, tie('map')),
    })).value
    fc.assert(fc.property(source, fc.constantFrom('', 'x', '}', ' {'), (cel, after) => {
      environment.parse(cel)
      expect(parsePieces(`\${${cel}}${after}`)[0]).toEqual({ source: cel, offset: 2 })
    }))
  })
})

test('evaluation never throws, whatever the expression', () => {
  const word = fc.constantFrom('input', 'steps', '.', 'n', '(', ')', '[', ']', '"a"', '1', '+', '==', ' ', '{', '}', ':', ',', 'map', 'x', '!', '-', '?', 'has', 'null')
  fc.assert(fc.property(fc.array(word, { maxLength: 12 }), (words) => {
    expect(typeof evaluateTemplate(compileTemplate(`\${${words.join('')}}`), context).ok).toBe('boolean')
  }))
})

describe('where it runs', () => {
  const big = { input: { list: Array.from({ length: 50_000 }, (_, i) => i), s: 'x'.repeat(500_000), n: 1 } }
  const small = { input: { list: [1, 2], s: 'x', n: 1 } }
  test.each<[source: string, small: boolean, big: boolean]>([
    ['input.n > 85', true, true],
    ['input.list', true, true],
    ['input.list.map(x, x * 2)', true, false],
    ['input.list.map(x, x * input.n)', true, false],
    ["input.s.matches('^x+$')", true, false],
    ['size(input.s) > 3', true, false],
    ['input.list.map(x, input.list.map(y, x + y))', false, false],
    ['cel.bind(a, input.s, a + a)', false, false],
    ['input.list.map(x, input.s).join(",")', false, false],
    ['input.list.map(x, "a" + input.s).join("")', false, false],
    ['input.list.exists(x, x in input.list)', false, false],
    ['input.s.contains(input.s)', false, false],
    ['input.s.matches(input.s)', false, false],
    ["input.s.matches('((a{1,20}){1,20})$')", false, false],
  ])('%s', (source, inSmall, inBig) => {
    const template = compileTemplate(`\${${source}}`)
    expect(template.faults).toEqual([])
    expect(runsInline(template, small)).toBe(inSmall)
    expect(runsInline(template, big)).toBe(inBig)
  })
})
