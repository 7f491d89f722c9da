/**
 * Where each value of a JSON text stands, so that an error can name line and column. Used by
 * `document.ts`. Reads a text that `JSON.parse` has accepted, so it checks nothing but what that
 * keeps silent about: a key written twice.
 */
import { joinPath } from '../schemas/explain.ts'

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
  const before = text.slice(0, offset)
  const newline = before.lastIndexOf('\n')
  return { line: before.split('\n').length, column: offset - newline }
}

interface Open {
  readonly path: string
  readonly keys: Set<string> | undefined
  index: number
}

/** Walks the text once, without recursion. */
export function positionsOf(text: string): Positions {
  const offsets = new Map<string, number>()
  const duplicates: string[] = []
  const open: Open[] = []
  let path = ''
  for (let at = 0; at < text.length; at++) {
    const letter = text[at]!
    if (letter === ' ' || letter === '\n' || letter === '\r' || letter === '\t' || letter === ':') continue
    const top = open[open.length - 1]
    if (letter === ',') {
      if (top && !top.keys) path = joinPath(top.path, ++top.index)
    } else if (letter === '}' || letter === ']') {
      open.pop()
      path = ''
    } else if (letter === '"' && top?.keys && path === '') {
      const end = endOfToken(text, at)
      const key = JSON.parse(text.slice(at, end)) as string
      path = joinPath(top.path, key)
      if (top.keys.has(key)) duplicates.push(path)
      top.keys.add(key)
      at = end - 1
    } else {
      offsets.set(path, at)
      if (letter === '{' || letter === '[') {
        open.push({ path, keys: letter === '{' ? new Set() : undefined, index: 0 })
        path = letter === '{' ? '' : joinPath(path, 0)
      } else {
        at = endOfToken(text, at) - 1
        path = ''
      }
    }
  }
  return { duplicates, at: (wanted, letter) => positionOf(text, find(text, offsets, wanted, letter)) }
}

/** Offset behind the string, number or word that starts at `from`. */
function endOfToken(text: string, from: number): number {
  let at = from + 1
  if (text[from] === '"') {
    while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1
    return at + 1
  }
  while (at < text.length && !/[\s,\]}]/.test(text[at]!)) at++
  return at
}

function find(text: string, offsets: ReadonlyMap<string, number>, wanted: string, letter: number | undefined): number {
  let path = wanted
  while (path !== '' && !offsets.has(path)) path = path.replace(/(^|\.)[^.[\]]*$|\[[^[\]]*\]$/, '')
  const start = offsets.get(path) ?? 0
  if (letter === undefined || path !== wanted || text[start] !== '"') return start
  let at = start + 1
  for (let left = letter; left > 0 && text[at] !== '"'; left--) at += text[at] !== '\\' ? 1 : text[at + 1] === 'u' ? 6 : 2
  return at
}
