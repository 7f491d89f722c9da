/**
 * Templates: JSON with `${…}` in its strings (DESIGN, Pipeline document). Used for `with`, `if`,
 * `forEach`, `expect`, `output` and messages; the run and step machines evaluate them through here.
 *
 * A string that is one `${…}` keeps the value's type; other strings interpolate; `$${` is a literal
 * `${`; keys are never evaluated. The expression ends where CEL's lexer says, not at the first brace.
 */
import { AigenError } from '../schemas/error.ts'
import { celContext } from './cel-context.ts'
import { type Bound } from './cost.ts'
import { compileExpression, messageOf, type Context, type Expression, type Reference } from './expression.ts'
import { RESULT_MAX, toJson, type Allowance, type Json } from './json-value.ts'

/** A piece of a string: text as it stands, or the source between `${` and `}` with its offset. */
export type Piece = { readonly text: string } | { readonly source: string; readonly offset: number }

/** Where a template is wrong: path inside it, and offset in that string. */
export interface TemplateFault {
  readonly path: readonly (string | number)[]
  readonly offset: number
  readonly message: string
  readonly hint?: string
}

/** A reference and the place of the string it stands in. */
export type PlacedReference = Reference & { readonly at: readonly (string | number)[] }

/** An expression and the place of the string it stands in. */
export interface PlacedExpression {
  readonly expression: Expression
  readonly at: readonly (string | number)[]
  /** Where its source begins in that string. */
  readonly offset: number
}

type Part = string | Expression
export type Node =
  | { readonly kind: 'constant'; readonly value: Json }
  | { readonly kind: 'value'; readonly expression: Expression }
  | { readonly kind: 'text'; readonly parts: readonly Part[] }
  | { readonly kind: 'list'; readonly items: readonly Node[] }
  | { readonly kind: 'map'; readonly entries: readonly (readonly [string, Node])[] }

export interface Template {
  readonly root: Node
  readonly references: readonly PlacedReference[]
  readonly expressions: readonly PlacedExpression[]
  readonly faults: readonly TemplateFault[]
  /** The bound of all its expressions together. */
  readonly bound: Bound
  /** Its only expression, when the whole template is one `${…}`. */
  readonly single: Expression | undefined
}

/** The outcome of an evaluation; a failure is a value, so that it can be journaled (D8). */
export type Evaluation =
  | { readonly ok: true; readonly value: Json }
  | { readonly ok: false; readonly reason: 'error' | 'timeout' | 'memory'; readonly message: string }

const DEPTH_MAX = 64
const EXPRESSIONS_MAX = 10_000

/** The pieces of a string; error `step.expression` where a `${` has no end. */
export function parsePieces(text: string): Piece[] {
  const pieces: Piece[] = []
  let literal = ''
  let at = 0
  while (at < text.length) {
    const dollar = text.indexOf('$', at)
    if (dollar < 0) break
    literal += text.slice(at, dollar)
    if (text.startsWith('$${', dollar)) {
      literal += '${'
      at = dollar + 3
    } else if (text[dollar + 1] === '{') {
      const end = endOfExpression(text, dollar + 2)
      if (literal !== '') pieces.push({ text: literal })
      literal = ''
      pieces.push({ source: text.slice(dollar + 2, end), offset: dollar + 2 })
      at = end + 1
    } else {
      literal += '$'
      at = dollar + 1
    }
  }
  literal += text.slice(at)
  if (literal !== '' || pieces.length === 0) pieces.push({ text: literal })
  return pieces
}

/** Offset of the brace that ends the expression starting at `from`, by the rules of CEL's lexer. */
function endOfExpression(text: string, from: number): number {
  let depth = 0
  for (let at = from; at < text.length; at++) {
    const letter = text[at]
    if (letter === '"' || letter === "'") at = endOfString(text, at)
    else if (letter === '/' && text[at + 1] === '/') {
      const line = text.indexOf('\n', at)
      if (line < 0) break
      at = line
    } else if (letter === '{') depth++
    else if (letter === '}' && depth-- === 0) return at
  }
  throw new AigenError('step.expression', `\${ at character ${from - 2} has no closing brace.`)
}

