/** Patterns of expressions: RE2, so that matching takes time in proportion to the text (D8). Bounded cache. */
import { RE2JS } from 're2js'

/** Longest pattern that is compiled at all. */
export const PATTERN_MAX = 512
const PATTERNS_KEPT = 256

const patterns = new Map<string, RE2JS>()

/** The matcher of a pattern over a text. Throws a plain Error, which becomes the expression's error. */
export function matcher(pattern: string, text: string): ReturnType<RE2JS['matcher']> {
  return compiled(pattern).matcher(text)
}

function compiled(pattern: string): RE2JS {
  const known = patterns.get(pattern)
  if (known !== undefined) return known
  if (pattern.length > PATTERN_MAX) throw new Error(`a pattern may have ${PATTERN_MAX} characters, this has ${pattern.length}`)
  const made = RE2JS.compile(pattern)
  if (patterns.size >= PATTERNS_KEPT) patterns.delete(patterns.keys().next().value!)
  patterns.set(pattern, made)
  return made
}

/** What is wrong with a pattern, or `undefined`. */
export function patternFault(pattern: string): string | undefined {
  try {
    compiled(pattern)
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** States of a pattern's automaton, 0 for one that does not compile. */
export function patternSize(pattern: string): number {
  return patternFault(pattern) === undefined ? compiled(pattern).programSize() : 0
}
