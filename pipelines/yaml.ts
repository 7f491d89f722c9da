/**
 * A YAML text as the JSON value that it stands for, with the place of each value. Used by
 * `document.ts` for whatever does not begin like JSON; part of the one door (I8), so every length
 * and count is bounded before it costs anything.
 *
 * YAML 1.2, core schema, and of that only what JSON can say: no tags of one's own, no merge keys, no
 * second document, keys are texts and stand once, aliases are copies and count like what they copy.
 */
import { Composer, isAlias, isMap, isScalar, isSeq, Lexer, Parser, type Alias, type CST, type Document, type ParsedNode } from 'yaml'
import { positionsIn, type Placed, type Positions } from './positions.ts'

/** A text beyond these is written as JSON, which is read ten times faster. Values: alias copies counted. */
export const YAML_MAX = { characters: 1_048_576, tokens: 200_000, values: 100_000 } as const
const ERRORS_MAX = 100
const CORE_TAGS = /^tag:yaml\.org,2002:(?:str|int|float|bool|null|map|seq)$/

/** What is wrong with a text, and at which offset. */
export interface YamlFault {
  readonly message: string
  readonly hint?: string
  readonly at: number
}

export type Yaml = { readonly value: unknown; readonly positions: Positions } | { readonly faults: readonly YamlFault[] }

/** Never throws for its content. `depthMax` counts as in JSON: `{a: {b: 1}}` has two levels. */
export function readYaml(text: string, depthMax: number): Yaml {
  if (text.length > YAML_MAX.characters) return fault(`a YAML document of ${text.length} characters, ${YAML_MAX.characters} are allowed`, 0, 'Write it as JSON.')
  const tokens: CST.Token[] = []
  const lexer = new Lexer()
  const parser = new Parser()
  let count = 0
  let documents = 0
  for (const lexeme of lexer.lex(text)) {
    if (++count > YAML_MAX.tokens) return fault(`more than ${YAML_MAX.tokens} tokens of YAML`, parser.offset, 'Write it as JSON.')
    for (const token of parser.next(lexeme)) {
      tokens.push(token)
      if (token.type === 'document' && ++documents > 1) return fault('a second document begins here', token.offset)
    }
    // A level takes two entries at most; the composer, which recurses, is never given more.
    if (parser.stack.length > 2 * depthMax + 4) return fault(`nested deeper than ${depthMax} levels`, parser.offset)
  }
  for (const token of parser.end()) tokens.push(token)
  const [document, second] = new Composer({ version: '1.2', schema: 'core', uniqueKeys: false, merge: false, strict: true }).compose(tokens, true, text.length)
  if (second) return fault('a second document begins here', second.range[0])
  const wrong = [...document!.errors, ...document!.warnings]
  if (wrong.length > 0) return { faults: wrong.slice(0, ERRORS_MAX).map(({ message, pos }) => ({ message: `not YAML: ${message.replaceAll(/\s+/g, ' ').slice(0, 160)}`, at: pos[0] })) }
  return new Reader(text, document!, depthMax).read()
}

function fault(message: string, at: number, hint?: string): Yaml {
  return { faults: [{ message, at, ...(hint === undefined ? {} : { hint }) }] }
}

/** What a reader stops at. */
class Stop extends Error {}

/** Walks the nodes of one document, which nest no deeper than the parser let them. */
class Reader {
  readonly #text: string
  readonly #document: Document.Parsed
  readonly #depthMax: number
  readonly #anchors = new Map<string, ParsedNode>()
  readonly #open = new Set<ParsedNode>()
  readonly #faults: YamlFault[] = []
  readonly #styles = new Map<number, string>()
  #values = 0

  constructor(text: string, document: Document.Parsed, depthMax: number) {
    this.#text = text
    this.#document = document
    this.#depthMax = depthMax
  }

