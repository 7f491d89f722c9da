/** What the parts of `infer.ts` ask of a walk over an expression. */
import type { ASTNode } from '@marcbachmann/cel-js'
import type { Facts } from './narrow.ts'
import type { ValueType } from './value-type.ts'

export interface Inferred {
  /** It must fail; otherwise it may. */
  readonly error: boolean
  readonly message: string
  readonly hint?: string
  /** Offset in the source. */
  readonly offset: number
}

export interface Inference {
  /** The type of a part, and what is wrong in it. */
  of(node: ASTNode): ValueType
  /** The same where some facts hold besides. */
  under(facts: Facts, node: ASTNode): ValueType
  /** The same where a name stands for a value. */
  bound(name: string, type: ValueType, node: ASTNode): ValueType
  /** The type of a list's items once only those that fit a condition are left. */
  kept(name: string, item: ValueType, condition: ASTNode): ValueType
  /** The type of `value` for the items that fit a condition. */
  mapped(name: string, item: ValueType, condition: ASTNode, value: ASTNode): ValueType
  isVariable(name: string): boolean
  /** The type of a field of a value of that type. `asked`: inside has(…), where its absence is no fault. */
  field(node: ASTNode, base: ValueType, name: string, asked?: boolean): ValueType
  /** Reports a value whose kind is not among those wanted; null alternatives in words of their own. */
  wants(node: ASTNode, type: ValueType, kinds: readonly string[], by: string): void
  error(node: ASTNode, message: string, hint?: string): void
  warn(node: ASTNode, message: string, hint?: string): void
  mayBeNull(node: ASTNode, type: ValueType): void
}

/** A part as it stands in the source, when it is short. */
export function shown(node: ASTNode): string {
  const text = node.input.slice(node.start, node.end).trim()
  return text.length === 0 || text.length > 60 ? 'this' : text
}
