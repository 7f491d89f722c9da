/**
 * Validation of our own documents and message bodies against schemas/*.schema.json (I8: nothing
 * unverified from outside reaches a machine). Each schema is compiled once, on first use, and every
 * error is reported at once. For schemas that strangers bring see compile-schema.ts; for bytes see
 * decode.ts.
 */
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import type { Documents } from './documents.gen.ts'
import { AigenError, type Issue } from './error.ts'
import { explain } from './explain.ts'
import { REFS, SCHEMAS } from './registry.gen.ts'

/** What can be validated: the name of every generated type, like `Card` or `AcceptRequest`. */
export type DocumentName = keyof Documents

let ajv: Ajv2020 | undefined
const compiled = new Map<DocumentName, ValidateFunction>()

/**
 * The same value, now of its type.
 *
 * Error `input.invalid`: its message and `path` tell of the first thing that is wrong, its `issues`
 * of all (at most 100).
 *
 * @example const { body } = validate('Card', JSON.parse(text)) // body.participant: `0x${string}`
 */
export function validate<Name extends DocumentName>(name: Name, value: unknown): Documents[Name] {
  const issues = issuesOf(name, value)
  if (issues.length > 0) throw invalid(name, issues)
  return value as Documents[Name]
}

/** Whether the value fits; cheaper than `validate` for values that often do not. */
export function fits<Name extends DocumentName>(name: Name, value: unknown): value is Documents[Name] {
  return validatorOf(name)(value)
}

/** Everything that is wrong with the value, at most 100 issues; empty when it fits. */
export function issuesOf(name: DocumentName, value: unknown): Issue[] {
  const check = validatorOf(name)
  return check(value) ? [] : explain(check.errors ?? [], value)
}

/** The error that reports these issues of a document. */
export function invalid(name: string, issues: readonly Issue[]): AigenError {
  const [first] = issues
  const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : ''
  const detail = first ? `${name}${first.path === '' ? '' : ` at ${first.path}`}: ${first.message}${more}.` : `${name}.`
  return new AigenError('input.invalid', detail, { issues, ...(first ? { path: first.path } : {}) })
}

function validatorOf(name: DocumentName): ValidateFunction {
  const known = compiled.get(name)
  if (known) return known
  ajv ??= new Ajv2020({
    allErrors: true, verbose: true, discriminator: true, strict: true, strictRequired: false, allowUnionTypes: true, schemas: [...SCHEMAS],
  })
  if (!Object.hasOwn(REFS, name)) throw new AigenError('internal', `There is no schema called ${name}.`)
  const check = ajv.compile({ $ref: REFS[name] })
  compiled.set(name, check)
  return check
}
