/**
 * The inputs of a run, from `k=v` words or a JSON body to values that fit the document's `input`
 * schema (DESIGN, Command line). Pure: it says which files to read, the CLI or the door reads them
 * and stores blobs, then `checkInputs` judges the whole.
 */
import { compileSchema } from '../schemas/compile-schema.ts'
import type { Pipeline } from '../schemas/documents.gen.ts'
import { AigenError, type Issue } from '../schemas/error.ts'
import { joinPath } from '../schemas/explain.ts'
import { didYouMean } from './findings.ts'
import { blobKind, isSchema, shapeAt, shapeOf, typesOf, type Shape } from './schema-path.ts'

/** A file that an input names with `@`. */
export interface InputFile {
  readonly input: string
  /** As given after the `@`. */
  readonly file: string
  /** blob: stored, and its reference is the value · text: its text is the value · json: the value it parses to. */
  readonly as: 'blob' | 'text' | 'json'
  /** `image` where the schema wants a blob of that kind, '' for any. */
  readonly kind: string
}

export interface ReadInputs {
  readonly values: Readonly<Record<string, unknown>>
  readonly files: readonly InputFile[]
}

/**
 * What `--input k=v` words say: `v` is text where the schema wants a string, else JSON; `k=@file`
 * is a file, `k=@@x` the text `@x`.
 *
 * Error `usage.invalid` with an issue a word: no `=`, an unknown input (with the one probably
 * meant), the same one twice, a value that does not parse, a blob that is not given as a file.
 *
 * @example readInputs(pipeline, ['scan=@memo.png']).files // [{ input: 'scan', file: 'memo.png', as: 'blob', kind: 'image' }]
 */
export function readInputs(pipeline: Pipeline, words: readonly string[]): ReadInputs {
  const values = new Map<string, unknown>()
  const files: InputFile[] = []
  const issues: Issue[] = []
  const seen = new Set<string>()
  for (const word of words) {
    const equals = word.indexOf('=')
    const name = equals < 0 ? word : word.slice(0, equals)
    const shape = shapeOfInput(pipeline, name)
    if (equals < 1) issues.push({ path: name, message: `expected name=value, found ${JSON.stringify(word.slice(0, 60))}` })
    else if ('known' in shape) issues.push({ path: name, message: `the pipeline has no input ${name}`, ...hint(name, shape.known) })
    else if (seen.has(name)) issues.push({ path: name, message: 'given twice' })
    else readWord(name, word.slice(equals + 1), shape, values, files, issues)
    seen.add(name)
  }
  if (issues.length > 0) throw new AigenError('usage.invalid', `${issues[0]!.path}: ${issues[0]!.message}.`, { issues })
  return { values: Object.fromEntries(values), files }
}

/** What is wrong with complete inputs, and the inputs with the schema's defaults filled in. */
export function checkInputs(pipeline: Pipeline, inputs: unknown): { readonly inputs: unknown; readonly issues: readonly Issue[] } {
  const filled = withDefaults(pipeline, inputs)
  if (pipeline.input !== undefined) return { inputs: filled, issues: compileSchema(pipeline.input).issues(filled) }
  const none = isSchema(filled) ? Object.keys(filled) : ['']
  return { inputs: filled, issues: none.map((name) => ({ path: name === '' ? '' : joinPath('', name), message: 'the pipeline declares no input' })) }
}

/** The names of the inputs that are files, with the kind of blob each wants ('' for any). */
export function fileInputs(pipeline: Pipeline): Readonly<Record<string, string>> {
  const properties = pipeline.input?.['properties']
  if (!isSchema(properties)) return {}
  const kinds = Object.entries(properties).map(([name, schema]) => [name, blobKind(schema)] as const)
  return Object.fromEntries(kinds.filter((entry): entry is readonly [string, string] => entry[1] !== undefined))
}

function shapeOfInput(pipeline: Pipeline, name: string): Shape | { known: readonly string[] } {
  if (pipeline.input === undefined) return { known: [] }
  const found = shapeAt(shapeOf(pipeline.input), [name])
  return 'missing' in found ? { known: found.known } : found
}

function hint(name: string, known: readonly string[]): { hint?: string } {
  const found = didYouMean(name, known)
  return found === undefined ? {} : { hint: found }
}

function readWord(name: string, text: string, shape: Shape, values: Map<string, unknown>, files: InputFile[], issues: Issue[]): void {
  const types = shape.schema && typesOf(shape.schema)
  const blob = blobKind(shape.schema)
  const wantsText = types?.includes('string') ?? false
  if (text.startsWith('@') && !text.startsWith('@@')) {
    const file = text.slice(1)
    if (file === '') issues.push({ path: name, message: 'expected a file behind the @' })
    else files.push({ input: name, file, as: blob !== undefined ? 'blob' : wantsText || !types ? 'text' : 'json', kind: blob ?? '' })
    return
  }
  const plain = text.startsWith('@@') ? text.slice(1) : text
  if (blob !== undefined) issues.push({ path: name, message: 'wants a file', hint: `Write ${name}=@path.` })
  else if (wantsText) values.set(name, plain)
  else {
    try {
      values.set(name, JSON.parse(plain))
    } catch {
      if (types) issues.push({ path: name, message: `wants ${types.join(' or ')}, found ${JSON.stringify(plain.slice(0, 60))}` })
      else values.set(name, plain)
    }
  }
}

/** Defaults of the top level only; a missing body counts as an empty one. */
function withDefaults(pipeline: Pipeline, inputs: unknown): unknown {
  const given = inputs === undefined ? {} : inputs
  const properties = pipeline.input?.['properties']
  if (!isSchema(given) || !isSchema(properties)) return given
  const missing = Object.entries(properties).filter(([name, schema]) => isSchema(schema) && 'default' in schema && !Object.hasOwn(given, name))
  return { ...given, ...Object.fromEntries(missing.map(([name, schema]) => [name, (schema as { default: unknown }).default])) }
}
