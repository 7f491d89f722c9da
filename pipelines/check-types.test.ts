/** Types across the steps of a document: what the checker says of each, with its place and a hint. */
import { describe, expect, test } from 'vitest'
import { check } from './check.ts'
import { capabilities as standard, scanDesk } from './scan-desk.fixture.ts'
import type { Capability } from '../schemas/documents.gen.ts'

const text = { type: 'string' }
const streamed = {
  id: 'text.talk@1', title: 'Talk', description: 'Talks.', unit: 'call', input: { type: 'object', additionalProperties: false, required: ['text'], properties: { text, tone: text } },
  output: { type: 'object', additionalProperties: false, required: ['text'], properties: { text, note: text, score: { type: ['number', 'null'] } } }, chunk: { type: 'object', additionalProperties: false, required: ['delta'], properties: { delta: text } },
} as unknown as Capability
const capabilities = new Map([...standard, [streamed.id, streamed]])

interface Found { readonly path: string; readonly message: string; readonly hint?: string | undefined; readonly at: string }

/** What is said of a document beside what this version does not run; `at`: the text that line and column lead to. */
function found(document: object): { errors: Found[]; warnings: Found[] } {
  const source = JSON.stringify(document, null, 2)
  const lines = source.split('\n')
  const placed = (list: ReturnType<typeof check>['errors']): Found[] => list.filter(({ message }) => !message.includes('is not run by this version')).map(({ path, message, hint, line, column }) => ({ path, message, hint, at: lines[line! - 1]!.slice(column! - 1).slice(0, 24) }))
  const { errors, warnings } = check(source, { capabilities })
  return { errors: placed(errors), warnings: placed(warnings) }
}

const price = { max: '0.001' }
const talk = (more: object = {}): object => ({ uses: 'text.talk@1', with: { text: 'hi' }, price, ...more })

/** A document of these steps, whose output is an expression. */
const document = (steps: object, output: unknown, more: object = {}): object => ({ ...scanDesk, steps: { ...scanDesk.steps, ...steps }, output, ...more })

