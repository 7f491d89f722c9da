/**
 * What an expression gave, as JSON: used by `template.ts` for every result and by `json()`.
 *
 * Bounded in nodes, characters and depth, and stops at the bound instead of after it: an expression
 * may give a short list of references to one long string that would be huge written out.
 */
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
 * durations like "20s". Error `step.expression` for what JSON cannot say (infinity, an int beyond
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
  const name = value.constructor.name
  if (name === 'MoneyValue' || name === 'Duration') return within(String(value), allowance)
  if (name === 'UnsignedInt') return safe(value.valueOf() as unknown as bigint)
  throw failure('the result is not a value')
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
