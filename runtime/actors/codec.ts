/**
 * Values of the journal, its snapshots and its shelf as bytes (MessagePack), and what nodes of a fleet
 * tell one another. What is read back is what was written, with every key it had: a replay starts from
 * it (I7). Bodies from other participants go through `identity/pack`, which refuses more.
 */
import { Packr } from 'msgpackr'

const options = { useRecords: false, structuredClone: false }
const packr = new Packr(options)
const mapping = new Packr({ ...options, mapsAsObjects: false })

/** @example decode(encode({ a: 1 })) // { a: 1 } */
export function encode(value: unknown): Buffer {
  return packr.pack(value)
}

/** The value in `data`; throws what msgpackr throws when it is none. */
export function decode(data: Uint8Array): unknown {
  // msgpackr renames the key __proto__, so that an assignment does not set a prototype.
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).includes('__proto__') ? plain(mapping.unpack(data)) : packr.unpack(data)
}

function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain)
  return value instanceof Map ? Object.fromEntries([...value].map(([key, inner]) => [key, plain(inner)])) : value
}
