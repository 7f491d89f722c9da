/** Validation: every document has an example that fits, and what is wrong is named where it is (I8). */
import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compileSchema } from './compile-schema.ts'
import { documentExamples } from './documents.contract.ts'
import type { DocumentName } from './validate.ts'
import { fits, issuesOf, validate } from './validate.ts'
import { REFS } from './registry.gen.ts'

const examples = documentExamples()
const names = Object.keys(examples) as (keyof typeof examples)[]
const copy = (name: keyof typeof examples): any => structuredClone(examples[name])

describe('every document', () => {
  it.each(names)('%s: the example fits', (name) => {
    expect(issuesOf(name, examples[name])).toEqual([])
    expect(validate(name, examples[name])).toBe(examples[name])
  })

  it.each(Object.keys(REFS) as DocumentName[])('%s: compiles and refuses what it is not', (name) => {
    expect(fits(name, Symbol.iterator)).toBe(false)
    expect(fits(name, undefined)).toBe(false)
  })

  it.each(names)('%s: no unknown property, no missing one, anywhere', (name) => {
    const value = copy(name)
    for (const { holder, path } of objectsIn(value)) {
      holder['surprise'] = 1
      const issues = issuesOf(name, value)
      delete holder['surprise']
      if (!OPEN.test(path)) expect(issues.map((issue) => issue.path)).toContain(path === '' ? 'surprise' : `${path}.surprise`)
    }
    expect(issuesOf(name, value)).toEqual([])
  })

  it.each(names)('%s: any JSON value in any place is judged without a crash', (name) => {
    fc.assert(fc.property(fc.nat(), fc.jsonValue({ maxDepth: 3 }), (place, junk) => {
      const value = copy(name)
      const objects = objectsIn(value)
      const { holder } = objects[place % objects.length]!
      const keys = Object.keys(holder)
      holder[keys[place % keys.length]!] = junk
      for (const issue of issuesOf(name, value)) {
        expect(issue.message).toMatch(/expected|known/)
        expect(issue.path.length + issue.message.length).toBeLessThan(1500)
      }
    }), { numRuns: 40 })
  })
})

describe('issues', () => {
  it.each([
    ['Card', ['body', 'offers', 0, 'list'], 0.02, 'body.offers[0].list', 'expected string, found 0.02'],
    ['Card', ['body', 'offers', 0, 'list'], '1e3', 'body.offers[0].list', 'expected an amount of money as a decimal string, like "0.25", found "1e3"'],
    ['Card', ['body', 'roles', 0], 'servce-provider', 'body.roles[0]', 'expected one of "service-provider", "client-provider", "user", "trust-guardian", "payment-provider", found "servce-provider"'],
    ['Card', ['body', 'issuedAt'], 1.5, 'body.issuedAt', 'expected integer, found 1.5'],
    ['Terms', ['provider'], '0xAB00000000000000000000000000000000000001', 'provider', 'expected an EVM address in lower case, like 0x00000000000000000000000000000000000000aa, found "0xAB00000000000000000000000000000000000001"'],
    ['Terms', ['cap'], '18000.5', 'cap', 'expected an amount in the asset\'s smallest unit as a decimal string of an integer, like "18000", found "18000.5"'],
    ['Terms', ['expect'], 7, 'expect', 'expected string or null, found 7'],
    ['Voucher', ['kind'], 'gift', 'kind', 'expected a known kind, found "gift"'],
    ['Voucher', ['cumulative'], undefined, 'cumulative', 'expected all that this lane pays so far, found nothing'],
    ['Delivery', ['body', 'units'], { 'no unit': 1 }, 'body.units', 'expected a key that is a billing unit, like page, found "no unit"'],
    ['InvokeAnswer', ['state'], 'lost', 'state', 'expected a known kind, found "lost"'],
    ['PayRequest', ['deliveries'], [], 'deliveries', 'expected at least 1 items, found 0'],
  ] as const)('%s at %j as %j', (name, place, junk, path, message) => {
    const value = copy(name)
    let holder = value
    for (const key of place.slice(0, -1)) holder = holder[key]
    if (junk === undefined) delete holder[place.at(-1)!]
    else holder[place.at(-1)!] = junk
    expect(issuesOf(name, value)).toContainEqual(expect.objectContaining({ path, message }))
    expect(() => validate(name, value)).toThrow(expect.objectContaining({ code: 'input.invalid' }))
  })

  it('suggest the property that was meant', () => {
    const value = copy('Terms')
    value.unitprice = value.unitPrice
    expect(issuesOf('Terms', value)).toEqual([{ path: 'unitprice', message: 'is not a known property', hint: 'Did you mean unitPrice?' }])
  })

  it('come all at once, bounded', () => {
    const value = copy('Bill')
    value.steps = Array.from({ length: 500 }, () => ({ step: 'x', state: 'done', charged: -1 }))
    const issues = issuesOf('Bill', value)
    expect(issues).toHaveLength(100)
    expect(issues[99]!.path).toBe('steps[99].charged')
  })

  it('are not fooled by prototypes', () => {
    const value = copy('Card')
    const evil = JSON.parse('{"__proto__": {"admin": true}, "constructor": 1}')
    expect(issuesOf('Card', { ...value, ...evil }).map((issue) => issue.path)).toContain('constructor')
    expect(issuesOf('Card', Object.assign(Object.create(null), value))).toEqual([])
    expect(issuesOf('Card', JSON.parse(`{"__proto__":${JSON.stringify(value)}}`)).map((issue) => issue.path)).toEqual(
      expect.arrayContaining(['body', 'signature', '__proto__']))
    expect(({} as Record<string, unknown>)['admin']).toBeUndefined()
  })
})

describe('the capabilities that come with AIGEN', () => {
  const folder = new URL('./capabilities/', import.meta.url)
  const files = readdirSync(folder).filter((name) => name.endsWith('.json'))
  it.each(files)('%s fits, is called like its file, and its schemas compile', (file) => {
    const capability = validate('Capability', JSON.parse(readFileSync(new URL(file, folder), 'utf8')))
    expect(`${capability.id}.json`).toBe(file)
    for (const schema of [capability.input, capability.output]) expect(compileSchema(schema).hash).toMatch(/^sha256-/)
  })
})

/** Places where any key is allowed: schemas, values, counts by unit. */
const OPEN = /(^|\.)(input|output|units)(\.|\[|$)/

function objectsIn(value: any, path = ''): { holder: any; path: string }[] {
  if (typeof value !== 'object' || value === null) return []
  const at = Array.isArray(value) ? [] : [{ holder: value, path }]
  const children = Object.entries(value).flatMap(([key, child]) =>
    objectsIn(child, Array.isArray(value) ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`))
  return [...at, ...children]
}