describe('errors', () => {
  test.each<[name: string, document: object, path: string, message: string | RegExp, at: string, hint?: string]>([
    ['a field of a field', document({}, '${steps.read.words.x}'), 'output', 'steps.read.words is a number, which has no fields', 'steps.read.words.x'],
    ['arithmetic with text', document({}, "${steps.read.confidence + 'x'}"), 'output', '+ does not go with a number and text', 'steps.read.confidence + ', 'Write string(steps.read.confidence), or put both into one text.'],
    ['the size of a number', document({}, 'n: ${size(steps.read.words)}'), 'output', /^size\(\) takes text or a list/, 'steps.read.words)}', 'A number has no size: compare it as it is.'],
    ['text compared with a number', document({}, '${steps.read.text > 3}'), 'output', '> does not go with text and a number', 'steps.read.text > 3'],
    ['through forEach', document({}, '${steps.rows.rows}'), 'output', 'steps.rows is a list, which has no fields', 'steps.rows.rows'],
    ['through the items of forEach', document({}, '${steps.rows[0].rowz}'), 'output', 'steps.rows[0] has no rowz', 'steps.rows[0].rowz', 'Did you mean steps.rows[0].rows?'],
    ['through map', document({}, '${steps.facts.places.map(p, p.nmae)}'), 'output', 'p has no nmae', 'p.nmae', 'Did you mean p.name?'],
    ['an item', document({ more: talk({ forEach: '${steps.facts.places}', maxItems: 3, with: { text: '${item.start}' } }) }, '${steps.more}'), 'steps.more.with.text', 'wants string, this is number', '"${item.start}"'],
    ['an item of a computed list', document({ more: talk({ forEach: '${steps.facts.places.filter(p, p.start > 3)}', maxItems: 3, with: { text: '${item.nam}' } }) }, '${steps.more}'), 'steps.more.with.text', 'item has no nam', 'item.nam}', 'Did you mean item.name?'],
    ['a piece of a stream', document({ one: talk(), more: talk({ forEach: '${chunks.one}', maxItems: 3, with: { text: '${item.dlta}' } }) }, '${steps.more}'), 'steps.more.with.text', 'item has no dlta', 'item.dlta}', 'Did you mean item.delta?'],
    ['forEach over an expression of text', document({ more: talk({ forEach: '${steps.read.text.lower()}', maxItems: 3 }) }, '${steps.more}'), 'steps.more.forEach', 'must give array, this gives string', '"${steps.read.text.lower('],
    ['if that gives a number', document({ more: talk({ if: '${size(steps.read.text)}' }) }, '${steps.more}'), 'steps.more.if', 'must give boolean, this gives number', '"${size(steps.read.text)}'],
    ['when that gives text', document({ pick: { switch: [{ when: '${steps.read.text}', value: 1 }, { value: 2 }] } }, '${steps.pick}'), 'steps.pick.switch[0].when', 'must give boolean, this gives string', '"${steps.read.text}"'],
    ['what all cases lack', document({ pick: { switch: [{ when: '${true}', uses: 'text.talk@1', with: { text: 'a' }, price }, { value: { text: 'b' } }] } }, '${steps.pick.txt}'), 'output', 'steps.pick has no txt', 'steps.pick.txt', 'Did you mean steps.pick.text?'],
    ['the input of a case', document({ pick: { switch: [{ uses: 'text.talk@1', with: { txet: 'a' }, price }] } }, '${steps.pick}'), 'steps.pick.switch[0].with.txet', 'text.talk@1 takes no txet', '"a"', 'Did you mean text?'],
    ['the input of a fallback', document({ more: talk({ fallback: { uses: 'text.talk@1', with: { text: 7 }, price } }) }, '${steps.more}'), 'steps.more.fallback.with.text', 'wants string, found 7', '7'],
    ['the input of a compensation', document({ more: talk({ compensate: { uses: 'text.talk@1', with: { text: '${steps.more.txt}' }, price } }) }, '${steps.more}'), 'steps.more.compensate.with.text', 'steps.more has no txt', 'steps.more.txt}', 'Did you mean steps.more.text?'],
    ['the acceptance of a case', document({ pick: { switch: [{ uses: 'text.talk@1', with: { text: 'a' }, price, expect: '${output.txt != ""}' }] } }, '${steps.pick}'), 'steps.pick.switch[0].expect', 'output has no txt', 'output.txt', 'Did you mean output.text?'],
    ['an acceptance of a wrong type', document({ more: talk({ expect: '${output.text > 3}' }) }, '${steps.more}'), 'steps.more.expect', '> does not go with text and a number', 'output.text > 3'],
    ['a rule', document({ more: talk({ quorum: { providers: 3, agree: 2, rule: '${a.text == b.txt}' } }) }, '${steps.more}'), 'steps.more.quorum.rule', 'b has no txt', 'b.txt', 'Did you mean b.text?'],
    ['until a boolean', document({ nap: { wait: { until: '${steps.read.words > 1}' } } }, '${steps.read.text}'), 'steps.nap.wait.until', 'must give string or number or integer, this gives boolean', '"${steps.read.words > 1}"'],
    ['the answer of a sub-pipeline', document({ inner: { pipeline: 'sub', with: { q: 'x' } } }, '${steps.inner.anser}', { pipelines: { sub: { name: 'sub', version: '1.0.0', input: { type: 'object', required: ['q'], properties: { q: text } }, steps: { one: talk({ with: { text: '${input.q}' } }) }, output: { answer: '${steps.one.text}' } } } }), 'output', 'steps.inner has no anser', 'steps.inner.anser', 'Did you mean steps.inner.answer?'],
    ['the input of a sub-pipeline', document({ inner: { pipeline: 'sub', with: { q: '${steps.read.words}' } } }, '${steps.inner}', { pipelines: { sub: { name: 'sub', version: '1.0.0', input: { type: 'object', required: ['q'], properties: { q: text } }, steps: { one: talk({ with: { text: '${input.q}' } }) }, output: 1 } } }), 'steps.inner.with.q', 'wants string, this is number', '"${steps.read.words}"'],
    ['the outcome of an approval', document({ sign: { approve: { by: 'owner', timeout: '1h' } } }, '${steps.sign.approvd}'), 'output', 'steps.sign has no approvd', 'steps.sign.approvd', 'Did you mean steps.sign.approved?'],
    ['a made object into text', document({ more: talk({ with: { text: '${{"a": 1}}' } }) }, '${steps.more}'), 'steps.more.with.text', 'wants string, this is object', '"${{\\"a\\": 1}}"'],
    ['a made list into text', document({ more: talk({ with: { text: '${steps.facts.places.map(p, p.name)}' } }) }, '${steps.more}'), 'steps.more.with.text', 'wants string, this is array', '"${steps.facts.places.map'],
    ['an unknown meta field', document({}, '${meta.read.stat}'), 'output', 'meta.read has no stat', 'meta.read.stat', 'Did you mean meta.read.state?'],
  ])('%s', (_name, source, path, message, at, hint) => {
    const { errors } = found(source)
    const error = errors.find((one) => one.path === path)
    expect(error, JSON.stringify(errors)).toBeDefined()
    expect(error!.message).toEqual(typeof message === 'string' ? message : expect.stringMatching(message))
    expect(error!.at.startsWith(at) || at.startsWith(error!.at), `${error!.at} is not ${at}`).toBe(true)
    if (hint) expect(error!.hint).toBe(hint)
  })
})

