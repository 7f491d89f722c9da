/**
 * Types an expression over what is known of its names, before it runs (D8): unknown fields, wrong
 * types, and values that may be null or absent and are not tested. Used by the checker.
 *
 * What must fail is an error, what only may is a warning, and where nothing is known it is silent:
 * the library of CEL knows neither null nor alternatives nor conditions, so it is not asked.
 */
import type { ASTNode } from '@marcbachmann/cel-js'
import { nearest } from '../schemas/nearest.ts'
import { inferCall } from './infer-call.ts'
import { shown, type Inference, type Inferred } from './inference.ts'
import { both, factsOf, NO_FACTS, pathKey, type Facts } from './narrow.ts'
import { operate, type Operator } from './operator-types.ts'
import { atom, inWords, listOf, mapOf, optionalOf, union, withNull, without, type ValueType } from './value-type.ts'

export interface Names {
  /** The type of a root such as `input`. */
  root(name: string): ValueType
}

const INFERRED_MAX = 20

/** One walk over an expression; its facts and variables are those of the place it is at. */
export class Expressions implements Inference {
  readonly found: Inferred[] = []
  readonly #names: Names
  #facts: Facts
  #variables: ReadonlyMap<string, { readonly id: string; readonly type: ValueType }> = new Map()
  #bound = 0

  constructor(names: Names, facts: Facts = NO_FACTS) {
    this.#names = names
    this.#facts = facts
  }

  readonly naming = (name: string): string => this.#variables.get(name)?.id ?? name

  error(node: ASTNode, message: string, hint?: string): void {
    this.#note(true, node, message, hint)
  }

  warn(node: ASTNode, message: string, hint?: string): void {
    this.#note(false, node, message, hint)
  }

