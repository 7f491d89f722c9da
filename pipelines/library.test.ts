/** Every pipeline of the library passes the checker against the capabilities of the devnet. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import type { Bundle, Capability } from '../schemas/documents.gen.ts'
import { check } from './check.ts'
import { planOf } from './plan.ts'

const folder = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const filesOf = (path: string): string[] => readdirSync(folder(path)).filter((name) => name.endsWith('.json'))
const capabilities = new Map(filesOf('../schemas/capabilities').map((name) => {
  const capability = JSON.parse(readFileSync(folder(`../schemas/capabilities/${name}`), 'utf8')) as Capability
  return [capability.id, capability]
}))
/** What the devnet's bundles sell has its input from their pipeline. */
for (const name of filesOf('../examples/devnet/bundles')) {
  const { capability, pipeline } = JSON.parse(readFileSync(folder(`../examples/devnet/bundles/${name}`), 'utf8')) as Bundle
  capabilities.set(capability.id, { ...capability, unit: 'call', input: pipeline.input } as Capability)
}

test.each(filesOf('./library'))('%s', (name) => {
  const report = check(readFileSync(folder(`./library/${name}`), 'utf8'), { capabilities })
  expect(report.errors).toEqual([])
  expect(planOf(report.pipeline!, report.budget).order).toHaveLength(Object.keys(report.pipeline!.steps).length)
})
