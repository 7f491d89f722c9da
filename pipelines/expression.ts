/**
 * One CEL expression: compiled once (bounded cache), with the names it reads and its static cost
 * bound (D8). Used by `template.ts`, the checker and the acceptance check of both sides (D6).
 *
 * Documents come from strangers, so this is a door (I8): an allow-list of functions, no way to a
 * prototype or constructor, `matches` in linear time, every size bounded. Evaluation never throws
 * for what a document or a value did wrong: it returns the failure, which is journaled.
 */
import type { ASTNode, Environment } from '@marcbachmann/cel-js'
import { boundOf, childrenOf, type Bound } from './cost.ts'
import { makeEnvironment, ROOTS, SAFE_MATCHES, type Root } from './environment.ts'
import { FUNCTIONS, NAMESPACES } from './functions.ts'
import { patternFault } from './functions/pattern.ts'
import { AigenError } from '../schemas/error.ts'
import { nearest } from '../schemas/nearest.ts'

/** One place where an expression reads something: `steps.read.text` is root steps, path [read, text]. */
export interface Reference {
  readonly root: Root
  /** Keys and indexes as written; `null` for an index that is computed. */
  readonly path: readonly (string | number | null)[]
  /** Offset in the expression's source. */
  readonly start: number
  /** Inside has(…): its absence is no error. */
  readonly guarded: boolean
}

export interface Expression {
  readonly source: string
  readonly references: readonly Reference[]
  /** What it gives, as far as known before it runs: a CEL type, `dyn` when unknown. */
  readonly type: string
  readonly bound: Bound
  /** The path, when the expression is nothing but one: its type can be read from a schema. */
  readonly plain: Reference | undefined
  /** The syntax tree, for `infer.ts`; `matches` goes by another name in it. */
  readonly tree: ASTNode
  /** The raw CEL value; throws what the library throws. Only `template.ts` calls it. */
  readonly run: (context: object) => unknown
}

/** Why a source does not compile; `offset` is where in it. */
export interface ExpressionFault {
  readonly message: string
  readonly offset: number
  readonly hint?: string
}

export type Compiled = { readonly expression: Expression } | { readonly fault: ExpressionFault }

/** What an expression may read. Plain data: it is journaled, and posted to the worker. */
export interface Context {
  readonly input?: unknown
  /** Outputs by step; null for a skipped one. */
  readonly steps?: Readonly<Record<string, unknown>>
  readonly meta?: Readonly<Record<string, StepMeta>>
  readonly item?: unknown
  readonly index?: number
  readonly run?: RunFacts
  /** The delivery that `expect` judges. */
  readonly output?: unknown
  /** The two outputs that a quorum's `rule` compares. */
  readonly a?: unknown
  readonly b?: unknown
  /** Never there: pieces come one by one, as items. */
  readonly chunks?: undefined
}

/** `meta.<step>`; price is a decimal string of the dollar, of all items together under forEach. */
export interface StepMeta {
  /** done, skipped, failed or cancelled. */
  readonly state: string
  readonly provider: string | null
  readonly providerName: string | null
  readonly price: string
  readonly attempts: number
  /** Code of the error table, null where there is none. */
  readonly error?: string | null
  /** Whether its fallback stood in. */
  readonly fallback?: boolean
  /** Items of a forEach that failed and were tolerated. */
  readonly failed?: number
}

/** `run`; amounts are decimal strings of the dollar, startedAt in ms. */
export interface RunFacts {
  readonly id: string
  readonly spent: string
  readonly budget: string
  /** Always budget − spent, whatever stands here. */
  readonly left?: string
  readonly startedAt: number
}

/** Longest source; an agreement's `expect` has the same bound. */
export const SOURCE_MAX = 4_096
/** Characters of compiled sources that are kept, some 100 bytes of memory each; a short one counts as if it had the least. */
const KEPT_CHARACTERS = 262_144
const KEPT_LEAST = 16
const FORBIDDEN = new Set(['__proto__', 'prototype', 'constructor'])

const cache = new Map<string, Compiled>()
let kept = 0
const sizeOf = (source: string): number => Math.max(KEPT_LEAST, source.length)
let environment: Environment | undefined

/** The expression of a CEL source (without `${ }`), or why there is none. Same source, same object. */
export function compileExpression(source: string): Compiled {
  const known = cache.get(source)
  if (known !== undefined) return known
  const compiled = compile(source)
  if (source.length <= SOURCE_MAX) {
    kept += sizeOf(source)
    for (const oldest of kept > KEPT_CHARACTERS ? cache.keys() : []) {
      cache.delete(oldest)
      kept -= sizeOf(oldest)
      if (kept <= KEPT_CHARACTERS) break
    }
    cache.set(source, compiled)
  }
  return compiled
}

