/**
 * What a step does before it hires, and how a delivery is judged: evaluates `if`, `forEach`, `with`
 * and `expect`. Called by the effects of the step machine and by a provider's own check (D6: both
 * sides evaluate the same expression over the same output).
 */
import { hashOf } from '../schemas/canonical.ts'
import { AigenError } from '../schemas/error.ts'
import type { BoundedEvaluator } from './evaluate-bounded.ts'
import { compileExpression, type Context } from './expression.ts'
import type { Json } from './json-value.ts'
import type { StepPlan, Work } from './plan.ts'
import { compileTemplate, evaluateTemplate, parsePieces, runsInline, type Evaluation } from './template.ts'

/** Evaluates a template as it stands in the document; a failure is a value. */
export type Evaluate = (template: unknown, context: Context) => Promise<Evaluation>

/** Here when the bound allows it, in a killable thread otherwise (D8). */
export function evaluateWith(bounded: Pick<BoundedEvaluator, 'evaluate'>): Evaluate {
  return async (template, context) => {
    const compiled = compileTemplate(template)
    return runsInline(compiled, context) ? evaluateTemplate(compiled, context) : bounded.evaluate(template, context)
  }
}

export type Prepared =
  | { readonly kind: 'skip' }
  /** One call an item, in this order; each is prepared again with `item` and `index`. */
  | { readonly kind: 'items'; readonly items: readonly Json[] }
  /** Several providers do it, or pieces come that are its items. */
  | { readonly kind: 'many' | 'stream' }
  /** What is hired with that input: `uses`, or of a switch the case at `choice`. */
  | { readonly kind: 'input'; readonly input: Json; readonly uses: string; readonly choice?: number }
  /** A constant is its output. */
  | { readonly kind: 'value'; readonly value: Json; readonly choice?: number }
  /** It waits: until a time in ms, where that is an expression; with what an approver reads. */
  | { readonly kind: 'wait'; readonly until?: number; readonly message?: string }

/** What of a step is prepared. */
export interface Turn {
  /** What does it: a fan starts items or providers, the others do the work. */
  readonly by?: 'step' | 'fan' | 'gate' | 'nest'
  /** Whether its `if` was evaluated before: it is an item, or one of several providers. */
  readonly inner?: boolean
  /** Whether its fallback is what it does. */
  readonly fallback?: boolean
}

/**
 * What to do with a step whose dependencies have ended. With `index` in the context it is one item
 * of a forEach: `if` and `forEach` are not evaluated again.
 *
 * Error `step.expression` with the path of the template: it failed or was stopped, `if` or `when`
 * gave no boolean, `forEach` no list or one longer than maxItems, `until` no time. Nothing was hired then.
 */
export async function prepare(step: StepPlan, context: Context, evaluate: Evaluate, { by, inner = context.index !== undefined, fallback = false }: Turn = {}): Promise<Prepared> {
  const value = (field: string, template: unknown): Promise<Json> => valueOf(step, field, template, context, evaluate)
  const doing = async (work: Work, path: string, choice?: number): Promise<Prepared> => {
    const which = choice === undefined ? {} : { choice }
    if (work.uses === null) return { kind: 'value', value: await value(`${path}value`, work.value), ...which }
    return { kind: 'input', input: await value(`${path}with`, work.with), uses: work.uses, ...which }
  }
  if (fallback) return doing(step.fallback!, 'fallback.')
  if (!inner && step.if !== null) {
    const condition = await value('if', step.if)
    if (typeof condition !== 'boolean') throw failure(step, 'if', `gave ${shown(condition)}, not true or false`)
    if (!condition) return { kind: 'skip' }
  }
  if (!inner && step.forEach !== null) {
    if (step.chunksOf !== undefined) return { kind: 'stream' }
    const items = await value('forEach', step.forEach)
    if (!Array.isArray(items)) throw failure(step, 'forEach', `gave ${shown(items)}, not a list`)
    if (items.length > step.maxItems) throw failure(step, 'forEach', `has ${items.length} items, maxItems is ${step.maxItems}`)
    return { kind: 'items', items: items as readonly Json[] }
  }
  if (by === 'fan') return { kind: 'many' }
  if (step.approve) return { kind: 'wait', ...(step.approve.message === null ? {} : { message: textOf(await value('approve.message', step.approve.message)) }) }
  if (step.wait) return { kind: 'wait', ...(step.wait.until === undefined ? {} : { until: timeOf(step, await value('wait.until', step.wait.until)) }) }
  if (!step.cases) return doing(step, '')
  for (const [choice, one] of step.cases.entries()) {
    const path = `switch[${choice}].`
    const counts = one.when === null || (await value(`${path}when`, one.when))
    if (typeof counts !== 'boolean') throw failure(step, `${path}when`, `gave ${shown(counts)}, not true or false`)
    if (counts) return doing(one, path, choice)
  }
  return { kind: 'skip' }
}

