/** Large parts are taken out of a value and put back without a trace. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { LARGE_BYTES, largeParts, pathOf, putBack, without } from './large.ts'

const TEXT = 'x'.repeat(LARGE_BYTES + 1)
const taken = (value: object): string[] => largeParts({ value }, ['value']).map(({ at }) => pathOf(at))

it('takes the innermost part that is too large, and never the whole', () => {
  expect(taken({ small: 'x', text: TEXT, deep: [{ text: TEXT }], bytes: Buffer.alloc(LARGE_BYTES + 1) })).toEqual(['value.text', 'value.deep.0.text', 'value.bytes'])
  expect(taken({ rows: Array.from({ length: 10_000 }, (_, at) => ({ at, name: `row ${at}` })) })).toEqual(['value.rows'])
  expect(taken(Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`field${at}`, 'x'.repeat(5_000)])))).toEqual([])
  // What lies within a part that is one as a whole is not taken twice.
  expect(taken({ rows: [TEXT, ...Array.from({ length: 10_000 }, () => 'a row of the table')] })).toEqual(['value.rows'])
})

it('takes the few members that make an object too large, so that an image packs no more than what has changed', () => {
  const half = 'x'.repeat(LARGE_BYTES / 2)
  const context = { document: { text: half, title: 'a' }, plan: { steps: { text: TEXT } }, states: { text: `${half}y` }, at: 1 }
  expect(taken({ context })).toEqual(['value.context.plan.steps.text', 'value.context.document'])
  const placed = new WeakSet<object>([context.document, context.plan.steps])
  expect(largeParts({ value: { context } }, ['value'], placed).map(({ at }) => pathOf(at))).toEqual(['value.context.document', 'value.context.plan.steps'])
  // Too many of them, or none that is large enough: the object as a whole.
  const many = (count: number, bytes: number): object => ({ all: Object.fromEntries(Array.from({ length: count }, (_, at) => [`m${at}`, 'x'.repeat(bytes)])) })
  expect(taken(many(9, LARGE_BYTES / 8))).toEqual(['value.all.m0', 'value.all.m1'])
  expect(taken(many(40, LARGE_BYTES / 8))).toEqual(['value.all'])
  expect(taken(many(400, 1_000))).toEqual(['value.all'])
})

it('counts bytes, not characters', () => {
  const wide = '€'.repeat(LARGE_BYTES / 3 + 1)
  expect(taken({ wide })).toEqual(['value.wide'])
  expect(taken({ narrow: 'x'.repeat(LARGE_BYTES - 10) })).toEqual([])
})

it('leaves alone what it could not put back', () => {
  expect(taken(JSON.parse(`{"__proto__": "${TEXT}"}`))).toEqual([])
  expect(taken(JSON.parse(`{"map": {"__proto__": {"text": "${TEXT}"}}}`))).toEqual(['value.map'])
  expect(taken({ date: new Date(0), map: new Map([['text', TEXT]]) })).toEqual([])
})

it('puts back what it took out, and changes neither on the way', () => {
  const big = fc.constantFrom(TEXT, 'x'.repeat(LARGE_BYTES / 3), { half: 'x'.repeat(LARGE_BYTES / 2) }, Array.from({ length: 9_000 }, (_, at) => at * 1_000_003), { text: TEXT, more: 1 })
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof({ depthSize: 'small' }, fc.string(), fc.integer(), fc.constant(null), big, fc.array(tie('value'), { maxLength: 4 }), fc.dictionary(fc.string(), tie('value'), { maxKeys: 4 })),
  }))
  fc.assert(fc.property(fc.dictionary(fc.string(), value, { maxKeys: 4 }), (object) => {
    const root = { kept: 1, object }
    const before = JSON.stringify(root)
    const parts = largeParts(root, ['object'])
    const rest = without(root, parts.map(({ at }) => at))
    expect(JSON.stringify(root)).toBe(before)
    expect(largeParts(rest, ['object'])).toEqual([])
    for (const { at, value: part } of parts) putBack(rest, at, part)
    expect(JSON.stringify(rest)).toBe(before)
  }), { numRuns: 50 })
})
