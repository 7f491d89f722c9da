/**
 * The word that was probably meant (for "Did you mean …?"). Used by explain.ts and by whoever else
 * meets a misspelt name: capabilities, steps, flags.
 */

const LENGTH_MAX = 64
const WORDS_MAX = 1000

/**
 * The known word closest to `found`, when it is close: at most a third of its letters differ
 * (inserted, dropped, changed or swapped with a neighbour). Upper and lower case count as the same.
 *
 * @example nearest('pirce', ['price', 'retry']) // 'price'
 */
export function nearest(found: string, known: Iterable<string>): string | undefined {
  if (found.length > LENGTH_MAX) return undefined
  let best: string | undefined
  let least = Math.max(1, Math.floor(found.length / 3)) + 1
  let left = WORDS_MAX
  for (const word of known) {
    if (left-- === 0) break
    if (word.length > LENGTH_MAX || Math.abs(word.length - found.length) >= least) continue
    const distance = distanceOf(found.toLowerCase(), word.toLowerCase())
    if (distance < least) [best, least] = [word, distance]
  }
  return best
}

/** Optimal string alignment distance. */
function distanceOf(a: string, b: string): number {
  let before: number[] = []
  let above = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const line = [row]
    for (let column = 1; column <= b.length; column++) {
      const change = a[row - 1] === b[column - 1] ? 0 : 1
      let cost = Math.min(above[column]! + 1, line[column - 1]! + 1, above[column - 1]! + change)
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        cost = Math.min(cost, before[column - 2]! + 1)
      }
      line.push(cost)
    }
    ;[before, above] = [above, line]
  }
  return above[b.length]!
}
