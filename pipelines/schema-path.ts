/**
 * What a JSON Schema says about the value at a path, and whether a constant fits it. Used by the
 * checker. It judges simple cases only and is silent where a schema is open or composed: an error
 * here must be one.
 */
import { foundText } from '../schemas/explain.ts'

export type Schema = Readonly<Record<string, unknown>>

/** A schema and the document its `#/$defs/…` point into; `undefined` schema = nothing is known. */
export interface Shape {
  readonly schema: Schema | undefined
  readonly root: Schema
}

/** A key that the schema does not have, with those it has. */
export interface Missing {
  readonly missing: string
  readonly known: readonly string[]
  /** The keys before it. */
  readonly before: readonly (string | number | null)[]
}

const UNKNOWN: Shape = { schema: undefined, root: {} }
const REF_STEPS_MAX = 16
const BLOB_FIELDS: Schema = {
  type: 'object', additionalProperties: false,
  properties: { $blob: { type: 'string' }, size: { type: 'integer' }, mediaType: { type: 'string' } },
}

export function shapeOf(schema: unknown): Shape {
  return isSchema(schema) ? resolve(schema, schema) : UNKNOWN
}

/** The items of an array shape. */
export function itemsOf(shape: Shape): Shape {
  const items = shape.schema?.['items']
  return isSchema(items) ? resolve(items, shape.root) : UNKNOWN
}

/** The shape at a path of keys and indexes, or the first key that cannot be there. */
export function shapeAt(start: Shape, path: readonly (string | number | null)[]): Shape | Missing {
  let shape = start
  for (const [place, key] of path.entries()) {
    const { schema, root } = shape
    if (schema === undefined) return UNKNOWN
    if (blobKind(schema) !== undefined) shape = { schema: BLOB_FIELDS, root }
    if (typeof key !== 'string' || typesOf(schema)?.includes('array')) {
      shape = typeof key === 'string' ? UNKNOWN : itemsOf(shape)
      continue
    }
    const properties = shape.schema!['properties']
    if (isSchema(properties) && Object.hasOwn(properties, key)) {
      const next = properties[key]
      shape = isSchema(next) ? resolve(next, root) : UNKNOWN
      continue
    }
    const composed = ['allOf', 'anyOf', 'oneOf', 'patternProperties', 'if'].some((word) => shape.schema![word] !== undefined)
    const open = shape.schema!['additionalProperties'] !== undefined && shape.schema!['additionalProperties'] !== false
    if (composed || open || !isSchema(properties)) return UNKNOWN
    return { missing: key, known: Object.keys(properties), before: path.slice(0, place) }
  }
  return shape
}

/** Why a constant cannot stand where `target` is wanted, by its type and enum; deeper is the provider's to say. */
export function constantMismatch(value: unknown, target: Shape): string | undefined {
  if (!target.schema) return undefined
  if (blobKind(target.schema) !== undefined) {
    return typeof value === 'object' && value !== null && Object.hasOwn(value, '$blob') ? undefined : `wants a blob, found ${foundText(value)}`
  }
  const wanted = typesOf(target.schema)
  const type = typeName(value)
  if (wanted && !wanted.includes(type) && !(type === 'integer' && wanted.includes('number'))) {
    return `wants ${wanted.join(' or ')}, found ${foundText(value)}`
  }
  const choices = target.schema['enum']
  if (Array.isArray(choices) && typeof value !== 'object' && !choices.includes(value)) {
    return `wants one of ${choices.slice(0, 12).map(foundText).join(', ')}, found ${foundText(value)}`
  }
  return undefined
}

/** The JSON Schema types a schema allows, `undefined` when it does not say. */
export function typesOf(schema: Schema): string[] | undefined {
  const { type } = schema
  if (typeof type === 'string') return [type]
  if (Array.isArray(type)) return type.filter((name): name is string => typeof name === 'string')
  if (schema['const'] !== undefined) return [typeName(schema['const'])]
  if (Array.isArray(schema['enum'])) return [...new Set(schema['enum'].map(typeName))]
  return undefined
}

/** `image` for aigen:blob#image, '' for aigen:blob, `undefined` for anything else. */
export function blobKind(schema: unknown): string | undefined {
  const ref = isSchema(schema) ? schema['$ref'] : undefined
  const match = typeof ref === 'string' ? /^aigen:blob(?:#([a-z]+))?$/.exec(ref) : null
  return match ? match[1] ?? '' : undefined
}

export function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function typeName(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  return typeof value === 'number' && Number.isInteger(value) ? 'integer' : typeof value
}

/** A schema with its reference followed. */
export function resolve(start: Schema, root: Schema): Shape {
  let schema = start
  for (let step = 0; step < REF_STEPS_MAX; step++) {
    const ref = schema['$ref']
    if (typeof ref !== 'string' || blobKind(schema) !== undefined) return { schema, root }
    const name = /^#\/\$defs\/([A-Za-z0-9_.-]+)$/.exec(ref)?.[1]
    const defs = root['$defs']
    const next = name !== undefined && isSchema(defs) && Object.hasOwn(defs, name) ? defs[name] : undefined
    if (!isSchema(next)) return UNKNOWN
    schema = next
  }
  return UNKNOWN
}
