/**
 * The CEL environment of pipelines: the variables, the functions and the operators that an
 * expression may use (D8). Used by `expression.ts` only.
 *
 * Functions are an allow-list: what is not in `FUNCTIONS` does not compile, so a library upgrade
 * cannot add one behind our back. Each says what it can cost, which `cost.ts` adds up. Nothing here
 * reads a clock, a time zone or a random number: both sides of an agreement must see one verdict.
 */
import { Environment } from '@marcbachmann/cel-js'
import { RE2JS } from 're2js'
import { formatMoney, parseMoney } from '../schemas/money.ts'
import { toJson } from './json-value.ts'

/**
 * The names an expression can start from. `chunks.<step>` stands for the pieces of a step's stream and is a whole
 * forEach or nothing; `a` and `b` are the two outputs that a quorum's rule compares.
 */
export const ROOTS = ['input', 'steps', 'meta', 'item', 'index', 'run', 'output', 'chunks', 'a', 'b'] as const
export type Root = (typeof ROOTS)[number]

/** Fields of `run`; the three amounts compare with `money('…')`. */
export const RUN_FIELDS = ['id', 'spent', 'budget', 'left', 'startedAt'] as const
/** Fields of `meta.<step>`; `price` compares with `money('…')`. */
export const META_FIELDS = ['state', 'provider', 'providerName', 'price', 'attempts', 'error', 'fallback', 'failed'] as const

/** An amount inside an expression. It leaves as a decimal string of the dollar. */
export class MoneyValue {
  readonly atomic: bigint

  constructor(atomic: bigint) {
    this.atomic = atomic
  }

  toString(): string {
    return this.atomic < 0n ? `-${formatMoney(-this.atomic)}` : formatMoney(this.atomic)
  }
}

/**
 * What a function can cost, in terms of the size of what it is given:
 * constant · linear · search (linear when what is searched for is a short literal) ·
 * list (runs its body once an item) · regex · unbounded (only in a killable worker).
 */
export type Cost = 'constant' | 'linear' | 'search' | 'list' | 'regex' | 'unbounded'

/** Every function by name, whether called as `f(x)` or `x.f()`. */
export const FUNCTIONS: ReadonlyMap<string, Cost> = new Map<string, Cost>([
  ...(['has', 'type', 'dyn', 'bool', 'double', 'int', 'money', 'round', 'floor', 'ceil', 'abs', 'startsWith', 'endsWith', 'timestamp',
    'duration', 'getFullYear', 'getMonth', 'getDate', 'getDayOfMonth', 'getDayOfWeek', 'getHours', 'getMinutes', 'getSeconds',
    'getMilliseconds'] as const).map((name) => [name, 'constant'] as const),
  ...(['size', 'string', 'lower', 'upper', 'lowerAscii', 'upperAscii', 'trim', 'substring', 'min', 'max', 'sum', 'json'] as const)
    .map((name) => [name, 'linear'] as const),
  ...(['contains', 'indexOf', 'lastIndexOf', 'split', 'join', 'replace'] as const).map((name) => [name, 'search'] as const),
  ...(['all', 'exists', 'exists_one', 'map', 'filter'] as const).map((name) => [name, 'list'] as const),
  ['matches', 'regex'],
  ['bind', 'unbounded'],
])

/** Name that `matches` gets in the tree before it is checked: the library's own runs JavaScript's RegExp. */
export const SAFE_MATCHES = 'matchesInLinearTime'

/** Longest pattern that is compiled at all. */
export const PATTERN_MAX = 512
const PATTERNS_KEPT = 256

const LIMITS = { maxAstNodes: 2_000, maxDepth: 64, maxListElements: 500, maxMapEntries: 500, maxCallArguments: 16 }

/** A fresh environment; making one takes about a millisecond, so there is one a thread. */
export function makeEnvironment(): Environment {
  const environment = new Environment({ homogeneousAggregateLiterals: false, limits: LIMITS })
  for (const root of ROOTS) environment.registerVariable(root, 'dyn')
  registerMoney(environment)
  registerMixedNumbers(environment)
  registerStrings(environment)
  registerNumbers(environment)
  return environment
}

const SYNC = { async: false }

function registerMoney(environment: Environment): void {
  // `fields: {}` keeps every property of the class out of reach of `x.field`
  environment.registerType('Money', { ctor: MoneyValue, fields: {} })
  environment.registerFunction('money(string): Money', (text: string) => new MoneyValue(parseMoney(text)), SYNC)
  environment.registerFunction('money(Money): Money', (amount: MoneyValue) => amount, SYNC)
  environment.registerFunction('string(Money): string', (amount: MoneyValue) => amount.toString(), SYNC)
  const compare: Record<string, (a: bigint, b: bigint) => boolean> = {
    '<': (a, b) => a < b, '<=': (a, b) => a <= b, '>': (a, b) => a > b, '>=': (a, b) => a >= b, '==': (a, b) => a === b,
  }
  for (const [operator, holds] of Object.entries(compare)) {
    environment.registerOperator(`Money ${operator} Money: bool`, (a: MoneyValue, b: MoneyValue) => holds(a.atomic, b.atomic))
  }
  environment.registerOperator('Money + Money: Money', (a: MoneyValue, b: MoneyValue) => new MoneyValue(a.atomic + b.atomic))
  environment.registerOperator('Money - Money: Money', (a: MoneyValue, b: MoneyValue) => new MoneyValue(a.atomic - b.atomic))
  environment.registerOperator('Money * int: Money', (a: MoneyValue, b: bigint) => new MoneyValue(a.atomic * b))
}

