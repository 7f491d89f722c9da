/**
 * Labels of data: `"x-label": "personal"` in the schema of an input, text or a list of texts, says
 * what a value is; the document's `labels` says who may have it. This reads them from schemas; the
 * flow through steps is followed by `check-labels.ts`.
 */
import { isSchema, type Schema } from './schema-path.ts'

const LABEL = /^[a-z][a-z0-9-]{0,31}$/
const DEPTH_MAX = 32

type Key = string | number | null

/** Labels of the value at a path of the input: of it, of what it lies in, and of what lies in it. */
export function labelsAt(root: Schema, path: readonly Key[]): ReadonlySet<string> {
  const found = new Set<string>()
  along(root, path, root, found, 0)
  return found
}

function along(schema: unknown, path: readonly Key[], root: Schema, found: Set<string>, depth: number): void {
  if (!isSchema(schema) || depth > DEPTH_MAX) return
  for (const label of ownLabels(schema)) found.add(label)
  const next = (part: unknown, rest: readonly Key[]): void => along(part, rest, root, found, depth + 1)
  for (const part of besides(schema, root)) next(part, path)
  const [key, ...rest] = path
  if (key === undefined) return below(schema, root, found, new Set())
  const properties = isSchema(schema['properties']) ? schema['properties'] : {}
  if (typeof key === 'string' && Object.hasOwn(properties, key)) return next(properties[key], rest)
  // a computed key may be any
  const parts = [schema['items'], schema['prefixItems'], schema['additionalProperties'], schema['patternProperties'], ...(key === null ? [properties] : [])]
  for (const part of parts.flatMap((one) => (Array.isArray(one) ? one as unknown[] : [one]))) {
    if (part === schema['patternProperties'] || part === properties) for (const one of Object.values(isSchema(part) ? part : {})) next(one, rest)
    else next(part, rest)
  }
}

/** Schemas that hold for the same value. */
function besides(schema: Schema, root: Schema): unknown[] {
  const lists = ['allOf', 'anyOf', 'oneOf'].flatMap((word) => (Array.isArray(schema[word]) ? schema[word] as unknown[] : []))
  return [...lists, schema['if'], schema['then'], schema['else'], referred(schema, root)]
}

function referred(schema: Schema, root: Schema): unknown {
  const name = typeof schema['$ref'] === 'string' ? /^#\/\$defs\/([A-Za-z0-9_.-]+)$/.exec(schema['$ref'])?.[1] : undefined
  const defs = root['$defs']
  return name !== undefined && isSchema(defs) && Object.hasOwn(defs, name) ? defs[name] : undefined
}

/** Every label in a schema; each part is looked at once. */
function below(part: unknown, root: Schema, found: Set<string>, seen: Set<unknown>): void {
  if (typeof part !== 'object' || part === null || seen.has(part)) return
  seen.add(part)
  if (isSchema(part)) {
    for (const label of ownLabels(part)) found.add(label)
    below(referred(part, root), root, found, seen)
  }
  for (const [key, value] of Object.entries(part)) if (key !== '$defs') below(value, root, found, seen)
}

function ownLabels(schema: Schema): string[] {
  const label = schema['x-label']
  return (Array.isArray(label) ? label : [label]).filter((one): one is string => typeof one === 'string')
}

/** Each `x-label` in a schema, where it stands, and the labels it gives; `undefined` labels where it is none. */
export function labelsIn(schema: unknown, path: readonly (string | number)[] = []): { readonly path: readonly (string | number)[]; readonly labels: readonly string[] | undefined }[] {
  if (typeof schema !== 'object' || schema === null || path.length > 2 * DEPTH_MAX) return []
  return Object.entries(schema).flatMap(([key, value]) => {
    const at = [...path, Array.isArray(schema) ? Number(key) : key]
    // a property may have that name: then its value is a schema
    if (key !== 'x-label' || isSchema(value)) return labelsIn(value, at)
    const labels: unknown[] = Array.isArray(value) ? value : [value]
    return [{ path: at, labels: labels.length > 0 && labels.every((one) => typeof one === 'string' && LABEL.test(one)) ? labels as string[] : undefined }]
  })
}
