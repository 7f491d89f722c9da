/**
 * The static cost bound of an expression (D8): decides whether it may run inside the host or only
 * in a worker that can be killed. Used by `expression.ts`; walks the tree that CEL's parser made.
 *
 * What is allowed inline keeps to one pass over the data: no list function inside the body of
 * another, no `cel.bind` (it doubles), nothing searched for that is not a short literal, patterns
 * short and literal, and in the body of a list function nothing linear in data from outside it.
 * What makes values larger than what it was given (replace, json, a body that names its item more
 * than once) multiplies: chains of them are how a short expression becomes a large one.
 */
import type { ASTNode } from '@marcbachmann/cel-js'
import { DECLARED, FUNCTIONS, NAMESPACES } from './functions.ts'
import { patternSize } from './functions/pattern.ts'

/**
 * constant: does not depend on the data · linear: `weight` passes over the data it names ·
 * none: no static bound, `why` says what is in the way.
 */
export interface Bound {
  readonly kind: 'constant' | 'linear' | 'none'
  /** Passes over the data, for the size limit of inline evaluation. */
  readonly weight: number
  /** Data that it brings itself: characters of its literals, values of its ranges. */
  readonly own: { readonly characters: number; readonly values: number }
  /** Whether characters can become values (split, parseJson). */
  readonly splits: boolean
  readonly why?: string
}

/** Larger expressions have no static bound. */
export const INLINE_NODES_MAX = 160
/** Heavier ones would not run inline on any data. */
const WEIGHT_MAX = 20_000
const NEEDLE_MAX = 64
const PATTERN_LENGTH_MAX = 128
/** States of the automaton: matching takes at most that many steps a character. */
const PATTERN_SIZE_MAX = 256
/** Longest literal of `lists.range` and padding. */
const RANGE_LITERAL_MAX = 1_000
/** Parts of a body that take as long as a pass over an item. */
const PARTS_A_PASS = 4

/** Linear in the number of items only, however large each is. */
const SUMMARIES = new Set(['size', 'sum', 'min', 'max', 'avg', 'math.greatest', 'math.least', 'first', 'last'])
const SPLITTERS = new Set(['split', 'parseJson', 'regex.extractAll'])

interface Walk {
  nodes: number
  passes: number
  /** Pieces that `+` and format() put together. */
  growth: number
  /** Product of what makes values larger. */
  factor: number
  characters: number
  values: number
  splits: boolean
  /** A list was made whose items may each be a large value from outside the list … */
  spreads: boolean
  /** … and something reads through all that it was given: together that is a product of two sizes. */
  gathers: boolean
  why: string | undefined
}

/** Inside the body of a list function: its iteration variable. */
type Body = string | undefined

export function boundOf(tree: ASTNode): Bound {
  const walk: Walk = { nodes: 0, passes: 0, growth: 1, factor: 1, characters: 0, values: 0, splits: false, spreads: false, gathers: false, why: undefined }
  visit(tree, undefined, walk)
  if (walk.nodes > INLINE_NODES_MAX) walk.why ??= `it has more than ${INLINE_NODES_MAX} parts`
  if (walk.spreads && walk.gathers) walk.why ??= 'map() puts data from outside its list into every item, and all of it is read'
  const own = { characters: walk.characters, values: walk.values }
  const { splits } = walk
  if (walk.why !== undefined) return { kind: 'none', weight: Infinity, own, splits, why: walk.why }
  const weight = walk.passes * walk.growth * walk.factor
  if (weight > WEIGHT_MAX) return { kind: 'none', weight: Infinity, own, splits, why: 'what it makes is too many times larger than what it is given' }
  return { kind: walk.passes === 0 ? 'constant' : 'linear', weight: walk.passes === 0 ? 0 : weight, own, splits }
}

function visit(node: ASTNode, body: Body, walk: Walk): void {
  walk.nodes += 1
  switch (node.op) {
    case 'value':
      walk.characters += typeof node.args === 'string' ? node.args.length : 0
      break
    case 'list':
    case 'map':
      walk.values += node.args.length
      break
    case 'call':
    case 'rcall':
      return visitCall(node, body, walk)
    case '+':
      if (!isNumeric(node) && !node.args.some((arg) => isScalar(arg) && (body === undefined || typeof arg.args !== 'string'))) {
        walk.growth += 1
        linear(node, body, walk, '+')
        walk.gathers = true
      }
      break
    case 'in':
      linear(node, body, walk, 'in')
      break
    case '==':
    case '!=':
      if (!node.args.some(isScalar)) {
        walk.passes += 1
        if (body === undefined) walk.gathers = true
      }
      break
    default:
      break
  }
  for (const child of childrenOf(node)) visit(child, body, walk)
}

function visitCall(node: Extract<ASTNode, { op: 'call' | 'rcall' }>, body: Body, walk: Walk): void {
  const [word] = node.args
  const space = node.op === 'rcall' && node.args[1].op === 'id' && NAMESPACES.has(node.args[1].args) && node.args[1].args !== body ? node.args[1].args : undefined
  const name = space === undefined ? word : `${space}.${word}`
  const receiver = node.op === 'rcall' && space === undefined ? node.args[1] : undefined
  const args = node.op === 'rcall' ? node.args[2] : node.args[1]
  const cost = FUNCTIONS.get(name) ?? 'unbounded'
  const declared = DECLARED.get(name)
  if (cost === 'unbounded') walk.why ??= `${name}() has no bound`
  if (cost === 'linear' || cost === 'search' || cost === 'regex') linear(node, body, walk, `${name}()`, declared?.passes)
  if (cost !== 'constant' && cost !== 'list' && !SUMMARIES.has(name)) walk.gathers = true
  if (cost === 'search' && !args.every((arg) => isLiteral(arg, NEEDLE_MAX))) walk.why ??= `${name}() is not given a short literal`
  if (cost === 'regex') visitPattern(receiver === undefined ? args[1] : args[0], walk, name)
  if (cost === 'range') visitRange(name, args, body, walk)
  if (SPLITTERS.has(name)) walk.splits = true
  if (name === 'format') walk.growth += 1
  walk.factor *= (declared?.grows ?? 1) * growthOf(name, args)
  if (cost === 'list') return visitBody(name, receiver, args, body, walk)
  if (receiver) visit(receiver, body, walk)
  for (const arg of args) visit(arg, body, walk)
}

