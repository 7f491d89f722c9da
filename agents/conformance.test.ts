/** The pipeline language by example: each case of `pipelines/conformance` is a whole run, and gives what it says. */
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { playCase, type Case, type Expected } from './conformance.fixture.ts'

const folder = new URL('../pipelines/conformance/', import.meta.url)
const names = readdirSync(folder).filter((name) => name.endsWith('.json')).sort()

const unordered = (seen: Expected): Expected => ({ ...seen, trace: seen.trace.toSorted(), bill: seen.bill.toSorted() })

describe.each(names)('%s', (file) => {
  const cases = JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as Case[]
  it.each(cases.map((one) => [one.name, one] as const))('%s', async (_name, one) => {
    expect(await playCase(one)).toEqual(one.expect)
  })
  // The language does not know how its steps are hired; who of those at once is done first may differ.
  it.runIf(process.env['AIGEN_LONG']).each(cases.map((one) => [one.name, one] as const))('%s, under standing agreements', async (_name, one) => {
    expect(unordered(await playCase(one, { calls: 3, forMs: 60_000 }))).toEqual(unordered(one.expect))
  })
})
