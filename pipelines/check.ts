/**
 * Checks a pipeline before a cent is spent (D8): shape, names, cycles, types across steps, worst-case
 * price and time, budgets, and what this version does not run. Reports everything at once, each with
 * its path, its place in the text and a hint. Used by the CLI, by runs, by doors and by bundles.
 */
import { compileSchema } from '../schemas/compile-schema.ts'
import type { Capability, Pipeline } from '../schemas/documents.gen.ts'
import { AigenError } from '../schemas/error.ts'
import { ATOMIC_MAX, formatMoney } from '../schemas/money.ts'
import { checkExpressions } from './check-expressions.ts'
import { checkInputs, checkInputSchema } from './check-inputs.ts'
import { checkLabels } from './check-labels.ts'
import { checkAmounts, checkSteps } from './check-steps.ts'
import { parseDocument, stepIssues, type Document, type PlacedIssue } from './document.ts'
import { Findings, FINDINGS_MAX, type Path } from './findings.ts'
import { graphOf, type Graph } from './graph.ts'
import { nestingFault, scopeOf, type Scope } from './nested.ts'
import { splitPath } from './positions.ts'
import { salvage, stands } from './salvage.ts'
import { stepTypesOf } from './step-types.ts'
import { budgetOf, worstCaseOf, type StepWorst, type WorstCase } from './price.ts'

export interface CheckOptions {
  /** What can be hired, by id. */
  readonly capabilities: ReadonlyMap<string, Capability>
  /** The caller's budget in atomic units; the smaller of it and the document's counts. */
  readonly budget?: bigint
}

export interface CheckReport {
  /** No errors: the document may run. */
  readonly ok: boolean
  /** At most 200, in document order as far as each rule goes. */
  readonly errors: readonly PlacedIssue[]
  readonly warnings: readonly PlacedIssue[]
  /** Known when the document fits the schema and has no cycle. */
  readonly worstCase: CheckedWorstCase | undefined
  /** Each step after all it depends on; empty when the document does not fit the schema. */
  readonly order: readonly string[]
  readonly graph: Graph | undefined
  /** The document, typed, when it fits the schema; run it only when `ok`. */
  readonly pipeline: Pipeline | undefined
  /** What counts, in atomic units: the smaller of the document's budget and the caller's. */
  readonly budget: bigint | undefined
}

export interface CheckedWorstCase {
  /** Decimal string of the dollar. */
  readonly price: string
  /** Without time to hire. */
  readonly timeMs: number
  readonly criticalPath: readonly string[]
  readonly steps: Readonly<Record<string, { readonly cap: string; readonly price: string; readonly timeMs: number }>>
}

/**
 * Everything that is wrong with a document, given as text (then errors name line and column) or as
 * a value. Never throws for its content.
 *
 * @example check(text, { capabilities }).errors // [{ path: 'steps.facts.with.text', message: 'there is no step raed', … }]
 */
export function check(source: string | object, { capabilities, budget: callers }: CheckOptions): CheckReport {
  const document = parseDocument(source)
  const { pipeline } = document
  if (!pipeline) {
    const errors = [...document.issues, ...beside(document, capabilities)].slice(0, FINDINGS_MAX)
    return { ok: false, errors, warnings: [], worstCase: undefined, order: [], graph: undefined, pipeline, budget: callers }
  }
  const findings = new Findings(document.place)
  const nesting = nestingFault(pipeline)
  if (nesting !== undefined) findings.error(['pipelines'], nesting)
  const { graph, countable } = checkOne(pipeline, scopeOf(pipeline), capabilities, findings)
  if (nesting === undefined && graph.cycles.length === 0) checkLabels(pipeline, scopeOf(pipeline), graph, findings)
  const budget = countable ? smaller(budgetOf(pipeline), callers) : callers
  const worst = graph.cycles.length === 0 && countable && nesting === undefined ? worstCaseOf(pipeline, graph, budget) : undefined
  if (worst) checkMoney(pipeline, worst, budget, callers, findings)
  const { errors, warnings } = findings
  return { ok: errors.length === 0, errors, warnings, worstCase: worst && inWords(worst), order: graph.order, graph, pipeline, budget }
}

/** The pipeline of a document that passes. Error `pipeline.invalid` with every issue of the report. */
export function checked(source: string | object, options: CheckOptions): CheckReport & { readonly pipeline: Pipeline } {
  const report = check(source, options)
  const [first] = report.errors
  if (first || !report.pipeline) {
    const { errors: issues } = report
    throw new AigenError('pipeline.invalid', first && `${first.path}: ${first.message}.`, { issues, ...(first ? { path: first.path } : {}) })
  }
  return { ...report, pipeline: report.pipeline }
}

/** What is wrong in the steps whose shape is right, where that of others is not. */
function beside({ misfit, issues, place }: Document, capabilities: CheckOptions['capabilities']): readonly PlacedIssue[] {
  const salvaged = misfit && salvage(misfit, issues)
  if (!salvaged) return []
  const { pipeline } = salvaged
  if (nestingFault(pipeline) !== undefined) return []
  const findings = new Findings(place)
  const { graph } = checkOne(pipeline, scopeOf(pipeline), capabilities, findings)
  return findings.errors.filter(({ path }) => stands(path, salvaged, graph))
}