  read(): Yaml {
    try {
      const { value, placed } = this.#node(this.#document.contents, 0)
      if (this.#faults.length > 0) return { faults: this.#faults }
      return { value, positions: positionsIn(this.#text, placed, [], (start, letter) => letterIn(this.#text, start, this.#styles.get(start), letter)) }
    } catch (thrown) {
      if (!(thrown instanceof Stop)) throw thrown
      return { faults: this.#faults }
    }
  }

  #fault(message: string, at: number, hint?: string): void {
    this.#faults.push({ message, at, ...(hint === undefined ? {} : { hint }) })
    if (this.#faults.length >= ERRORS_MAX) throw new Stop()
  }

  #node(node: ParsedNode | null, depth: number): { value: unknown; placed: Placed } {
    const start = node?.range[0] ?? 0
    if (++this.#values > YAML_MAX.values) this.#stop(`more than ${YAML_MAX.values} values, copies by aliases counted`, start)
    if (depth > this.#depthMax) this.#stop(`nested deeper than ${this.#depthMax} levels`, start)
    if (node === null) return { value: null, placed: { start, members: undefined } }
    if (isAlias(node)) return this.#alias(node, depth)
    if (node.tag !== undefined && !CORE_TAGS.test(node.tag)) this.#fault(`the tag ${node.tag.slice(0, 60)} is not read`, start)
    if (node.anchor !== undefined) this.#anchors.set(node.anchor, node)
    if (isScalar(node)) return this.#scalar(node, start)
    this.#open.add(node)
    const read = isSeq(node) ? this.#list(node.items as (ParsedNode | null)[], start, depth) : this.#map(node, start, depth)
    this.#open.delete(node)
    return read
  }

  #stop(message: string, at: number): never {
    this.#faults.push({ message, at })
    throw new Stop()
  }

  #alias(node: Alias.Parsed, depth: number): { value: unknown; placed: Placed } {
    const [start] = node.range
    const target = this.#anchors.get(node.source)
    if (!target) this.#stop(`there is no anchor &${node.source} before this`, start)
    if (this.#open.has(target)) this.#stop(`*${node.source} stands inside of what it copies`, start)
    const { value, placed } = this.#node(target, depth)
    return { value, placed: { start, members: placed.members } }
  }

  #scalar(node: { value: unknown; type?: string | undefined }, start: number): { value: unknown; placed: Placed } {
    const { value, type } = node
    if (typeof value === 'number' && !Number.isFinite(value)) this.#fault(`${value} is no number of JSON`, start)
    if (typeof value === 'string' && type !== undefined) this.#styles.set(start, type)
    return { value: value ?? null, placed: { start, members: undefined } }
  }

  #list(items: readonly (ParsedNode | null)[], start: number, depth: number): { value: unknown; placed: Placed } {
    const read = items.map((item) => this.#node(item, depth + 1))
    return { value: read.map(({ value }) => value), placed: { start, members: read.map(({ placed }) => placed) } }
  }

  #map(node: ParsedNode, start: number, depth: number): { value: unknown; placed: Placed } {
    const value: Record<string, unknown> = {}
    const members = new Map<string, Placed>()
    for (const { key, value: given } of (isMap(node) ? node.items : []) as { key: ParsedNode | null; value: ParsedNode | null }[]) {
      const at = key?.range[0] ?? start
      const name: unknown = isScalar(key) ? key.value : undefined
      if (typeof name !== 'string') this.#fault('a key must be text', at, isScalar(key) ? `Write it in quotes: "${String(name)}".` : undefined)
      else if (name === '__proto__') this.#fault('the key __proto__ is not allowed', at)
      else if (name === '<<' && (isAlias(given) || isMap(given) || isSeq(given))) this.#fault('merge keys are not read', at, 'Copy what is meant, or use an alias for a whole value.')
      else if (members.has(name)) this.#fault('this key stands twice', at, 'Remove one of them.')
      else {
        const { value: inner, placed } = this.#node(given, depth + 1)
        value[name] = inner
        members.set(name, given === null ? { start: at, members: undefined } : placed)
      }
    }
    return { value, placed: { start, members } }
  }
}

/** Where a letter of a scalar stands; its start where lines were folded in a way that hides that. */
function letterIn(text: string, start: number, style: string | undefined, letter: number): number {
  if (style === 'BLOCK_LITERAL' || style === 'BLOCK_FOLDED') return letterInBlock(text, start, style, letter)
  const quote = style === 'QUOTE_DOUBLE' ? '"' : style === 'QUOTE_SINGLE' ? "'" : ''
  let at = start + quote.length
  for (let left = letter; left > 0; left--) {
    const code = text[at]
    if (code === undefined || code === '\n' || code === '\r') return start
    at += quote === "'" && code === "'" ? 2 : quote === '"' && code === '\\' ? ESCAPES[text[at + 1]!] ?? 2 : 1
  }
  return at
}

/** Length of an escape in double quotes by its letter, where it is not two. */
const ESCAPES: Readonly<Record<string, number>> = { x: 4, u: 6, U: 10 }

function letterInBlock(text: string, start: number, style: string, letter: number): number {
  const head = text.indexOf('\n', start)
  // With an indentation of its own, or folded around empty lines, letters are not where they seem.
  if (head < 0 || /[1-9]/.test(text.slice(start, head))) return start
  const first = /\S/.exec(text.slice(head))
  if (!first) return start
  const indent = head + first.index - (text.lastIndexOf('\n', head + first.index) + 1)
  let left = letter
  for (let at = head + 1; at < text.length;) {
    const end = text.indexOf('\n', at) < 0 ? text.length : text.indexOf('\n', at)
    const length = Math.max(0, end - at - indent)
    if (length === 0 && style === 'BLOCK_FOLDED') return start
    if (left <= length) return at + indent + left
    left -= length + 1
    at = end + 1
  }
  return start
}
