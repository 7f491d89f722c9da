import { describe, expect, test } from 'vitest'
import { check } from './check.ts'
import { labelsAt } from './label.ts'
import { readPipeline } from './document.ts'
import { secretsOf, shownInputs, shownOf } from './secret.ts'
import { capabilities } from './scan-desk.fixture.ts'

const [CLINIC, LAB, STRANGER] = ['a', 'b', 'c'].map((one) => `0x${one.repeat(40)}`) as [string, string, string]
const price = { max: '0.001' }
const entities = (more: object = {}): object => ({ uses: 'text.entities@1', with: { text: 'public' }, price, ...more })
const own = { providers: { only: [CLINIC] } }

const input = {
  type: 'object', additionalProperties: false, required: ['patient', 'topic', 'visits', 'secret'],
  properties: {
    patient: { type: 'string', 'x-label': 'personal' }, topic: { type: 'string' }, secret: { type: 'string', 'x-label': ['secret', 'personal'] },
    visits: { type: 'array', items: { type: 'object', required: ['note', 'place'], properties: { note: { $ref: '#/$defs/note' }, place: { type: 'string' } } } },
  },
  $defs: { note: { type: 'string', 'x-label': 'personal' } },
}
const document = (steps: object, more: object = {}): object => ({ name: 'clinic', version: '1.0.0', budget: { max: '1' }, input, labels: { personal: [CLINIC, LAB], secret: [CLINIC] }, steps, output: Object.fromEntries(Object.keys(steps).map((id) => [id, `\${meta.${id}.state}`])), ...more })

const said = (source: object): string[] => check(source, { capabilities }).errors.filter(({ message }) => !message.includes('is not run by this version')).map(({ path, message }) => `${path}: ${message}`)

describe('who may have it', () => {
  test.each<[name: string, steps: object]>([
    ['a step of a listed participant', { one: entities({ with: { text: '${input.patient}' }, ...own }) }],
    ['what is not labelled goes to anybody', { one: entities({ with: { text: '${input.topic}' } }), two: entities({ with: { text: '${input.visits[0].place}' } }) }],
    ['meta carries nothing', { one: entities({ with: { text: '${input.patient}' }, ...own }), two: entities({ with: { text: '${meta.one.state}' } }) }],
    ['a condition hands nothing over', { one: entities({ if: '${input.patient != ""}' }) }],
    ['the answer is for whoever asked', { one: entities({ with: { text: '${input.secret}' }, ...own }) }],
  ])('%s', (_name, steps) => expect(said(document(steps))).toEqual([]))

  test('the document\'s providers count where a step has none', () => {
    const steps = { one: entities({ with: { text: '${input.patient}' } }) }
    expect(said(document(steps, { providers: { only: [CLINIC, LAB] } }))).toEqual([])
    expect(said(document(steps, { providers: { only: [CLINIC, STRANGER] } }))).toEqual([`steps.one: personal data reaches it (input.patient → one), and ${STRANGER} is not listed in labels.personal`])
  })
})

