/**
 * Where each value of a text stands, so that an error can name line and column. Used by `document.ts`
 * and, for YAML, by `yaml.ts`. Of JSON it reads a text that `JSON.parse` has accepted, so it checks
 * nothing but what that keeps silent about: a key written twice.
 */
/** Counted from 1, in characters. */
export interface Position {
  readonly line: number
  readonly column: number
}

export interface Positions {
  /** Paths of keys that stand twice in one object; JSON.parse would keep the last one only. */
  readonly duplicates: readonly string[]
  /**
   * Where the value at `path` starts, or the nearest value around it when there is none; with
   * `letter`, where that letter of the string at `path` stands, escapes counted.
   */
  at(path: string, letter?: number): Position
}

/** Line and column of an offset. */
export function positionOf(text: string, offset: number): Position {
  let line = 1
  let start = 0
  for (let at = text.indexOf('\n'); at >= 0 && at < offset; at = text.indexOf('\n', start)) {
    line++
    start = at + 1
  }
  return { line, column: offset - start + 1 }
}

/** A value of the text: where it starts, and what is in it. */
export interface Placed {
  readonly start: number
  readonly members: Map<string, Placed> | Placed[] | undefined
}

const QUOTE = 34
const BACKSLASH = 92

/** Walks the text once, without recursion. */
export function positionsOf(text: string): Positions {
  const top: Placed[] = []
  const open: { readonly members: Map<string, Placed> | Placed[]; readonly name: string }[] = [{ members: top, name: '' }]
  const duplicates: string[] = []
  let key: string | undefined
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code <= 32 || code === 44 || code === 58) continue
    const { members } = open[open.length - 1]!
    if (code === 125 || code === 93) {
      open.pop()
      continue
    }
    const end = code === 123 || code === 91 ? at + 1 : endOfToken(text, at, code)
    if (members instanceof Map && key === undefined) {
      key = unescaped(text, at, end)
      if (members.has(key)) duplicates.push(open.slice(1).map(({ name }) => name).concat(key).filter((name) => name !== '').join('.'))
    } else {
      const value: Placed = { start: at, members: code === 123 ? new Map() : code === 91 ? [] : undefined }
      if (members instanceof Map) members.set(key!, value)
      else members.push(value)
      if (value.members) open.push({ members: value.members, name: key ?? '' })
      key = undefined
    }
    at = end - 1
  }
  return positionsIn(text, top[0], duplicates, (start, letter) => letterIn(text, start, letter))
}

/** The positions of a text whose values are known; `letterAt` says where a letter of the string at `start` stands. */
export function positionsIn(text: string, document: Placed | undefined, duplicates: readonly string[], letterAt: (start: number, letter: number) => number): Positions {
  return {
    duplicates,
    at: (path, letter) => {
      const { start, whole } = find(document, path)
      return positionOf(text, letter === undefined || !whole ? start : letterAt(start, letter))
    },
  }
}

/** Offset behind the string, number or word that starts at `from`. */
function endOfToken(text: string, from: number, code: number): number {
  let at = from + 1
  if (code === QUOTE) {
    for (; text.charCodeAt(at) !== QUOTE; at++) if (text.charCodeAt(at) === BACKSLASH) at++
    return at + 1
  }
  while (at < text.length && !',]} \n\r\t'.includes(text[at]!)) at++
  return at
}

function unescaped(text: string, from: number, end: number): string {
  const raw = text.slice(from + 1, end - 1)
  return raw.includes('\\') ? (JSON.parse(`"${raw}"`) as string) : raw
}

/** Where the value at a path starts, or the nearest around it. */
function find(document: Placed | undefined, path: string): { readonly start: number; readonly whole: boolean } {
  let value = document
  for (const key of splitPath(path)) {
    const next: Placed | undefined = value?.members instanceof Map ? value.members.get(String(key)) : value?.members?.[Number(key)]
    if (!next) return { start: value?.start ?? 0, whole: false }
    value = next
  }
  return { start: value?.start ?? 0, whole: true }
}

/** Where a letter of the JSON string at `start` stands, escapes counted. */
function letterIn(text: string, start: number, letter: number): number {
  if (text[start] !== '"') return start
  let at = start + 1
  for (let left = letter; left > 0 && text[at] !== '"'; left--) at += text[at] !== '\\' ? 1 : text[at + 1] === 'u' ? 6 : 2
  return at
}

/** The keys and indexes of a path as `joinPath` writes it. @example splitPath('a.b[2]["c d"]') // ['a', 'b', 2, 'c d'] */
export function splitPath(path: string): (string | number)[] {
  return [...path.matchAll(/\[([0-9]+)\]|\["((?:[^"\\]|\\.)*)"\]|([^.[\]]+)/g)].map(([, index, quoted, key]) =>
    index !== undefined ? Number(index) : quoted !== undefined ? (JSON.parse(`"${quoted}"`) as string) : key!)
}
