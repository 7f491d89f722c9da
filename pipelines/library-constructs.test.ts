/** The library shows the language: every construct of the schema is in one of its pipelines, and its README says in which. */
import { readdirSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import type { Capability } from '../schemas/documents.gen.ts'
import { check } from './check.ts'
import { allConstructs, constructsOf } from './constructs.fixture.ts'

const LIBRARY = new URL('./library/', import.meta.url)
const documents = readdirSync(LIBRARY).filter((name) => name.endsWith('.json')).map((file) => {
  const document: unknown = JSON.parse(readFileSync(new URL(file, LIBRARY), 'utf8'))
  return { name: file.replace(/\.json$/, ''), uses: constructsOf(document) }
})
const shownBy = (construct: string): string[] => documents.filter(({ uses }) => uses.has(construct)).map(({ name }) => name)

/** Whether the checker says of a step with `part` that this version does not run it: nothing could show that. */
function isRun(part: object): boolean {
  const compute = JSON.parse(readFileSync(new URL('../schemas/capabilities/compute.run@1.json', import.meta.url), 'utf8')) as Capability
  const document = { name: 'one', version: '1.0.0', budget: { max: '1' }, steps: { one: { uses: compute.id, with: { source: 'return 1' }, price: { max: '0.01' }, ...part } }, output: null }
  return !check(document, { capabilities: new Map([[compute.id, compute]]) }).errors.some(({ message }) => message.includes('is not run by this version'))
}
const [, ...settlements] = allConstructs().filter((construct) => construct.startsWith('step.settle')).map((construct) => construct.split(': ')[1]!)
const notRun = new Set(settlements.filter((settle) => !isRun({ settle })).map((settle) => `step.settle: ${settle}`))

it('has every construct that this version runs', () => {
  expect(allConstructs().length).toBeGreaterThan(80)
  expect(allConstructs().filter((construct) => !notRun.has(construct) && shownBy(construct).length === 0), 'add each to a pipeline of the library').toEqual([])
})

it('tells in its README which pipeline shows what', () => {
  // What most of them have is not worth a line.
  const rows = allConstructs().map((construct) => ({ construct, names: shownBy(construct) }))
    .filter(({ names }) => names.length > 0 && names.length <= documents.length / 2)
    .map(({ construct, names }) => `| \`${construct}\` | ${names.map((name) => `\`${name}\``).join(', ')} |`)
  const readme = readFileSync(new URL('README.md', LIBRARY), 'utf8')
  const table = readme.slice(readme.indexOf('| construct | pipelines |')).split('\n').slice(2).filter((line) => line.startsWith('|'))
  expect(table, `the table should be\n${rows.join('\n')}\n`).toEqual(rows)
})

it('sees a construct that is missing, and each of its words', () => {
  const all = allConstructs()
  for (const construct of ['step.forEach', 'retry.on: timeout', 'step.settle: escrow', 'providers.choose: trusted', 'providers.choose.latency', 'wait.then: continue', 'case.value', '${chunks}']) expect(all).toContain(construct)
  const uses = constructsOf(JSON.parse(`{"steps": {
    "a": {"uses": "x", "retry": {"on": ["timeout"]}, "providers": {"choose": {"price": 1}}}, "b": {"forEach": "\${chunks.a}"}},
    "pipelines": {"p": {"steps": {"c": {"wait": {"then": "fail"}}}}}}`))
  expect([...uses].filter((one) => !one.startsWith('pipeline.')).sort()).toEqual([
    '${chunks}', 'providers.choose', 'providers.choose.price', 'retry.on', 'retry.on: timeout', 'step.forEach', 'step.providers', 'step.retry', 'step.uses', 'step.wait', 'wait.then', 'wait.then: fail',
  ])
})