describe('who may not', () => {
  const patient = entities({ with: { text: '${input.patient}' }, ...own })
  test.each<[name: string, steps: object, ...errors: string[]]>([
    ['anybody', { one: entities({ with: { text: '${input.patient}' } }) }, 'steps.one: personal data reaches it (input.patient → one), and anybody may do it'],
    ['an outsider', { one: entities({ with: { text: '${input.patient}' }, providers: { only: [CLINIC, STRANGER] } }) }, `steps.one.providers.only[1]: personal data reaches it (input.patient → one), and ${STRANGER} is not listed in labels.personal`],
    ['in the middle of a text', { one: entities({ with: { text: 'Dear ${input.patient},' } }) }, 'steps.one: personal data reaches it (input.patient → one), and anybody may do it'],
    ['through the output of a step', { read: patient, facts: entities({ with: { text: '${json(steps.read.people)}' } }) }, 'steps.facts: personal data reaches it (input.patient → read → facts), and anybody may do it'],
    ['a long way', { read: patient, next: entities({ with: { text: '${json(steps.read)}' }, ...own }), last: entities({ with: { text: '${steps.next.people[0].name}' } }) }, 'steps.last: personal data reaches it (input.patient → read → next → last), and anybody may do it'],
    ['several labels of one value', { one: entities({ with: { text: '${input.secret}' }, providers: { only: [LAB] } }) }, `steps.one.providers.only[0]: secret data reaches it (input.secret → one), and ${LAB} is not listed in labels.secret`],
    ['what lies in it', { one: entities({ with: { text: '${json(input)}' }, providers: { only: [LAB] } }) }, `steps.one.providers.only[0]: secret data reaches it (input → one), and ${LAB} is not listed in labels.secret`],
    ['items of a list', { each: entities({ forEach: '${input.visits}', maxItems: 3, with: { text: '${item.note}' } }) }, 'steps.each: personal data reaches it (input.visits → each), and anybody may do it'],
    ['by a computed path', { one: entities({ with: { text: '${input.visits.map(v, v.note)[0]}' } }) }, 'steps.one: personal data reaches it (input.visits → one), and anybody may do it'],
    ['a definition that is referred to', { one: entities({ with: { text: '${input.visits[0].note}' } }) }, 'steps.one: personal data reaches it (input.visits[0].note → one), and anybody may do it'],
    ['a case of a switch', { pick: { switch: [{ uses: 'text.entities@1', with: { text: '${input.patient}' }, price }] } }, 'steps.pick: personal data reaches it (input.patient → pick), and anybody may do it'],
    ['a constant case', { pick: { switch: [{ value: '${input.patient}' }] }, next: entities({ with: { text: '${steps.pick}' } }) }, 'steps.next: personal data reaches it (input.patient → pick → next), and anybody may do it'],
    ['a fallback', { one: entities({ fallback: { uses: 'text.entities@1', with: { text: '${input.patient}' }, price } }) }, 'steps.one: personal data reaches it (input.patient → one), and anybody may do it'],
    ['a compensation', { one: entities({ compensate: { uses: 'text.entities@1', with: { text: '${input.patient}' }, price } }) }, 'steps.one: personal data reaches it (input.patient → one), and anybody may do it'],
    ['an approver', { sign: { approve: { by: STRANGER, message: 'Treat ${input.patient}?', timeout: '1h' } } }, `steps.sign.approve.by: personal data is in the message (input.patient → sign), and ${STRANGER} is not listed in labels.personal`],
    ['an escrow agent', { one: entities({ with: { text: '${input.patient}' }, ...own, settle: 'escrow' }) }, 'steps.one.escrow: personal data reaches it (input.patient → one), and in a dispute its escrow agent sees the output: any agent is not listed in labels.personal'],
  ])('%s', (_name, steps, ...errors) => expect(said(document(steps))).toEqual(errors))

  test('a hint names those who may', () => {
    expect(check(document({ one: entities({ with: { text: '${input.secret}' }, providers: { only: [LAB] } }) }), { capabilities }).errors[0]?.hint).toBe(`Add "providers": { "only": [ … ] } with some of labels.secret: ${CLINIC}.`)
  })
})

