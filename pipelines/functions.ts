/**
 * Every function an expression may call, by name (D8): an allow-list, so an upgrade of the CEL
 * library cannot add one behind our back. Declared in `functions/`; the README's table is made of it.
 */
import type { Cost, Declared } from './functions/declared.ts'
import { encoding } from './functions/encoding.ts'
import { list } from './functions/list.ts'
import { map } from './functions/map.ts'
import { number } from './functions/number.ts'
import { text } from './functions/text.ts'
import { time } from './functions/time.ts'

export const GROUPS: readonly (readonly [title: string, functions: readonly Declared[]])[] = [
  ['text', text], ['lists', list], ['maps, JSON, optional values', map], ['numbers', number], ['times', time], ['conversions, hashes, encodings', encoding],
]

/** By name as it is called: `map`, `math.abs`. */
export const DECLARED: ReadonlyMap<string, Declared> = new Map(GROUPS.flatMap(([, group]) => group).map((one) => [one.name, one]))

/** The words before the dot of `math.abs`. */
export const NAMESPACES: ReadonlySet<string> = new Set(['cel', ...[...DECLARED.keys()].filter((name) => name.includes('.')).map((name) => name.slice(0, name.indexOf('.')))])

/** The cost of every function; `cel.bind` has no bound, since it doubles. */
export const FUNCTIONS: ReadonlyMap<string, Cost> = new Map([...[...DECLARED.values()].map((one): [string, Cost] => [one.name, one.cost]), ['cel.bind', 'unbounded']])

/** The rows of the README's table. */
export function functionTable(): string {
  const rows = GROUPS.flatMap(([title, group]) => group.map(({ signatures, cost, says }) => `| ${title} | ${signatures.map((one) => `\`${one}\``).join('<br>')} | ${cost} | ${says} |`))
  return ['| of | function | cost | what it gives |', '|---|---|---|---|', ...rows].join('\n')
}
