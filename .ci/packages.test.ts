/** Packages: exact versions, and the same one where the root and the examples both name a package. */
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
}
const read = (path: string): Record<string, string> => {
  const { dependencies, devDependencies } = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as Manifest
  return { ...dependencies, ...devDependencies }
}
const root = read('../package.json')
const examples = read('../examples/package.json')

it('are pinned to one version', () => {
  // The examples import the package as its users do, from the folder above.
  for (const [name, version] of [...Object.entries(root), ...Object.entries(examples)]) if (name !== 'aigen') expect(version, name).toMatch(/^\d+\.\d+\.\d+(-[\w.]+)?$/)
})

it('are the same in the root and in the examples', () => {
  for (const [name, version] of Object.entries(examples)) expect(root[name] ?? version, name).toBe(version)
  // The devnet runs on it, the core's tests too.
  expect(examples).toHaveProperty('@foundry-rs/anvil')
  expect(root).toHaveProperty('@foundry-rs/anvil')
})
