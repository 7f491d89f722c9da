import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { check } from '../pipelines/check.ts'
import type { ProviderDefinition } from '../agents/provider/define.ts'
import type { Capability } from '../schemas/documents.gen.ts'
import { validate } from '../schemas/validate.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

/** The code blocks of a language in the README. */
async function blocks(language: string): Promise<string[]> {
  const text = await readFile(join(root, 'README.md'), 'utf8')
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map((match) => match[1]!)
}

describe('what the README shows works', () => {
  let folder: string
  beforeAll(async () => (folder = await mkdtemp(join(root, 'dist', 'readme-'))))
  afterAll(() => rm(folder, { recursive: true, force: true }))

  it('its pipeline passes the checker against the standard capabilities', async () => {
    const files = await readdir(join(root, 'schemas/capabilities'))
    const standard = await Promise.all(files.map(async (file) => JSON.parse(await readFile(join(root, 'schemas/capabilities', file), 'utf8')) as Capability))
    const [document] = await blocks('json')
    const report = check(document!, { capabilities: new Map(standard.map((one) => [one.id, one])) })
    expect(report.errors).toEqual([])
    expect(report.warnings).toEqual([])
  })

  it('its provider is a definition that works', async () => {
    const [source] = await blocks('js')
    const file = join(folder, 'shout.js')
    await writeFile(file, source!.replace("from 'aigen'", `from ${JSON.stringify(pathToFileURL(join(root, 'dist/index.js')).href)}`))
    const { default: definition } = (await import(/* @vite-ignore */ pathToFileURL(file).href)) as { default: ProviderDefinition }
    validate('Capability', definition.capability)
    const result = await definition.handler({ text: 'hello' }, undefined as never)
    expect(result).toEqual({ output: { text: 'HELLO' }, units: { call: 1 } })
    // vitest reads the whole built package for it.
  }, 60_000)
})
