/** Types of calls: the list functions and has() by their own rules, all others by their signatures. Part of `infer.ts`. */
import type { ASTNode } from '@marcbachmann/cel-js'
import { SAFE_MATCHES } from './environment.ts'
import { DECLARED, NAMESPACES } from './functions.ts'
import { signatureOf, type Signature, type TypeText } from './functions/signature.ts'
import { shown, type Inference } from './inference.ts'
import { atom, inWords, listOf, optionalOf, union, type Atom, type Kind, type ValueType } from './value-type.ts'

type Call = Extract<ASTNode, { op: 'call' | 'rcall' }>

const QUANTIFIERS = new Set(['all', 'exists', 'exists_one'])

export function inferCall(node: Call, at: Inference): ValueType {
  const receiver = node.op === 'rcall' ? node.args[1] : undefined
  const args = node.op === 'rcall' ? node.args[2] : node.args[1]
  const word = node.args[0] === SAFE_MATCHES ? 'matches' : node.args[0]
  const space = receiver?.op === 'id' && NAMESPACES.has(receiver.args) && !at.isVariable(receiver.args) ? receiver.args : undefined
  if (space !== undefined) {
    if (word === 'bind') return at.bound(nameOf(args[0]), at.of(args[1]!), args[2]!)
    return bySignature(node, `${space}.${word}`, undefined, args, at)
  }
  if (word === 'has' && !receiver) return inferHas(args[0]!, at)
  if (word === 'dyn') return at.of(args[0]!), 'any'
  if (receiver && DECLARED.get(word)?.cost === 'list') return inferBody(word, receiver, args, at)
  if (receiver && word === 'flatten' && args.length === 0) return flattened(receiver, at)
  return bySignature(node, word, receiver, args, at)
}

/** has(x.y.z): z may be absent, and y null; x.y itself is read. */
function inferHas(field: ASTNode, at: Inference): ValueType {
  if (field.op === '.') at.field(field, at.of(field.args[0]), field.args[1], true)
  return atom('bool')
}

function nameOf(node: ASTNode | undefined): string {
  return node?.op === 'id' ? node.args : ''
}

function inferBody(word: string, receiver: ASTNode, args: readonly ASTNode[], at: Inference): ValueType {
  const list = at.of(receiver)
  at.wants(receiver, list, word === 'sortBy' || word === 'groupBy' ? ['list'] : ['list', 'map'], `${word}()`)
  const item = itemsOf(list)
  const name = nameOf(args[0])
  const [first, second] = [args[1]!, args[2]]
  const isCondition = word !== 'map' || second !== undefined
  const of = (part: ASTNode): ValueType => at.bound(name, item, part)
  if (word === 'sortBy' || word === 'groupBy') {
    const key = of(first)
    at.wants(first, key, word === 'sortBy' ? ['int', 'double', 'string', 'bool', 'timestamp'] : ['int', 'double', 'string', 'bool'], `the key of ${word}()`)
    return word === 'sortBy' ? listOf(item) : atom('map')
  }
  if (isCondition) at.wants(first, of(first), ['bool'], `the condition of ${word}()`)
  if (QUANTIFIERS.has(word)) return atom('bool')
  if (word === 'filter') return listOf(at.kept(name, item, first))
  return listOf(second === undefined ? of(first) : at.mapped(name, item, first, second))
}

/** Items of a list, keys of a map. */
function itemsOf(type: ValueType): ValueType {
  if (type === 'any') return 'any'
  const types = type.flatMap((one): ValueType[] => (one.kind === 'list' ? [one.item?.() ?? 'any'] : one.kind === 'map' ? [atom('string')] : []))
  return types.length === 0 ? 'any' : union(...types)
}

function flattened(receiver: ASTNode, at: Inference): ValueType {
  const list = at.of(receiver)
  at.wants(receiver, list, ['list'], 'flatten()')
  const items = itemsOf(list)
  if (items === 'any') return listOf('any')
  return listOf(union(...items.map((one): ValueType => (one.kind === 'list' ? one.item?.() ?? 'any' : [one]))))
}

type Fit = 'yes' | 'maybe' | 'no'

function bySignature(node: Call, name: string, receiver: ASTNode | undefined, args: readonly ASTNode[], at: Inference): ValueType {
  const declared = DECLARED.get(name)
  const nodes = receiver === undefined ? args : [receiver, ...args]
  const types = nodes.map((one) => at.of(one))
  if (!declared) return 'any'
  const all = signaturesOf(name, declared.signatures).filter((one) => (one.receiver !== undefined) === (receiver !== undefined))
  const candidates = all.filter((one) => takenBy(one).length === nodes.length)
  if (candidates.length === 0) {
    at.error(node, all.length === 0 ? `${name}() is not called that way` : `${name}() does not take ${args.length} argument${args.length === 1 ? '' : 's'}`, `It is ${declared.signatures.join(' or ')}.`)
    return 'any'
  }
  const fitting = candidates.filter((one) => takenBy(one).every((taken, index) => fitOf(types[index]!, taken) !== 'no'))
  if (fitting.length === 0) {
    const wrong = types.findIndex((type, index) => candidates.every((one) => fitOf(type, takenBy(one)[index]!) === 'no'))
    const place = wrong < 0 ? 0 : wrong
    const wanted = [...new Set(candidates.map((one) => worded(takenBy(one)[place]!)))].join(' or ')
    const type = types[place]!
    at.error(nodes[place]!, `${name}() takes ${wanted}, ${shown(nodes[place]!)} is ${type !== 'any' && type.every(({ kind }) => kind === 'null') ? 'null here' : inWords(type)}`, name === 'size' && type !== 'any' && type.some(({ kind }) => kind === 'double' || kind === 'int') ? 'A number has no size: compare it as it is.' : undefined)
    return 'any'
  }
  for (const [index, type] of types.entries()) report(nodes[index]!, type, fitting.map((one) => takenBy(one)[index]!), name, at)
  return union(...fitting.map((one) => resultOf(one, types)))
}

