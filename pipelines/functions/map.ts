/** Functions of maps, of JSON and of values that may be absent. See `declared.ts`. */
import { Optional } from '@marcbachmann/cel-js'
import { parseJson, toJson } from '../json-value.ts'
import type { Declared } from './declared.ts'

type CelMap = Readonly<Record<string, unknown>> | ReadonlyMap<string, unknown>

export const map: readonly Declared[] = [
  { name: 'has', signatures: ['has(field): bool'], cost: 'constant', says: 'whether the field, like steps.read.note, is there' },
  { name: 'size', signatures: ['size(string): int', 'size(list): int', 'size(map): int', 'size(bytes): int', 'string.size(): int', 'list.size(): int', 'map.size(): int', 'bytes.size(): int'], cost: 'linear', says: 'characters, items, entries or bytes' },
  { name: 'keys', signatures: ['map.keys(): list<string>'], cost: 'linear', says: 'the keys', run: (at: CelMap) => entriesOf(at).map(([key]) => key) },
  { name: 'values', signatures: ['map<string, T>.values(): list<T>'], cost: 'linear', says: 'the values, in the order of the keys', run: (at: CelMap) => entriesOf(at).map(([, value]) => value) },
  { name: 'entries', signatures: ['map.entries(): list<map>'], cost: 'linear', says: 'a map of key and value for each', run: (at: CelMap) => entriesOf(at).map(([key, value]) => ({ key, value })) },
  { name: 'merge', signatures: ['map.merge(map): map'], cost: 'linear', says: 'both; the second has the last word', run: (at: CelMap, other: CelMap) => new Map([...entriesOf(at), ...entriesOf(other)]) },
  { name: 'json', signatures: ['json(dyn): string'], cost: 'linear', passes: 3, grows: 6, says: 'the value as JSON text', run: (value: unknown) => JSON.stringify(toJson(value)) },
  { name: 'parseJson', signatures: ['parseJson(string): dyn'], cost: 'linear', passes: 3, says: 'the value of a JSON text', run: parseJson },
  { name: 'optional.of', signatures: ['optional.of(T): optional<T>'], cost: 'constant', says: 'a value that is there' },
  { name: 'optional.none', signatures: ['optional.none(): optional<T>'], cost: 'constant', says: 'a value that is not' },
  { name: 'optional.ofNonZeroValue', signatures: ['optional.ofNonZeroValue(T): optional<T>'], cost: 'constant', says: "a value that is there, unless it is null, false, 0, '' or empty", run: ofNonZeroValue },
  { name: 'hasValue', signatures: ['optional.hasValue(): bool'], cost: 'constant', says: 'whether it is there' },
  { name: 'value', signatures: ['optional<T>.value(): T'], cost: 'constant', says: 'the value; an error without one' },
  { name: 'or', signatures: ['optional<T>.or(optional<T>): optional<T>'], cost: 'constant', says: 'it, or the other' },
  { name: 'orValue', signatures: ['optional<T>.orValue(T): T'], cost: 'constant', says: 'its value, or the other: steps.read.?note.orValue("")' },
]

function entriesOf(map: CelMap): [string, unknown][] {
  return map instanceof Map ? [...map] as [string, unknown][] : Object.entries(map)
}

function ofNonZeroValue(value: unknown): unknown {
  const empty = value === null || value === false || value === '' || value === 0 || value === 0n || (typeof value === 'object' && (Array.isArray(value) ? value.length === 0 : value instanceof Map ? value.size === 0 : Object.getPrototypeOf(value) === Object.prototype && Object.keys(value).length === 0))
  return empty ? Optional.none() : Optional.of(value)
}
