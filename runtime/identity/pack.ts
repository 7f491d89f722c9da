/**
 * The bytes inside an envelope: MessagePack of plain JSON values (msgpackr), looked over byte by
 * byte before anything is built from them (I8). The same look-over runs on what we send, so a value
 * that another node would refuse (a function, a date, undefined in an array, NaN) never leaves.
 *
 * Allowed: null, booleans, finite numbers whose integers are safe, UTF-8 strings, arrays, maps with
 * string keys other than `__proto__`, at most `DEPTH_MAX` deep. No extension types, no binary.
 */
import { Packr } from 'msgpackr'
import { AigenError } from '../../schemas/error.ts'

/** How deep arrays and objects of a body may be nested. */
export const DEPTH_MAX = 32

const PROTO = Buffer.from('__proto__')

const options = {
  useRecords: false,
  mapsAsObjects: true,
  variableMapSize: true,
  int64AsType: 'number' as const,
  moreTypes: false,
  structuredClone: false,
  bundleStrings: false,
  // an object's undefined member is left out, as in JSON (an option that the package's types lack)
  skipValues: [undefined],
}
const packr = new Packr(options)

/** `value` as MessagePack. Errors `input.too-deep` and `input.invalid` for what is not plain JSON. */
export function pack(value: unknown): Buffer {
  let bytes: Buffer
  try {
    bytes = packr.pack(value)
  } catch (cause) {
    // a cycle, or nesting beyond the stack; other range errors are numbers that JSON does not have
    if (cause instanceof RangeError && cause.message.includes('call stack')) throw new AigenError('input.too-deep', undefined, { cause })
    throw new AigenError('input.invalid', 'The value is not plain JSON.', { cause })
  }
  try {
    lookOver(bytes)
  } catch (cause) {
    if (cause instanceof AigenError && cause.code === 'input.unparsable') {
      throw new AigenError('input.invalid', 'The value is not plain JSON.', { cause })
    }
    throw cause
  }
  return bytes
}

/** The value that `bytes` hold. Errors `input.unparsable` and `input.too-deep`. */
export function unpack(bytes: Uint8Array): unknown {
  lookOver(bytes)
  try {
    return packr.unpack(bytes)
  } catch (cause) {
    throw new AigenError('input.unparsable', undefined, { cause })
  }
}

/**
 * Walks the bytes once without building anything; every declared length is held against what is
 * there, so a few bytes cannot ask for a large allocation.
 */
function lookOver(bytes: Uint8Array): void {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const end = view.length
  // values still to come in each open container; bodies travel one level down, in the frame's array
  const left = new Array<number>(DEPTH_MAX + 2)
  const isMap = new Array<boolean>(DEPTH_MAX + 2)
  let depth = 0
  let at = 0
  left[0] = 1
  isMap[0] = false
  for (;;) {
    while (left[depth] === 0) {
      if (depth === 0) {
        if (at !== end) throw broken('bytes are left over')
        return
      }
      depth -= 1
    }
    if (at >= end) throw broken('it ends too early')
    const remaining = left[depth]!
    left[depth] = remaining - 1
    // a map counts keys and values; from its even end, keys are the even ones
    const isKey = isMap[depth] === true && (remaining & 1) === 0
    const byte = view[at]!
    at += 1
    let length = -1
    let items = -1
    let map = false
    if (byte <= 0x7f || byte >= 0xe0) {
      // small integer
    } else if (byte >= 0xa0 && byte <= 0xbf) length = byte & 0x1f
    else if (byte <= 0x8f) {
      items = byte & 0x0f
      map = true
    } else if (byte <= 0x9f) items = byte & 0x0f
    else {
      const size = FIXED[byte - 0xc0]!
      if (size < 0 || at + size > end) throw broken(size < 0 ? 'a type is not allowed' : 'it ends too early')
      if (byte === 0xd9) length = view[at]!
      else if (byte === 0xda) length = view.readUInt16BE(at)
      else if (byte === 0xdb) length = view.readUInt32BE(at)
      else if (byte === 0xdc) items = view.readUInt16BE(at)
      else if (byte === 0xdd) items = view.readUInt32BE(at)
      else if (byte >= 0xde) {
        items = byte === 0xde ? view.readUInt16BE(at) : view.readUInt32BE(at)
        map = true
      } else if (byte >= 0xca) checkNumber(byte, view, at)
      at += size
    }
    if (isKey && length < 0) throw broken('a key is not a string')
    if (length >= 0) {
      if (at + length > end) throw broken('it ends too early')
      if (isKey && length === 9 && view.compare(PROTO, 0, 9, at, at + 9) === 0) throw broken('a key is not allowed')
      at += length
    } else if (items >= 0) {
      const values = map ? items * 2 : items
      if (at + values > end) throw broken('it ends too early')
      if (values > 0) {
        if (depth > DEPTH_MAX) throw new AigenError('input.too-deep', `At most ${DEPTH_MAX} levels are read.`)
        depth += 1
        left[depth] = values
        isMap[depth] = map
      }
    }
  }
}

/** Bytes that follow each type byte from 0xc0 on, before its content; −1 refuses the type. */
const FIXED: readonly number[] = [
  0, -1, 0, 0, -1, -1, -1, -1, -1, -1, 4, 8, 1, 2, 4, 8, // nil, -, false, true, bin ×3, ext ×3, float ×2, uint ×4
  1, 2, 4, 8, -1, -1, -1, -1, -1, 1, 2, 4, 2, 4, 2, 4, // int ×4, fixext ×5, str ×3, array ×2, map ×2
]

function checkNumber(byte: number, view: Buffer, at: number): void {
  const value =
    byte === 0xca ? view.readFloatBE(at)
    : byte === 0xcb ? view.readDoubleBE(at)
    : byte === 0xcf ? Number(view.readBigUInt64BE(at))
    : byte === 0xd3 ? Number(view.readBigInt64BE(at))
    : 0
  if (!Number.isFinite(value)) throw broken('a number is not finite')
  if (byte >= 0xcc && !Number.isSafeInteger(value)) throw broken('an integer is too large')
}

function broken(why: string): AigenError {
  return new AigenError('input.unparsable', `In the packed value, ${why}.`)
}
