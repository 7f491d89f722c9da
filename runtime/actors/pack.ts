/**
 * A record of the journal as bytes, its large values on the shelf (`value-shelf`). Small ones, which
 * is nearly all of them, wait for nothing. Used by `partition` only.
 */
import { AigenError, asError } from '../../schemas/error.ts'
import { LARGE_BYTES, type Large } from './large.ts'
import { encodeRecord, rootsOf, type JournalRecord } from './record.ts'
import type { ValueShelf } from './value-shelf.ts'

/** Bytes of one record: below the bus's largest message with room for headers. */
const RECORD_BYTES_MAX = 1_000_000
/** Bytes of one line, on the average, up to which nobody looks for large values. */
const LINE_BYTES = 1_024

export interface Packed {
  readonly data: Uint8Array
  /** With the values that lie on the shelf for it. */
  readonly bytes: number
  /** Those; they are held there until `settle`. */
  readonly large?: readonly Large[]
}

/** Why nothing can be made of it: it is too large, or the shelf is full. */
export interface Refused {
  readonly refused: AigenError
}

/** Errors: `network.*`, when the shelf cannot be reached. */
export function pack(record: JournalRecord, values: ValueShelf): Packed | Refused | Promise<Packed | Refused> {
  const data = encodeRecord(record)
  return data.length > LARGE_BYTES + LINE_BYTES * record.lines.length && values.able ? shelve(record, values) : checked({ data, bytes: data.length })
}

async function shelve(record: JournalRecord, values: ValueShelf): Promise<Packed | Refused> {
  try {
    const { value, keys, bytes } = await values.shelve(record, rootsOf(record))
    const data = encodeRecord(value)
    const packed = checked({ data, bytes: data.length + bytes, ...(value.large ? { large: value.large } : {}) })
    if ('refused' in packed) values.settle(keys)
    return packed
  } catch (thrown) {
    const refused = asError(thrown)
    if (refused.code !== 'input.too-large' && refused.code !== 'blob.quota') throw refused
    return { refused }
  }
}

function checked(packed: Packed): Packed | Refused {
  const { length } = packed.data
  return length <= RECORD_BYTES_MAX ? packed : { refused: new AigenError('input.too-large', `one event makes a record of ${length} bytes, at most ${RECORD_BYTES_MAX}`) }
}