  #note(error: boolean, node: ASTNode, message: string, hint: string | undefined): void {
    const again = this.found.some((one) => one.offset === node.start && one.message === message)
    if (!again && this.found.length < INFERRED_MAX) this.found.push({ error, message, offset: node.start, ...(hint === undefined ? {} : { hint }) })
  }

  under(facts: Facts, node: ASTNode): ValueType {
    const around = this.#facts
    this.#facts = both(around, facts)
    const type = this.of(node)
    this.#facts = around
    return type
  }

  bound(name: string, type: ValueType, node: ASTNode): ValueType {
    const around = this.#variables
    this.#variables = new Map([...around, [name, { id: `${name}#${++this.#bound}`, type }]])
    const made = this.of(node)
    this.#variables = around
    return made
  }

  kept(name: string, item: ValueType, condition: ASTNode): ValueType {
    const around = this.#variables
    this.#variables = new Map([...around, [name, { id: `${name}#${++this.#bound}`, type: item }]])
    const fact = factsOf(condition, true, this.naming).get(JSON.stringify([this.naming(name)]))
    this.#variables = around
    return fact?.solid ? without(item, 'null') : item
  }

  mapped(name: string, item: ValueType, condition: ASTNode, value: ASTNode): ValueType {
    const around = this.#variables
    this.#variables = new Map([...around, [name, { id: `${name}#${++this.#bound}`, type: item }]])
    const type = this.under(factsOf(condition, true, this.naming), value)
    this.#variables = around
    return type
  }

  isVariable(name: string): boolean {
    return this.#variables.has(name)
  }

  of(node: ASTNode): ValueType {
    switch (node.op) {
      case 'value':
        return literal(node.args)
      case 'id':
        return this.#narrowed(node, this.#variables.get(node.args)?.type ?? (TYPE_NAMES.has(node.args) ? atom('type') : this.#names.root(node.args)))
      case '.':
        return this.field(node, this.of(node.args[0]), node.args[1])
      case '.?':
        return this.#optionalField(this.of(node.args[0]), node.args[1])
      case '[]':
        return this.#index(node)
      case '[?]':
        return this.#optionalIndex(node)
      case 'list':
        return listOf(union(...node.args.map((item) => this.of(item))))
      case 'map':
        return this.#map(node.args)
      case '?:':
        return this.#choice(node.args)
      case '&&':
      case '||': {
        const [left, right] = node.args
        this.wants(left, this.of(left), ['bool'], node.op)
        const facts = factsOf(left, node.op === '&&', this.naming)
        const type = this.under(facts, right)
        this.wants(right, type, ['bool'], node.op)
        return atom('bool')
      }
      case '!_':
        this.wants(node.args, this.of(node.args), ['bool'], '!')
        return atom('bool')
      case '-_': {
        const type = this.of(node.args)
        this.wants(node.args, type, ['int', 'double'], '-')
        return type
      }
      case 'call':
      case 'rcall':
        return inferCall(node, this)
      default: {
        const [left, right] = node.args as [ASTNode, ASTNode]
        return operate(node as Extract<ASTNode, { op: Operator }>, this.of(left), this.of(right), this)
      }
    }
  }

  wants(node: ASTNode, type: ValueType, kinds: readonly string[], by: string): void {
    if (type === 'any') return
    const wrong = type.filter(({ kind }) => !kinds.includes(kind))
    if (wrong.length === 0 || type.length === 0) return
    const others = wrong.filter(({ kind }) => kind !== 'null')
    const what = shown(node)
    if (wrong.length === type.length && others.length > 0) return this.error(node, `${by} takes ${inWords(kinds.map((kind) => ({ kind: kind as 'bool' })))}, ${what} is ${inWords(type)}`)
    if (wrong.length === type.length) return this.error(node, `${by} takes ${inWords(kinds.map((kind) => ({ kind: kind as 'bool' })))}, ${what} is null here`)
    if (others.length > 0) this.warn(node, `${by} takes ${inWords(kinds.map((kind) => ({ kind: kind as 'bool' })))}, ${what} may be ${inWords(others)}`, `Test it: type(${what}) == …`)
    if (others.length < wrong.length) this.mayBeNull(node, type)
  }

  mayBeNull(node: ASTNode, type: ValueType): void {
    const why = type === 'any' ? undefined : type.find(({ kind }) => kind === 'null')?.why
    const what = shown(node)
    this.warn(node, `${what} may be null${why === undefined ? '' : `: ${why}`}`, `Test it: ${what} == null ? … : …`)
  }

  field(node: ASTNode, base: ValueType, name: string, asked = false): ValueType {
    if (base === 'any') return this.#narrowed(node, 'any')
    const of = (node.args as [ASTNode])[0]
    if (base.length > 0 && base.every(({ kind }) => kind === 'null')) {
      if (!asked) this.error(of, `${shown(of)} is null here: it has no ${name}`)
      return 'any'
    }
    if (!asked && base.some(({ kind }) => kind === 'null')) this.mayBeNull(of, base)
    const types: ValueType[] = []
    const faults: string[] = []
    let known: readonly string[] = []
    let absent = false
    for (const one of base) {
      if (one.kind === 'null') continue
      if (one.kind === 'optional') types.push(this.#optionalField(one.item?.() ?? 'any', name))
      else if (one.kind !== 'map') faults.push(`${shown(of)} is ${inWords([one])}, which has no fields`)
      else {
        const found = one.fields?.field(name) ?? 'unknown'
        if (found === 'unknown') types.push('any')
        else if (found === 'missing') {
          known = one.fields!.names
          faults.push(`${shown(of)} has no ${name}`)
        } else {
          types.push(found.type)
          absent ||= found.optional
        }
      }
    }
    if (types.length === 0 && faults.length > 0) {
      const near = nearest(name, known)
      this.error(node, faults[0]!, near === undefined ? (known.length > 0 && known.length <= 12 ? `There is ${known.map((one) => `${shown(of)}.${one}`).join(', ')}.` : undefined) : `Did you mean ${shown(of)}.${near}?`)
      return 'any'
    }
    if (faults.length > 0 && !asked) this.warn(node, faults[0]!.replace(' is ', ' may be '), `Test it: has(${shown(node)}) && …`)
    const fact = this.#fact(node)
    if (absent && !asked && !fact?.present && !fact?.solid) this.warn(node, `${shown(node)} may be absent`, `Test it: has(${shown(node)}) ? … : …, or write ${shown(of)}.?${name}.orValue(…).`)
    return this.#narrowed(node, union(...types))
  }

  #optionalField(base: ValueType, name: string): ValueType {
    if (base === 'any') return optionalOf('any')
    const types = base.flatMap((one): ValueType[] => {
      if (one.kind === 'optional') return [itemOfOptional(this.#optionalField(one.item?.() ?? 'any', name))]
      const found = one.kind === 'map' ? one.fields?.field(name) ?? 'unknown' : 'missing'
      return found === 'missing' ? [] : [found === 'unknown' ? 'any' : found.type]
    })
    return optionalOf(types.length === 0 ? 'any' : union(...types))
  }

  #index(node: Extract<ASTNode, { op: '[]' }>): ValueType {
    const [of, key] = node.args
    if (key.op === 'value' && typeof key.args === 'string') return this.field(node, this.of(of), key.args)
    const base = this.of(of)
    const by = this.of(key)
    if (base === 'any') return 'any'
    this.wants(of, base, ['list', 'map', 'optional'], '[…]')
    const [lists, maps] = [base.some(({ kind }) => kind === 'list'), base.some(({ kind }) => kind === 'map')]
    if (lists) this.wants(key, by, maps ? ['int', 'double', 'string'] : ['int', 'double'], 'an index of a list')
    else if (maps) this.wants(key, by, ['string'], 'a key of an object')
    if (maps && lists) this.warn(node, `${shown(of)} may be a list or an object`, `Test it: type(${shown(of)}) == …`)
    else if (maps && base.some(({ fields }) => fields !== undefined)) this.warn(node, `${shown(node)} may be absent`, `Write ${shown(of)}[?…].orValue(…).`)
    const types = base.flatMap((one): ValueType[] => (one.kind === 'list' ? [one.item?.() ?? 'any'] : [one.kind === 'optional' ? optionalOf(itemsOf(one.item?.() ?? 'any')) : 'any']))
    return this.#narrowed(node, union(...types))
  }

  #optionalIndex(node: Extract<ASTNode, { op: '[?]' }>): ValueType {
    const [of, key] = node.args
    const base = this.of(of)
    if (key.op === 'value' && typeof key.args === 'string') return this.#optionalField(base, key.args)
    this.of(key)
    return optionalOf(itemsOf(base))
  }

  #map(entries: readonly (readonly [ASTNode, ASTNode])[]): ValueType {
    const fields: [string, ValueType][] = []
    let open = false
    for (const [key, value] of entries) {
      const type = this.of(value)
      this.of(key)
      if (key.op === 'value' && typeof key.args === 'string') fields.push([key.args, type])
      else open = true
    }
    return open ? atom('map') : mapOf(Object.fromEntries(fields))
  }

  #choice([condition, yes, no]: readonly [ASTNode, ASTNode, ASTNode]): ValueType {
    this.wants(condition, this.of(condition), ['bool'], 'the condition before ?')
    return union(this.under(factsOf(condition, true, this.naming), yes), this.under(factsOf(condition, false, this.naming), no))
  }

  #fact(node: ASTNode): ReturnType<Facts['get']> {
    const key = pathKey(node, this.naming)
    return key === undefined ? undefined : this.#facts.get(key)
  }

  #narrowed(node: ASTNode, type: ValueType): ValueType {
    const fact = this.#fact(node)
    if (fact === undefined || type === 'any') return type
    if (fact.absent) return withNull([], 'the condition says so')
    const kept = fact.solid ? without(type, 'null') : type
    return fact.kinds && kept !== 'any' ? kept.filter(({ kind }) => fact.kinds!.includes(kind)) : kept
  }
}

const TYPE_NAMES = new Set(['bool', 'int', 'uint', 'double', 'string', 'bytes', 'list', 'map', 'null_type', 'type'])

function itemOfOptional(type: ValueType): ValueType {
  return type === 'any' ? type : type[0]?.item?.() ?? 'any'
}

function literal(value: unknown): ValueType {
  if (value === null) return atom('null')
  if (typeof value === 'bigint') return atom('int')
  if (typeof value === 'number') return atom('double')
  return typeof value === 'string' ? atom('string') : typeof value === 'boolean' ? atom('bool') : value instanceof Uint8Array ? atom('bytes') : 'any'
}

/** What the items of a list are; anything where it may be something else. */
function itemsOf(base: ValueType): ValueType {
  const items = base === 'any' ? [] : base.filter(({ kind }) => kind === 'list').map(({ item }) => item?.() ?? 'any')
  return items.length > 0 && base !== 'any' && items.length === base.length ? union(...items) : 'any'
}
