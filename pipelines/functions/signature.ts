/**
 * Reads the signatures of declared functions: for the CEL library, which registers overloads, and
 * for `infer.ts`, which types calls. `string.charAt(int): string` has a receiver, `math.abs(number):
 * number` a namespace.
 */
export interface TypeText {
  /** `list`, `int`, `T` … */
  readonly name: string
  readonly of: readonly TypeText[]
}

export interface Signature {
  readonly name: string
  readonly receiver: TypeText | undefined
  readonly params: readonly TypeText[]
  readonly result: TypeText
}

export interface Overload {
  /** As the library reads it. */
  readonly text: string
  /** Made for a double where an int is declared. */
  readonly widened: boolean
}

/** The signature of a function of that name. */
export function signatureOf(text: string, name: string): Signature {
  const open = text.indexOf('(')
  const close = text.lastIndexOf('): ')
  const head = text.slice(0, open)
  const receiver = head === name ? undefined : typeText(head.slice(0, head.length - name.length - 1))
  return { name, receiver, params: splitTop(text.slice(open + 1, close)).map(typeText), result: typeText(text.slice(close + 3)) }
}

function typeText(text: string): TypeText {
  const open = text.indexOf('<')
  if (open < 0) return { name: text, of: [] }
  return { name: text.slice(0, open), of: splitTop(text.slice(open + 1, -1)).map(typeText) }
}

/** Parts between commas that stand in no brackets. */
function splitTop(text: string): string[] {
  const parts: string[] = []
  let depth = 0
  let start = 0
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '<') depth++
    else if (text[at] === '>') depth--
    else if (text[at] === ',' && depth === 0) {
      parts.push(text.slice(start, at).trim())
      start = at + 1
    }
  }
  if (text.slice(start).trim() !== '') parts.push(text.slice(start).trim())
  return parts
}

const LIBRARY_NAMES: Readonly<Record<string, string>> = { timestamp: 'google.protobuf.Timestamp', duration: 'google.protobuf.Duration', T: 'dyn', U: 'dyn' }

/** One for each combination of int and double that a call may have. */
export function overloadsOf(text: string, name: string): Overload[] {
  const { receiver, params, result } = signatureOf(text, name)
  let made: { params: string[]; widened: boolean }[] = [{ params: [], widened: false }]
  for (const param of params) {
    const choices = param.name === 'number' || param.name === 'int' || param.name === 'double' ? [{ type: param.name === 'double' ? 'double' : 'int', widened: false }, { type: param.name === 'double' ? 'int' : 'double', widened: param.name !== 'number' }] : [{ type: libraryType(param), widened: false }]
    made = made.flatMap((one) => choices.map((choice) => ({ params: [...one.params, choice.type], widened: one.widened || choice.widened })))
  }
  const before = receiver === undefined ? '' : `${libraryType(receiver)}.`
  return made.map((one) => ({ text: `${before}${name}(${one.params.join(', ')}): ${result.name === 'number' ? 'dyn' : libraryType(result)}`, widened: one.widened }))
}

/** Without what is in lists and maps: the library looks at the first item only. */
function libraryType({ name, of }: TypeText): string {
  if (name === 'list' || name === 'map') return name === 'list' && of[0]?.name === 'string' ? 'list<string>' : name
  if (name === 'optional') return of.length === 0 ? name : 'optional<dyn>'
  return LIBRARY_NAMES[name] ?? name
}
