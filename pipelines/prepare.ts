/**
 * What a step does before it hires, and how a delivery is judged: evaluates `if`, `forEach`, `with`
 * and `expect`. Called by the effects of the step machine and by a provider's own check (D6: both
 * sides evaluate the same expression over the same output).
 */
import { AigenError } from '../schemas/error.ts'
import type { BoundedEvaluator } from './evaluate-bounded.ts'
import { compileExpression, type Context } from './expression.ts'
import type { Json } from './json-value.ts'
import type { StepPlan } from './plan.ts'
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
  | { readonly kind: 'input'; readonly input: Json }

/**
 * What to do with a step whose dependencies have ended. With `index` in the context it is one item
 * of a forEach: only `with` is evaluated.
 *
 * Error `step.expression` with the path of the template: it failed or was stopped, `if` gave no
 * boolean, `forEach` no list or one longer than maxItems. Nothing was hired then.
 */
export async function prepare(step: StepPlan, context: Context, evaluate: Evaluate): Promise<Prepared> {
  if (context.index === undefined) {
    if (step.if !== null) {
      const condition = await valueOf(step, 'if', step.if, context, evaluate)
      if (typeof condition !== 'boolean') throw failure(step, 'if', `gave ${shown(condition)}, not true or false`)
      if (!condition) return { kind: 'skip' }
    }
    if (step.forEach !== null) {
      const items = await valueOf(step, 'forEach', step.forEach, context, evaluate)
      if (!Array.isArray(items)) throw failure(step, 'forEach', `gave ${shown(items)}, not a list`)
      if (items.length > step.maxItems) throw failure(step, 'forEach', `has ${items.length} items, maxItems is ${step.maxItems}`)
      return { kind: 'items', items: items as readonly Json[] }
    }
  }
  return { kind: 'input', input: await valueOf(step, 'with', step.with, context, evaluate) }
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

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? 'nothing').slice(0, 60)
}