/** JSON numbers are doubles and literals like `85` are ints: either side of an operator may be either. */
function registerMixedNumbers(environment: Environment): void {
  const apply: Record<string, (a: number, b: number) => number> = {
    '+': (a, b) => a + b, '-': (a, b) => a - b, '*': (a, b) => a * b, '/': (a, b) => a / b, '%': (a, b) => a % b,
  }
  for (const [operator, handler] of Object.entries(apply)) {
    const mixed = (a: number | bigint, b: number | bigint): number => handler(Number(a), Number(b))
    environment.registerOperator(`int ${operator} double: double`, mixed)
    environment.registerOperator(`double ${operator} int: double`, mixed)
  }
  environment.registerOperator('double % double: double', apply['%']!)
  environment.registerOperator('int == double: bool', (a: bigint, b: number) => Number(a) === b)
}

function registerStrings(environment: Environment): void {
  environment.registerFunction('string.lower(): string', (text: string) => text.toLowerCase(), SYNC)
  environment.registerFunction('string.upper(): string', (text: string) => text.toUpperCase(), SYNC)
  environment.registerFunction('string.replace(string, string): string',
    (text: string, from: string, to: string) => (from === '' ? text : text.split(from).join(to)), SYNC)
  const patterns = new Map<string, RE2JS>()
  const matches = (text: string, pattern: string): boolean => compiledPattern(patterns, pattern).matcher(text).find()
  environment.registerFunction(`string.${SAFE_MATCHES}(string): bool`, matches, SYNC)
  environment.registerFunction(`${SAFE_MATCHES}(string, string): bool`, matches, SYNC)
  environment.registerFunction('json(dyn): string', (value: unknown) => JSON.stringify(toJson(value)), SYNC)
}

/** RE2 pattern from a bounded cache. Throws a plain Error, which becomes the expression's error. */
function compiledPattern(patterns: Map<string, RE2JS>, pattern: string): RE2JS {
  const known = patterns.get(pattern)
  if (known !== undefined) return known
  if (pattern.length > PATTERN_MAX) throw new Error(`a pattern may have ${PATTERN_MAX} characters, this has ${pattern.length}`)
  const compiled = RE2JS.compile(pattern)
  if (patterns.size >= PATTERNS_KEPT) patterns.delete(patterns.keys().next().value!)
  patterns.set(pattern, compiled)
  return compiled
}

/** What is wrong with a pattern, or `undefined`. */
export function patternFault(pattern: string): string | undefined {
  try {
    compiledPattern(new Map(), pattern)
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** States of a pattern's automaton, 0 for one that does not compile. */
export function patternSize(pattern: string): number {
  return patternFault(pattern) === undefined ? RE2JS.compile(pattern).programSize() : 0
}

function registerNumbers(environment: Environment): void {
  const rounding: Record<string, (value: number) => number> = { round: Math.round, floor: Math.floor, ceil: Math.ceil, abs: Math.abs }
  for (const [name, handler] of Object.entries(rounding)) {
    environment.registerFunction(`${name}(double): double`, handler, SYNC)
    environment.registerFunction(`${name}(int): int`, (value: bigint) => (name === 'abs' && value < 0n ? -value : value), SYNC)
  }
  environment.registerFunction('round(double, int): double', (value: number, digits: bigint) => {
    const scale = 10 ** Math.min(12, Math.max(0, Number(digits)))
    return Math.round(value * scale) / scale
  }, SYNC)
  environment.registerFunction('min(list): dyn', (list: unknown) => extreme(list, 'min', (a, b) => a < b), SYNC)
  environment.registerFunction('max(list): dyn', (list: unknown) => extreme(list, 'max', (a, b) => a > b), SYNC)
  environment.registerFunction('sum(list): dyn', (list: unknown) => {
    const items = numbers(list, 'sum')
    return items.every((item) => typeof item === 'bigint')
      ? items.reduce((total, item) => total + item, 0n)
      : items.reduce((total: number, item) => total + Number(item), 0)
  }, SYNC)
}

type CelNumber = number | bigint

function numbers(list: unknown, name: string): CelNumber[] {
  if (!Array.isArray(list) || !list.every((item) => typeof item === 'number' || typeof item === 'bigint')) {
    throw new Error(`${name}() takes a list of numbers`)
  }
  return list
}

function extreme(list: unknown, name: string, better: (a: CelNumber, b: CelNumber) => boolean): CelNumber {
  const items = numbers(list, name)
  if (items.length === 0) throw new Error(`${name}() of an empty list`)
  return items.reduce((best, item) => (better(item, best) ? item : best))
}
