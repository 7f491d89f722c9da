/**
 * What a schema from a stranger may contain and cost. Used by compile-schema.ts only.
 *
 * The cost is the number of schema nodes (and enum, const and required entries) after every
 * reference is written out; validating a value then takes at most cost × size of the value. Without
 * this, thirty definitions that each name the next one twice take 2^30 steps on any value, and a
 * recursive one takes that on a deep value: so references may not form a cycle at all.
 */
import type { Issue } from './error.ts'
import { joinPath } from './explain.ts'
import { nearest } from './nearest.ts'

const COST_MAX = 4000
const DEPTH_MAX = 32
const PATTERNS_MAX = 64
const UNIQUE_ITEMS_MAX = 256
const DRAFT = 'https://json-schema.org/draft/2020-12/schema'
const BLOB = /^aigen:blob(#(image|audio|video|text))?$/
const LOCAL = /^#\/\$defs\/([A-Za-z0-9_.-]+)$/

const ONE = ['not', 'if', 'then', 'else', 'items', 'contains', 'additionalProperties', 'propertyNames', 'unevaluatedItems', 'unevaluatedProperties']
const LIST = ['allOf', 'anyOf', 'oneOf', 'prefixItems']
const MAP = ['properties', 'patternProperties', 'dependentSchemas']
const COUNTED = ['enum', 'const', 'required', 'dependentRequired']
const FREE = [
  'type', 'title', 'description', 'default', 'examples', 'deprecated', 'readOnly', 'writeOnly', '$comment', 'format', 'pattern', '$ref',
  'minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf', 'minLength', 'maxLength', 'minItems', 'maxItems',
  'uniqueItems', 'minContains', 'maxContains', 'minProperties', 'maxProperties', 'contentMediaType', 'contentEncoding',
]
const KNOWN = new Set([...ONE, ...LIST, ...MAP, ...COUNTED, ...FREE])

type Node = Record<string, unknown>

/** Why the schema may not be used; empty when it may. At most 100 issues. */
export function schemaIssues(root: Node): Issue[] {
  const issues: Issue[] = []
  const costs = new Map<string, number>()
  const open = new Set<string>()
  let patterns = 0
  const report = (path: string, message: string, hint?: string): void => {
    if (issues.length < 100) issues.push({ path, message, ...(hint === undefined ? {} : { hint }) })
  }
  const defs = isNode(root['$defs']) ? root['$defs'] : {}

  const costOfRef = (ref: unknown, path: string, depth: number): number => {
    if (typeof ref === 'string' && BLOB.test(ref)) return 8
    const name = typeof ref === 'string' ? LOCAL.exec(ref)?.[1] : undefined
    if (name === undefined) {
      report(path, `expected #/$defs/name or aigen:blob, found ${JSON.stringify(ref)?.slice(0, 80)}`, 'Remote and other references are not followed.')
      return 1
    }
    if (!Object.hasOwn(defs, name)) {
      const near = nearest(name, Object.keys(defs))
      report(path, `there is no definition ${name}`, near === undefined ? undefined : `Did you mean ${near}?`)
      return 1
    }
    if (open.has(name)) {
      report(path, 'the reference leads back to itself', 'Recursive schemas are not allowed: describe fewer levels, or use {"type": "object"}.')
      return 1
    }
    const known = costs.get(name)
    if (known !== undefined) return known
    open.add(name)
    const cost = costOf(defs[name], `$defs.${name}`, depth)
    open.delete(name)
    costs.set(name, cost)
    return cost
  }

  const costOf = (node: unknown, path: string, depth: number): number => {
    if (typeof node === 'boolean') return 1
    if (!isNode(node)) {
      report(path, 'expected a schema (an object, true or false)')
      return 1
    }
    if (depth > DEPTH_MAX) {
      report(path, `more than ${DEPTH_MAX} levels`)
      return 1
    }
    let cost = 1
    for (const [keyword, value] of Object.entries(node)) {
      const at = joinPath(path, keyword)
      if (node === root && (keyword === '$defs' || (keyword === '$schema' && value === DRAFT))) continue
      if (!KNOWN.has(keyword)) {
        if (keyword.startsWith('x-')) continue
        const near = nearest(keyword, KNOWN)
        report(at, 'is not a keyword that can be used here', near === undefined ? undefined : `Did you mean ${near}?`)
      } else if (keyword === '$ref') cost += costOfRef(value, at, depth + 1)
      else if (ONE.includes(keyword)) cost += costOf(value, at, depth + 1)
      else if (LIST.includes(keyword) && Array.isArray(value)) {
        value.forEach((item, index) => { cost += costOf(item, joinPath(at, index), depth + 1) })
      } else if (MAP.includes(keyword) && isNode(value)) {
        for (const [key, item] of Object.entries(value)) cost += costOf(item, joinPath(at, key), depth + 1)
        if (keyword === 'patternProperties') patterns += Object.keys(value).length
      } else if (COUNTED.includes(keyword)) cost += entriesOf(value)
      if (keyword === 'pattern') patterns++
    }
    if (node['uniqueItems'] === true && !(Number(node['maxItems']) <= UNIQUE_ITEMS_MAX)) {
      report(joinPath(path, 'uniqueItems'), `expected maxItems of at most ${UNIQUE_ITEMS_MAX} beside it`, 'Comparing every item with every other takes too long.')
    }
    return cost
  }

  let total = costOf(root, '', 0)
  for (const name of Object.keys(defs)) total = Math.max(total, costOfRef(`#/$defs/${name}`, `$defs.${name}`, 1))
  if (total > COST_MAX) report('', `the schema is too complex: ${total} parts when its references are written out, ${COST_MAX} are allowed`)
  if (patterns > PATTERNS_MAX) report('', `the schema has ${patterns} patterns, ${PATTERNS_MAX} are allowed`)
  return issues
}

const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null && !Array.isArray(value)

/** Values inside a value, itself included; depth was bounded when the schema was made canonical. */
function entriesOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1
  let count = 1
  for (const item of Object.values(value)) count += entriesOf(item)
  return count
}