/** Everything but the money of a document and of the pipelines in it; whether all amounts can be counted. */
function checkOne(pipeline: Pipeline, scope: Scope, capabilities: CheckOptions['capabilities'], findings: Findings): { graph: Graph; countable: boolean } {
  const graph = graphOf(pipeline)
  checkOrder(graph, findings)
  checkInputSchema(pipeline, findings)
  checkSchemas(pipeline, findings)
  checkSteps({ pipeline, capabilities, scope, findings })
  const types = stepTypesOf(pipeline, graph, capabilities, scope)
  checkExpressions(pipeline, graph, types, findings)
  checkInputs(pipeline, capabilities, scope, graph, types, findings)
  let countable = checkAmounts(pipeline, findings)
  const used = new Set(Object.values(pipeline.steps).flatMap((step) => step.pipeline ?? []))
  for (const [name, one] of Object.entries(pipeline.pipelines ?? {})) {
    const inside = findings.under(['pipelines', name])
    for (const { path, message } of stepIssues(one.steps)) inside.error(splitPath(path), message)
    countable = checkOne(one, scopeOf(one, scope), capabilities, inside).countable && countable
    if (!used.has(name) && !isUsedBelow(name, pipeline.pipelines!)) findings.warn(['pipelines', name], 'no step runs this pipeline')
  }
  return { graph, countable }
}

/** Whether a pipeline beside it runs the one of that name. */
function isUsedBelow(name: string, beside: Readonly<Record<string, Pipeline>>): boolean {
  return Object.values(beside).some((one) => Object.values(one.steps).some((step) => step.pipeline === name) || (one.pipelines !== undefined && !Object.hasOwn(one.pipelines, name) && isUsedBelow(name, one.pipelines)))
}

function checkSchemas(pipeline: Pipeline, findings: Findings): void {
  if (pipeline.input === undefined) return
  try {
    compileSchema(pipeline.input)
  } catch (error) {
    if (!(error instanceof AigenError)) throw error
    if (error.issues.length === 0) findings.error(['input'], error.message)
    for (const { path, message, hint } of error.issues) findings.error(['input', ...splitPath(path)], message, hint)
  }
}

/** Steps of a cycle that its error names. */
const CYCLE_SHOWN = 12

function checkOrder(graph: Graph, findings: Findings): void {
  for (const cycle of graph.cycles) {
    findings.error(['steps', cycle[0]!], `these steps wait for each other: ${(cycle.length > CYCLE_SHOWN ? [...cycle.slice(0, CYCLE_SHOWN - 2), '…', cycle.at(-1)] : cycle).join(' → ')}`, 'Remove one of the references.')
  }
  if (graph.cycles.length > 0) return
  for (const id of graph.unused) findings.warn(['steps', id], 'nothing uses this step: it is paid for all the same')
}

function checkMoney(pipeline: Pipeline, worst: WorstCase, budget: bigint | undefined, callers: bigint | undefined, findings: Findings): void {
  for (const id of worst.unpriced) {
    const why = budget === undefined ? 'no price and no budget: the worst case has no bound' : 'no price, and the others leave nothing of the budget'
    findings.error(['steps', id], why, 'Add "price": { "max": "0.01" }.')
  }
  if (worst.unpriced.length === 0) {
    for (const [id, { cap, shared }] of worst.steps) {
      const message = `no price: a call may cost up to ${amountText(cap)}, its share of the budget`
      if (shared) findings.warn(['steps', id], message, 'Add "price": { "max": … }.')
    }
  }
  for (const [id, { nested }] of worst.steps) if (nested) checkNestedMoney(['steps', id, 'pipeline'], 'its', nested, findings)
  if (budget === undefined || worst.price <= budget) {
    const open = budget === undefined && worst.unpriced.length === 0
    if (open) findings.warn([], 'no budget: a run may spend the worst case', 'Add "budget": { "max": … }.')
    return
  }
  const whose = budget === callers ? 'the budget given' : 'the document\'s budget'
  const path = budget === callers || !pipeline.budget ? [] : ['budget', 'max']
  findings.error(path, `the worst case is ${amountText(worst.price)}, ${whose} is ${amountText(budget)}`,
    `Raise the budget to ${amountText(worst.price)}, or lower the steps' prices.`)
}

/** A sub-pipeline within its own budget, and within the price of the step that runs it; `whose` names it. */
function checkNestedMoney(path: Path, whose: string, { worst, budget }: NonNullable<StepWorst['nested']>, findings: Findings): void {
  const [unpriced] = worst.unpriced
  if (unpriced !== undefined) findings.error(path, `${whose} step ${unpriced} has no price, and ${budget === undefined ? 'there is no budget' : 'the others leave nothing of the budget'}: the worst case has no bound`, 'Add "price": { "max": "0.01" } there.')
  if (budget !== undefined && worst.price > budget) findings.error(path, `${whose} worst case is ${amountText(worst.price)}, ${whose} budget is ${amountText(budget)}`)
  for (const [inner, { nested }] of worst.steps) if (nested) checkNestedMoney(path, `${inner}'s`, nested, findings)
}

/** An amount in words; sums of a hostile document may be beyond what any lane can hold. */
function amountText(atomic: bigint): string {
  return formatMoney(atomic > ATOMIC_MAX ? ATOMIC_MAX : atomic)
}

function smaller(a: bigint | undefined, b: bigint | undefined): bigint | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return a < b ? a : b
}

function inWords(worst: WorstCase): CheckedWorstCase {
  const { price, timeMs, criticalPath } = worst
  const steps = [...worst.steps].map(([id, step]) => [id, { cap: amountText(step.cap), price: amountText(step.price), timeMs: step.timeMs }])
  return { price: amountText(price), timeMs, criticalPath, steps: Object.fromEntries(steps) }
}
