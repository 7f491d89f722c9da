import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import fc from 'fast-check'
import { check } from './check.ts'
import { parseDocument } from './document.ts'
import { splitPath } from './positions.ts'
import { capabilities, scanDesk } from './scan-desk.fixture.ts'
import { readYaml } from './yaml.ts'

const valueOf = (text: string): unknown => {
  const read = readYaml(text, 64)
  if ('faults' in read) throw new Error(read.faults[0]!.message)
  return read.value
}
const faultsOf = (text: string): string[] => {
  const read = readYaml(text, 64)
  return 'faults' in read ? read.faults.map(({ message }) => message) : []
}

test('a document in YAML is the document in JSON', () => {
  const library = JSON.parse(readFileSync(new URL('./library/scan-desk.json', import.meta.url), 'utf8')) as object
  for (const document of [scanDesk, library]) {
    const text = stringify(document)
    expect(parseDocument(text).pipeline).toEqual(document)
    expect(check(text, { capabilities }).worstCase).toEqual(check(document, { capabilities }).worstCase)
  }
})

test('any JSON value is read as it was written', () => {
  fc.assert(fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
    const json = JSON.parse(JSON.stringify(value)) as unknown
    fc.pre(!JSON.stringify(json).includes('__proto__'))
    expect(valueOf(`a: ${stringify(json, { collectionStyle: 'flow', version: '1.2' }).trimEnd().replaceAll('\n', '\n ')}`)).toEqual({ a: json })
  }))
})

describe('errors name line and column', () => {
  const yaml = `# a comment
name: desk
version: 1.0.0
budget: { max: 0.25 }
steps:
  read:
    uses: vision.ocr@1
    with: { image: '\${input.scan}', note: "a \\u0041 \${steps.raed.text}" }
  facts:
    uses: text.entities@1
    with:
      text: |-
        one
        two \${steps.reed.text}
  rows:
    uses: data.query@1
    pirce: { max: '1' }
output: \${steps.raad}
`
  test.each<[path: string, message: RegExp, line: number, column: number, hint?: string]>([
    ['budget.max', /expected string, found 0\.25/, 4, 16, 'Write it in quotes: "0.25".'],
    ['steps.rows.pirce', /is not a known property/, 17, 12, 'Did you mean price?'],
  ])('%s', (path, message, line, column, hint) => {
    expect(parseDocument(yaml).issues).toContainEqual(expect.objectContaining({ path, message: expect.stringMatching(message), line, column, ...(hint ? { hint } : {}) }))
  })

  const meant = yaml.replace('0.25', "'0.25'").replace('pirce', 'price')
  test.each<[path: string, line: number, column: number]>([
    ['steps.read.with.note', 8, 55], ['steps.facts.with.text', 14, 15], ['output', 18, 11],
  ])('inside the text of %s', (path, line, column) => {
    const found = check(meant, { capabilities }).errors.filter((one) => one.path === path && one.message.startsWith('there is no step'))
    expect(found.map((one) => [one.line, one.column])).toEqual([[line, column]])
  })

  test('every value of a document is found at its line', () => {
    const text = stringify(scanDesk)
    const lines = text.split('\n')
    const read = readYaml(text, 64)
    if ('faults' in read) throw new Error(read.faults[0]!.message)
    const walk = (value: unknown, path: string): void => {
      const { line, column } = read.positions.at(path)
      const key = splitPath(path).at(-1)
      if (typeof value === 'string' && value.length < 40) expect(lines[line - 1]!.slice(column - 1)).toContain(value.slice(0, 10))
      if (typeof key === 'string' && typeof value !== 'object') expect(lines[line - 1]).toContain(key)
      if (typeof value === 'object' && value !== null) for (const [name, inner] of Object.entries(value)) walk(inner, Array.isArray(value) ? `${path}[${name}]` : path === '' ? name : `${path}.${name}`)
    }
    walk(scanDesk, '')
  })
})

describe('what JSON cannot say is refused', () => {
  test.each<[name: string, text: string, fault: RegExp]>([
    ['the same key twice', 'a: 1\na: 2', /this key stands twice/],
    ['a tag of its own', 'a: !money 1', /Unresolved tag: !money/],
    ['a binary', 'a: !!binary aGk=', /the tag tag:yaml.org,2002:binary is not read/],
    ['a merge key', 'a: &a { x: 1 }\nb: { <<: *a }', /merge keys are not read/],
    ['a number for a key', '1: a', /a key must be text/],
    ['a list for a key', '? [a]\n: b', /a key must be text/],
    ['infinity', 'a: .inf', /Infinity is no number of JSON/],
    ['__proto__', 'a: { __proto__: { b: 1 } }', /__proto__ is not allowed/],
    ['a second document', 'a: 1\n---\nb: 1', /second document/],
    ['an unknown alias', 'a: *b', /Unresolved alias|no anchor &b/],
    ['an alias inside of what it copies', 'a: &a [1, *a]', /stands inside of what it copies/],
    ['a broken line', 'a: b: c', /not YAML: Nested mappings/],
    ['tabs', 'a:\n\tb: 1', /not YAML: Tabs/],
    ['a bomb of aliases', `a0: &a0 [x, x]\n${Array.from({ length: 40 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}]`).join('\n')}`, /more than 100000 values/],
    ['a depth bomb', `a: ${'['.repeat(100_000)}`, /nested deeper than 64/],
    ['a depth bomb of dashes', '- '.repeat(100_000), /nested deeper than 64/],
    ['a depth bomb by indentation', Array.from({ length: 500 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'), /nested deeper than 64/],
    ['a million tokens', 'a: 1\n'.repeat(200_000), /tokens of YAML/],
    ['a megabyte and more', `a: ${'x'.repeat(1_100_000)}`, /characters/],
  ])('%s', (_name, text, fault) => {
    expect(faultsOf(text)).toContainEqual(expect.stringMatching(fault))
    expect(parseDocument(text)).toMatchObject({ pipeline: undefined, issues: [{ message: expect.stringMatching(fault), line: expect.any(Number) }] })
  })

  test('an alias is a copy, and texts that look like YAML 1.1 stay texts', () => {
    expect(valueOf('a: &x { y: [no, on, 012, 1.0.0, 12:30] }\nb: *x')).toEqual({ a: { y: ['no', 'on', 12, '1.0.0', '12:30'] }, b: { y: ['no', 'on', 12, '1.0.0', '12:30'] } })
    const { a, b } = valueOf('a: &x { y: 1 }\nb: *x') as { a: object; b: object }
    expect(a).not.toBe(b)
  })
})
