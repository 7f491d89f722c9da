/** What operators take and give. Used by `infer.ts`; pairs that are not here fail when they run. */
import type { ASTNode } from '@marcbachmann/cel-js'
import { shown, type Inference } from './inference.ts'
import { atom, inWords, listOf, union, without, type Atom, type Kind, type ValueType } from './value-type.ts'

export type Operator = '+' | '-' | '*' | '/' | '%' | '<' | '<=' | '>' | '>=' | '==' | '!=' | 'in'

const NUMBERS: readonly Kind[] = ['int', 'double']
const ORDERED: readonly Kind[] = ['bool', 'string', 'timestamp', 'duration', 'Money']

const isNumber = (kind: Kind): boolean => NUMBERS.includes(kind)

/** The kind that a pair gives, undefined for one that fails. */
function pair(operator: string, left: Kind, right: Kind): Kind | undefined {
  if (isNumber(left) && isNumber(right)) return ['<', '<=', '>', '>='].includes(operator) ? 'bool' : left === 'int' && right === 'int' ? 'int' : 'double'
  switch (operator) {
    case '+':
      if (left === right) return ['string', 'list', 'bytes', 'duration', 'Money'].includes(left) ? left : undefined
      return (left === 'timestamp' && right === 'duration') || (left === 'duration' && right === 'timestamp') ? 'timestamp' : undefined
    case '-':
      if (left === 'timestamp') return right === 'timestamp' ? 'duration' : right === 'duration' ? 'timestamp' : undefined
      return left === right && (left === 'duration' || left === 'Money') ? left : undefined
    case '*':
      return left === 'Money' && right === 'int' ? 'Money' : undefined
    case '<': case '<=': case '>': case '>=':
      return left === right && ORDERED.includes(left) ? 'bool' : undefined
    default:
      return undefined
  }
}

export function operate(node: Extract<ASTNode, { op: Operator }>, left: ValueType, right: ValueType, at: Inference): ValueType {
  if (node.op === '==' || node.op === '!=') return equality(node, left, right, at)
  const [one, other] = node.args
  if (node.op === 'in') {
    at.wants(other, right, ['list', 'map'], 'in')
    return atom('bool')
  }
  const judged = ['<', '<=', '>', '>='].includes(node.op)
  for (const [part, type] of [[one, left], [other, right]] as const) {
    if (type === 'any') continue
    if (type.length > 0 && type.every(({ kind }) => kind === 'null')) at.error(part, `${node.op} does not take null, which ${shown(part)} is here`)
    else if (type.some(({ kind }) => kind === 'null')) at.mayBeNull(part, type)
  }
  const [a, b] = [without(left, 'null'), without(right, 'null')]
  if (a === 'any' || b === 'any') return judged ? atom('bool') : halfKnown(node.op, a === 'any' ? b : a)
  if (a.length === 0 || b.length === 0) return judged ? atom('bool') : 'any'
  const results: ValueType[] = []
  const fails: [Atom, Atom][] = []
  for (const x of a) {
    for (const y of b) {
      const kind = pair(node.op, x.kind, y.kind)
      if (kind === undefined) fails.push([x, y])
      else results.push(kind === 'list' ? listOf(union(x.item?.() ?? 'any', y.item?.() ?? 'any')) : atom(kind))
    }
  }
  const [fail] = fails
  if (fail) {
    const money = fail.some(({ kind }) => kind === 'Money') ? "Write amounts as money('0.20')." : undefined
    const text = node.op === '+' && fail.some(({ kind }) => kind === 'string') ? `Write string(${shown(fail[0].kind === 'string' ? other : one)}), or put both into one text.` : undefined
    if (results.length === 0) at.error(node, `${node.op} does not go with ${inWords([fail[0]])} and ${inWords([fail[1]])}`, money ?? text)
    else at.warn(node, `${node.op} may meet ${inWords([fail[0]])} and ${inWords([fail[1]])}`, money ?? text)
  }
  return results.length === 0 ? (judged ? atom('bool') : 'any') : union(...results)
}

/** With one side unknown: numbers and texts stay what they are with + and the like. */
function halfKnown(operator: string, known: ValueType): ValueType {
  if (known === 'any' || known.length !== 1 || operator !== '+') return 'any'
  return known[0]!.kind === 'string' ? known : 'any'
}

function equality(node: Extract<ASTNode, { op: '==' | '!=' }>, left: ValueType, right: ValueType, at: Inference): ValueType {
  if (left === 'any' || right === 'any' || left.length === 0 || right.length === 0) return atom('bool')
  const same = (x: Atom, y: Atom): boolean => x.kind === y.kind || (isNumber(x.kind) && isNumber(y.kind)) || x.kind === 'null' || y.kind === 'null'
  if (left.some((x) => right.some((y) => same(x, y)))) return atom('bool')
  const money = [...left, ...right].some(({ kind }) => kind === 'Money') ? "Write amounts as money('0.20')." : undefined
  at.error(node, `${inWords(left)} never equals ${inWords(right)}`, money)
  return atom('bool')
}
