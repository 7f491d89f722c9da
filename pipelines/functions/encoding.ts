/** Conversions, hashing and encodings: CEL's own, its encoders extension, and hex and SHA-256. See `declared.ts`. */
import { createHash } from 'node:crypto'
import type { Declared } from './declared.ts'

type Bytes = string | Uint8Array

export const encoding: readonly Declared[] = [
  { name: 'type', signatures: ['type(dyn): type'], cost: 'constant', says: 'its type, like double' },
  { name: 'dyn', signatures: ['dyn(dyn): dyn'], cost: 'constant', says: 'the same, of no known type' },
  { name: 'bool', signatures: ['bool(bool): bool', 'bool(string): bool'], cost: 'constant', says: 'true or false' },
  { name: 'int', signatures: ['int(int): int', 'int(double): int', 'int(string): int', 'int(timestamp): int', 'int(duration): int'], cost: 'constant', says: 'a whole number; of a time, seconds since 1970; of a duration, seconds' },
  { name: 'double', signatures: ['double(double): double', 'double(int): double', 'double(string): double'], cost: 'constant', says: 'a number' },
  { name: 'string', signatures: ['string(string): string', 'string(bool): string', 'string(int): string', 'string(double): string', 'string(bytes): string', 'string(Money): string', 'string(timestamp): string', 'string(duration): string'], cost: 'linear', says: 'as text' },
  { name: 'bytes', signatures: ['bytes(string): bytes', 'bytes(bytes): bytes'], cost: 'linear', grows: 3, says: 'UTF-8 of the text' },
  { name: 'money', signatures: ['money(string): Money', 'money(Money): Money'], cost: 'constant', says: "an amount: money('0.20')" },
  { name: 'sha256', signatures: ['sha256(string): string', 'sha256(bytes): string'], cost: 'linear', passes: 2, says: 'SHA-256 in hex', run: (at: Bytes) => createHash('sha256').update(at).digest('hex') },
  { name: 'hex.encode', signatures: ['hex.encode(string): string', 'hex.encode(bytes): string'], cost: 'linear', grows: 6, says: 'in hex', run: (at: Bytes) => Buffer.from(at as string).toString('hex') },
  { name: 'hex.decode', signatures: ['hex.decode(string): bytes'], cost: 'linear', says: 'bytes of hex; string(…) makes text of them', run: (at: string) => decoded(at, /^(?:[0-9a-fA-F]{2})*$/, 'hex') },
  { name: 'base64.encode', signatures: ['base64.encode(bytes): string', 'base64.encode(string): string'], cost: 'linear', grows: 4, says: 'in base64', run: (at: Bytes) => Buffer.from(at as string).toString('base64') },
  { name: 'base64.decode', signatures: ['base64.decode(string): bytes'], cost: 'linear', says: 'bytes of base64; string(…) makes text of them', run: (at: string) => decoded(at, /^[A-Za-z0-9+/]*={0,2}$/, 'base64') },
]

function decoded(at: string, pattern: RegExp, encoding: 'hex' | 'base64'): Uint8Array {
  if (!pattern.test(at)) throw new Error(`the text is not ${encoding}`)
  // an array of the plain class: others are foreign to the library
  return new Uint8Array(Buffer.from(at, encoding))
}
