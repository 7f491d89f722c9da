/** Hostile expressions end within 250 ms and leave the host free (D8). Needs `npm run build` (dist/). */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeBoundedEvaluator, type BoundedEvaluator } from './evaluate-bounded.ts'

let evaluator: BoundedEvaluator

beforeAll(async () => {
  evaluator = makeBoundedEvaluator()
  await evaluator.warm()
})
afterAll(() => evaluator.close())

const doubling = (times: number, end: string): string =>
  Array.from({ length: times }, (_, i) => `cel.bind(v${i + 1}, v${i} + v${i}, `).reduceRight((body, bind) => `${bind}${body})`, end)
const lots = Array.from({ length: 5_000 }, (_, i) => i)
const two = Array.from({ length: 200 }, (_, i) => i)

const hostile: [name: string, source: string, context: object][] = [
  ['nested map over 200³', 'input.l.map(a, input.l.map(b, input.l.map(c, a + b + c)))', { input: { l: two } }],
  ['string doubling', `cel.bind(v0, "xxxxxxxx", ${doubling(26, 'size(v26)')})`, {}],
  ['a doubled string written anew', `cel.bind(v0, "XXXXXXXX", ${doubling(25, 'v25.lowerAscii().size()')})`, {}],
  ['a doubled string in quotes', `cel.bind(v0, "XX,XX,XX", ${doubling(24, 'strings.quote(v24).size()')})`, {}],
  ['texts joined with each other', `cel.bind(v0, ["XX,XX,XX"], ${doubling(22, 'v22.join("xxxxxxxxxxxx").size()')})`, {}],
  ['list doubling', `cel.bind(v0, [1, 2, 3, 4], ${doubling(26, 'size(v26)')})`, {}],
  ['ranges in ranges', 'lists.range(10000).map(a, lists.range(10000).map(b, a * b))', {}],
  ['a memory of ranges', 'lists.range(10000).map(a, lists.range(10000))', {}],
  ['sorting in a comprehension', 'lists.range(3000).map(a, lists.range(3000).sortBy(b, a - b))', {}],
  ['a chain of replacements', `"aaaaaaaa"${'.replace("a", "aaaaaaaaaaaaaaaa")'.repeat(7)}.size()`, {}],
  ['an equality bomb', `[1]${'.map(x, [x, x, x, x])'.repeat(14)} == [1]${'.map(x, [x, x, x, x])'.repeat(14)}`, {}],
  ['a search of all in all', 'input.l.map(a, input.s.lastIndexOf(string(a) + input.s.substring(1)))', { input: { l: lots, s: 'x'.repeat(200_000) } }],
  ['patterns over patterns', "input.l.map(a, input.s.matches('(x+x+)+y' + string(a)))", { input: { l: lots, s: 'x'.repeat(200_000) } }],
  ['quadratic join', 'input.l.map(a, input.s).join(",")', { input: { l: two, s: 'x'.repeat(1_000_000) } }],
]
test.each(hostile)('%s is stopped', async (_name, source, context) => {
  await evaluator.warm()
  let ticks = 0
  let last = performance.now()
  /** How late this loop itself was: on a machine that others load, that is not the evaluator's time. */
  let late = 0
  const ticking = setInterval(() => {
    ticks++
    late += Math.max(0, performance.now() - last - 6)
    last = performance.now()
  }, 5)
  const before = performance.now()
  const processor = process.cpuUsage()
  const evaluation = await evaluator.evaluate(`\${${source}}`, context)
  const took = performance.now() - before
  const { user, system } = process.cpuUsage(processor)
  clearInterval(ticking)
  expect(evaluation.ok).toBe(false)
  // On a machine that is too busy, of the processor time that this process was given.
  expect(Math.min(took - late - Math.max(0, performance.now() - last - 6), (user + system) / 1_000)).toBeLessThan(250)
  if (took > 100) expect(ticks).toBeGreaterThan(5)
})

test('what makes the process grow is stopped before its deadline', async () => {
  const small = makeBoundedEvaluator({ memoryMb: 16, deadlineMs: 10_000 })
  await small.warm()
  expect(await small.evaluate('${lists.range(10000).map(a, lists.range(10000))}', {})).toEqual({ ok: false, reason: 'memory', message: 'needs more than 16 MB' })
  expect(await small.evaluate('${1 + 1}', {})).toEqual({ ok: true, value: 2 })
  await small.close()
})

test('what makes the process grow takes no evaluation beside it along', async () => {
  const pair = makeBoundedEvaluator({ memoryMb: 48, deadlineMs: 10_000 })
  await pair.warm()
  const greedy = pair.evaluate('${lists.range(10000).map(a, lists.range(10000))}', {})
  const other = pair.evaluate('${input.l.map(a, input.l.map(b, a + b).size()).size()}', { input: { l: Array.from({ length: 2_000 }, (_, i) => i) } })
  expect(await greedy).toMatchObject({ ok: false, reason: 'memory' })
  expect(await other).toEqual({ ok: true, value: 2_000 })
  await pair.close()
}, 30_000)

test('a 28-character regex bomb answers at once: matches runs in linear time', async () => {
  await evaluator.warm()
  const before = performance.now()
  const processor = process.cpuUsage()
  const evaluation = await evaluator.evaluate("${input.s.matches('^(a+)+$')}", { input: { s: `${'a'.repeat(28)}!` } })
  expect(evaluation).toEqual({ ok: true, value: false })
  const { user, system } = process.cpuUsage(processor)
  expect(Math.min(performance.now() - before, (user + system) / 1_000)).toBeLessThan(250)
})

test('values, errors and time-outs are values; the next evaluation has a fresh thread', async () => {
  expect(await evaluator.evaluate({ a: '${input.n + 1}', b: 'n=${input.n}' }, { input: { n: 1 } })).toEqual({ ok: true, value: { a: 2, b: 'n=1' } })
  expect(await evaluator.evaluate('${input.x}', { input: {} })).toEqual({ ok: false, reason: 'error', message: 'No such key: x' })
  expect(await evaluator.evaluate('${nope}', {})).toMatchObject({ ok: false, reason: 'error' })
  const slow = hostile[0]!
  const outcomes = await Promise.all([evaluator.evaluate(`\${${slow[1]}}`, slow[2]), evaluator.evaluate('${1 + 1}', {})])
  expect(outcomes).toMatchObject([{ ok: false, reason: 'timeout' }, { ok: true, value: 2 }])
})

test('the queue is bounded, and closing rejects what waits', async () => {
  const small = makeBoundedEvaluator({ waitingMax: 1 })
  const first = small.evaluate('${1}', {})
  await expect(small.evaluate('${2}', {})).rejects.toMatchObject({ code: 'node.busy' })
  const outcome = expect(first).rejects.toMatchObject({ code: 'internal' })
  await small.close()
  await outcome
  await expect(small.evaluate('${3}', {})).rejects.toMatchObject({ code: 'internal' })
})
