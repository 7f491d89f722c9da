/** The schema that editors read, in the language service that VS Code has, as a document names it. */
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { describe, expect, it } from 'vitest'
import { getLanguageService, TextDocument } from 'vscode-json-languageservice'

const SCHEMA = './node_modules/aigen/schemas/pipeline.editor.json'
const HERE = 'file:///home/you/desk/desk.json'
/** What the package gives under that name, as its exports say. */
const published = createRequire(import.meta.url).resolve('aigen/schemas/pipeline.editor.json')
const asked: string[] = []
const service = getLanguageService({
  schemaRequestService: async (uri) => {
    asked.push(uri)
    if (uri !== new URL(SCHEMA, HERE).href) throw new Error(`an editor has no ${uri}`)
    return readFileSync(published, 'utf8')
  },
  workspaceContext: { resolveRelativePath: (path, base) => new URL(path, base).href },
})
service.configure({ validate: true, allowComments: false })

/** A document with its cursor at `|`. */
function open(text: string): { document: TextDocument; json: ReturnType<typeof service.parseJSONDocument>; at: ReturnType<TextDocument['positionAt']> } {
  const offset = text.indexOf('|')
  const document = TextDocument.create(HERE, 'json', 1, text.replace('|', ''))
  return { document, json: service.parseJSONDocument(document), at: document.positionAt(Math.max(0, offset)) }
}
const desk = (step: string, more = ''): string => `{ "$schema": "${SCHEMA}", "name": "desk", "version": "1.0.0", "steps": { "read": ${step} }, "output": {}${more} }`
const labels = async (text: string): Promise<string[]> => {
  const { document, json, at } = open(text)
  return (await service.doComplete(document, at, json))!.items.map(({ label }) => label)
}
const problems = async (text: string): Promise<string[]> => {
  const { document, json } = open(text)
  return (await service.doValidation(document, json)).map(({ message }) => (typeof message === 'string' ? message : message.value))
}

describe('an editor', () => {
  it('completes the reasons of retry.on, the settlements and the fields of a step', async () => {
    expect(await labels(desk('{ "uses": "vision.ocr@1", "retry": { "attempts": 2, "on": [|] } }'))).toEqual(expect.arrayContaining(['"timeout"', '"expect"', '"output"', '"failed"', '"refused"']))
    expect(await labels(desk('{ "uses": "vision.ocr@1", "settle": | }'))).toEqual(expect.arrayContaining(['"postpaid"', '"escrow"']))
    expect(await labels(desk('{ "|" }'))).toEqual(expect.arrayContaining(['uses', 'forEach', 'quorum', 'compensate', 'providers']))
    expect(await labels(desk('{ "uses": "vision.ocr@1", "providers": { "choose": | } }'))).toEqual(expect.arrayContaining(['"cheapest"', '"fastest"', '"trusted"']))
  })

  it('tells what a field means, parts that stand in other schemas included', async () => {
    const hover = async (text: string): Promise<string> => {
      const { document, json, at } = open(text)
      return JSON.stringify((await service.doHover(document, at, json))?.contents ?? '')
    }
    expect(await hover(desk('{ "uses": "vision.ocr@1", "retry": { "attempts": 2, "els|ewhere": true } }'))).toContain('whether another provider is hired')
    expect(await hover(desk('{ "us|es": "vision.ocr@1" }'))).toContain('the capability or bundle to hire')
  })

  it('marks a wrong key, a wrong value, and what is missing', async () => {
    expect(await problems(desk('{ "uses": "vision.ocr@1", "pirce": { "max": "1" } }'))).toEqual([expect.stringContaining('pirce')])
    expect(await problems(desk('{ "uses": "vision.ocr@1", "price": { "max": "a lot" } }'))).toHaveLength(1)
    expect(await problems(desk('{ "uses": "vision.ocr@1", "retry": { "attempts": 2, "on": ["tmeout"] } }'))).toEqual([expect.stringContaining('timeout')])
    expect(await problems(`{ "$schema": "${SCHEMA}", "name": "desk" }`)).toEqual(expect.arrayContaining([expect.stringContaining('steps')]))
  })

  it('finds nothing wrong with a sub-pipeline that is right, and something with one that is not', async () => {
    const inner = (step: string): string => `, "pipelines": { "inner": { "name": "inner", "version": "1.0.0", "steps": { "a": ${step} }, "output": {} } }`
    expect(await problems(desk('{ "pipeline": "inner" }', inner('{ "uses": "vision.ocr@1" }')))).toEqual([])
    expect(await problems(desk('{ "pipeline": "inner" }', inner('{ "usse": "vision.ocr@1" }')))).toEqual([expect.stringContaining('usse')])
  })

  it('finds nothing wrong with the library', async () => {
    const folder = new URL('../pipelines/library/', import.meta.url)
    for (const name of readdirSync(folder).filter((one) => one.endsWith('.json'))) {
      const document = { ...JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as object, $schema: SCHEMA }
      expect(await problems(JSON.stringify(document).replaceAll('|', '¦')), name).toEqual([])
    }
  })

  it('asks for no other schema: everything it refers to is in the one file', () => {
    expect(new Set(asked)).toEqual(new Set([new URL(SCHEMA, HERE).href]))
  })
})
