/**
 * The CEL environment of pipelines: the variables, the functions and the operators that an
 * expression may use (D8). Used by `expression.ts` only.
 *
 * Functions are an allow-list: what is not in `functions.ts` does not compile, so a library upgrade
 * cannot add one behind our back. Nothing here reads a clock, a time zone or a random number: both
 * sides of an agreement must see one verdict.
 */
import { Environment } from '@marcbachmann/cel-js'
import { formatMoney, parseMoney } from '../schemas/money.ts'
import { DECLARED, NAMESPACES } from './functions.ts'
import type { Declared } from './functions/declared.ts'
import { groupedBy, sortedBy } from './functions/list.ts'
import { matcher } from './functions/pattern.ts'
import { overloadsOf } from './functions/signature.ts'

/**
 * The names an expression can start from. `chunks.<step>` stands for the pieces of a step's stream and is a whole
 * forEach or nothing; `a` and `b` are the two outputs that a quorum's rule compares.
 */
export const ROOTS = ['input', 'steps', 'meta', 'item', 'index', 'run', 'output', 'chunks', 'a', 'b'] as const
export type Root = (typeof ROOTS)[number]

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

/** Name that `matches` gets in the tree before it is checked: the library's own runs JavaScript's RegExp. */
export const SAFE_MATCHES = 'matchesInLinearTime'

const LIMITS = { maxAstNodes: 2_000, maxDepth: 64, maxListElements: 500, maxMapEntries: 500, maxCallArguments: 16 }

/** A fresh environment; making one takes about a millisecond, so there is one a thread. */
export function makeEnvironment(): Environment {
  const environment = new Environment({ homogeneousAggregateLiterals: false, enableOptionalTypes: true, limits: LIMITS })
  for (const root of ROOTS) environment.registerVariable(root, 'dyn')
  registerMoney(environment)
  registerMixedNumbers(environment)
  registerNamespaces(environment)
  for (const one of DECLARED.values()) registerDeclared(environment, one)
  registerConversions(environment)
  registerKeyed(environment, 'sortBy', sortedBy)
  registerKeyed(environment, 'groupBy', groupedBy)
  return environment
}

const SYNC = { async: false }

function registerMoney(environment: Environment): void {
  // `fields: {}` keeps every property of the class out of reach of `x.field`
  environment.registerType('Money', { ctor: MoneyValue, fields: {} })
  environment.registerFunction('money(string): Money', (text: string) => new MoneyValue(parseMoney(text)), SYNC)
  environment.registerFunction('money(Money): Money', (amount: MoneyValue) => amount, SYNC)
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

/** `math` of `math.abs(x)`: a value of a type of its own, with nothing to read. */
function registerNamespaces(environment: Environment): void {
  for (const name of NAMESPACES) {
    // the library brings these two
    if (name === 'cel' || name === 'optional') continue
    const type = namespaceType(name)
    const Namespace = { [type]: class {} }[type]!
    environment.registerType(type, { ctor: Namespace, fields: {} })
    environment.registerConstant(name, type, new Namespace())
  }
}

function namespaceType(name: string): string {
  return `${name[0]!.toUpperCase()}${name.slice(1)}Functions`
}

function registerDeclared(environment: Environment, { name, signatures, run, native }: Declared): void {
  if (run === undefined || name === 'optional.ofNonZeroValue') return
  const dot = name.indexOf('.')
  for (const { text, widened } of signatures.flatMap((one) => overloadsOf(one, name))) {
    if (native && !widened) continue
    if (dot < 0) environment.registerFunction(text, run, SYNC)
    else environment.registerFunction(text.replace(`${name.slice(0, dot)}.`, `${namespaceType(name.slice(0, dot))}.`), (_namespace: unknown, ...args: unknown[]) => run(...args), SYNC)
  }
}

/** What CEL's own conversions leave out. */
function registerConversions(environment: Environment): void {
  const matches = (text: string, pattern: string): boolean => matcher(pattern, text).find()
  environment.registerFunction(`string.${SAFE_MATCHES}(string): bool`, matches, SYNC)
  environment.registerFunction(`${SAFE_MATCHES}(string, string): bool`, matches, SYNC)
  environment.registerFunction('string(Money): string', (amount: MoneyValue) => amount.toString(), SYNC)
  environment.registerFunction('string(google.protobuf.Timestamp): string', (at: Date) => at.toISOString(), SYNC)
  environment.registerFunction('string(google.protobuf.Duration): string', String, SYNC)
  environment.registerFunction('int(google.protobuf.Timestamp): int', (at: Date) => BigInt(Math.floor(at.getTime() / 1_000)), SYNC)
  environment.registerFunction('int(google.protobuf.Duration): int', (of: { seconds: bigint }) => of.seconds, SYNC)
  environment.registerFunction('OptionalNamespace.ofNonZeroValue(dyn): optional<dyn>', (_namespace: unknown, value: unknown) => DECLARED.get('optional.ofNonZeroValue')!.run!(value), SYNC)
}

/** `list.sortBy(x, key)`: a macro, so that `key` is evaluated for each item x. */
function registerKeyed(environment: Environment, name: string, by: (items: readonly unknown[], keys: readonly unknown[]) => unknown): void {
  environment.registerFunction(`list.${name}(ast, ast): dyn`, ({ args, receiver }: any) => ({
    async: false,
    typeCheck(checker: any, macro: any, context: any) {
      const list = checker.check(receiver, context)
      if (list.kind !== 'list' && list.kind !== 'dyn') throw new Error(`${name}() takes a list`)
      macro.scope = context.forkWithVariable(args[0].args, list.kind === 'list' ? list.valueType : checker.getType('dyn'))
      checker.check(args[1], macro.scope)
      return checker.getType('dyn')
    },
    evaluate(evaluator: any, macro: any, context: any) {
      const items: unknown = evaluator.run(receiver, context)
      if (!Array.isArray(items)) throw new Error(`${name}() takes a list`)
      const scope = macro.scope.reuse(context)
      return by(items, items.map((item) => evaluator.run(args[1], scope.setIterValue(item, evaluator))))
    },
  }), SYNC)
}