describe('warnings', () => {
  const maybe = talk({ if: '${steps.read.words > 3}' })
  test.each<[name: string, document: object, path: string, message: string]>([
    ['a step that may be skipped', document({ more: maybe }, '${steps.more.text}'), 'output', 'steps.more may be null: more may be skipped'],
    ['what follows a step that may be skipped', document({ more: maybe, next: talk({ with: { text: '${steps.more.text}' } }) }, '${steps.next.text}'), 'output', 'steps.next may be null: next may be skipped'],
    ['a step whose failure is tested', document({ more: talk(), next: talk({ with: { text: '${meta.more.state}' } }) }, '${steps.more.text}'), 'output', 'steps.more may be null: more may fail: a step tests how it ended'],
    ['a switch without a last case', document({ pick: { switch: [{ when: '${input.limit > 3}', value: { a: 1 } }] } }, '${steps.pick.a}'), 'output', 'steps.pick may be null: pick may be skipped'],
    ['an optional field', document({}, '${steps.read.doubtful}'), 'output', 'steps.read.doubtful may be absent'],
    ['null in a schema', document({ more: talk() }, '${steps.more.score + 1.0}'), 'output', 'steps.more.score may be null: its schema allows null'],
    ['a tolerated item', document({ more: talk({ forEach: '${steps.facts.places}', maxItems: 3, tolerate: 1 }) }, '${steps.more.map(m, m.text)}'), 'output', 'm may be null: an item of more may have failed'],
    ['null into text', document({ more: maybe, next: talk({ needs: ['more'], with: { text: '${meta.more.state == "done" ? dyn(steps.more.text) : "-"}', tone: '${meta.more.providerName}' } }) }, '${steps.read.text}'), 'steps.next.with.tone', 'wants string, this may be null: a step that hired nobody has none'],
    ['an input without a default', document({}, '${input.note}'), 'output', 'input.note may be absent'],
    ['some cases only', document({ pick: { switch: [{ when: '${input.limit > 3}', value: 1 }, { value: 'x' }] } }, '${steps.pick + 1}'), 'output', '+ may meet text and a number'],
  ])('%s', (_name, source, path, message) => {
    const { errors, warnings } = found(source)
    expect(errors).toEqual([])
    expect(warnings).toContainEqual(expect.objectContaining({ path, message }))
  })

  test.each<[name: string, document: object]>([
    ['its own if', document({ more: maybe, next: talk({ if: '${meta.more.state == "done"}', with: { text: '${steps.more.text}' } }) }, '${meta.next.state}')],
    ['the when of a case', document({ more: maybe, next: { switch: [{ when: '${meta.more.state == "done"}', uses: 'text.talk@1', with: { text: '${steps.more.text}' }, price }, { value: null }] } }, '${meta.next.state}')],
    ['a condition', document({ more: maybe }, '${steps.more == null ? "" : steps.more.text}')],
    ['an optional value', document({ more: maybe }, '${steps.more.?text.orValue("-")}')],
    ['a step that is not done skips what needs it', document({ more: maybe, next: talk({ with: { text: '${steps.more.text}' } }) }, '${meta.next.state}')],
    ['has', document({}, '${has(steps.read.doubtful) ? size(steps.read.doubtful) : 0}')],
    ['a default', document({}, '${input.limit + 1}')],
    ['filtered items', document({ more: talk({ forEach: '${steps.facts.places}', maxItems: 3, tolerate: 1 }) }, '${steps.more.filter(m, m != null).map(m, m.text)}')],
    ['an approval', document({ sign: { approve: { by: 'owner', timeout: '1h' } } }, '${steps.sign.approved}')],
    ['an open schema', document({ open: { wait: { signal: 'go', timeout: '1h' } } }, '${steps.open.anything.at.all + 1}')],
  ])('nothing is said where %s answers for it', (_name, source) => {
    const { errors, warnings } = found(source)
    expect([...errors, ...warnings].filter(({ message }) => !message.startsWith('nothing uses'))).toEqual([])
  })
})

