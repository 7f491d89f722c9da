/**
 * Whether a value of one type can stand where a schema wants another. Used by `check-inputs.ts`. What
 * can never fit is an error, what may not is a warning, and where a schema is open or composed it is
 * silent.
 */
import { blobKind, isSchema, itemsOf, shapeAt, typesOf, type Shape } from './schema-path.ts'
import { isNullable, type Atom, type ValueType } from './value-type.ts'

export interface Misfit {
  /** It can never fit; otherwise it may not. */
  readonly error: boolean
  readonly message: string
}

const DEPTH_MAX = 6

const JSON_NAMES: Readonly<Record<string, string>> = { null: 'null', bool: 'boolean', int: 'integer', double: 'number', string: 'string', list: 'array', map: 'object' }

/** The name of a kind in JSON Schema. */
export function jsonName({ kind, blob }: Atom): string {
  return blob === undefined ? JSON_NAMES[kind] ?? kind : 'blob'
}

/** Names of all alternatives, as the messages of schemas write them. */
export function jsonNames(type: ValueType): string {
  return type === 'any' ? 'anything' : [...new Set(type.map(jsonName))].join(' or ')
}

/** Why a value of `type` does not, or may not, fit `target`; `undefined` when it does as far as anybody knows. */
export function misfit(type: ValueType, target: Shape, depth = 0): Misfit | undefined {
  const { schema } = target
  if (type === 'any' || schema === undefined || type.length === 0 || depth > DEPTH_MAX) return undefined
  const kind = blobKind(schema)
  const wanted = kind === undefined ? typesOf(schema) : ['blob']
  if (wanted === undefined) return undefined
  const fits = (one: Atom): boolean => takes(wanted, jsonName(one))
  const fitting = type.filter(fits)
  const words = `wants ${wanted.join(' or ')}`
  if (fitting.length === 0) return { error: true, message: `${words}, this is ${jsonNames(type)}` }
  const inside = fitting.map((one) => innerMisfit(one, target, kind, depth)).filter((one) => one !== undefined)
  if (inside.length === fitting.length && inside.every(({ error }) => error)) return { error: fitting.length === type.length, message: inside[0]!.message }
  if (fitting.length < type.length) {
    const why = isNullable(type) && !wanted.includes('null') ? type.find((one) => one.kind === 'null')?.why : undefined
    return { error: false, message: `${words}, this may be ${jsonNames(type.filter((one) => !fits(one)))}${why === undefined ? '' : `: ${why}`}` }
  }
  return inside.length > 0 ? { error: false, message: inside[0]!.message } : undefined
}

function takes(wanted: readonly string[], name: string): boolean {
  const also: Readonly<Record<string, string>> = { integer: 'number', number: 'integer', blob: 'object', object: 'blob' }
  return wanted.includes(name) || wanted.includes(also[name] ?? name)
}

function innerMisfit(one: Atom, target: Shape, kind: string | undefined, depth: number): Misfit | undefined {
  if (kind !== undefined) {
    const differ = one.blob !== undefined && one.blob !== '' && kind !== '' && one.blob !== kind
    return differ ? { error: true, message: `wants ${article(kind)} blob, this is ${article(one.blob!)} blob` } : undefined
  }
  if (one.kind === 'list' && one.item) {
    const found = misfit(one.item(), itemsOf(target), depth + 1)
    // an empty list would fit
    return found && { ...found, message: `of its items, ${found.message}` }
  }
  return one.kind === 'map' && one.fields && one.blob === undefined ? fieldsMisfit(one.fields, target, depth) : undefined
}

function fieldsMisfit(fields: NonNullable<Atom['fields']>, target: Shape, depth: number): Misfit | undefined {
  const { properties, required } = target.schema!
  const may: Misfit[] = []
  for (const name of Array.isArray(required) ? required : []) {
    const field = typeof name === 'string' ? fields.field(name) : 'unknown'
    if (field === 'missing') return { error: true, message: `it has no ${name}, which is wanted` }
    if (typeof field !== 'string' && field.optional) may.push({ error: false, message: `its ${name} is wanted and may be absent` })
  }
  for (const name of isSchema(properties) ? Object.keys(properties) : []) {
    const field = fields.field(name)
    const inside = shapeAt(target, [name])
    if (typeof field === 'string' || 'missing' in inside) continue
    const found = misfit(field.type, inside, depth + 1)
    if (found?.error && !field.optional) return { error: true, message: `its ${name}: ${found.message}` }
    if (found) may.push({ error: false, message: `its ${name}: ${found.message}` })
  }
  return may[0]
}

function article(kind: string): string {
  return /^[aeiou]/.test(kind) ? `an ${kind}` : `a ${kind}`
}
