import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { DECLARED, functionTable } from './functions.ts'
import { compileTemplate, evaluateTemplate } from './template.ts'

const input = { n: 2, f: 1.5, s: 'abc', l: [3, 1, 2], names: ['b', 'a', 'b'], rows: [{ k: 'x', p: 2 }, { k: 'y', p: 1 }, { k: 'x', p: 3 }], m: { a: 1, b: 2 }, none: null }
const run = { id: 'r', spent: '0', budget: '1', startedAt: Date.UTC(2026, 10, 28, 13, 5, 9, 7) }

function valueOf(source: string): unknown {
  const evaluation = evaluateTemplate(compileTemplate(`\${${source}}`), { input, run })
  return evaluation.ok ? evaluation.value : `! ${evaluation.message}`
}

const calls: [source: string, value: unknown][] = [
  ["'abc'.startsWith('ab')", true], ["'abc'.endsWith('bc')", true], ["'abc'.contains('b')", true], ["'abca'.indexOf('a')", 0], ["'abca'.indexOf('a', input.n)", 3], ["'abca'.lastIndexOf('a')", 3],
  ["'abca'.lastIndexOf('a', input.n)", 0], ["'abc'.charAt(1)", 'b'], ['input.s.charAt(input.n)', 'c'], ["'abc'.charAt(3)", ''], ["'abc'.charAt(4)", '! index 4 is out of range: 0 to 3'],
  ["'abc'.substring(1)", 'bc'], ['input.s.substring(0, input.n)', 'ab'], ['input.s.substring(input.f)', '! wants a whole number as index, found 1.5'], ["'ABC'.lowerAscii()", 'abc'], ["'abc'.upperAscii()", 'ABC'],
  ["'Ä'.lower()", 'ä'], ["'ß'.upper()", 'SS'], ["' a '.trim()", 'a'], ["' a '.trimStart()", 'a '], ["' a '.trimEnd()", ' a'], ["'7'.padStart(3, '0')", '007'], ["'7'.padEnd(3)", '7  '],
  ["'7'.padStart(1000000)", '! a text is padded to at most 1024 characters'], ["'a-b-c'.replace('-', '+')", 'a+b+c'], ["'a-b-c'.replace('-', '+', 1)", 'a+b-c'], ["'a-b-c'.replace('-', '+', input.n)", 'a+b+c'],
  ["'a,b,c'.split(',')", ['a', 'b', 'c']], ["'a,b,c'.split(',', input.n)", ['a', 'b,c']], ["input.names.join('/')", 'b/a/b'], ['input.names.join()', 'bab'], ["strings.quote('a\"\\n')", '"a\\"\\n"'],
  ["'%s has %d, %.2f%%'.format([input.s, input.n, input.f])", 'abc has 2, 1.50%'], ["'%x %X %b %o %e'.format([255, 255, 5, 8, 1500.0])", 'ff FF 101 10 1.500000e+3'], ["'%s'.format([])", '! format() has more places than the list has items (0)'],
  ["'a'.format([1])", '! format() has 0 places, the list has 1 items'], ["'%q'.format([1])", '! format() knows no %q'], ["'%s %s'.format([input.l, input.none])", '[3,1,2] null'],
  ["input.s.matches('^a.c$')", true], ["regex.extract('tel 555-1234', '[0-9]+-([0-9]+)').orValue('')", '1234'], ["regex.extract('none', '[0-9]+').hasValue()", false], ["regex.extractAll('a1b22', '[0-9]+')", ['1', '22']],
  ["regex.replace('a1b22', '[0-9]+', '#')", 'a#b#'], ["regex.extract('ab', '(a)(b)')", '! a pattern that is extracted has at most one group'],
  ['input.l.all(x, x > 0)', true], ['input.l.exists(x, x > 2)', true], ['input.l.exists_one(x, x > 2)', true], ['input.l.map(x, x * 2)', [6, 2, 4]], ['input.l.map(x, x > 1, x * 2)', [6, 4]], ['input.l.filter(x, x > 1)', [3, 2]],
  ['input.rows.sortBy(r, r.p).map(r, r.p)', [1, 2, 3]], ['input.rows.sortBy(r, r)', '! only numbers, texts, booleans or times have an order, and not a mixture'], ['input.rows.groupBy(r, r.k)', { x: [{ k: 'x', p: 2 }, { k: 'x', p: 3 }], y: [{ k: 'y', p: 1 }] }],
  ['input.rows.groupBy(r, r.k).x.map(r, r.p)', [2, 3]], ['input.l.sort()', [1, 2, 3]], ['[input.n, 1, 1.5].sort()', [1, 1.5, 2]], ['input.names.sort()', ['a', 'b', 'b']], ["[1, 'a'].sort()", '! only numbers, texts, booleans or times have an order, and not a mixture'],
  ['input.l.reverse()', [2, 1, 3]], ["'añ💙'.reverse()", '💙ña'], ['[[1], [2, [3]]].flatten()', [1, 2, [3]]], ['[[1], [2, [3]]].flatten(2)', [1, 2, 3]], ['input.names.distinct()', ['b', 'a']], ["[1, 1.0, {'a': 1, 'b': 2}, {'b': 2, 'a': 1}].distinct()", [1, { a: 1, b: 2 }]],
  ['input.l.slice(1, 3)', [1, 2]], ['input.l.slice(1, 4)', '! index 4 is out of range: 0 to 3'], ['input.l.first().value()', 3], ['input.l.last().orValue(0)', 2], ['[].first().orValue(7)', 7], ['[].first()', null], ['[].last().value()', '! Optional value is not present'],
  ['input.names.zip(input.l)', [['b', 3], ['a', 1], ['b', 2]]], ['lists.range(3)', [0, 1, 2]], ['lists.range(1000000)', '! a range has at most 10000 items'], ['sum(input.l)', 6], ['input.l.sum()', 6], ['[].sum()', 0], ['min(input.l)', 1], ['input.l.max()', 3],
  ['min([])', '! min() of an empty list'], ['sum(input.names)', '! sum() takes a list of numbers'], ['avg(input.l)', 2], ['[].avg()', '! avg() of an empty list'],
  ['sets.contains(input.l, [1, 2])', true], ['sets.contains(input.l, [4])', false], ['sets.equivalent([1, 1.0], [1])', true], ['sets.intersects(input.l, [9, 3])', true], ['sets.intersects([[1], [2, 3]], [[1, 2], [2, 3.0]])', true],
  ['has(input.m.a)', true], ['has(input.m.z)', false], ['size(input.l)', 3], ['input.m.size()', 2], ['input.m.keys()', ['a', 'b']], ['input.m.values()', [1, 2]], ['input.m.entries()', [{ key: 'a', value: 1 }, { key: 'b', value: 2 }]],
  ["input.m.merge({'b': 3, 'c': 4})", { a: 1, b: 3, c: 4 }], ["input.m.merge({'b': 3}).b", 3], ['json(input.m)', '{"a":1,"b":2}'], ["parseJson('[1, {\"a\": null}]')", [1, { a: null }]], ["parseJson('{\"a\": 5}').a + 1", 6], ["parseJson('{')", '! the text is not JSON'],
  ["parseJson('[' + input.s + ']')", '! the text is not JSON'],
  ['optional.of(1).hasValue()', true], ['optional.none().orValue(2)', 2], ["optional.ofNonZeroValue('').or(optional.of('x')).value()", 'x'], ['optional.ofNonZeroValue(input.n).value()', 2], ["input.?note.orValue('-')", '-'], ['input.m.?a.value()', 1], ['input.l[?7].orValue(0)', 0],
  ['round(2.5)', 3], ['round(2.345, 2)', 2.35], ['round(2.345, input.n)', 2.35], ['floor(1.5)', 1], ['ceil(input.f)', 2], ['abs(-2)', 2], ['math.greatest(1, input.f)', 1.5], ['math.greatest(input.l)', 3], ['math.least(2, 1.5, input.n)', 1.5], ['math.abs(-1.5)', 1.5],
  ['math.sign(-3)', -1], ['math.round(-2.5)', -3], ['math.floor(1.7)', 1], ['math.ceil(1.2)', 2], ['math.trunc(-1.7)', -1], ['math.sqrt(16)', 4], ['math.isNaN(0.0 / 0.0)', true], ['math.isInf(1.0 / 0.0)', true], ['math.isFinite(input.f)', true],
  ['math.bitAnd(6, 3)', 2], ['math.bitOr(input.n, 1)', 3], ['math.bitXor(6, 3)', 5], ['math.bitShiftLeft(1, 4)', 16], ['math.bitShiftRight(16, 4)', 1], ['math.bitShiftLeft(1, -1)', '! a shift is by 0 or more'],
  ["timestamp('2026-11-28T13:05:09Z').getHours()", 13], ['timestamp(0)', '1970-01-01T00:00:00.000Z'], ["duration('90m').getHours()", 1], ['fromMillis(run.startedAt)', '2026-11-28T13:05:09.007Z'], ["toMillis(duration('1s'))", "! found no matching overload for 'toMillis(google.protobuf.Duration)'"],
  ["(fromMillis(run.startedAt) + duration('24h')).formatTime('%F %T.%L %j %%')", '2026-11-29 13:05:09.007 333 %'], ["duration('1m').toMillis()", 60_000], ["fromMillis(run.startedAt).toMillis() == run.startedAt", true], ['fromMillis(1e18)', '! wants a whole number, found 1000000000000000000'],
  ["fromMillis(0).formatTime('%Q')", '! formatTime() knows no %Q'],
  ...(['getFullYear', 'getMonth', 'getDate', 'getDayOfMonth', 'getDayOfWeek', 'getHours', 'getMinutes', 'getSeconds', 'getMilliseconds'] as const).map((name, index): [string, number] => [`fromMillis(run.startedAt).${name}()`, [2026, 10, 28, 27, 6, 13, 5, 9, 7][index]!]),
  ['type(input.n) == double', true], ["dyn('a') == 1", false], ["bool('true')", true], ["int('7')", 7], ["int(timestamp('1970-01-01T00:01:00Z'))", 60], ["int(duration('2m'))", 120], ["double('1.5')", 1.5], ['string(input.n)', '2'], ["string(timestamp('2026-01-01T00:00:00Z'))", '2026-01-01T00:00:00.000Z'],
  ["string(duration('90s'))", '90s'], ["size(bytes('ä'))", 2], ["money('0.20') > money('0.10')", true], ["string(money('0.20'))", '0.2'],
  ["sha256('abc')", 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'], ["sha256(bytes('abc')) == sha256('abc')", true], ["hex.encode('ab')", '6162'], ["string(hex.decode('6162'))", 'ab'], ["hex.decode('6')", '! the text is not hex'],
  ["base64.encode('hello')", 'aGVsbG8='], ["base64.encode(bytes('hello'))", 'aGVsbG8='], ["string(base64.decode('aGVsbG8='))", 'hello'], ["base64.decode('*')", '! the text is not base64'], ["'%x'.format([bytes('ab')])", '6162'],
  ['cel.bind(x, input.n + 1, x * x)', 9],
]

test.each(calls)('%s gives %j', (source, value) => expect(valueOf(source)).toEqual(value))

test('every function stands in the table above', () => {
  const called = calls.map(([source]) => source).join(' ')
  expect([...DECLARED.keys()].filter((name) => !new RegExp(`(?<![\\w])${name.replace('.', '\\.')}\\(`).test(called))).toEqual([])
})

test('the README lists every function as it is declared', () => {
  expect(readFileSync(new URL('./README.md', import.meta.url), 'utf8')).toContain(functionTable())
})

describe('what is refused when it compiles', () => {
  test.each<[source: string, message: RegExp, hint?: string]>([
    ['math.foo(1)', /unknown function math\.foo\(\)/], ['math', /unknown name math/], ['math.PI', /unknown name math/], ["input.s.revers()", /unknown function revers\(\)/, 'Did you mean reverse()?'],
    ["regex.extract(input.s, '(')", /missing closing/], ["'a'.json()", /json is called as/], ['input.l.sortBy(1, 2)', /first argument must be a name/], ['input.l.groupBy(steps, 1)', /already has a meaning/], ['optional.nothing()', /unknown function optional\.nothing\(\)/],
  ])('%s', (source, message, hint) => {
    const [fault] = compileTemplate(`\${${source}}`).faults
    expect(fault?.message).toMatch(message)
    if (hint) expect(fault?.hint).toBe(hint)
  })
})
