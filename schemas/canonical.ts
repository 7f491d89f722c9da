/**
 * Canonical bytes: the one form in which a document is hashed and signed (DESIGN D5, RFC 8785).
 *
 * Used by everything that signs, hashes or stores by hash. Strict on purpose: what JSON would drop
 * or change silently (undefined, functions, NaN, class instances, lone surrogates) is refused, so
 * that two sides can never hash different documents that look alike. `-0` is written as `0`.
 */
import { createHash, hash } from 'node:crypto'
import { createRequire } from 'node:module'
import type { Hash } from './documents.gen.ts'
import { AigenError } from './error.ts'

// The package is CommonJS whose types claim an ES default export; require sidesteps the mismatch.
const canonicalize = createRequire(import.meta.url)('canonicalize') as (value: unknown) => string

const DEPTH_MAX = 128
const encoder = new TextEncoder()

/**
 * The RFC 8785 text of a JSON value.
 *
 * Error `input.invalid` with the path of what is not JSON; `input.too-deep` beyond 128 levels
 * (a cycle is that too).
 *
 * @example canonicalText({ b: 1, a: [true] }) // '{"a":[true],"b":1}'
 */
export function canonicalText(value: unknown): string {
  assertJson(value, '', 0)
  return canonicalize(value)
}

/** UTF-8 of `canonicalText(value)`. */
export function canonicalBytes(value: unknown): Uint8Array {
  return encoder.encode(canonicalText(value))
}

/** The 32-byte SHA-256 of `bytes`; a string counts as its UTF-8. */
export function sha256(bytes: Uint8Array | string): Uint8Array {
  return new Uint8Array(createHash('sha256').update(bytes).digest())
}

/** `sha256-<64 hex>` of plain bytes, as a blob is named. */
export function hashOfBytes(bytes: Uint8Array | string): Hash {
  return `sha256-${hash('sha256', bytes)}`
}

/** `sha256-<64 hex>` of the canonical bytes of a JSON value; the same errors as `canonicalText`. */
export function hashOf(value: unknown): Hash {
  return hashOfBytes(canonicalText(value))
}

function assertJson(value: unknown, path: string, depth: number): void {
  if (depth > DEPTH_MAX) throw new AigenError('input.too-deep', `More than ${DEPTH_MAX} levels.`, { path })
  switch (typeof value) {
    case 'boolean':
      return
    case 'string':
      if (!value.isWellFormed()) refuse(path, 'a string with half a surrogate pair')
      return
    case 'number':
      if (!Number.isFinite(value)) refuse(path, String(value))
      return
    case 'object':
      break
    default:
      refuse(path, typeof value)
  }
  if (value === null) return
  if (Array.isArray(value)) {
    if (typeof (value as { toJSON?: unknown }).toJSON === 'function') refuse(path, 'an array with toJSON')
    for (let index = 0; index < value.length; index++) assertJson(value[index], `${path}[${index}]`, depth + 1)
    return
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) refuse(path, 'an instance of a class')
  // Both serialisers call toJSON: a key of that name is data only as long as it is no function.
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function') refuse(path, 'an object with toJSON')
  if (Object.getOwnPropertySymbols(value).length > 0) refuse(path, 'an object with symbol keys')
  for (const key of Object.keys(value)) {
    if (!key.isWellFormed()) refuse(path, 'a key with half a surrogate pair')
    assertJson((value as Record<string, unknown>)[key], path === '' ? key : `${path}.${key}`, depth + 1)
  }
}

function refuse(path: string, found: string): never {
  throw new AigenError('input.invalid', `Expected a JSON value${path === '' ? '' : ` at ${path}`}, found ${found}.`, { path })
}