test('a pipeline that runs itself is reported, and its types do not go round', () => {
  const sub = { name: 'sub', version: '1.0.0', steps: { again: { pipeline: 'sub', with: {} } }, output: '${steps.again.x}' }
  expect(check(document({ inner: { pipeline: 'sub', with: {} } }, '${steps.inner.x}', { pipelines: { sub } }), { capabilities }).ok).toBe(false)
})

test('a long chain is walked, and many steps are checked in well under a second', () => {
  const chain = Object.fromEntries(Array.from({ length: 3_000 }, (_, index) => [`s${index}`, { switch: [{ value: index === 0 ? { n: 1 } : `\${{"n": steps.s${index - 1}.n + 1}}` }] }]))
  expect(check(document(chain, '${steps.s2999.n}'), { capabilities }).errors.filter(({ message }) => !message.includes('is not run'))).toEqual([])
  const wide = Object.fromEntries(Array.from({ length: 1_000 }, (_, index) => [`t${index}`, talk({ with: { text: `\${steps.read.text.substring(0, ${index})} \${steps.facts.places.map(p, p.name).join(",")}` } })]))
  const before = process.cpuUsage()
  expect(check(document(wide, '${steps.t999.text}', { budget: { max: '2' } }), { capabilities }).errors.filter(({ message }) => !message.includes('is not run'))).toEqual([])
  const { user, system } = process.cpuUsage(before)
  expect((user + system) / 1_000).toBeLessThan(4_000)
})

test('sub-pipelines that fan out are looked at once each', () => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
  const pipelines = Object.fromEntries(names.map((name, index) => [name, { name, version: '1.0.0', steps: Object.fromEntries(Array.from({ length: 200 }, (_, step) => [`s${step}`, index === names.length - 1 ? { wait: { for: '1s' } } : { pipeline: names[index + 1], with: {} }])), output: '${steps.s0}' }]))
  expect(check(document({ inner: { pipeline: 'a', with: {} } }, '${steps.inner}', { pipelines }), { capabilities }).ok).toBe(false)
})
