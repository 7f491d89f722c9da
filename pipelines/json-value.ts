/**
 * What an expression gave, as JSON: used by `template.ts` for every result and by `json()`.
 *
 * Bounded in nodes, characters and depth, and stops at the bound instead of after it: an expression
 * may give a short list of references to one long string that would be huge written out.
 */
import { Optional } from '@marcbachmann/cel-js'
import { AigenError } from '../schemas/error.ts'

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** What one template may give in all. Larger values travel as blobs (DESIGN, Wire). */
export const RESULT_MAX = { nodes: 100_000, characters: 1_048_576, depth: 64 } as const

/** What is left of the bounds while several values are converted. */
export interface Allowance {
  nodes: number
  characters: number
}

/**
 * A JSON value of `value`: ints become numbers, amounts decimal strings, times RFC 3339 strings,
 * durations like "20s", absent optional values null. Error `step.expression` for what JSON cannot say (infinity, an int beyond
 * 2^53, bytes, a type) and for results beyond `RESULT_MAX`.
 */
export function toJson(value: unknown, allowance: Allowance = { ...RESULT_MAX }, depth = 0): Json {
  if (depth > RESULT_MAX.depth) throw failure(`the result is nested deeper than ${RESULT_MAX.depth}`)
  if (--allowance.nodes < 0) throw failure(`the result has more than ${RESULT_MAX.nodes} values`)
  switch (typeof value) {
    case 'boolean':
      return value
    case 'string':
      return within(value, allowance)
    case 'number':
      if (!Number.isFinite(value)) throw failure(`the result ${value} is not a JSON number`)
      return value
    case 'bigint':
      return safe(value)
    case 'object':
      return value === null ? null : fromObject(value, allowance, depth)
    default:
      throw failure(`the result is a ${typeof value}`)
  }
}

function fromObject(value: object, allowance: Allowance, depth: number): Json {
  if (Array.isArray(value)) return value.map((item) => toJson(item, allowance, depth + 1))
  if (value instanceof Map) return entries([...value], allowance, depth)
  if (value instanceof Date) return value.toISOString()
  if (value instanceof Uint8Array) throw failure('the result is bytes, which JSON cannot hold')
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null) return entries(Object.entries(value), allowance, depth)
  if (value instanceof Optional) return value.hasValue() ? toJson(value.value(), allowance, depth + 1) : null
  const name = value.constructor.name
  if (name === 'MoneyValue' || name === 'Duration') return within(String(value), allowance)
  if (name === 'UnsignedInt') return safe(value.valueOf() as unknown as bigint)
  throw failure('the result is not a value')
}

/** The same text for values that CEL calls equal, whatever the order of their keys. */
export function keyOf(value: unknown): string {
  return JSON.stringify(sorted(toJson(value)))
}

function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)).map(([key, item]) => [key, sorted(item)]))
}

/** The value of a JSON text, bounded like a result. Throws a plain Error, which becomes the expression's error. */
export function parseJson(text: string): Json {
  if (text.length > RESULT_MAX.characters) throw new Error(`a JSON text may have ${RESULT_MAX.characters} characters, this has ${text.length}`)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new Error('the text is not JSON')
  }
  return toJson(value)
}

function entries(pairs: readonly (readonly [unknown, unknown])[], allowance: Allowance, depth: number): Json {
  // fromEntries defines own properties, so a key named __proto__ stays data
  return Object.fromEntries(pairs.map(([key, item]) => [within(String(key), allowance), toJson(item, allowance, depth + 1)]))
}

function within(text: string, allowance: Allowance): string {
  allowance.characters -= text.length
  if (allowance.characters < 0) throw failure(`the result has more than ${RESULT_MAX.characters} characters`)
  return text
}

function safe(value: bigint): number {
  const number = Number(value)
  if (!Number.isSafeInteger(number)) throw failure(`the integer ${value} is beyond 2^53`)
  return number
}

function failure(detail: string): AigenError {
  return new AigenError('step.expression', `${detail}.`)
}
