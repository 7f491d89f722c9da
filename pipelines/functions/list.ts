/** Functions of lists: those of CEL's lists and sets extensions, and a few more. See `declared.ts`. */
import { Optional } from '@marcbachmann/cel-js'
import { keyOf } from '../json-value.ts'
import { whole, within, type Declared } from './declared.ts'

/** Longest list that `lists.range` makes. */
export const RANGE_MAX = 10_000

type CelNumber = number | bigint

export const list: readonly Declared[] = [
  { name: 'all', signatures: ['list.all(x, condition): bool'], cost: 'list', says: 'whether the condition holds for every item x' },
  { name: 'exists', signatures: ['list.exists(x, condition): bool'], cost: 'list', says: 'whether it holds for one at least' },
  { name: 'exists_one', signatures: ['list.exists_one(x, condition): bool'], cost: 'list', says: 'whether it holds for exactly one' },
  { name: 'map', signatures: ['list.map(x, value): list', 'list.map(x, condition, value): list'], cost: 'list', says: 'the value for every item, or for those that fit' },
  { name: 'filter', signatures: ['list<T>.filter(x, condition): list<T>'], cost: 'list', says: 'the items for which it holds' },
  { name: 'sortBy', signatures: ['list<T>.sortBy(x, key): list<T>'], cost: 'list', says: 'in the order of the keys: numbers, texts or times' },
  { name: 'groupBy', signatures: ['list<T>.groupBy(x, key): map<string, list<T>>'], cost: 'list', says: 'the items by the text of their key' },
  { name: 'sort', signatures: ['list<T>.sort(): list<T>'], cost: 'linear', passes: 6, says: 'in order: numbers, texts or times', run: (at: unknown[]) => sortedBy(at, at) },
  { name: 'reverse', signatures: ['list<T>.reverse(): list<T>', 'string.reverse(): string'], cost: 'linear', says: 'from the last to the first', run: (at: unknown[] | string) => (typeof at === 'string' ? [...at].reverse().join('') : [...at].reverse()) },
  { name: 'flatten', signatures: ['list<list<T>>.flatten(): list<T>', 'list.flatten(int): list'], cost: 'linear', says: 'the items of its lists in one list, or so many levels of them', run: (at: unknown[], depth: CelNumber = 1) => at.flat(Math.min(64, Math.max(0, whole(depth)))) },
  { name: 'distinct', signatures: ['list<T>.distinct(): list<T>'], cost: 'linear', passes: 8, says: 'each item once', run: distinct },
  { name: 'slice', signatures: ['list<T>.slice(int, int): list<T>'], cost: 'linear', says: 'from the first index to before the second', run: (at: unknown[], from: CelNumber, to: CelNumber) => sliced(at, from, to) },
  { name: 'first', signatures: ['list<T>.first(): optional<T>'], cost: 'constant', says: 'the first item, if there is one', run: (at: unknown[]) => Optional.of(at[0]) },
  { name: 'last', signatures: ['list<T>.last(): optional<T>'], cost: 'constant', says: 'the last item, if there is one', run: (at: unknown[]) => Optional.of(at.at(-1)) },
  { name: 'zip', signatures: ['list.zip(list): list<list>'], cost: 'linear', says: 'pairs, as many as the shorter has items', run: (at: unknown[], other: unknown[]) => at.slice(0, other.length).map((item, index) => [item, other[index]]) },
  { name: 'lists.range', signatures: ['lists.range(int): list<int>'], cost: 'range', says: `0 and so on, that many (at most ${RANGE_MAX})`, run: range },
  { name: 'sum', signatures: ['sum(list<number>): number', 'list<number>.sum(): number'], cost: 'linear', says: 'of numbers; 0 of none', run: sum },
  { name: 'min', signatures: ['min(list<number>): number', 'list<number>.min(): number'], cost: 'linear', says: 'the least number', run: (at: unknown) => extreme(at, 'min', (a, b) => a < b) },
  { name: 'max', signatures: ['max(list<number>): number', 'list<number>.max(): number'], cost: 'linear', says: 'the greatest number', run: (at: unknown) => extreme(at, 'max', (a, b) => a > b) },
  { name: 'avg', signatures: ['avg(list<number>): double', 'list<number>.avg(): double'], cost: 'linear', says: 'the mean', run: (at: unknown) => Number(sum(some(at, 'avg'))) / (at as unknown[]).length },
  { name: 'sets.contains', signatures: ['sets.contains(list, list): bool'], cost: 'linear', passes: 8, says: 'whether every item of the second is in the first', run: (at: unknown[], other: unknown[]) => contains(at, other) },
  { name: 'sets.equivalent', signatures: ['sets.equivalent(list, list): bool'], cost: 'linear', passes: 16, says: 'whether both have the same items', run: (at: unknown[], other: unknown[]) => contains(at, other) && contains(other, at) },
  { name: 'sets.intersects', signatures: ['sets.intersects(list, list): bool'], cost: 'linear', passes: 8, says: 'whether they have an item in common', run: (at: unknown[], other: unknown[]) => intersects(at, other) },
]

