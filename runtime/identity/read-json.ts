/**
 * JSON from outside, as hellos and signed messages are written: size, depth and keys are checked
 * before anything looks at the value (I8). Used by `session.ts` and `door.ts`.
 */
import { AigenError } from '../../schemas/error.ts'
import { DEPTH_MAX } from './pack.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true })

/**
 * The JSON value that `bytes` hold, at most `bytesMax` long and `DEPTH_MAX` deep, without a
 * `__proto__` key anywhere. Errors `input.too-large`, `input.too-deep`, `input.unparsable`.
 */
export function readJson(bytes: Uint8Array, bytesMax: number): unknown {
  if (bytes.length > bytesMax) throw new AigenError('input.too-large', `${bytes.length} bytes of at most ${bytesMax}.`)
  checkDepth(bytes)
  let value: unknown
  try {
    value = JSON.parse(utf8.decode(bytes))
  } catch (cause) {
    throw new AigenError('input.unparsable', 'It is not JSON.', { cause })
  }
  refuseProto(value)
  return value
}

/** Brackets that are open at once, strings left out; what is no JSON is left to the parser. */
function checkDepth(bytes: Uint8Array): void {
  let depth = 0
  let inString = false
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at]!
    if (inString) {
      if (byte === 0x5c) at += 1
      else if (byte === 0x22) inString = false
    } else if (byte === 0x22) inString = true
    else if (byte === 0x7b || byte === 0x5b) {
      depth += 1
      if (depth > DEPTH_MAX) throw new AigenError('input.too-deep', `At most ${DEPTH_MAX} levels are read.`)
    } else if (byte === 0x7d || byte === 0x5d) depth -= 1
  }
}

function refuseProto(value: unknown): void {
  if (typeof value !== 'object' || value === null) return
  if (Array.isArray(value)) {
    for (const item of value) refuseProto(item)
    return
  }
  for (const key of Object.keys(value)) {
    if (key === '__proto__') throw new AigenError('input.unparsable', 'A key is not allowed.')
    refuseProto((value as Record<string, unknown>)[key])
  }
}
