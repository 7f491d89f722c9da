/**
 * A capability's input schema as a model and LangChain can use it. Used by networkTools.
 *
 * I8: LangChain checks arguments by the schema with the runtime's own regular expressions, which a
 * stranger's pattern could stall; so patterns and formats stand in the descriptions only. Hiring
 * checks the arguments by the whole schema, in bounded time, before anything is spent.
 */
import type { Capability } from '../../schemas/documents.gen.ts'

type Schema = Record<string, unknown>

/** Keywords whose value is data or names, not schemas. */
const PLAIN = new Set(['enum', 'const', 'default', 'examples', 'required', 'dependentRequired', 'type', 'title', 'description'])
/** Keywords that map names to schemas. */
const NAMED = new Set(['properties', '$defs', 'dependentSchemas'])
const DROPPED = new Set(['pattern', 'patternProperties', 'format', 'propertyNames', '$schema', '$id', '$comment', 'unevaluatedProperties', 'unevaluatedItems'])

/** Always the schema of an object, as tools need it; blob references are spelled out. */
export function toolSchema(input: Capability['input']): Schema {
  const schema = clean(input as Schema)
  return schema['type'] === 'object' ? schema : { type: 'object', properties: {}, ...schema }
}

function clean(schema: Schema): Schema {
  const ref = schema['$ref']
  if (typeof ref === 'string' && ref.startsWith('aigen:blob')) return blobReference(ref.slice('aigen:blob#'.length) || 'file', schema['description'])
  const kept = Object.entries(schema).filter(([key]) => !DROPPED.has(key)).map(([key, value]) => [key, PLAIN.has(key) ? value : NAMED.has(key) ? each(value, clean) : deep(value)])
  const pattern = schema['pattern']
  const told = typeof pattern === 'string' && pattern.length <= 200 ? { description: [schema['description'], `must match ${pattern}`].filter(Boolean).join('; ') } : {}
  return { ...Object.fromEntries(kept), ...told }
}

function deep(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(deep)
  return typeof value === 'object' && value !== null ? clean(value as Schema) : value
}

function each(value: unknown, change: (schema: Schema) => Schema): unknown {
  return typeof value === 'object' && value !== null
    ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, typeof inner === 'object' && inner !== null ? change(inner as Schema) : inner]))
    : value
}

function blobReference(kind: string, description: unknown): Schema {
  return {
    type: 'object',
    description: [description, `reference to a ${kind} that you were given or that another tool made, copied whole`].filter(Boolean).join('; '),
    required: ['$blob', 'size', 'mediaType'],
    additionalProperties: false,
    properties: { $blob: { type: 'string' }, size: { type: 'integer' }, mediaType: { type: 'string' } },
  }
}
