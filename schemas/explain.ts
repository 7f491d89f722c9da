/**
 * What a validator found, in words (DESIGN, Errors: bad input gets the path of what is wrong).
 *
 * Turns Ajv's errors into `Issue`s: a path like `steps.read.price.max`, what was expected there and
 * what was found, a hint where a typo is likely. Used by validate.ts and compile-schema.ts; Ajv must
 * run with `verbose` so that descriptions are at hand.
 */
import type { ErrorObject } from 'ajv/dist/2020.js'
import type { Issue } from './error.ts'
import { nearest } from './nearest.ts'

/** Most issues reported for one value; the rest is not computed into words. */
export const ISSUES_MAX = 100

/** Letters of a key that a path shows. */
const KEY_SHOWN = 200
const PLAIN_KEY = /^[A-Za-z_$][A-Za-z0-9_$-]*$/

/** The issues of a failed validation, at most `ISSUES_MAX`, without those that only repeat another. */
export function explain(errors: readonly ErrorObject[], root: unknown): Issue[] {
  const issues: Issue[] = []
  const seen = new Set<string>()
  for (const error of withoutBranches(errors.slice(0, ISSUES_MAX * 10))) {
    const issue = issueOf(error, root)
    const key = `${issue.path}\n${issue.message}`
    if (seen.has(key)) continue
    seen.add(key)
    issues.push(issue)
    if (issues.length === ISSUES_MAX) break
  }
  return issues
}

/** `parent` with a key or an index behind it, as paths are written for people. */
export function joinPath(parent: string, key: string | number): string {
  if (typeof key === 'number') return `${parent}[${key}]`
  if (key.length > KEY_SHOWN || !PLAIN_KEY.test(key)) return `${parent}[${JSON.stringify(clip(key, KEY_SHOWN))}]`
  return parent === '' ? key : `${parent}.${key}`
}

/** What a value is, short enough for an error message. */
export function foundText(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  if (typeof value === 'string') return value.length > 60 ? `${JSON.stringify(clip(value))} (${value.length} characters)` : JSON.stringify(value)
  if (Array.isArray(value)) return `an array of ${value.length}`
  if (typeof value === 'object') {
    const keys = Object.keys(value)
    return keys.length === 0 ? 'an empty object' : `an object with ${clip(keys.slice(0, 5).join(', '))}${keys.length > 5 ? ', …' : ''}`
  }
  return String(value)
}

/** The path for people of an Ajv instance path; indices are told from keys by walking the value. */
function pathOf(instancePath: string, root: unknown): string {
  let path = ''
  let value = root
  for (const part of instancePath.split('/').slice(1)) {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~')
    path = joinPath(path, Array.isArray(value) ? Number(key) : key)
    value = value !== null && typeof value === 'object' && Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined
  }
  return path
}

/**
 * A failed anyOf or oneOf reports every branch; kept is the branch whose type fits best, or, when
 * none fits, one issue that lists what the branches want. Ajv puts a branch's errors before it.
 */
function withoutBranches(errors: readonly ErrorObject[]): ErrorObject[] {
  let kept: ErrorObject[] = []
  for (const error of errors) {
    if (error.keyword === 'if' || error.keyword === 'propertyNames') continue
    if ((error.keyword !== 'anyOf' && error.keyword !== 'oneOf') || error.params['passingSchemas']) {
      kept.push(error)
      continue
    }
    const under = kept.filter((other) => other.instancePath.startsWith(error.instancePath))
    if (under.length === 0) {
      kept.push(error)
      continue
    }
    kept = kept.filter((other) => !other.instancePath.startsWith(error.instancePath))
    const deeper = under.filter((other) => other.instancePath !== error.instancePath || !isAboutKind(other))
    if (deeper.length > 0) kept.push(...deeper)
    else kept.push({ ...error, params: { branches: under } })
  }
  return kept
}

const isAboutKind = (error: ErrorObject): boolean => error.keyword === 'type' || error.keyword === 'const' || error.keyword === 'enum'