/** Alternatives that none of the signatures takes. */
function report(node: ASTNode, type: ValueType, taken: readonly TypeText[], name: string, at: Inference): void {
  if (type === 'any') return
  const wrong = type.filter((one) => taken.every((text) => fitOf([one], text) === 'no'))
  const loose = type.filter((one) => one.kind === 'list' && !wrong.includes(one) && taken.every((text) => fitOf([one], text) !== 'yes'))
  const wanted = [...new Set(taken.map(worded))].join(' or ')
  const others = wrong.filter(({ kind }) => kind !== 'null')
  if (others.length > 0) at.warn(node, `${name}() takes ${wanted}, ${shown(node)} may be ${inWords(others)}`, `Test it: type(${shown(node)}) == …`)
  if (others.length < wrong.length) at.mayBeNull(node, type)
  if (loose.length > 0) at.warn(node, `${name}() takes ${wanted}, items of ${shown(node)} may be something else`)
}

const cache = new Map<string, Signature[]>()

function signaturesOf(name: string, texts: readonly string[]): Signature[] {
  const known = cache.get(name)
  if (known) return known
  const made = texts.map((text) => signatureOf(text, name)).map((one) => (name.includes('.') ? { ...one, receiver: undefined } : one))
  cache.set(name, made)
  return made
}

/** Its receiver first. */
function takenBy({ receiver, params }: Signature): readonly TypeText[] {
  return receiver === undefined ? params : [receiver, ...params]
}

const ACCEPTED: Readonly<Record<string, readonly Kind[]>> = { number: ['int', 'double'], int: ['int', 'double'], double: ['int', 'double'] }

function fitOf(type: ValueType, text: TypeText): Fit {
  if (type === 'any' || ['dyn', 'T', 'U'].includes(text.name)) return 'yes'
  if (type.length === 0) return 'yes'
  const fits = type.map((one) => atomFit(one, text))
  return fits.every((fit) => fit === 'yes') ? 'yes' : fits.every((fit) => fit === 'no') ? 'no' : 'maybe'
}

function atomFit(one: Atom, { name, of }: TypeText): Fit {
  if (!(ACCEPTED[name] ?? [name]).includes(one.kind)) return 'no'
  if ((one.kind !== 'list' && one.kind !== 'optional') || of[0] === undefined || one.item === undefined) return 'yes'
  const item = fitOf(one.item(), of[0])
  // an empty list fits whatever its items were to be
  return item === 'no' && one.kind === 'list' ? 'no' : item
}

function worded({ name, of }: TypeText): string {
  if (name === 'list' && of[0] && !['T', 'dyn'].includes(of[0].name)) return `a list of ${of[0].name === 'string' ? 'texts' : of[0].name === 'number' ? 'numbers' : `${of[0].name}s`}`
  if (name === 'dyn' || name === 'T') return 'anything'
  return inWords([{ kind: (name === 'number' ? 'double' : name) as Kind }])
}

function resultOf(signature: Signature, types: readonly ValueType[]): ValueType {
  const bound = new Map<string, ValueType>()
  takenBy(signature).forEach((text, index) => bind(text, types[index]!, bound))
  return typeOfText(signature.result, bound)
}

function bind(text: TypeText, type: ValueType, bound: Map<string, ValueType>): void {
  if (text.name === 'T' || text.name === 'U') {
    const before = bound.get(text.name)
    bound.set(text.name, before === undefined ? type : union(before, type))
    return
  }
  const inner = text.of.at(-1)
  if (inner === undefined) return
  const items = type === 'any' ? ['any' as const] : type.filter(({ kind }) => kind === text.name).map(({ kind, item }) => (kind === 'map' ? 'any' : item?.() ?? 'any'))
  bind(inner, items.length === 0 ? 'any' : union(...items), bound)
}

function typeOfText({ name, of }: TypeText, bound: ReadonlyMap<string, ValueType>): ValueType {
  if (name === 'dyn') return 'any'
  if (name === 'T' || name === 'U') return bound.get(name) ?? 'any'
  if (name === 'number') return [{ kind: 'int' }, { kind: 'double' }]
  if (name === 'list') return of[0] ? listOf(typeOfText(of[0], bound)) : atom('list')
  if (name === 'optional') return optionalOf(of[0] ? typeOfText(of[0], bound) : 'any')
  return atom(name as Kind)
}
