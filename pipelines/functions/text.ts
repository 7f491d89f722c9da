/** Functions of text: those of CEL's strings and regex extensions, and a few more. See `declared.ts`. */
import { Optional } from '@marcbachmann/cel-js'
import { toJson } from '../json-value.ts'
import { matcher } from './pattern.ts'
import { whole, within, type Declared } from './declared.ts'

/** Longest text that replacing makes: a chain of them multiplies, and each is made in one go. */
const REPLACED_MAX = 4_194_304
/** Longest text that padding makes, and most digits behind the point. */
const WIDTH_MAX = 1_024
const DIGITS_MAX = 20

export const text: readonly Declared[] = [
  { name: 'startsWith', signatures: ['string.startsWith(string): bool'], cost: 'constant', says: 'whether it begins with the text' },
  { name: 'endsWith', signatures: ['string.endsWith(string): bool'], cost: 'constant', says: 'whether it ends with the text' },
  { name: 'contains', signatures: ['string.contains(string): bool'], cost: 'search', says: 'whether the text is in it' },
  { name: 'indexOf', signatures: ['string.indexOf(string): int', 'string.indexOf(string, int): int'], cost: 'search', says: 'place of the first occurrence, -1 without one', native: true, run: (at: string, found: string, from) => BigInt(at.indexOf(found, within(from, at.length))) },
  { name: 'lastIndexOf', signatures: ['string.lastIndexOf(string): int', 'string.lastIndexOf(string, int): int'], cost: 'search', says: 'place of the last occurrence, -1 without one', native: true, run: (at: string, found: string, from) => BigInt(at.lastIndexOf(found, within(from, at.length))) },
  { name: 'charAt', signatures: ['string.charAt(int): string'], cost: 'constant', says: "the character there; '' at the very end", run: (at: string, index) => at.charAt(within(index, at.length)) },
  { name: 'substring', signatures: ['string.substring(int): string', 'string.substring(int, int): string'], cost: 'linear', says: 'from the first index to before the second', native: true, run: substring },
  { name: 'lowerAscii', signatures: ['string.lowerAscii(): string'], cost: 'linear', says: 'in small letters' },
  { name: 'upperAscii', signatures: ['string.upperAscii(): string'], cost: 'linear', says: 'in capital letters' },
  { name: 'lower', signatures: ['string.lower(): string'], cost: 'linear', says: 'in small letters', run: (at: string) => at.toLowerCase() },
  { name: 'upper', signatures: ['string.upper(): string'], cost: 'linear', grows: 3, says: 'in capital letters', run: (at: string) => at.toUpperCase() },
  { name: 'trim', signatures: ['string.trim(): string'], cost: 'linear', says: 'without white space at its ends' },
  { name: 'trimStart', signatures: ['string.trimStart(): string'], cost: 'linear', says: 'without white space before it', run: (at: string) => at.trimStart() },
  { name: 'trimEnd', signatures: ['string.trimEnd(): string'], cost: 'linear', says: 'without white space behind it', run: (at: string) => at.trimEnd() },
  { name: 'padStart', signatures: ['string.padStart(int): string', 'string.padStart(int, string): string'], cost: 'range', says: `as long as that (at most ${WIDTH_MAX}), filled up before it`, run: (at: string, width, fill = ' ') => at.padStart(widthOf(width), fill) },
  { name: 'padEnd', signatures: ['string.padEnd(int): string', 'string.padEnd(int, string): string'], cost: 'range', says: `as long as that (at most ${WIDTH_MAX}), filled up behind it`, run: (at: string, width, fill = ' ') => at.padEnd(widthOf(width), fill) },
  { name: 'replace', signatures: ['string.replace(string, string): string', 'string.replace(string, string, int): string'], cost: 'search', says: 'the first text replaced by the second, everywhere or so many times', run: replace },
  { name: 'split', signatures: ['string.split(string): list<string>', 'string.split(string, int): list<string>'], cost: 'search', says: 'its parts between the separators, at most so many', native: true, run: split },
  { name: 'join', signatures: ['list<string>.join(): string', 'list<string>.join(string): string'], cost: 'search', says: 'the texts in one, a separator between them' },
  { name: 'strings.quote', signatures: ['strings.quote(string): string'], cost: 'linear', grows: 6, says: 'in double quotes, escaped', run: (at: string) => JSON.stringify(at.toWellFormed()) },
  { name: 'format', signatures: ['string.format(list): string'], cost: 'linear', says: "its %s %d %f %.2f %e %b %o %x %X replaced by the list's items", run: format },
  { name: 'matches', signatures: ['string.matches(string): bool', 'matches(string, string): bool'], cost: 'regex', says: 'whether the RE2 pattern occurs in it' },
  { name: 'regex.extract', signatures: ['regex.extract(string, string): optional<string>'], cost: 'regex', says: 'what the pattern, or its one group, matches first', run: (at: string, pattern: string) => Optional.of(extract(at, pattern, 1)[0]) },
  { name: 'regex.extractAll', signatures: ['regex.extractAll(string, string): list<string>'], cost: 'regex', says: 'everything that the pattern, or its one group, matches', run: (at: string, pattern: string) => extract(at, pattern, Infinity) },
  { name: 'regex.replace', signatures: ['regex.replace(string, string, string): string'], cost: 'regex', says: 'each match replaced by the text as it stands', run: replacePattern },
]

