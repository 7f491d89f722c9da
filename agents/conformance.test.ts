/** The pipeline language by example: each case of `pipelines/conformance` is a whole run, and gives what it says. */
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { playCase, type Case } from './conformance.fixture.ts'

const folder = new URL('../pipelines/conformance/', import.meta.url)
const names = readdirSync(folder).filter((name) => name.endsWith('.json')).sort()

describe.each(names)('%s', (file) => {
  const cases = JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as Case[]
  it.each(cases.map((one) => [one.name, one] as const))('%s', async (_name, one) => {
    expect(await playCase(one)).toEqual(one.expect)
  })
})