/** Longest message that an approver reads. */
const MESSAGE_MAX = 8_192

function textOf(value: Json): string {
  return (typeof value === 'string' ? value : JSON.stringify(value)).slice(0, MESSAGE_MAX)
}

/** A time in ms since the epoch, from text or a number. */
function timeOf(step: StepPlan, value: Json): number {
  const time = typeof value === 'number' ? value : typeof value === 'string' ? Date.parse(value) : NaN
  if (!Number.isFinite(time)) throw failure(step, 'wait.until', `gave ${shown(value)}, not a time`)
  return time
}

/**
 * Whether two outputs of a quorum agree: equal, or what its rule says of `a` and `b`. Error
 * `step.expression` where the rule fails or gives no boolean.
 */
export async function agrees(step: StepPlan, a: unknown, b: unknown, evaluate: Evaluate): Promise<boolean> {
  const rule = step.many?.rule ?? null
  if (rule === null) return hashOf(a) === hashOf(b)
  const verdict = await valueOf(step, 'quorum.rule', rule, { a, b }, evaluate)
  if (typeof verdict !== 'boolean') throw failure(step, 'quorum.rule', `gave ${shown(verdict)}, not true or false`)
  return verdict
}

/**
 * Whether an output passes the acceptance expression of an agreement (a CEL source over `output`);
 * true when there is none. Anything but true is a refusal, a failing expression included, and
 * `why` says so.
 */
export async function accepts(expect: string | null, output: unknown, evaluate: Evaluate): Promise<{ ok: boolean; why?: string }> {
  if (expect === null) return { ok: true }
  const fault = expectFault(expect)
  if (fault !== undefined) return { ok: false, why: fault }
  const verdict = await evaluate(`\${${expect}}`, { output })
  if (!verdict.ok) return { ok: false, why: verdict.message }
  return verdict.value === true ? { ok: true } : { ok: false, why: `${expect} is ${shown(verdict.value)}` }
}

/**
 * Why a source cannot stand in an agreement, or `undefined`: it must compile, read nothing but
 * `output`, and have a static bound, so that both sides always come to the same verdict. A provider
 * asks this before it quotes.
 */
export function expectFault(source: string): string | undefined {
  return judgeFault(source, ['output'])
}

/** Why a source cannot be the rule of a quorum, or `undefined`: as of an acceptance, over `a` and `b`. */
export function ruleFault(source: string): string | undefined {
  return judgeFault(source, ['a', 'b'])
}

function judgeFault(source: string, roots: readonly string[]): string | undefined {
  const compiled = compileExpression(source)
  if ('fault' in compiled) return compiled.fault.message
  const { references, bound, type } = compiled.expression
  const [piece, ...more] = parsePieces(`\${${source}}`)
  if (more.length > 0 || !piece || !('source' in piece) || piece.source !== source) return 'it is not one expression'
  const foreign = references.find((reference) => !roots.includes(reference.root))
  if (foreign) return `it may read ${roots.join(' and ')} only, not ${foreign.root}`
  if (bound.kind === 'none') return `it has no static bound, so two sides could disagree: ${bound.why}`
  return type === 'bool' || type === 'dyn' ? undefined : `it gives ${type}, not bool`
}

async function valueOf(step: StepPlan, field: string, template: unknown, context: Context, evaluate: Evaluate): Promise<Json> {
  const evaluation = await evaluate(template, context)
  if (!evaluation.ok) throw failure(step, field, evaluation.message)
  return evaluation.value
}

function failure(step: StepPlan, field: string, message: string): AigenError {
  const path = `steps.${step.name}.${field}`
  return new AigenError('step.expression', `${path}: ${message}.`, { path })
}

/** What kind of value it is, for people. Never the value: it may be secret, and an error goes into bills and traces. */
function shown(value: unknown): string {
  if (value === null || value === undefined || typeof value === 'boolean') return String(value ?? 'nothing')
  return typeof value === 'string' ? 'text' : Array.isArray(value) ? 'a list' : typeof value === 'object' ? 'an object' : 'a number'
}
