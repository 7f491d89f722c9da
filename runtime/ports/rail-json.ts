/**
 * Rail writes as JSON: amounts as decimal strings, for machine contexts, journals and messages
 * (D1: state is plain data). Used by the sender machine and by who sends to it.
 */
import { AigenError } from '../../schemas/error.ts'
import type { RailWrite } from './rail.ts'

/** The type with every bigint as its decimal string. */
export type Json<T> = T extends bigint ? string
  : T extends readonly (infer Item)[] ? readonly Json<Item>[]
    : T extends object ? { readonly [Key in keyof T]: Json<T[Key]> } : T

export type RailWriteJson = RailWrite extends infer Each ? Each extends RailWrite ? Json<Each> : never : never

/** The fields that are amounts; everything else is text, a number or a boolean. */
const AMOUNTS = new Set(['amount', 'total', 'cumulative', 'lockAmount', 'finalClaimed', 'payeeAmount', 'price'])
const DECIMAL = /^(?:0|[1-9]\d{0,38})$/
/** A write nests write → claims → row → voucher. */
const DEPTH_MAX = 6

/** The write with its amounts as decimal strings. */
export function encodeWrite(write: RailWrite): RailWriteJson {
  return JSON.parse(JSON.stringify(write, (_key, value: unknown) => typeof value === 'bigint' ? value.toString() : value)) as RailWriteJson
}

/** The write that `encodeWrite` encoded. `money.invalid` where an amount is not a decimal string. */
export function decodeWrite(write: RailWriteJson): RailWrite {
  return decode(write, 0) as RailWrite
}

function decode(value: unknown, depth: number): unknown {
  if (value === null || typeof value !== 'object') return value
  if (depth > DEPTH_MAX) throw new AigenError('input.too-deep')
  if (Array.isArray(value)) return value.map((item) => decode(item, depth + 1))
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => {
    if (!AMOUNTS.has(key)) return [key, decode(inner, depth + 1)]
    if (typeof inner !== 'string' || !DECIMAL.test(inner)) throw new AigenError('money.invalid', undefined, { path: key })
    return [key, BigInt(inner)]
  }))
}
