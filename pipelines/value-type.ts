/**
 * What is known of a value before it exists: made of JSON Schemas, of constants and of expressions.
 * Used by `infer.ts` and the checker. A type is a set of alternatives, each of one kind; `any` where
 * nothing is known, which is judged by nobody (an error must be one). Items and fields are worked
 * out when they are asked for: a schema may be wide, an expression names little of it.
 */
import { blobKind, isSchema, resolve, typesOf, type Schema, type Shape } from './schema-path.ts'

export type Kind = 'null' | 'bool' | 'int' | 'double' | 'string' | 'bytes' | 'list' | 'map' | 'Money' | 'timestamp' | 'duration' | 'type' | 'optional'

/** One alternative. */
export interface Atom {
  readonly kind: Kind
  /** Of a list its items, of an optional its value. */
  readonly item?: () => ValueType
  readonly fields?: Fields
  /** Of a blob's reference: image, audio …, '' for any. */
  readonly blob?: string
  /** Of null: how it comes about, for people. */
  readonly why?: string
}

export type ValueType = 'any' | readonly Atom[]

export interface Fields {
  /** `missing`: it cannot be there; `unknown`: nobody says. */
  field(name: string): Field | 'missing' | 'unknown'
  readonly names: readonly string[]
}

export interface Field {
  readonly type: ValueType
  /** Whether it may be absent. */
  readonly optional: boolean
}

const ALTERNATIVES_MAX = 12
/** Levels of anyOf in anyOf that are looked into. */
const COMPOSED_MAX = 3

export function atom(kind: Kind, more: Omit<Atom, 'kind'> = {}): ValueType {
  return [{ kind, ...more }]
}

export function listOf(item: ValueType | (() => ValueType)): ValueType {
  return atom('list', { item: typeof item === 'function' ? item : () => item })
}

export function optionalOf(item: ValueType): ValueType {
  return atom('optional', { item: () => item })
}

/** A map with exactly these fields; those of `optional` may be absent. */
export function mapOf(fields: Readonly<Record<string, ValueType>>, optional: readonly string[] = []): ValueType {
  return atom('map', {
    fields: {
      names: Object.keys(fields),
      field: (name) => (Object.hasOwn(fields, name) ? { type: fields[name]!, optional: optional.includes(name) } : 'missing'),
    },
  })
}

export function isNullable(type: ValueType): boolean {
  return type !== 'any' && type.some(({ kind }) => kind === 'null')
}

export function withNull(type: ValueType, why: string): ValueType {
  return type === 'any' || type.some(({ kind }) => kind === 'null') ? type : [...type, { kind: 'null', why }]
}

export function without(type: ValueType, kind: Kind): ValueType {
  return type === 'any' ? type : type.filter((one) => one.kind !== kind)
}

export function union(...types: readonly ValueType[]): ValueType {
  const made: Atom[] = []
  for (const type of types) {
    if (type === 'any') return 'any'
    for (const one of type) {
      const at = made.findIndex((other) => other.kind === one.kind)
      if (at < 0) made.push(one)
      else made[at] = both(made[at]!, one)
    }
  }
  return made.length > ALTERNATIVES_MAX ? 'any' : made
}

/** Two alternatives of one kind as one: what both agree on. */
function both(one: Atom, other: Atom): Atom {
  if (one === other) return one
  if (one.kind === 'map') return { kind: 'map', ...(one.blob === other.blob && one.blob !== undefined ? { blob: one.blob } : {}), ...(one.fields && other.fields ? { fields: commonFields(one.fields, other.fields) } : {}) }
  if (one.kind === 'list' || one.kind === 'optional') return { kind: one.kind, ...(one.item && other.item ? { item: lazily(() => union(one.item!(), other.item!())) } : {}) }
  return one
}

function commonFields(one: Fields, other: Fields): Fields {
  return {
    names: [...new Set([...one.names, ...other.names])],
    field(name) {
      const [a, b] = [one.field(name), other.field(name)]
      if (a === 'missing' && b === 'missing') return 'missing'
      // one branch of several has it: which one it is, nobody says
      if (typeof a === 'string' || typeof b === 'string') return 'unknown'
      return { type: union(a.type, b.type), optional: a.optional || b.optional }
    },
  }
}

function lazily(make: () => ValueType): () => ValueType {
  let made: ValueType | undefined
  return () => (made ??= make())
}

