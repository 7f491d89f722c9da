/**
 * The fewest of some things that still make a run fail: delta debugging (Zeller and Hildebrandt,
 * "Simplifying and Isolating Failure-Inducing Input", IEEE TSE 28(2), 2002). Used on fault lists.
 */

/**
 * A smaller list for which `fails` still holds; `runs` bounds how often it is asked. The list given is
 * taken to fail.
 */
export async function shrink<T>(all: readonly T[], fails: (some: readonly T[]) => Promise<boolean>, runs = 200): Promise<readonly T[]> {
  let left = runs
  const ask = async (some: readonly T[]): Promise<boolean> => left-- > 0 && fails(some)
  if (all.length === 0 || await ask([])) return []
  let current = all
  for (let parts = 2; current.length > 1 && left > 0;) {
    const size = Math.ceil(current.length / parts)
    let smaller: readonly T[] | undefined
    for (let from = 0; from < current.length && smaller === undefined; from += size) {
      const rest = [...current.slice(0, from), ...current.slice(from + size)]
      if (await ask(rest)) smaller = rest
    }
    if (smaller !== undefined) {
      current = smaller
      parts = Math.max(2, parts - 1)
    } else if (size === 1) break
    else parts = Math.min(current.length, parts * 2)
  }
  return current
}
