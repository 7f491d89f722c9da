/**
 * Bytes from outside to a JSON value: the first part of the one door (DESIGN D5, I8). Size, UTF-8,
 * syntax and depth are judged here; the schema comes next (validate.ts).
 *
 * Used by whatever reads envelopes, cards, files and HTTP bodies.
 */
import { AigenError } from './error.ts'

export interface DecodeLimits {
  /** Default 1 MiB. */
  readonly bytesMax?: number
  /** Default 64 levels. */
  readonly depthMax?: number
}

const decoder = new TextDecoder('utf-8', { fatal: true })

/**
 * The JSON value in `bytes`.
 *
 * - `input.too-large`, `input.too-deep`: beyond the limits.
 * - `input.unparsable`: not UTF-8, not JSON.
 * - `input.invalid`: a key `__proto__`, which code that merges objects would take for a prototype.
 */
export function decodeJson(bytes: Uint8Array, { bytesMax = 1_048_576, depthMax = 64 }: DecodeLimits = {}): unknown {
  if (bytes.byteLength > bytesMax) throw new AigenError('input.too-large', `${bytes.byteLength} bytes, ${bytesMax} are allowed.`)
  let value: unknown
  try {
    value = JSON.parse(decoder.decode(bytes))
  } catch (cause) {
    throw new AigenError('input.unparsable', (cause as Error).message, { cause })
  }
  checkValue(value, depthMax)
  return value
}

/** The depth and key rules of `decodeJson`, for a value that was parsed elsewhere. */
export function checkValue(value: unknown, depthMax = 64): void {
  let level: unknown[] = [value]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > depthMax) throw new AigenError('input.too-deep', `More than ${depthMax} levels.`)
    const next: unknown[] = []
    for (const item of level) {
      if (typeof item !== 'object' || item === null) continue
      if (Object.hasOwn(item, '__proto__')) throw new AigenError('input.invalid', 'The key __proto__ is not allowed.')
      for (const child of Object.values(item)) if (typeof child === 'object' && child !== null) next.push(child)
    }
    level = next
  }
}
