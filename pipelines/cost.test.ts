/**
 * Hostile expressions: each is refused, runs inline in milliseconds on the largest data that it may
 * have there, or goes to the thread that is killed (`evaluate-bounded.test.ts`).
 */
import { expect, test } from 'vitest'
import { compileTemplate, evaluateTemplate, runsInline } from './template.ts'

/** CPU time one inline evaluation may take here. The aim is 5 ms; other work on the machine shares its caches. */
const INLINE_MS = 25

const records = (count: number): unknown => Array.from({ length: count }, (_, index) => ({ p: index }))
const numbers = (count: number): unknown => Array.from({ length: count }, (_, index) => index)
const letters = (count: number): unknown => 'x'.repeat(count)
const plus = (count: number): string => Array.from({ length: count }, (_, index) => `x.p + ${index}`).join(' + ')

/** Data of any size is inline up to some size: there it must still be fast. */
test.each<[source: string, data: (size: number) => unknown]>([
  ['v.map(x, x.p)', records], [`v.map(x, ${plus(20)})`, records], ['v.exists(x, x.p < 0)', records], ['v.sortBy(x, -x.p)', records], ['v.groupBy(x, x.p)', records], ['v.distinct()', records], ['sets.equivalent(v, v)', records],
  ['json(v)', records], ['json(json(json(v)))', (size) => '\u0001'.repeat(size)], ['v.map(x, [x, x]).map(x, [x, x]).map(x, [x, x]).map(x, [x, x])', numbers], ['v.map(x, [x, x]).map(x, [x, x]) == v.map(x, [x, x]).map(x, [x, x])', numbers],
  ["v.matches('^(x+x+)+y$')", letters], ["v.matches('[a-z]{1,60}$')", letters], ["v.split('x').map(y, y + 'a')", letters], [`v.replace('x', '${'y'.repeat(64)}')`, letters], ["v.replace('x', 'yyyyyyyy').replace('y', 'xxxxxxxx').replace('x', 'zzzzzzzz')", letters],
  ['v.upper().lower().trim().reverse()', letters], ['sha256(v)', letters], ['size(v)', letters], ["regex.extractAll(v, '.')", letters], ["regex.replace(v, 'x', 'yyyyyyyy')", letters], ['parseJson(v)', (size) => `[${'1,'.repeat(size / 2)}1]`],
  ['lists.range(1000).map(x, x * x)', numbers], ['v == v + [1]', numbers], ['1 in v', numbers], ["'%s %s'.format([v, v])", letters], ['v.map(x, string(x).padStart(256))', numbers], [`v.map(x, string(x)).join('${'y'.repeat(64)}')`, numbers], ['v.flatten().flatten().sort()', (size) => (numbers(size) as number[]).map((one) => [[one]])],
  ["v.entries().map(e, e.key + 'x')", (size) => Object.fromEntries((numbers(size) as number[]).map((one) => [`k${one}`, one]))], ['(v + v + v).map(x, x.p)', records],
])('inline is fast at its edge: %s', (source, data) => {
  const template = compileTemplate(`\${${source.replaceAll(/\bv\b/g, 'input.v')}}`)
  expect(template.faults).toEqual([])
  const inline = (size: number): boolean => runsInline(template, { input: { v: data(size) } })
  expect(inline(1)).toBe(true)
  let [fits, not] = [1, 200_001]
  while (fits + 1 < not) {
    const middle = (fits + not) >> 1
    if (inline(middle)) fits = middle
    else not = middle
  }
  const context = { input: { v: data(fits) } }
  let best = Infinity
  for (let time = 0; time < 3; time++) {
    const before = process.cpuUsage()
    evaluateTemplate(template, context)
    const { user, system } = process.cpuUsage(before)
    best = Math.min(best, (user + system) / 1_000)
  }
  expect(best).toBeLessThan(INLINE_MS)
})

/** Never inline, on no data at all. */
test.each<[name: string, source: string, why: RegExp]>([
  ['nested comprehensions', 'input.l.map(a, input.l.map(b, a + b))', /inside another list function/],
  ['sorting in a comprehension', 'input.l.map(a, input.l.sortBy(b, b))', /inside another list function/],
  ['string doubling', 'cel.bind(a, "x", cel.bind(b, a + a, b + b))', /cel\.bind\(\) has no bound/],
  ['a chain of replacements', `"aaaaaaaa"${'.replace("a", "aaaaaaaaaaaaaaaa")'.repeat(4)}`, /too many times larger/],
  ['a chain of joins', `input.l${'.map(x, string(x)).join("yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy").split("")'.repeat(6)}`, /too many times larger/],
  ['doubling lists', `[1]${'.map(x, [x, x, x, x])'.repeat(9)}`, /too many times larger/],
  ['JSON of JSON', `${'json('.repeat(7)}input.s${')'.repeat(7)}`, /too many times larger/],
  ['a huge range', 'lists.range(1000000)', /not given a number of at most 1000/],
  ['a range of the data', 'lists.range(input.n)', /not given a number of at most 1000/],
  ['ranges in a body', 'input.l.map(x, lists.range(1000))', /inside a list function/],
  ['padding by the data', '"x".padStart(input.n)', /not given a number/],
  ['a searched text from the data', 'input.s.contains(input.t)', /not given a short literal/],
  ['a pattern from the data', 'regex.replace(input.s, input.t, "x")', /not a short literal/],
  ['a pattern that repeats', "regex.extractAll(input.s, '((a{1,20}){1,20})$')", /repeats too much/],
  ['data from outside in every item', 'json(input.l.map(x, input.s))', /puts data from outside/],
  ['a long expression', Array.from({ length: 100 }, () => 'input.n').join(' + '), /more than 160 parts/],
])('%s has no bound', (_name, source, why) => {
  const template = compileTemplate(`\${${source}}`)
  expect(template.faults).toEqual([])
  expect(template.bound.why).toMatch(why)
  expect(runsInline(template, { input: { l: [], s: '', t: '', n: 0 } })).toBe(false)
})

/** Refused before anything of them is made. */
test.each<[name: string, source: string, message: RegExp]>([
  ['a long source', `"${'x'.repeat(5_000)}"`, /may have 4096 characters/],
  ['deep brackets', `${'('.repeat(1_000)}1${')'.repeat(1_000)}`, /Exceeded max|depth|nest/i],
  ['deep lists', `${'['.repeat(500)}1${']'.repeat(500)}`, /Exceeded max|depth|nest/i],
  ['many negations', `${'!'.repeat(3_000)}true`, /Exceeded max|depth|nest/i],
  ['many parts', Array.from({ length: 1_500 }, () => '1').join('+'), /Exceeded max|parts|nodes/i],
  ['a long list', `[${Array.from({ length: 1_000 }, () => '1').join(',')}]`, /Exceeded max|elements/i],
  ['a long pattern', `input.s.matches("${'a'.repeat(600)}")`, /512 characters/],
  ['a pattern that is huge', "input.s.matches('((((a{1,100}){1,100}){1,100}){1,100})')", /repeat|size|large/i],
])('%s is refused in milliseconds', (_name, source, message) => {
  const before = process.cpuUsage()
  const [fault] = compileTemplate(`\${${source}}`).faults
  const { user, system } = process.cpuUsage(before)
  expect(fault?.message).toMatch(message)
  expect((user + system) / 1_000).toBeLessThan(100)
})
