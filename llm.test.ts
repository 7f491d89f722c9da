/** The second door: what it lists is there, and the first one opens without LangChain. */
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import * as llm from './llm.ts'

it('exports what it is meant to', () => {
  expect(Object.keys(llm).toSorted()).toEqual(['NetworkChatModel', 'TEXT_CHAT', 'TEXT_GENERATE', 'networkTools', 'tokenUnits', 'vendorModels', 'vendorsIn'])
})

it('is the only door behind which LangChain is', () => {
  const seen = new Set<string>()
  const walk = (file: URL): void => {
    if (seen.has(file.href)) return
    seen.add(file.href)
    const text = readFileSync(file, 'utf8')
    for (const [statement, kind, from] of text.matchAll(/^(import|export)\s(?:[^'";]*?\sfrom\s)?'([^']+)'/gm)) {
      if (/^(import|export) type /.test(statement) || kind === undefined) continue
      expect(from, file.href).not.toMatch(/^(@langchain|langchain|openai|@anthropic-ai)/)
      if (from!.startsWith('.') && from!.endsWith('.ts')) walk(new URL(from!, file))
    }
  }
  walk(new URL('./index.ts', import.meta.url))
  expect(seen.size).toBeGreaterThan(50)
})