describe('sub-pipelines', () => {
  const sub = (step: object, more: object = {}): object => ({ name: 'sub', version: '1.0.0', input: { type: 'object', required: ['q'], properties: { q: { type: 'string' }, free: { type: 'string' } } }, steps: { inner: step }, output: '${json(steps.inner)}', ...more })
  const run = { sub: { pipeline: 'sub', with: { q: '${input.patient}', free: 'x' } } }
  test('what is handed to one reaches its steps, by the names of its inputs', () => {
    expect(said(document(run, { pipelines: { sub: sub(entities({ with: { text: '${input.q}' } })) } }))).toEqual(['steps.sub.pipeline: personal data reaches it (input.patient → sub → inner), and anybody may do it'])
    expect(said(document(run, { pipelines: { sub: sub(entities({ with: { text: '${input.free}' } })) } }))).toEqual([])
    expect(said(document(run, { pipelines: { sub: sub(entities({ with: { text: '${input.q}' }, ...own })) } }))).toEqual([])
  })
  test('its own list can only be shorter', () => {
    expect(said(document(run, { pipelines: { sub: sub(entities({ with: { text: '${input.q}' }, providers: { only: [LAB] } }), { labels: { personal: [CLINIC] } }) } }))).toEqual([`steps.sub.pipeline: personal data reaches it (input.patient → sub → inner), and ${LAB} is not listed in labels.personal`])
  })
  test('its answer carries what it was given', () => {
    expect(said(document({ ...run, next: entities({ with: { text: '${steps.sub}' } }) }, { pipelines: { sub: sub(entities({ ...own })) } }))).toEqual(['steps.next: personal data reaches it (input.patient → sub → next), and anybody may do it'])
  })
})

describe('names of labels', () => {
  const one = { one: entities() }
  test('a label that is not listed is an error, with what was probably meant', () => {
    const { errors } = check(document(one, { labels: { personnal: [CLINIC], secret: [] } }), { capabilities })
    expect(errors.map(({ path, message, hint }) => [path, message, hint])).toContainEqual(['input.properties.patient.x-label', 'personal is not listed in labels: nobody may have it', 'Did you mean personnal?'])
  })
  test('a label that is none is an error, one that is not used a warning', () => {
    expect(said(document(one, { input: { type: 'object', properties: { a: { type: 'string', 'x-label': 7 } } } }))).toEqual(['input.properties.a.x-label: is no label'])
    expect(check(document(one, { input: { type: 'object' } }), { capabilities }).warnings.map(({ path }) => path)).toEqual(expect.arrayContaining(['labels.personal', 'labels.secret']))
  })
  test('an empty list means nobody', () => {
    expect(said(document({ one: entities({ with: { text: '${input.secret}' }, ...own }) }, { labels: { personal: [CLINIC], secret: [] } }))).toEqual([`steps.one.providers.only[0]: secret data reaches it (input.secret → one), and ${CLINIC} is not listed in labels.secret`])
  })
})

test('labels of a path: of it, around it and below it', () => {
  const schema = { type: 'object', 'x-label': 'all', properties: { a: { type: 'object', properties: { b: { anyOf: [{ type: 'string', 'x-label': 'inner' }, { type: 'null' }] } } } }, additionalProperties: { 'x-label': 'rest' } }
  expect([...labelsAt(schema, ['a'])]).toEqual(['all', 'inner'])
  expect([...labelsAt(schema, ['a', 'b'])]).toEqual(['all', 'inner'])
  expect([...labelsAt(schema, ['z'])]).toEqual(['all', 'rest'])
  expect([...labelsAt(schema, [null, 'b'])].sort()).toEqual(['all', 'inner', 'rest'])
})

test('what is secret is not shown: the input, and what steps made of it', () => {
  const secrets = secretsOf(readPipeline(document({ one: entities({ with: { text: '${input.secret}' }, ...own }), two: entities({ with: { text: '${json(steps.one)}' }, ...own }), three: entities() })))
  expect(shownInputs({ secret: 'key', topic: 'x' }, secrets)).toEqual({ secret: '‹secret›', topic: 'x' })
  expect(['one', 'two[3]', 'three'].map((step) => shownOf(step, { people: [] }, secrets))).toEqual(['‹secret›', '‹secret›', { people: [] }])
  expect(shownOf('one', null, secrets)).toBe(null)
  expect(secretsOf(readPipeline({ name: 'a', version: '1.0.0', steps: { one: entities() }, output: 1 })).steps.size).toBe(0)
})