/** Offset of the last quote of the string that opens at `open`; a backslash skips a character, raw strings included. */
function endOfString(text: string, open: number): number {
  const quote = text[open]!
  const triple = text.startsWith(quote.repeat(3), open)
  for (let at = open + (triple ? 3 : 1); at < text.length; at++) {
    if (text[at] === '\\') at++
    else if (triple ? text.startsWith(quote.repeat(3), at) : text[at] === quote) return triple ? at + 2 : at
  }
  throw new AigenError('step.expression', `The string at character ${open} has no end.`)
}

/**
 * The template of any JSON value. What is wrong is in `faults`, all of it; a template with faults
 * evaluates to its first one.
 */
export function compileTemplate(value: unknown): Template {
  const building: Building = { references: [], faults: [], expressions: [] }
  const root = compileNode(value, [], building)
  const { references, faults, expressions } = building
  return { root, references, expressions, faults, bound: together(expressions.map(({ expression }) => expression)), single: root.kind === 'value' ? root.expression : undefined }
}

interface Building {
  readonly references: PlacedReference[]
  readonly faults: TemplateFault[]
  readonly expressions: PlacedExpression[]
}

function compileNode(value: unknown, path: readonly (string | number)[], building: Building): Node {
  if (path.length > DEPTH_MAX) {
    building.faults.push({ path, offset: 0, message: `nested deeper than ${DEPTH_MAX}` })
    return { kind: 'constant', value: null }
  }
  if (typeof value === 'string') return compileText(value, path, building)
  if (Array.isArray(value)) {
    const items = value.map((item, index) => compileNode(item, [...path, index], building))
    return items.every((item) => item.kind === 'constant') ? { kind: 'constant', value: items.map(constantOf) } : { kind: 'list', items }
  }
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).map(([key, item]) => [key, compileNode(item, [...path, key], building)] as const)
    const constant = entries.every(([, item]) => item.kind === 'constant')
    // rebuilt even when constant: `$${` inside it has become `${`
    if (!constant) return { kind: 'map', entries }
    return { kind: 'constant', value: Object.fromEntries(entries.map(([key, item]) => [key, constantOf(item)])) }
  }
  return { kind: 'constant', value: (value ?? null) as Json }
}

function constantOf(node: Node): Json {
  return node.kind === 'constant' ? node.value : null
}

function compileText(text: string, path: readonly (string | number)[], building: Building): Node {
  try {
    const parts: Part[] = []
    for (const piece of parsePieces(text)) {
      if ('text' in piece) parts.push(piece.text)
      else {
        const expression = compilePiece(piece, path, building)
        if (expression) parts.push(expression)
      }
    }
    if (parts.length === 1) {
      const [only] = parts
      return typeof only === 'string' ? { kind: 'constant', value: only } : { kind: 'value', expression: only! }
    }
    return { kind: 'text', parts }
  } catch (error) {
    building.faults.push({ path, offset: 0, message: messageOf(error) })
    return { kind: 'constant', value: null }
  }
}

type Source = Extract<Piece, { source: string }>

function compilePiece(piece: Source, path: readonly (string | number)[], building: Building): Expression | undefined {
  if (building.expressions.length >= EXPRESSIONS_MAX) throw new AigenError('step.expression', `More than ${EXPRESSIONS_MAX} expressions.`)
  const compiled = compileExpression(piece.source)
  if ('fault' in compiled) {
    building.faults.push({ ...compiled.fault, path, offset: piece.offset + compiled.fault.offset })
    return undefined
  }
  building.expressions.push({ expression: compiled.expression, at: path, offset: piece.offset })
  for (const reference of compiled.expression.references) {
    building.references.push({ ...reference, start: piece.offset + reference.start, at: path })
  }
  return compiled.expression
}

