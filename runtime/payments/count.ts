/**
 * What can be counted of a call by anybody who has its input and output (D6): the clause `meter` of the
 * terms. Both sides count alike, so that a provider that says more is not paid, as for any other clause
 * that a delivery fails; used by the payer before it pays, and by the provider before it signs.
 */
import { createRequire } from 'node:module'
import { canonicalText } from '../../schemas/canonical.ts'
import type { Meter, Terms, Units } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'

/**
 * Characters whose tokens are counted; of more text each byte counts as one, and runs without a space are cut to
 * sixteen characters: a tokenizer takes time that grows with the square of a run's length, and others write the text.
 */
const TEXT_MAX = 16_384
const RUNS = /(\S{16})(?=\S)/g
/** Clocks run alike for so short a time, and a second that was begun counts. */
const SECOND_MS = 1_000

/** What is known of a call; what is not is not counted by. */
export interface Used {
  readonly input?: unknown
  readonly output?: unknown
  /** From invoke to delivery, as who asks saw it; absent where that is not known here. */
  readonly elapsedMs?: number
}

type Tokens = { encode(text: string, allowed: [], disallowed: []): number[] }
const tokenizers = new Map<string, Tokens>()
/** Loaded when first needed: it takes longer to load than a node to open. */
function tokenizer(name: NonNullable<Meter['tokenizer']>): Tokens {
  const known = tokenizers.get(name)
  if (known) return known
  const load = createRequire(import.meta.url)
  const { Tiktoken } = load('js-tiktoken/lite') as { Tiktoken: new (ranks: object) => Tokens }
  const made = new Tiktoken(load(`js-tiktoken/ranks/${name}`) as object)
  tokenizers.set(name, made)
  return made
}

function textsIn(value: unknown): string {
  if (typeof value === 'string') return value
  if (typeof value !== 'object' || value === null) return ''
  return Object.values(value).map(textsIn).filter(Boolean).join('\n')
}

function blobBytes(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  const { $blob, size } = value as { $blob?: unknown; size?: unknown }
  if (typeof $blob === 'string' && typeof size === 'number') return size
  return Object.values(value).reduce<number>((sum, inner) => sum + blobBytes(inner), 0)
}

function tokensIn(text: string, name: NonNullable<Meter['tokenizer']>): number {
  const cut = text.slice(0, TEXT_MAX).replace(RUNS, '$1 ')
  return tokenizer(name).encode(cut, [], []).length + Buffer.byteLength(text.slice(TEXT_MAX))
}

function at(path: string, used: Used): unknown {
  return path.split('.').reduce<unknown>((value, key) => (typeof value === 'object' && value !== null && Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined), used)
}

function countOne({ by, tokenizer: name = 'cl100k_base' }: Meter, value: unknown): number {
  if (value === undefined || value === null) return 0
  switch (by) {
    case 'items': return Array.isArray(value) ? value.length : 0
    case 'number': return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : 0
    case 'bytes': return Buffer.byteLength(canonicalText(value)) + blobBytes(value)
    case 'tokens': return tokensIn(textsIn(value), name)
    default: return 0
  }
}

/** Most units that a delivery may count, tolerance included; undefined where nobody here can count them. */
export function countable(meter: Meter, used: Used): number | undefined {
  if (meter.by === 'seconds') return used.elapsedMs === undefined ? undefined : Math.ceil(Math.max(0, used.elapsedMs) / SECOND_MS)
  if (meter.of?.some(({ path }) => !Object.hasOwn(used, path.split('.', 1)[0]!))) return undefined
  const count = (meter.of ?? []).reduce((sum, { path, times = 1 }) => sum + times * countOne(meter, at(path, used)), 0)
  return Math.ceil((Math.ceil(count) * (100 + (meter.tolerance ?? 0))) / 100)
}

/**
 * Checks a delivery's count by the clause of its terms, where the price depends on it. Error `step.output`:
 * it counts more than there is.
 */
export function checkCount({ unit, meter, settle }: Pick<Terms, 'unit' | 'meter' | 'settle'>, units: Units, used: Used): void {
  const most = meter && (settle === 'postpaid' || settle === 'locked') ? countable(meter, used) : undefined
  if (most !== undefined && units[unit]! > most) throw new AigenError('step.output', `${units[unit]} ${unit} are charged, ${most} can be counted`)
}

/** The provider's own count, not above what its payer can count: it would not be paid. */
export function counted({ unit, meter }: Pick<Terms, 'unit' | 'meter'>, units: Units, used: Used): Units {
  const most = meter && countable(meter, used)
  return most === undefined || units[unit] === undefined || units[unit] <= most ? units : { ...units, [unit]: most }
}

/** Error `input.invalid`: a clause by which nothing could be counted. */
export function checkMeter({ by, of, tokenizer: name, tolerance }: Meter): void {
  const wrong = (by === 'seconds') !== (of === undefined) ? 'of' : name !== undefined && by !== 'tokens' ? 'tokenizer' : tolerance !== undefined && by === 'seconds' ? 'tolerance' : undefined
  if (wrong) throw new AigenError('input.invalid', `it does not go with a meter by ${by}`, { path: `meter.${wrong}` })
}
