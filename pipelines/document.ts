/**
 * A pipeline document, from text to its type: size, depth, syntax, keys, schema (D8). Used by the
 * checker, the CLI, bundles and doors. Part of the one door for what strangers write (I8): nothing
 * after this sees a document that is not bounded.
 */
import { checkValue } from '../schemas/decode.ts'
import type { Pipeline } from '../schemas/documents.gen.ts'
import { AigenError, type Issue } from '../schemas/error.ts'
import { joinPath } from '../schemas/explain.ts'
import { issuesOf } from '../schemas/validate.ts'
import { positionOf, positionsOf, splitPath, type Position, type Positions } from './positions.ts'
import { readYaml } from './yaml.ts'

/** Bounds of a document. */
export const DOCUMENT_MAX = { characters: 4_194_304, depth: 64, steps: 10_000, values: 262_144 } as const

/** An issue with its place in the text, where there is a text. */
export interface PlacedIssue extends Issue {
  readonly line?: number
  readonly column?: number
}

export interface Document {
  /** The pipeline, when it fits the schema. */
  readonly pipeline: Pipeline | undefined
  /** Everything that is wrong with its shape; empty when there is a pipeline. */
  readonly issues: readonly PlacedIssue[]
  /** What was parsed, where it is within the bounds and does not fit the schema. */
  readonly misfit?: object
  /** Adds the place in the text to an issue; `letter` is an offset in the string at its path. */
  place(issue: Issue, letter?: number): PlacedIssue
}

/**
 * The document of a text, or of a value that was parsed elsewhere. A text that begins with a brace or a
 * bracket is JSON, any other YAML. Never throws for its content.
 */
