/**
 * Takes the large parts out of what is to be written, and puts them back into what was read: a
 * record then names them by where they were, and they lie on the shelf (`value-shelf`). Pure.
 */

/** Bytes, about, from which on a part is stored by itself: far above what one event usually carries. */
export const LARGE_BYTES = 64 * 1_024

/** Where something is: names of members and places in lists, from the outside in. */
export type Path = readonly (string | number)[]

/** A value that was taken out. */
export interface Large {
  /** Where it stood in what names it. */
  readonly at: Path
  /** Its name on the shelf: epoch, number and hash. */
  readonly key: string
  /** Bytes of it on the shelf. */
  readonly size: number
}

/** A value that is to be taken out. */
export interface Part {
  readonly at: Path
  readonly value: unknown
}

/** Objects that were such a part before. */
export interface Known {
  has(value: object): boolean
}

/** Bytes, about, of a number, a member's head or what stands for a part. */
const SMALL = 9
/** Members that are taken out of an object that is too large by these together: how many at most, and of what size at least. */
const MEMBERS_MAX = 8
const MEMBER_BYTES = LARGE_BYTES / 8

/**
 * Parts of `root[path]` of more than `LARGE_BYTES`, without that itself: the innermost that are, so that
 * the same text is the same part wherever it turns up. Where an object is too large by a few members together, they are
 * parts: what stays the same from one image of an actor to the next is then known, whatever else changes beside it.
 * A list, or an object of small things, is one part.
 * What is `known` to be such a part is not looked through.
 */
export function largeParts(root: unknown, path: Path, known: Known = { has: () => false }): Part[] {
  const parts: Part[] = []
  const top = valueAt(root, path)
  if (isPlain(top)) for (const [key, value] of Object.entries(top)) measure(value, [...path, Array.isArray(top) ? Number(key) : key], parts, known)
  return parts
}

function measure(value: unknown, at: Path, parts: Part[], known: Known): number {
  if (typeof value === 'object' && value !== null && known.has(value)) {
    parts.push({ at, value })
    return SMALL
  }
  const bytes = typeof value === 'string' ? lengthOf(value) : value instanceof Uint8Array ? value.length : isPlain(value) ? inside(value, at, parts, known) : SMALL
  // Such a member would not be put back, it would become what the object is made from.
  if (bytes <= LARGE_BYTES || at.includes('__proto__')) return bytes
  parts.push({ at, value })
  return SMALL
}

function inside(value: object, at: Path, parts: Part[], known: Known): number {
  const before = parts.length
  const list = Array.isArray(value)
  const members: { readonly key: string; readonly size: number }[] = []
  let bytes = 0
  for (const key of Object.keys(value)) {
    const found = parts.length
    const size = measure((value as Record<string, unknown>)[key], [...at, list ? Number(key) : key], parts, known)
    bytes += SMALL + (list ? 0 : key.length) + size
    if (!list && size >= MEMBER_BYTES && parts.length === found && key !== '__proto__') members.push({ key, size })
  }
  if (bytes <= LARGE_BYTES) return bytes
  for (const { key, size } of members.sort((one, other) => other.size - one.size).slice(0, at.includes('__proto__') ? 0 : MEMBERS_MAX)) {
    parts.push({ at: [...at, key], value: (value as Record<string, unknown>)[key] })
    bytes -= size - SMALL
    if (bytes <= LARGE_BYTES) return bytes
  }
  // Then it is a part as a whole, and holds what was found in it.
  parts.length = before
  return bytes
}

const lengthOf = (text: string): number => (text.length * 3 <= LARGE_BYTES ? text.length : Buffer.byteLength(text))

function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return Array.isArray(value) || prototype === Object.prototype || prototype === null
}

/** `root` with null at these places; what is on the way there is copied, nothing is changed. */
export function without<T>(root: T, places: readonly Path[]): T {
  const copies = new Set<unknown>()
  const copied = (value: any): any => {
    if (copies.has(value)) return value
    const copy = Array.isArray(value) ? [...value] : { ...value }
    copies.add(copy)
    return copy
  }
  const top = copied(root)
  for (const path of places) {
    let node = top
    for (const key of path.slice(0, -1)) node = node[key] = copied(node[key])
    node[path.at(-1)!] = null
  }
  return top
}

/** Puts `value` at a place of `root`, which is changed. */
export function putBack(root: unknown, at: Path, value: unknown): void {
  const within = valueAt(root, at.slice(0, -1)) as any
  within[at.at(-1)!] = value
}

function valueAt(root: unknown, path: Path): unknown {
  let node = root as any
  for (const key of path) node = node[key]
  return node
}

/** @example pathOf(['lines', 0, 'event', 'input', 'text'], 2) // 'event.input.text' */
export function pathOf(at: Path, from = 0): string {
  return at.slice(from).join('.')
}