/** How many times larger what it gives can be, as its literals say. */
function growthOf(name: string, args: readonly ASTNode[]): number {
  const length = (arg: ASTNode | undefined): number => (arg?.op === 'value' && typeof arg.args === 'string' ? arg.args.length : 0)
  if (name === 'replace') return Math.max(1, Math.ceil(length(args[1]) / Math.max(1, length(args[0]))))
  if (name === 'regex.replace') return 1 + length(args[2])
  return name === 'join' ? Math.max(1, Math.ceil(length(args[0]) / 8)) : 1
}

function visitBody(name: string, receiver: ASTNode | undefined, args: readonly ASTNode[], body: Body, walk: Walk): void {
  if (body !== undefined) walk.why ??= `${name}() stands inside another list function`
  walk.passes += name === 'sortBy' || name === 'groupBy' ? 6 : 1
  if (receiver) visit(receiver, body, walk)
  const variable = args[0]?.op === 'id' ? args[0].args : ''
  const before = walk.nodes
  for (const arg of args.slice(1)) visit(arg, variable, walk)
  walk.passes += (walk.nodes - before) / PARTS_A_PASS
  if (name !== 'map') return
  if (args.slice(1).some((arg) => namesOutside(arg, variable))) walk.spreads = true
  walk.factor *= Math.max(1, copiesOf(args.at(-1)!, variable))
}

function visitRange(name: string, args: readonly ASTNode[], body: Body, walk: Walk): void {
  const arg = args[0]
  const length = arg?.op === 'value' && (typeof arg.args === 'bigint' || typeof arg.args === 'number') ? Number(arg.args) : Infinity
  if (length > RANGE_LITERAL_MAX) walk.why ??= `${name}() is not given a number of at most ${RANGE_LITERAL_MAX}`
  else if (name === 'lists.range') {
    walk.values += length
    walk.passes += 1
    if (body !== undefined) walk.why ??= `${name}() stands inside a list function`
  } else {
    walk.characters += length
    walk.passes += 1 + (body === undefined ? 0 : length / 16)
    if (!args.slice(1).every((fill) => isLiteral(fill, NEEDLE_MAX))) walk.why ??= `${name}() is not given a short literal`
  }
}

function visitPattern(pattern: ASTNode | undefined, walk: Walk, name: string): void {
  if (!pattern || !isLiteral(pattern, PATTERN_LENGTH_MAX)) {
    walk.why ??= `the pattern of ${name}() is not a short literal`
    return
  }
  const size = patternSize(String(pattern.args))
  walk.passes += 2 + size
  if (size > PATTERN_SIZE_MAX) walk.why ??= `the pattern of ${name}() repeats too much`
}

/** Notes passes over the data; inside a body only over the item itself, or passes would multiply. */
function linear(node: ASTNode, body: Body, walk: Walk, what: string, passes = 1): void {
  walk.passes += passes
  if (body !== undefined && childrenOf(node).some((child) => namesOutside(child, body))) {
    walk.why ??= `${what} inside a list function uses data from outside it`
  }
}

/** How many times what a body gives can hold its item. */
function copiesOf(node: ASTNode, variable: string): number {
  if (node.op === 'id') return node.args === variable ? 1 : 0
  if (node.op === '?:') return Math.max(...node.args.map((one) => copiesOf(one, variable)))
  if (isNumeric(node) || JUDGED.has(node.op)) return 1
  return childrenOf(node).reduce((count, child) => count + copiesOf(child, variable), 0)
}

const ARITHMETIC = new Set(['-', '*', '/', '%', '-_'])
/** What gives true or false, however much it reads. */
const JUDGED = new Set(['==', '!=', '<', '<=', '>', '>=', 'in', '&&', '||', '!_'])

/** Whether it is a number, if it is anything. */
function isNumeric(node: ASTNode): boolean {
  if (node.op === 'value') return typeof node.args === 'number' || typeof node.args === 'bigint'
  return ARITHMETIC.has(node.op) || (node.op === '+' && node.args.some(isNumeric))
}

function namesOutside(node: ASTNode, variable: string): boolean {
  if (node.op === 'id') return node.args !== variable && !NAMESPACES.has(node.args)
  return childrenOf(node).some((child) => namesOutside(child, variable))
}

function isScalar(node: ASTNode): boolean {
  return node.op === 'value' && (typeof node.args !== 'string' || node.args.length <= NEEDLE_MAX)
}

function isLiteral(node: ASTNode, lengthMax: number): boolean {
  return node.op === 'value' && (typeof node.args !== 'string' || node.args.length <= lengthMax)
}

/** The nodes below one, whatever its shape; also used to walk for references. */
export function childrenOf(node: ASTNode): ASTNode[] {
  switch (node.op) {
    case 'value':
    case 'id':
      return []
    case '.':
    case '.?':
      return [node.args[0]]
    case 'call':
      return node.args[1]
    case 'rcall':
      return [node.args[1], ...node.args[2]]
    case 'list':
      return node.args
    case 'map':
      return node.args.flat()
    case '!_':
    case '-_':
      return [node.args]
    default:
      return node.args as ASTNode[]
  }
}