/** The items in the order of their keys; equal ones stay as they were. */
export function sortedBy(items: readonly unknown[], keys: readonly unknown[]): unknown[] {
  const kinds = new Set(keys.map((key) => (typeof key === 'bigint' ? 'number' : key instanceof Date ? 'time' : typeof key)))
  const [kind] = kinds
  if (kinds.size > 1 || (kind !== undefined && !['number', 'string', 'boolean', 'time'].includes(kind))) throw new Error('only numbers, texts, booleans or times have an order, and not a mixture')
  const order = items.map((_, index) => index)
  order.sort((one, other) => compare(keys[one] as number, keys[other] as number) || one - other)
  return order.map((index) => items[index])
}

function compare(one: number, other: number): number {
  return one < other ? -1 : one > other ? 1 : 0
}

/** The items by the text of their key. */
export function groupedBy(items: readonly unknown[], keys: readonly unknown[]): Map<string, unknown[]> {
  const groups = new Map<string, unknown[]>()
  for (const [index, item] of items.entries()) {
    const key = keys[index]
    if (!['string', 'number', 'bigint', 'boolean'].includes(typeof key)) throw new Error('a key of groupBy() is a text, a number or a boolean')
    const name = String(key)
    const group = groups.get(name)
    if (group) group.push(item)
    else groups.set(name, [item])
  }
  return groups
}

function distinct(items: readonly unknown[]): unknown[] {
  const seen = new Set<string>()
  return items.filter((item) => {
    const key = keyOf(item)
    return !seen.has(key) && seen.add(key)
  })
}

function contains(items: readonly unknown[], others: readonly unknown[]): boolean {
  const keys = new Set(items.map(keyOf))
  return others.every((other) => keys.has(keyOf(other)))
}

function intersects(items: readonly unknown[], others: readonly unknown[]): boolean {
  const keys = new Set(items.map(keyOf))
  return others.some((other) => keys.has(keyOf(other)))
}

function sliced(items: readonly unknown[], from: CelNumber, to: CelNumber): unknown[] {
  const end = within(to, items.length)
  return items.slice(within(from, end), end)
}

function range(count: CelNumber): bigint[] {
  const length = whole(count)
  if (length > RANGE_MAX) throw new Error(`a range has at most ${RANGE_MAX} items`)
  return Array.from({ length: Math.max(0, length) }, (_, index) => BigInt(index))
}

function numbers(items: unknown, name: string): CelNumber[] {
  if (!Array.isArray(items) || !items.every((item) => typeof item === 'number' || typeof item === 'bigint')) throw new Error(`${name}() takes a list of numbers`)
  return items
}

function some(items: unknown, name: string): CelNumber[] {
  const found = numbers(items, name)
  if (found.length === 0) throw new Error(`${name}() of an empty list`)
  return found
}

function sum(list: unknown): CelNumber {
  const items = numbers(list, 'sum')
  return items.every((item) => typeof item === 'bigint')
    ? items.reduce((total, item) => total + item, 0n)
    : items.reduce((total: number, item) => total + Number(item), 0)
}

/** The least or the greatest of a list that is not empty. */
export function extreme(list: unknown, name: string, better: (a: CelNumber, b: CelNumber) => boolean): CelNumber {
  return some(list, name).reduce((best, item) => (better(item, best) ? item : best))
}