function compile(source: string): Compiled {
  if (source.length > SOURCE_MAX) return fault(`an expression may have ${SOURCE_MAX} characters, this has ${source.length}`, 0)
  if (source.trim() === '') return fault('the expression is empty', 0)
  try {
    environment ??= makeEnvironment()
    const checked = environment.parse(source)
    const references: Reference[] = []
    const problem = inspect(checked.ast, { references, variables: [], guarded: false })
    if (problem) return { fault: problem }
    const bound = boundOf(checked.ast)
    secureMatches(checked.ast)
    const verdict = checked.check()
    if (!verdict.valid) return faultOf(verdict.error)
    const plain = plainOf(checked.ast, references)
    let runnable: ReturnType<typeof runnableOf> | undefined
    return { expression: { source, references, type: verdict.type ?? 'dyn', bound, plain, tree: checked.ast, run: (context) => (runnable ??= runnableOf(source))(context) as unknown } }
  } catch (error) {
    return faultOf(error)
  }
}

/** Checking leaves marks in the tree, so what runs is parsed anew; when it first runs, since most that is checked never does. */
function runnableOf(source: string): ReturnType<Environment['parse']> {
  const runnable = environment!.parse(source)
  secureMatches(runnable.ast)
  return runnable
}

function fault(message: string, offset: number, hint?: string): { fault: ExpressionFault } {
  return { fault: { message, offset, ...(hint === undefined ? {} : { hint }) } }
}

function faultOf(error: unknown): { fault: ExpressionFault } {
  const range = (error as { range?: { start?: unknown } } | undefined)?.range
  return fault(messageOf(error), typeof range?.start === 'number' ? range.start : 0)
}

/** First line of what the library says, in our names. */
export function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  const said = error instanceof AigenError ? text.slice(error.rule.says.length).trim() : (text.split('\n', 1)[0] ?? '')
  const ours = said.replaceAll(SAFE_MATCHES, 'matches').replaceAll(/dyn<([^<>]*)>/g, '$1').slice(0, 300)
  return ours.startsWith('no such overload') && ours.includes('Money') ? `${ours} (write amounts as money('0.20'))` : ours
}

interface Inspection {
  readonly references: Reference[]
  readonly variables: readonly string[]
  readonly guarded: boolean
}

const LIST_FUNCTIONS = new Set([...FUNCTIONS].filter(([, cost]) => cost === 'list').map(([name]) => name))

/** Collects the references below `node`; returns the first thing that is not allowed. */
function inspect(node: ASTNode, scope: Inspection): ExpressionFault | undefined {
  if (isAccess(node) || node.op === 'id') return inspectPath(node, scope)
  if (node.op === 'call' || node.op === 'rcall') {
    const name = nameOf(node, scope.variables)
    if (!FUNCTIONS.has(name)) {
      const close = nearest(name, FUNCTIONS.keys())
      return { message: `unknown function ${name}()`, offset: node.start, ...(close ? { hint: `Did you mean ${close}()?` } : {}) }
    }
    if (name === 'json' && node.op === 'rcall') return { message: 'json is called as json(x)', offset: node.start }
    if (name === 'has' && node.op === 'call') return inspectAll(node.args[1], { ...scope, guarded: true })
    if (node.op === 'rcall') {
      const [, receiver, args] = node.args
      const binds = name === 'cel.bind'
      if (LIST_FUNCTIONS.has(name) || binds) return inspectBody(receiver, args, binds, scope)
    }
    if (FUNCTIONS.get(name) === 'regex') {
      const pattern = node.op === 'call' || name !== 'matches' ? argumentsOf(node)[1] : node.args[2][0]
      const problem = pattern?.op === 'value' && typeof pattern.args === 'string' ? patternFault(pattern.args) : undefined
      if (problem !== undefined) return { message: problem, offset: pattern!.start }
    }
    if (name.startsWith('get') && (node.op === 'rcall' ? node.args[2] : node.args[1]).length > 0) {
      return { message: `${name}() takes no time zone here: times are UTC`, offset: node.start }
    }
    if (name.includes('.')) return inspectAll(argumentsOf(node), scope)
  }
  return inspectAll(childrenOf(node), scope)
}