export function parseDocument(source: string | object): Document {
  if (typeof source !== 'string') return fromValue(source, (issue) => issue)
  if (source.length > DOCUMENT_MAX.characters) {
    return refused({ path: '', message: `the document has ${source.length} characters, ${DOCUMENT_MAX.characters} are allowed` })
  }
  if (!/^\s*(?:[{[]|$)/.test(source)) return fromYaml(source)
  const beyond = boundOf(source)
  if (beyond) return refused(withPosition({ path: '', message: beyond.message }, positionOf(source, beyond.at)))
  let value: unknown
  try {
    value = JSON.parse(source)
  } catch (error) {
    return refused(syntaxIssue(source, error))
  }
  if (typeof value !== 'object' || value === null) return refused({ path: '', message: 'expected an object', line: 1, column: 1 })
  const many = tooMany(value)
  if (many) return refused(many)
  let positions: Positions | undefined
  const known = (): Positions => (positions ??= positionsOf(source))
  const place = (issue: Issue, letter?: number): PlacedIssue => withPosition(issue, known().at(issue.path, letter))
  const twice = known().duplicates.map((path) => place({ path, message: 'this key stands twice', hint: 'Remove one of them.' }))
  const document = fromValue(value, place)
  return twice.length === 0 ? document : { ...document, pipeline: undefined, issues: [...twice.slice(0, 100), ...document.issues] }
}

function fromYaml(text: string): Document {
  const read = readYaml(text, DOCUMENT_MAX.depth)
  if ('faults' in read) {
    const issues = read.faults.map(({ at, ...said }) => withPosition({ path: '', ...said }, positionOf(text, at)))
    return { pipeline: undefined, issues, place: (other) => other }
  }
  const { value, positions } = read
  const place = (issue: Issue, letter?: number): PlacedIssue => withPosition(issue, positions.at(issue.path, letter))
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return refused({ path: '', message: 'expected an object', line: 1, column: 1 })
  const document = fromValue(value, place)
  return { ...document, issues: document.issues.map((issue) => quoted(issue, value)) }
}

/** What YAML takes for a number or a truth value is often meant as text: said where text was expected. */
function quoted(issue: PlacedIssue, document: object): PlacedIssue {
  const found = splitPath(issue.path).reduce<unknown>((value, key) => (typeof value === 'object' && value !== null ? (value as Record<string | number, unknown>)[key] : undefined), document)
  const text = issue.hint === undefined && /^expected string\b/.test(issue.message) && ['number', 'boolean'].includes(typeof found)
  return text ? { ...issue, hint: `Write it in quotes: "${String(found)}".` } : issue
}

/** The pipeline of a text or value. Error `pipeline.invalid` with every issue of its shape; meaning is judged by `check.ts`. */
export function readPipeline(source: string | object): Pipeline {
  const { pipeline, issues } = parseDocument(source)
  if (!pipeline) throw new AigenError('pipeline.invalid', issues[0] && `${issues[0].path}: ${issues[0].message}.`, { issues })
  return pipeline
}

function fromValue(value: object, place: Document['place']): Document {
  try {
    checkValue(value, DOCUMENT_MAX.depth)
  } catch (error) {
    return refused(place({ path: '', message: error instanceof AigenError ? error.message : String(error) }))
  }
  const many = tooMany(value)
  if (many) return refused(place(many))
  const { steps } = value as { steps?: unknown }
  const issues = [...issuesOf('Pipeline', value).map((issue) => place(issue)), ...stepIssues(steps).map((issue) => place(issue))]
  return issues.length === 0 ? { pipeline: value as Pipeline, issues, place } : { pipeline: undefined, issues, place, misfit: value }
}

/** Counted before anything else looks at the steps. */
function tooMany(document: object): Issue | undefined {
  const { steps } = document as { steps?: unknown }
  const count = typeof steps === 'object' && steps !== null ? Object.keys(steps).length : 0
  return count > DOCUMENT_MAX.steps ? { path: 'steps', message: `${count} steps, ${DOCUMENT_MAX.steps} are allowed` } : undefined
}

/** Each step is one of five kinds; said here because `oneOf` in a schema gives five riddles instead of one sentence. */
export function stepIssues(steps: unknown): Issue[] {
  if (typeof steps !== 'object' || steps === null || Array.isArray(steps)) return []
  const issues: Issue[] = []
  for (const [id, step] of Object.entries(steps)) {
    if (typeof step !== 'object' || step === null) continue
    const kinds = ['uses', 'pipeline', 'switch', 'approve', 'wait'].filter((kind) => Object.hasOwn(step, kind))
    if (kinds.length === 1 || issues.length >= 100) continue
    const not = kinds.length === 0 ? '' : `, not ${kinds.join(' and ')}`
    issues.push({ path: joinPath('steps', id), message: `a step has one of uses, pipeline, switch, approve and wait${not}` })
  }
  return issues
}

function refused(issue: PlacedIssue): Document {
  return { pipeline: undefined, issues: [issue], place: (other) => other }
}

function withPosition(issue: Issue, { line, column }: Position): PlacedIssue {
  return { ...issue, line, column }
}

/** The bracket that is one too deep, or the value that is one too many, found before the parser builds anything. */
function boundOf(text: string): { readonly message: string; readonly at: number } | undefined {
  let depth = 0
  let values = 1
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 34) {
      for (at++; at < text.length && text.charCodeAt(at) !== 34; at++) if (text.charCodeAt(at) === 92) at++
    } else if (code === 123 || code === 91) {
      if (++depth > DOCUMENT_MAX.depth) return { message: `nested deeper than ${DOCUMENT_MAX.depth} levels`, at }
    } else if (code === 125 || code === 93) depth--
    else if (code === 44 && ++values > DOCUMENT_MAX.values) return { message: `more than ${DOCUMENT_MAX.values} values`, at }
  }
  return undefined
}

function syntaxIssue(text: string, error: unknown): PlacedIssue {
  const said = error instanceof Error ? error.message : String(error)
  const offset = / at position ([0-9]+)/.exec(said)?.[1]
  const message = `not JSON: ${said.replace(/ in JSON at position.*| at position.*/s, '').slice(0, 120)}`
  return withPosition({ path: '', message }, positionOf(text, offset === undefined ? text.length : Number(offset)))
}
