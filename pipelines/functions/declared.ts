/**
 * How a function of expressions is declared: its signatures, what it can cost, and what it does.
 * The rooms beside this file declare the standard library; `environment.ts` registers what is here,
 * `cost.ts` bounds it and `infer.ts` types calls of it, all from the same declaration.
 *
 * Names follow the extensions of CEL (strings, lists, math, sets, encoders, regex) where they have
 * one. Nothing here reads a clock, a time zone or a random number: two sides must see one verdict.
 */

/**
 * What a function can cost, in terms of the size of what it is given:
 * constant · linear · search (linear when what is searched for is a short literal) · list (runs its
 * body once an item) · regex · range (as its literal says) · unbounded (only in a killable worker).
 */
export type Cost = 'constant' | 'linear' | 'search' | 'list' | 'regex' | 'range' | 'unbounded'

export interface Declared {
  /** As it is called: `reverse` for `x.reverse()` and `reverse(x)`, `math.abs` for `math.abs(x)`. */
  readonly name: string
  /**
   * `string.charAt(int): string`, `json(dyn): string`. Types are those of CEL and `number` (int or
   * double), `Money`, `timestamp`, `duration`; T, U stand for any one type. Wherever an int is taken,
   * a whole double is too: the numbers of JSON are doubles.
   */
  readonly signatures: readonly string[]
  readonly cost: Cost
  /** Factor by which its result can be larger than what it is given, where that is more than 1. */
  readonly grows?: number
  /** Passes over what it is given, where that is more than one. */
  readonly passes?: number
  /** One line for the table in the README. */
  readonly says: string
  /** CEL brings it for ints: `run` is for doubles. */
  readonly native?: true
  /** Its receiver first. Absent where CEL brings it. Throws a plain Error for what a value did wrong. */
  readonly run?: (...args: any[]) => unknown
}

/** The whole number in an argument. */
export function whole(value: number | bigint, what = 'a whole number'): number {
  const number = Number(value)
  if (!Number.isSafeInteger(number)) throw new Error(`wants ${what}, found ${value}`)
  return number
}

/** An index from 0 to `length`. */
export function within(value: number | bigint, length: number): number {
  const index = whole(value, 'a whole number as index')
  if (index < 0 || index > length) throw new Error(`index ${index} is out of range: 0 to ${length}`)
  return index
}
