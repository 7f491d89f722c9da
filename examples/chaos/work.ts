/**
 * What is hired and composed in the chaos run: one small capability and, for each number, a pipeline
 * of three to five such steps with the answer it must give. Pure; used by workers, sellers and the audit.
 */
import { createHash } from 'node:crypto'
import type { Capability } from '../../schemas/documents.gen.ts'
import { formatMoney } from '../../schemas/money.ts'

export const RELAY: Capability = {
  id: 'chaos.relay@1', title: 'Relay', description: 'Appends the first digits of its text\'s hash.', unit: 'call',
  input: { type: 'object', additionalProperties: false, required: ['text'], properties: { text: { type: 'string' } } },
  output: { type: 'object', additionalProperties: false, required: ['text'], properties: { text: { type: 'string' } } },
}
/** Atomic; most that one call may cost. */
const PRICE_MAX = 20_000n
const ATTEMPTS = 3
/** Long enough for a pause of eight seconds and a restart. */
const DEADLINE_S = 20

/** What a call answers. @example relay('a') // 'a.ca978112' */
export function relay(text: string): string {
  return `${text}.${createHash('sha256').update(text).digest('hex').slice(0, 8)}`
}

/** Steps of pipeline `index`: 3, 4 or 5. */
export function lengthOf(index: number): number {
  return 3 + (index % 3)
}

/** Pipeline `index`: each step works on what the one before answered; a step that fails is done elsewhere. */
export function pipelineOf(index: number): object {
  const names = Array.from({ length: lengthOf(index) }, (_, at) => `s${at}`)
  return {
    name: `chaos-${names.length}`, version: '1.0.0',
    input: { type: 'object', required: ['text'], properties: { text: { type: 'string' } } },
    budget: { max: formatMoney(PRICE_MAX * BigInt(names.length * ATTEMPTS)) },
    steps: Object.fromEntries(names.map((name, at) => [name, {
      uses: RELAY.id, with: { text: at === 0 ? '${input.text}' : `\${steps.${names[at - 1]}.text}` }, price: { max: formatMoney(PRICE_MAX) },
      sla: { deadline: `${DEADLINE_S}s`, grace: '2s' }, retry: { attempts: ATTEMPTS, on: ['timeout', 'failed', 'output'], elsewhere: true },
    }])),
    output: { text: `\${steps.${names.at(-1)}.text}` },
  }
}

export function inputsOf(seed: number, index: number): { readonly text: string } {
  return { text: `${seed}.${index}` }
}

/** What pipeline `index` must answer. */
export function answerOf(seed: number, index: number): string {
  let { text } = inputsOf(seed, index)
  for (let at = 0; at < lengthOf(index); at++) text = relay(text)
  return text
}

/** Who sells, dearest last, so that all get work while the cheapest is away; and how many nodes each has. */
export const SELLERS = [{ list: '0.01', nodes: 2 }, { list: '0.0105', nodes: 1 }, { list: '0.011', nodes: 1 }] as const
/** Nodes of the one user who pays. */
export const WORKERS = 2
/** Of a participant that has several nodes, to be shared by them. */
export const PARTITIONS = 4
/** Of the user, atomic: ten thousand test dollars. */
export const DEPOSIT = 10_000_000_000n

/** The key that makes pipeline `index` one run, however often it is started. */
export function keyOf(seed: number, index: number): string {
  return `chaos.${seed}.${index}`
}