function issueOf(error: ErrorObject, root: unknown): Issue {
  const at = pathOf(error.instancePath, root)
  const params = error.params as Record<string, any>
  const data = error.data as unknown
  switch (error.keyword) {
    case 'additionalProperties':
    case 'unevaluatedProperties': {
      const extra = String(params['additionalProperty'] ?? params['unevaluatedProperty'])
      const known = Object.keys((error.parentSchema?.['properties'] as object | undefined) ?? {})
      return { path: joinPath(at, extra), message: 'is not a known property', ...hintFor(extra, known) }
    }
    case 'required':
    case 'dependentRequired': {
      const missing = String(params['missingProperty'])
      const text = (error.parentSchema?.['properties'] as Record<string, { description?: string }> | undefined)?.[missing]?.description
      return { path: joinPath(at, missing), message: `expected ${text ?? 'a value'}, found nothing` }
    }
    case 'enum': {
      const allowed = (params['allowedValues'] as unknown[]).map((value) => JSON.stringify(value))
      const near = typeof data === 'string' ? nearest(JSON.stringify(data), allowed) : undefined
      return {
        path: at, message: `expected one of ${clip(allowed.join(', '), 400)}, found ${foundText(data)}`,
        ...(near === undefined ? {} : { hint: `Did you mean ${near}?` }),
      }
    }
    case 'discriminator':
      return { path: joinPath(at, String(params['tag'])), message: `expected a known kind, found ${foundText(params['tagValue'])}` }
    case 'uniqueItems':
      return { path: at, message: `expected different items, found items ${params['j']} and ${params['i']} the same` }
    default: {
      const key = error.propertyName === undefined ? '' : `a key that is `
      const found = error.propertyName ?? data
      return { path: at, message: `expected ${key}${expectedBy(error, params)}, found ${sized(error.keyword, found)}` }
    }
  }
}

function expectedBy(error: ErrorObject, params: Record<string, any>): string {
  const limit = String(params['limit'])
  switch (error.keyword) {
    case 'type': return clip(String([params['type']].flat().join(' or ')))
    case 'const': return clip(JSON.stringify(params['allowedValue']))
    case 'pattern': return (error.parentSchema?.['description'] as string | undefined) ?? `text that matches ${clip(String(params['pattern']), 200)}`
    case 'minimum': return `at least ${limit}`
    case 'maximum': return `at most ${limit}`
    case 'exclusiveMinimum': return `more than ${limit}`
    case 'exclusiveMaximum': return `less than ${limit}`
    case 'multipleOf': return `a multiple of ${params['multipleOf']}`
    case 'minLength': return `at least ${limit} characters`
    case 'maxLength': return `at most ${limit} characters`
    case 'minItems': return `at least ${limit} items`
    case 'maxItems': return `at most ${limit} items`
    case 'minProperties': return `at least ${limit} properties`
    case 'maxProperties': return `at most ${limit} properties`
    case 'anyOf':
    case 'oneOf': {
      const branches = (params['branches'] as ErrorObject[] | undefined) ?? []
      const wanted = [...new Set(branches.map((branch) => expectedBy(branch, branch.params)))]
      return wanted.length > 0 ? wanted.join(' or ') : 'exactly one of several forms'
    }
    case 'false schema': return 'nothing'
    case 'not': return 'something else'
    default: return `a value that ${error.message ?? `keeps ${error.keyword}`}`
  }
}

/** Lengths where a length is what is wrong, otherwise the value. */
function sized(keyword: string, data: unknown): string {
  if (keyword.endsWith('Length') && typeof data === 'string') return String([...data].length)
  if (keyword.endsWith('Items') && Array.isArray(data)) return String(data.length)
  if (keyword.endsWith('Properties') && data !== null && typeof data === 'object') return String(Object.keys(data).length)
  return foundText(data)
}

function hintFor(found: string, known: readonly string[]): { hint?: string } {
  const near = nearest(found, known)
  if (near !== undefined) return { hint: `Did you mean ${near}?` }
  return known.length === 0 ? {} : { hint: `Known here: ${clip(known.join(', '), 300)}.` }
}

const clip = (text: string, length = 60): string => (text.length > length ? `${text.slice(0, length)}…` : text)
