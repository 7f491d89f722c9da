/**
 * What a condition says about the values it reads: `x != null && …`, `has(x.y) ? …`,
 * `meta.read.state == 'done'`. Used by `infer.ts`, and by the checker for what a step's `if` says
 * about its other fields.
 */
import type { ASTNode } from '@marcbachmann/cel-js'
import type { Kind } from './value-type.ts'

/** About the value at a path. */
export interface Fact {
  /** Not null, and there. */
  readonly solid?: true
  /** There, though it may be null. */
  readonly present?: true
  readonly absent?: true
  readonly kinds?: readonly Kind[]
}

/** By path, as `pathKey` writes it. */
export type Facts = ReadonlyMap<string, Fact>

export const NO_FACTS: Facts = new Map()

/** Name of a variable inside a path; variables of list functions have numbers, so that one hides another. */
export type Naming = (name: string) => string

/** The key of a path of names and literal indexes, undefined for anything else. */
export function pathKey(node: ASTNode, naming: Naming): string | undefined {
  const keys = keysOf(node)
  return keys && JSON.stringify([naming(String(keys[0])), ...keys.slice(1)])
}

function keysOf(node: ASTNode): (string | number)[] | undefined {
  if (node.op === 'id') return [node.args]
  if (node.op !== '.' && node.op !== '[]') return undefined
  const before = keysOf(node.args[0])
  const key = node.args[1]
  if (!before) return undefined
  if (typeof key === 'string') return [...before, key]
  if (key.op !== 'value' || (typeof key.args !== 'string' && typeof key.args !== 'bigint')) return undefined
  return [...before, typeof key.args === 'string' ? key.args : Number(key.args)]
}

/** What holds where `node` is `truth`. */
export function factsOf(node: ASTNode, truth: boolean, naming: Naming): Facts {
  switch (node.op) {
    case '!_':
      return factsOf(node.args, !truth, naming)
    case '&&':
      return truth ? both(factsOf(node.args[0], true, naming), factsOf(node.args[1], true, naming)) : NO_FACTS
    case '||':
      return truth ? NO_FACTS : both(factsOf(node.args[0], false, naming), factsOf(node.args[1], false, naming))
    case '==':
      return compared(node.args, truth, naming)
    case '!=':
      return compared(node.args, !truth, naming)
    case 'call': {
      const [field] = node.args[1]
      if (node.args[0] !== 'has' || !field || !truth) return NO_FACTS
      const key = pathKey(field, naming)
      return key === undefined ? NO_FACTS : new Map([[key, { present: true }], ...(field.op === '.' ? solid(pathKey(field.args[0], naming)) : [])])
    }
    default:
      return NO_FACTS
  }
}

function compared([left, right]: readonly [ASTNode, ASTNode], equal: boolean, naming: Naming): Facts {
  if (left.op === 'value' && right.op !== 'value') return compared([right, left], equal, naming)
  if (isTypeOf(left) && right.op === 'id') return typed(left.args[1][0]!, right.args, equal, naming)
  if (right.op !== 'value') return NO_FACTS
  const key = pathKey(left, naming)
  if (key === undefined) return NO_FACTS
  if (right.args === null) return new Map(equal ? [[key, { absent: true }]] : solid(key))
  if (!equal) return NO_FACTS
  // a step that is done has its output
  const [root, step, field] = JSON.parse(key) as string[]
  const done = root === 'meta' && field === 'state' && right.args === 'done' ? solid(JSON.stringify(['steps', step])) : []
  return new Map([...solid(key), ...done])
}

function isTypeOf(node: ASTNode): node is Extract<ASTNode, { op: 'call' }> {
  return node.op === 'call' && node.args[0] === 'type' && node.args[1].length === 1
}

const TYPES: Readonly<Record<string, Kind>> = { bool: 'bool', int: 'int', double: 'double', string: 'string', bytes: 'bytes', list: 'list', map: 'map' }

function typed(value: ASTNode, name: string, equal: boolean, naming: Naming): Facts {
  const key = pathKey(value, naming)
  const kind = TYPES[name]
  return equal && key !== undefined && kind !== undefined ? new Map([[key, { solid: true, kinds: [kind] }], ...solid(before(key))]) : NO_FACTS
}

function before(key: string): string | undefined {
  const keys = JSON.parse(key) as unknown[]
  return keys.length > 1 ? JSON.stringify(keys.slice(0, -1)) : undefined
}

/** A value that is there, and all it lies in. */
function solid(key: string | undefined): [string, Fact][] {
  const facts: [string, Fact][] = []
  for (let at = key; at !== undefined; at = before(at)) facts.push([at, { solid: true }])
  return facts
}

/** What holds when both hold. */
export function both(one: Facts, other: Facts): Facts {
  if (one.size === 0) return other
  if (other.size === 0) return one
  const made = new Map(one)
  for (const [key, fact] of other) made.set(key, { ...made.get(key), ...fact })
  return made
}