/** Of a call: what it is called by, `math.abs` where its receiver is a namespace. */
function nameOf(node: ASTNode, variables: readonly string[]): string {
  if (node.op !== 'rcall') return String((node.args as unknown[])[0])
  const [name, receiver] = node.args
  return receiver.op === 'id' && NAMESPACES.has(receiver.args) && !variables.includes(receiver.args) ? `${receiver.args}.${name}` : name
}

function argumentsOf(node: ASTNode): ASTNode[] {
  return node.op === 'rcall' ? node.args[2] : (node.args as [string, ASTNode[]])[1]
}

/** A field or an index, optional ones included. */
function isAccess(node: ASTNode): node is Extract<ASTNode, { op: '.' | '.?' | '[]' | '[?]' }> {
  return node.op === '.' || node.op === '[]' || node.op === '.?' || node.op === '[?]'
}

function inspectAll(nodes: readonly ASTNode[], scope: Inspection): ExpressionFault | undefined {
  for (const node of nodes) {
    const problem = inspect(node, scope)
    if (problem) return problem
  }
  return undefined
}

/** `list.map(x, body)` and `cel.bind(x, value, body)`: x is a name inside the body. */
function inspectBody(receiver: ASTNode, args: readonly ASTNode[], binds: boolean, scope: Inspection): ExpressionFault | undefined {
  const [variable, ...rest] = args
  if (variable?.op !== 'id') return { message: 'the first argument must be a name for the item', offset: receiver.start }
  // a and b are roots in a quorum's rule only: everybody may use them for items
  if (variable.args !== 'a' && variable.args !== 'b' && (ROOTS as readonly string[]).includes(variable.args)) {
    return { message: `${variable.args} already has a meaning: use another name for the item`, offset: variable.start }
  }
  const inner = { ...scope, variables: [...scope.variables, variable.args] }
  if (binds) return inspectAll(rest.slice(0, 1), scope) ?? inspectAll(rest.slice(1), inner)
  return inspect(receiver, scope) ?? inspectAll(rest, inner)
}

function inspectPath(node: ASTNode, scope: Inspection): ExpressionFault | undefined {
  const path: (string | number | null)[] = []
  const computed: ASTNode[] = []
  let base: ASTNode = node
  let guarded = scope.guarded
  while (isAccess(base)) {
    const key: string | ASTNode = base.args[1]
    const step = typeof key === 'string' ? key : literalKey(key)
    if (base.op === '.?' || base.op === '[?]') guarded = true
    if (typeof step === 'string' && FORBIDDEN.has(step)) return { message: `${step} cannot be read`, offset: base.start }
    if (step === null && typeof key !== 'string') computed.push(key)
    path.unshift(step)
    base = base.args[0]
  }
  const problem = inspectAll(computed, scope)
  if (problem) return problem
  if (base.op !== 'id') return inspect(base, scope)
  const name = base.args
  if (scope.variables.includes(name)) return undefined
  if ((ROOTS as readonly string[]).includes(name)) {
    scope.references.push({ root: name as Root, path, start: node.start, guarded })
    return undefined
  }
  // names of types, like int in `type(x) == int`
  if (environment?.hasVariable(name) && name !== 'google' && !NAMESPACES.has(name)) return undefined
  const close = nearest(name, [...ROOTS, ...scope.variables])
  return { message: `unknown name ${name}`, offset: base.start, hint: close ? `Did you mean ${close}?` : `Names are ${ROOTS.join(', ')}.` }
}

/** The key of `x['key']` and `x[0]`, null when it is computed. */
function literalKey(node: ASTNode): string | number | null {
  if (node.op !== 'value') return null
  if (typeof node.args === 'string') return node.args
  return typeof node.args === 'bigint' || typeof node.args === 'number' ? Number(node.args) : null
}

function plainOf(tree: ASTNode, references: readonly Reference[]): Reference | undefined {
  let base: ASTNode = tree
  while (base.op === '.' || base.op === '[]') {
    if (base.op === '[]' && literalKey(base.args[1]) === null) return undefined
    base = base.args[0]
  }
  return base.op === 'id' && references.length === 1 ? references[0] : undefined
}

/** Renames every `matches` in the tree: the library's own runs JavaScript's RegExp and can hang. */
function secureMatches(node: ASTNode): void {
  if ((node.op === 'call' || node.op === 'rcall') && node.args[0] === 'matches') (node.args as unknown[])[0] = SAFE_MATCHES
  for (const child of childrenOf(node)) secureMatches(child)
}