function widthOf(width: number | bigint): number {
  const number = whole(width)
  if (number > WIDTH_MAX) throw new Error(`a text is padded to at most ${WIDTH_MAX} characters`)
  return number
}

function substring(at: string, from: number | bigint, to: number | bigint = at.length): string {
  const end = within(to, at.length)
  const start = within(from, at.length)
  if (start > end) throw new Error(`index ${start} is behind ${end}`)
  return at.slice(start, end)
}

function split(at: string, separator: string, most: number | bigint): string[] {
  const limit = whole(most)
  const parts = at.split(separator)
  if (limit === 0) return []
  return limit < 0 || parts.length <= limit ? parts : [...parts.slice(0, limit - 1), parts.slice(limit - 1).join(separator)]
}

function replace(at: string, from: string, to: string, limit: number | bigint = -1): string {
  let left = whole(limit)
  if (from === '' || left === 0) return at
  if (left < 0) left = Infinity
  const parts: string[] = []
  let start = 0
  let length = at.length
  for (let found = at.indexOf(from); found >= 0 && left > 0; found = at.indexOf(from, start)) {
    parts.push(at.slice(start, found), to)
    length += to.length - from.length
    if (length > REPLACED_MAX) throw new Error(`replacing makes a text of at most ${REPLACED_MAX} characters`)
    start = found + from.length
    left--
  }
  return parts.join('') + at.slice(start)
}

function extract(at: string, pattern: string, most: number): string[] {
  const found = matcher(pattern, at)
  const group = found.groupCount()
  if (group > 1) throw new Error('a pattern that is extracted has at most one group')
  const parts: string[] = []
  while (parts.length < most && found.find()) parts.push(found.group(group) ?? '')
  return parts
}

function replacePattern(at: string, pattern: string, to: string): string {
  const found = matcher(pattern, at)
  const parts: string[] = []
  let start = 0
  while (found.find()) {
    parts.push(at.slice(start, found.start()), to)
    start = found.end()
  }
  return parts.join('') + at.slice(start)
}

function format(pattern: string, args: unknown): string {
  const items = args as unknown[]
  let next = 0
  const made = pattern.replace(/%(?:(%)|(?:\.([0-9]{1,3}))?([A-Za-z]))/g, (_all, percent: string | undefined, digits: string | undefined, verb: string) => {
    if (percent !== undefined) return '%'
    if (next >= items.length) throw new Error(`format() has more places than the list has items (${items.length})`)
    return formatted(items[next++], verb, digits === undefined ? undefined : Number(digits))
  })
  if (next < items.length) throw new Error(`format() has ${next} places, the list has ${items.length} items`)
  return made
}

function formatted(item: unknown, verb: string, digits: number | undefined): string {
  if (digits !== undefined && digits > DIGITS_MAX) throw new Error(`format() gives at most ${DIGITS_MAX} digits`)
  if (verb === 's') {
    const json = toJson(item)
    return typeof json === 'string' ? json : JSON.stringify(json)
  }
  if ((verb === 'x' || verb === 'X') && (typeof item === 'string' || item instanceof Uint8Array)) {
    const hex = Buffer.from(item as string).toString('hex')
    return verb === 'x' ? hex : hex.toUpperCase()
  }
  if (typeof item !== 'number' && typeof item !== 'bigint') throw new Error(`%${verb} takes a number`)
  switch (verb) {
    case 'd': return String(whole(item))
    case 'f': return Number(item).toFixed(digits ?? 6)
    case 'e': return Number(item).toExponential(digits ?? 6)
    case 'b': return whole(item).toString(2)
    case 'o': return whole(item).toString(8)
    case 'x': return whole(item).toString(16)
    case 'X': return whole(item).toString(16).toUpperCase()
    default: throw new Error(`format() knows no %${verb}`)
  }
}