/** The type of values that fit a schema, as expressions see them: every number of JSON is a double. */
export function typeOfShape({ schema, root }: Shape, depth = 0): ValueType {
  if (schema === undefined || depth > COMPOSED_MAX) return 'any'
  const blob = blobKind(schema)
  if (blob !== undefined) return (BLOB as readonly Atom[]).map((one) => ({ ...one, blob }))
  const branches = branchesOf(schema)
  const types = typesOf(schema)
  if (branches) {
    const made = union(...branches.map((branch) => typeOfShape(resolve({ ...inherited(schema), ...branch }, root), depth + 1)))
    return made === 'any' || types === undefined ? made : made.filter(({ kind }) => types.some((type) => kindOf(type) === kind))
  }
  if (types === undefined) {
    const part = partsOf(schema).map((one) => typeOfShape(resolve(one, root), depth + 1)).find((one) => one !== 'any')
    return part ?? (isSchema(schema['properties']) ? atomOf('object', schema, root) : 'any')
  }
  return union(...types.map((type) => atomOf(type, schema, root)))
}

const BLOB = mapOf({ $blob: atom('string'), size: atom('double'), mediaType: atom('string') }, ['mediaType'])

/** What a branch of anyOf or oneOf takes from around it, where it says nothing itself. */
function inherited(schema: Schema): Schema {
  const { anyOf: _any, oneOf: _one, ...around } = schema
  return around
}

function branchesOf(schema: Schema): Schema[] | undefined {
  const list = schema['anyOf'] ?? schema['oneOf']
  return Array.isArray(list) && list.length > 0 && list.length <= ALTERNATIVES_MAX && list.every(isSchema) ? list : undefined
}

function partsOf(schema: Schema): Schema[] {
  const list = schema['allOf']
  return Array.isArray(list) ? list.filter(isSchema) : []
}

function kindOf(type: string): Kind | undefined {
  const kinds: Readonly<Record<string, Kind>> = { null: 'null', boolean: 'bool', integer: 'double', number: 'double', string: 'string', array: 'list', object: 'map' }
  return kinds[type]
}

function atomOf(type: string, schema: Schema, root: Schema): ValueType {
  const kind = kindOf(type)
  if (kind === undefined) return 'any'
  if (kind === 'null') return atom('null', { why: 'its schema allows null' })
  if (kind === 'list') return isSchema(schema['items']) && schema['prefixItems'] === undefined ? listOf(lazily(() => typeOfShape(resolve(schema['items'] as Schema, root)))) : atom('list')
  return kind === 'map' ? atom('map', { fields: fieldsOf(schema, root) }) : atom(kind)
}

function fieldsOf(schema: Schema, root: Schema): Fields {
  const parts = [schema, ...partsOf(schema).map((part) => resolve(part, root).schema ?? {})]
  const properties = parts.map((part) => (isSchema(part['properties']) ? part['properties'] : {}))
  const required = new Set(parts.flatMap((part) => (Array.isArray(part['required']) ? part['required'] as unknown[] : [])))
  const composed = ['allOf', 'patternProperties', 'if', 'not', 'dependentSchemas', 'unevaluatedProperties'].some((word) => schema[word] !== undefined)
  const rest = schema['additionalProperties']
  const open = composed || (rest !== undefined && rest !== false) || !isSchema(schema['properties'])
  return {
    names: [...new Set(properties.flatMap(Object.keys))],
    field(name) {
      const found = properties.find((one) => Object.hasOwn(one, name))?.[name]
      if (found !== undefined) return { type: isSchema(found) ? typeOfShape(resolve(found, root)) : 'any', optional: !required.has(name) }
      return open ? 'unknown' : 'missing'
    },
  }
}

/** The type of a constant of a document. */
export function typeOfConstant(value: unknown): ValueType {
  if (value === null) return atom('null', { why: 'it is null' })
  if (Array.isArray(value)) return listOf(union(...value.slice(0, 64).map(typeOfConstant)))
  if (typeof value === 'object') return mapOf(Object.fromEntries(Object.entries(value).map(([key, item]) => [key, typeOfConstant(item)])))
  return atom(typeof value === 'boolean' ? 'bool' : typeof value === 'string' ? 'string' : 'double')
}

/** What an expression's result is once it is JSON. */
export function asJson(type: ValueType): ValueType {
  if (type === 'any') return type
  return union(...type.map((one): ValueType => {
    if (one.kind === 'int') return atom('double')
    if (one.kind === 'Money' || one.kind === 'timestamp' || one.kind === 'duration') return atom('string')
    if (one.kind === 'optional') return withNull(asJson(one.item?.() ?? 'any'), 'it is an optional value that may be absent')
    if (one.kind === 'list' && one.item) return listOf(lazily(() => asJson(one.item!())))
    return [one]
  }))
}

const WORDS: Readonly<Record<Kind, string>> = {
  null: 'null', bool: 'a boolean', int: 'a number', double: 'a number', string: 'text', bytes: 'bytes', list: 'a list', map: 'an object', Money: 'an amount', timestamp: 'a time', duration: 'a duration', type: 'a type', optional: 'an optional value',
}

/** In words. @example inWords(type) // 'text or a number' */
export function inWords(type: ValueType): string {
  return type === 'any' ? 'anything' : [...new Set(type.map(({ kind }) => WORDS[kind]))].join(' or ') || 'nothing'
}
