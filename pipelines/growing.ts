/**
 * A list that grows at its end inside a state that never changes in place (D1): the pieces of a stream,
 * the items that come of it, what is to be undone. Plain data, so that it goes into snapshots; the next
 * item copies one block and the list of blocks, not all that came before. Used by step and fan.
 */
const BLOCK = 128

export interface Growing<T> {
  readonly length: number
  /** Of `BLOCK` items each, the last one of as many at most. */
  readonly blocks: readonly (readonly T[])[]
}

/** @example growing([1, 2]).length // 2 */
export function growing<T>(items: readonly T[]): Growing<T> {
  return grown({ length: 0, blocks: [] }, items)
}

/** The list with more items behind it; the one before is as it was. */
export function grown<T>({ length, blocks }: Growing<T>, items: readonly T[]): Growing<T> {
  const all = [...blocks]
  const open = length % BLOCK
  if (open > 0 && items.length > 0) all.push([...all.pop()!, ...items.slice(0, BLOCK - open)])
  for (let at = open > 0 ? BLOCK - open : 0; at < items.length; at += BLOCK) all.push(items.slice(at, at + BLOCK))
  return { length: length + items.length, blocks: all }
}

/** The item at a place of the list, from 0. */
export function itemAt<T>({ blocks }: Growing<T>, at: number): T | undefined {
  return blocks[Math.floor(at / BLOCK)]?.[at % BLOCK]
}

/** All of it, in order. */
export function itemsOf<T>({ blocks }: Growing<T>): T[] {
  return blocks.flat(1) as T[]
}
