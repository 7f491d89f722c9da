/**
 * The constructs of the pipeline language, read from its schema: every property of every part, and
 * every word that a property may be. `constructsOf` says which of them a document uses. Used to see
 * that the library shows them all.
 */
import { readFileSync } from 'node:fs'
import { compileTemplate } from './template.ts'
import { ROOTS } from './environment.ts'

interface Schema {
  readonly $ref?: string
  readonly title?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: boolean | Schema
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly $defs?: Readonly<Record<string, Schema>>
}

const read = (name: string): Schema => JSON.parse(readFileSync(new URL(`../schemas/${name}`, import.meta.url), 'utf8')) as Schema
const PIPELINE = read('pipeline.schema.json')
const PARTS = read('parts.schema.json')
/** Says nothing of what a pipeline does. */
const ABOUT: ReadonlySet<string> = new Set(['pipeline.$schema', 'pipeline.name', 'pipeline.version', 'pipeline.title', 'pipeline.description', 'step.title', 'step.description'])

function resolved(schema: Schema): Schema {
  if (schema.$ref === undefined) return schema
  if (schema.$ref === '#') return PIPELINE
  const name = schema.$ref.split('/').at(-1)!
  return (schema.$ref.startsWith('#') ? PIPELINE : PARTS).$defs![name]!
}

/** Calls `seen` with each construct in `value`, or without a value with each that there is. */
function walk(given: Schema, value: unknown, everything: boolean, at: string, seen: (construct: string) => void, within: ReadonlySet<Schema> = new Set()): void {
  const schema = resolved(given)
  if (everything && within.has(schema)) return
  const inside = new Set([...within, schema])
  // The parts' own languages (JSON Schema, amounts, addresses) are no constructs of this one.
  const title = schema.title?.startsWith('Pipeline') === true ? (schema.title === 'Pipeline' ? 'pipeline' : `${schema.title[8]!.toLowerCase()}${schema.title.slice(9)}`) : undefined
  const name = title === 'choice' || title === 'weights' || title === 'retryReason' || title === undefined ? at : title
  const words = schema.enum ?? (schema.const === undefined ? [] : [schema.const])
  for (const word of everything ? words : [value]) if (words.includes(word)) seen(`${at}: ${String(word)}`)
  for (const branch of schema.anyOf ?? []) {
    if (everything || (branch.enum === undefined && branch.const === undefined) === (typeof value === 'object')) walk(branch, value, everything, at, seen, inside)
  }
  for (const [key, part] of Object.entries(schema.properties ?? {})) {
    const one = everything ? undefined : (value as Record<string, unknown>)?.[key]
    if (!everything && one === undefined) continue
    const construct = `${name}.${key}`
    if (!ABOUT.has(construct)) seen(construct)
    if (construct !== 'pipeline.input') walk(part, one, everything, construct, seen, inside)
  }
  if (typeof schema.additionalProperties === 'object') {
    for (const one of everything ? [undefined] : Object.values((value ?? {}) as object)) walk(schema.additionalProperties, one, everything, at, seen, inside)
  }
  if (schema.items) for (const one of everything ? [undefined] : Array.isArray(value) ? (value as unknown[]) : []) walk(schema.items, one, everything, at, seen, inside)
}

/** What expressions of the document name, by its root: `chunks` is where a stream flows on. */
function rootsOf(value: unknown): string[] {
  if (typeof value === 'string') return compileTemplate(value).references.map(({ root }) => `\${${root}}`)
  if (typeof value !== 'object' || value === null) return []
  return Object.values(value).flatMap(rootsOf)
}

/** All there are, in the order of the schema. @example ['pipeline.budget', …, 'retry.on: timeout', …, '${chunks}'] */
export function allConstructs(): string[] {
  const all = new Set<string>()
  walk(PIPELINE, undefined, true, 'pipeline', (construct) => all.add(construct))
  return [...all, ...ROOTS.map((root) => `\${${root}}`)]
}

/** Those that a document uses. */
export function constructsOf(document: unknown): ReadonlySet<string> {
  const used = new Set<string>(rootsOf(document))
  walk(PIPELINE, document, false, 'pipeline', (construct) => used.add(construct))
  return used
}