function together(expressions: readonly Expression[]): Bound {
  const unbounded = expressions.find((expression) => expression.bound.kind === 'none')
  if (unbounded) return unbounded.bound
  const sum = (of: (bound: Bound) => number): number => expressions.reduce((total, { bound }) => total + of(bound), 0)
  const weight = sum((bound) => bound.weight)
  const own = { characters: sum((bound) => bound.own.characters), values: sum((bound) => bound.own.values) }
  return { kind: weight === 0 ? 'constant' : 'linear', weight, own, splits: expressions.some(({ bound }) => bound.splits) }
}

/**
 * The value of a template, evaluated here and now. Call it only when `runsInline` says so, or
 * inside the worker: nothing stops it half way.
 */
export function evaluateTemplate(template: Template, context: Context): Evaluation {
  const [wrong] = template.faults
  if (wrong) return failed(wrong.message)
  try {
    const allowance: Allowance = { ...RESULT_MAX }
    return { ok: true, value: build(template.root, celContext(context), allowance, 0) }
  } catch (error) {
    return failed(messageOf(error))
  }
}

function failed(message: string): Evaluation {
  return { ok: false, reason: 'error', message }
}

function build(node: Node, context: object, allowance: Allowance, depth: number): Json {
  switch (node.kind) {
    case 'constant':
      return node.value
    case 'value':
      return toJson(valueOf(node.expression, context), allowance, depth)
    case 'text':
      return node.parts.map((part) => (typeof part === 'string' ? part : inText(toJson(valueOf(part, context), allowance, depth)))).join('')
    case 'list':
      return node.items.map((item) => build(item, context, allowance, depth + 1))
    case 'map':
      return Object.fromEntries(node.entries.map(([key, item]) => [key, build(item, context, allowance, depth + 1)]))
  }
}

function inText(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function valueOf(expression: Expression, context: object): unknown {
  try {
    return expression.run(context)
  } catch (error) {
    // a value with a key called "constructor" looks like a foreign object to the library: show it as a Map
    if ((error as { code?: unknown }).code !== 'unsupported_type') throw error
    return expression.run(Object.fromEntries(Object.entries(context).map(([root, value]) => [root, asMaps(value, 0)])))
  }
}

function asMaps(value: unknown, depth: number): unknown {
  if (depth > RESULT_MAX.depth || typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((item) => asMaps(item, depth + 1))
  const entries = Object.entries(value).map(([key, item]) => [key, asMaps(item, depth + 1)] as const)
  if (Object.hasOwn(value, 'constructor')) return new Map(entries)
  return Object.getPrototypeOf(value) === Object.prototype ? Object.fromEntries(entries) : value
}

/** Data that linear expressions may pass over inside the host, as values × passes and characters × passes. */
export const INLINE_WORK = { values: 20_000, characters: 100_000 } as const

/**
 * Whether a template may be evaluated inside the host: it has a static bound, and the data it names
 * is small enough for its passes. Depends on its arguments only, so a replay decides the same.
 */
export function runsInline(template: Template, context: Context): boolean {
  const { kind, weight, own, splits } = template.bound
  if (kind !== 'linear') return kind === 'constant'
  const values = INLINE_WORK.values / weight - own.values
  const room = { values, characters: Math.min(INLINE_WORK.characters / weight, splits ? values : Infinity) - own.characters }
  if (room.values < 0 || room.characters < 0) return false
  const seen = new Set<string>()
  for (const { root, path } of template.references) {
    const end = path.indexOf(null)
    const known = end < 0 ? path : path.slice(0, end)
    const name = JSON.stringify([root, ...known])
    if (seen.has(name)) continue
    seen.add(name)
    if (!fits(at(context[root], known), room)) return false
  }
  return true
}

function at(value: unknown, path: readonly (string | number | null)[]): unknown {
  let found = value
  for (const key of path) {
    if (typeof found !== 'object' || found === null || key === null || !Object.hasOwn(found, key)) return undefined
    found = (found as Record<string | number, unknown>)[key]
  }
  return found
}

function fits(value: unknown, room: { values: number; characters: number }): boolean {
  if (--room.values < 0) return false
  if (typeof value === 'string') return (room.characters -= value.length) >= 0
  if (typeof value !== 'object' || value === null) return true
  return Object.values(value).every((item) => fits(item, room))
}
