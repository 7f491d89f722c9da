/**
 * Generates valid documents of every construct, for property tests: what passes the check must run
 * as the check said, and what is changed at random must be reported. What comes of a call depends on
 * its input only (`answerTo`), so that a document gives the same however often it is run. Used by
 * `any-mutation.test.ts` and by the tests of whole runs in `agents`.
 */
import fc from 'fast-check'
import type { Capability } from '../schemas/documents.gen.ts'

const input = { type: 'object', additionalProperties: false, required: ['text'], properties: { text: { type: 'string' } } }
const output = { type: 'object', additionalProperties: false, required: ['text', 'quality'], properties: { text: { type: 'string' }, quality: { type: 'number' } } }
export const SHOUT: Capability = { id: 'text.shout@1', title: 'Shout', description: 'Gives the text in capitals.', unit: 'call', input, output }
/** The same, and the text in pieces before. */
export const TELL: Capability = { ...SHOUT, id: 'text.tell@1', title: 'Tell', description: 'Gives the text in pieces.', chunk: { type: 'object', required: ['word'], properties: { word: { type: 'string' } } } }
export const STANDARD: ReadonlyMap<string, Capability> = new Map([SHOUT, TELL].map((one) => [one.id, one]))

/** `late` comes after every deadline; `poor` fails every `expect`; `fail` is refused by whoever is asked. */
const texts = fc.constantFrom('a', 'b', 'a', 'fail', 'poor', 'late')

/** How long a provider takes for a text, in ms, and what it answers; null where it fails. */
export function answerTo(text: string): { readonly afterMs: number; readonly output: { readonly text: string; readonly quality: number } | null } {
  return { afterMs: text === 'late' ? 20_000 : 100, output: text === 'fail' ? null : { text: text.toUpperCase(), quality: text === 'poor' ? 10 : 90 } }
}

const price = { max: '0.02' }
const call = (text: string): object => ({ uses: SHOUT.id, with: { text }, price, sla: { deadline: '5s', grace: '1s' } })
const none = fc.constant({})
const maybe = (arbitrary: fc.Arbitrary<object>): fc.Arbitrary<object> => fc.oneof({ arbitrary, weight: 1 }, { arbitrary: none, weight: 2 })
const merged = (...parts: fc.Arbitrary<object>[]): fc.Arbitrary<object> => fc.tuple(...parts).map((all) => Object.assign({}, ...all) as object)

const undo = fc.constant({ compensate: { uses: SHOUT.id, with: { text: '${output.text}' }, price } })
const expects = fc.constant({ expect: '${output.quality > 50.0}' })
const retry = fc.record({ retry: fc.record({ attempts: fc.integer({ min: 1, max: 3 }), elsewhere: fc.boolean(), backoff: fc.constantFrom('0ms', '300ms') }) })
const fallback = fc.oneof(fc.constant({ fallback: { value: { text: 'X', quality: 1 } } }), texts.map((text) => ({ fallback: { uses: SHOUT.id, with: { text }, price } })))
const many = fc.oneof(fc.constant({ race: { providers: 2 } }), fc.constant({ quorum: { providers: 3, agree: 2 } }), fc.constant({ quorum: { providers: 3, agree: 2, rule: '${a.text == b.text}' } }))
/** Long before or long after anything a step does, never at the same time. */
const timeout = fc.constantFrom({ timeout: '3s' }, { timeout: '120s' })
const items = fc.record({ words: fc.array(texts, { maxLength: 3 }), tolerate: fc.integer({ min: 0, max: 3 }), parallel: fc.integer({ min: 1, max: 3 }) })
  .map(({ words, tolerate, parallel }) => ({ forEach: `\${${JSON.stringify(words)}}`, maxItems: 4, tolerate, parallel }))
const waits = fc.constantFrom<object>(
  // oxlint-disable-next-line no-thenable -- the document's word
  { for: '700ms' }, { until: '2001-01-01T00:00:00Z' }, { schedule: { cron: '*/10 * * * * *' } }, { signal: 'go', timeout: '2s', then: 'continue' }, { signal: 'go', timeout: '2s' },
).map((wait) => ({ wait }))
// oxlint-disable-next-line no-thenable -- the document's word
const approves = fc.constantFrom('approve', 'reject').map((late) => ({ approve: { by: 'owner', message: 'Go on?', timeout: '2s', then: late } }))
const cases = texts.map((text) => ({ switch: [{ when: `\${'${text}' == 'a'}`, value: { text: 'A' } }, { uses: SHOUT.id, with: { text }, price }] }))
const nests = fc.record({ pipeline: fc.constant('inner'), with: fc.record({ text: texts }) })

/** A step; `before` names those that it may wait for. */
function step(before: readonly string[]): fc.Arbitrary<object> {
  const needs = before.length === 0 ? none : fc.subarray([...before], { maxLength: Math.min(2, before.length) }).map((some) => (some.length === 0 ? {} : { needs: some }))
  const tests = before.length === 0 ? none : fc.constantFrom(...before).map((name) => ({ if: `\${meta.${name}.state != 'skipped'}` }))
  return fc.oneof(
    { weight: 2, arbitrary: merged(texts.map(call), needs, maybe(expects), maybe(retry), maybe(fallback), maybe(undo), maybe(tests), maybe(timeout)) },
    merged(texts.map(call), needs, maybe(expects), many, maybe(undo)),
    merged(fc.constant(call('${item}')), needs, items, maybe(expects), maybe(undo), maybe(timeout)),
    merged(fc.constant(call('${item}')), items, many),
    merged(waits, needs),
    merged(approves, needs),
    merged(cases, needs, maybe(fallback), maybe(tests)),
    merged(nests, needs, maybe(fc.constant({ compensate: { uses: SHOUT.id, with: { text: 'sub' }, price } }))),
    merged(nests.map(({ pipeline }) => ({ pipeline, with: { text: '${item}' } })), items),
  )
}

/** A step that streams, and one that takes its pieces as they come. */
const stream = fc.record({ text: texts, failing: fc.boolean() }).map(({ text, failing }) => ({
  told: { ...call(text), uses: TELL.id }, each: { ...call(failing ? 'fail' : '${item.word}'), forEach: '${chunks.told}', maxItems: 5 },
}))

const inner = {
  name: 'inner', version: '1.0.0', input: { type: 'object', required: ['text'], properties: { text: { type: 'string' } } }, budget: { max: '0.2' },
  steps: { one: { ...call('in'), compensate: { uses: SHOUT.id, with: { text: '${output.text}' }, price } }, two: { ...call('${input.text}'), needs: ['one'] } }, output: '${steps.two.text}',
}

/** Valid documents of up to seven steps. */
export const anyDocument = fc.tuple(
  fc.integer({ min: 1, max: 5 }).chain((count) => fc.tuple(...Array.from({ length: count }, (_, at) => step(Array.from({ length: at }, (_before, other) => `s${other}`))))),
  maybe(stream), maybe(fc.constant({ timeout: '60s' })),
).map(([all, streaming, rest]) => {
  const steps: Record<string, object> = { ...Object.fromEntries(all.map((one, at) => [`s${at}`, one])), ...streaming }
  return { name: 'any', version: '1.0.0', budget: { max: '9' }, ...rest, steps, output: Object.fromEntries(Object.keys(steps).map((name) => [name, `\${steps.${name}}`])), pipelines: { inner } }
})
