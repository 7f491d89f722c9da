/**
 * The static cost bound of an expression (D8): decides whether it may run inside the host or only
 * in a worker that can be killed. Used by `expression.ts`; walks the tree that CEL's parser made.
 *
 * What is allowed inline keeps to one pass over the data: no list function inside the body of
 * another, no `cel.bind` (it doubles), nothing searched for that is not a short literal, patterns
 * short and literal, and in the body of a list function nothing linear in data from outside it.
 */
import type { ASTNode } from '@marcbachmann/cel-js'
import { FUNCTIONS, patternSize } from './environment.ts'

/**
 * constant: does not depend on the data · linear: `weight` passes over the data it names ·
 * none: no static bound, `why` says what is in the way.
 */
export interface Bound {
  readonly kind: 'constant' | 'linear' | 'none'
  /** Passes over the data, for the size limit of inline evaluation. */
  readonly weight: number
  readonly why?: string
}

/** Larger expressions have no static bound. */
export const INLINE_NODES_MAX = 160
const NEEDLE_MAX = 64
const PATTERN_LENGTH_MAX = 128
/** States of the automaton: matching takes at most that many steps a character. */
const PATTERN_SIZE_MAX = 256

/** Linear in the number of items only, however large each is. */
const SUMMARIES = new Set(['size', 'sum', 'min', 'max'])

interface Walk {
  nodes: number
  passes: number
  growth: number
  /** A list was made whose items may each be a large value from outside the list … */
  spreads: boolean
  /** … and something reads through all that it was given: together that is a product of two sizes. */
  gathers: boolean
  why: string | undefined
}

/** Inside the body of a list function: its iteration variable. */
type Body = string | undefined

export function boundOf(tree: ASTNode): Bound {
  const walk: Walk = { nodes: 0, passes: 0, growth: 1, spreads: false, gathers: false, why: undefined }
  visit(tree, undefined, walk)
  if (walk.nodes > INLINE_NODES_MAX) walk.why ??= `it has more than ${INLINE_NODES_MAX} parts`
  if (walk.spreads && walk.gathers) walk.why ??= 'map() puts data from outside its list into every item, and all of it is read'
  if (walk.why !== undefined) return { kind: 'none', weight: Infinity, why: walk.why }
  return walk.passes === 0 ? { kind: 'constant', weight: 0 } : { kind: 'linear', weight: walk.passes * walk.growth }
}

function visit(node: ASTNode, body: Body, walk: Walk): void {
  walk.nodes += 1
  switch (node.op) {
    case 'call':
      return visitCall(node.args[0], undefined, node.args[1], node, body, walk)
    case 'rcall':
      return visitCall(node.args[0], node.args[1], node.args[2], node, body, walk)
    case '+':
      if (!node.args.some((arg) => isScalar(arg) && (body === undefined || typeof arg.args !== 'string'))) {
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

function visitCall(name: string, receiver: ASTNode | undefined, args: ASTNode[], node: ASTNode, body: Body, walk: Walk): void {
  const cost = FUNCTIONS.get(name) ?? 'unbounded'
  if (cost === 'unbounded') walk.why ??= `${name}() has no bound`
  if (cost === 'linear') linear(node, body, walk, `${name}()`)
  if (cost !== 'constant' && cost !== 'list' && !SUMMARIES.has(name)) walk.gathers = true
  if (cost === 'search') {
    linear(node, body, walk, `${name}()`)
    if (!args.every((arg) => isLiteral(arg, NEEDLE_MAX))) walk.why ??= `${name}() is not given a short literal`
  }
  if (cost === 'regex') visitPattern(args[args.length - 1], node, body, walk)
  if (cost === 'list') {
    if (body !== undefined) walk.why ??= `${name}() stands inside another list function`
    walk.passes += 1
    if (receiver) visit(receiver, body, walk)
    const variable = args[0]?.op === 'id' ? args[0].args : ''
    for (const arg of args.slice(1)) visit(arg, variable, walk)
    if (name === 'map' && args.slice(1).some((arg) => namesOutside(arg, variable))) walk.spreads = true
    return
  }
  if (receiver) visit(receiver, body, walk)
  for (const arg of args) visit(arg, body, walk)
}

function visitPattern(pattern: ASTNode | undefined, node: ASTNode, body: Body, walk: Walk): void {
  linear(node, body, walk, 'matches()')
  if (!pattern || !isLiteral(pattern, PATTERN_LENGTH_MAX)) {
    walk.why ??= 'the pattern of matches() is not a short literal'
    return
  }
  const size = patternSize(String(pattern.args))
  walk.passes += Math.ceil(size / 8)
  if (size > PATTERN_SIZE_MAX) walk.why ??= 'the pattern of matches() repeats too much'
}

/** Notes one pass over the data; inside a body only over the item itself, or passes would multiply. */
function linear(node: ASTNode, body: Body, walk: Walk, what: string): void {
  walk.passes += 1
  if (body !== undefined && childrenOf(node).some((child) => namesOutside(child, body))) {
    walk.why ??= `${what} inside a list function uses data from outside it`
  }
}

function namesOutside(node: ASTNode, variable: string): boolean {
  if (node.op === 'id') return node.args !== variable
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
