/**
 * What a run follows: one plan per step, made once from a checked document. Plain data, so the run
 * and step machines carry it in snapshots; pure functions, so they call them inside transitions (D1).
 *
 * A step starts when all it depends on has ended. A false `if` gives null and the state `skipped`;
 * what depends on a skipped step is skipped too unless it tests `meta` of it.
 */
import type { Address, Pipeline, PipelineRetryReason, PipelineStep, Settle } from '../schemas/documents.gen.ts'
import { AigenError } from '../schemas/error.ts'
import { dependentsOf, graphOf, stepsNamed, type Graph } from './graph.ts'
import { DEFAULTS, limitsOf, worstCaseOf } from './price.ts'
import { compileTemplate, type Template } from './template.ts'

export type StepState = 'done' | 'skipped' | 'failed' | 'cancelled'

/** What a template reads: only this has to be fetched to evaluate it. */
export interface Reads {
  /** Steps whose output is named. */
  readonly steps: readonly string[]
  /** Steps whose `meta` is named. */
  readonly meta: readonly string[]
  readonly input: boolean
  readonly run: boolean
}

export interface StepPlan {
  readonly name: string
  /** Capability or bundle. */
  readonly uses: string
  readonly dependsOn: readonly string[]
  /** Those of `dependsOn` that may have been skipped without this step being skipped. */
  readonly tests: readonly string[]
  /** Steps that wait for this one. */
  readonly dependents: readonly string[]
  /** Most that one call may cost, atomic. */
  readonly maxPrice: string
  /** Most that all items and held attempts may cost together, atomic. */
  readonly worst: string
  readonly deadlineMs: number
  readonly graceMs: number
  /** Calls in all, the first one included. */
  readonly attempts: number
  readonly retryOn: readonly PipelineRetryReason[]
  /** Wait before attempt 2; doubled before each further one. */
  readonly backoffMs: number
  /** Whether the next attempt goes to another provider. */
  readonly elsewhere: boolean
  /** Who may do it; null for anybody. And who is never asked. */
  readonly only: readonly Address[] | null
  readonly not: readonly Address[]
  readonly settle: Settle
  /** Where it settles in escrow: the agent, null for the cheapest, and the most that its fee may be, atomic. */
  readonly escrow: { readonly agent: Address | null; readonly fee: string } | null
  /** CEL source over `output`, as the agreement carries it; null for none. */
  readonly expect: string | null
  /** Templates as they stand in the document; null where there is none. */
  readonly if: string | null
  readonly forEach: string | null
  readonly with: Readonly<Record<string, unknown>>
  /** Bound of forEach, 1 without it. */
  readonly maxItems: number
  readonly parallel: number
  readonly reads: Reads
}

export interface RunPlan {
  /** name@version */
  readonly pipeline: string
  readonly steps: Readonly<Record<string, StepPlan>>
  /** Every step after those it depends on. */
  readonly order: readonly string[]
  readonly output: { readonly template: unknown; readonly reads: Reads }
  /** Most the run can cost, atomic: what it holds. */
  readonly worst: string
  /** Longest it can take, in milliseconds, without time to hire. */
  readonly timeMs: number
}

/**
 * The plan of a document that passed `check`.
 *
 * @param budget atomic units: the smaller of the document's and the caller's; steps without a price
 *   share what it leaves. Default: the document's.
 *
 * Error `pipeline.invalid`: a cycle, or a step that this version does not run.
 */
export function planOf(pipeline: Pipeline, budget?: bigint): RunPlan {
  const graph = graphOf(pipeline)
  if (graph.cycles.length > 0) throw new AigenError('pipeline.invalid', `${graph.cycles[0]!.join(' → ')}.`)
  const worst = worstCaseOf(pipeline, graph, budget)
  const dependents = dependentsOf(graph.nodes)
  const steps = Object.fromEntries(graph.order.map((name) => {
    const { cap, price } = worst.steps.get(name)!
    return [name, stepPlan(name, pipeline.steps[name]!, graph, dependents.get(name)!, cap, price)]
  }))
  return {
    pipeline: `${pipeline.name}@${pipeline.version}`,
    steps,
    order: graph.order,
    output: { template: pipeline.output, reads: readsOf([graph.output]) },
    worst: worst.price.toString(),
    timeMs: worst.timeMs,
  }
}

function stepPlan(
  name: string, step: PipelineStep, graph: Graph, dependents: readonly string[], cap: bigint, worst: bigint,
): StepPlan {
  if (step.uses === undefined) throw new AigenError('pipeline.invalid', `steps.${name} is not run by this version.`, { path: `steps.${name}` })
  const { dependsOn, tests, templates } = graph.nodes.get(name)!
  const limits = limitsOf(step)
  return {
    name, uses: step.uses, dependsOn, tests, dependents,
    maxPrice: cap.toString(), worst: worst.toString(),
    deadlineMs: limits.deadlineMs, graceMs: limits.graceMs, attempts: limits.attempts, retryOn: limits.retryOn, backoffMs: limits.backoffMs,
    elsewhere: step.retry?.elsewhere ?? true,
    only: step.providers?.only ?? null, not: step.providers?.not ?? [],
    settle: step.settle ?? 'postpaid',
    escrow: step.settle === 'escrow' ? { agent: step.escrow?.agent ?? null, fee: limits.fee.toString() } : null,
    expect: step.expect === undefined ? null : expectSource(step.expect, name),
    if: step.if ?? null, forEach: step.forEach ?? null, with: step.with ?? {},
    maxItems: limits.items, parallel: step.forEach === undefined ? 1 : step.parallel ?? DEFAULTS.parallel,
    reads: readsOf([...templates.fields.values()]),
  }
}

/** The CEL source of `${…}`. */
function expectSource(text: string, name: string): string {
  const { single } = compileTemplate(text)
  if (!single) throw new AigenError('pipeline.invalid', `steps.${name}.expect is not one expression.`, { path: `steps.${name}.expect` })
  return single.source
}

function readsOf(templates: readonly Template[]): Reads {
  const references = templates.flatMap((template) => template.references)
  const roots = new Set(references.map((reference) => reference.root))
  return { steps: stepsNamed(references, 'steps'), meta: stepsNamed(references, 'meta'), input: roots.has('input'), run: roots.has('run') }
}

/**
 * The steps whose turn it is, in order: everything they depend on has ended and they have not
 * started. Looks at every step: for long runs use `begin` and `advance`, which look at dependents only.
 */
export function ready(plan: RunPlan, ended: Readonly<Record<string, StepState>>, started: ReadonlySet<string>): string[] {
  return plan.order.filter((name) => !started.has(name) && plan.steps[name]!.dependsOn.every((other) => Object.hasOwn(ended, other)))
}

/** Whether a step whose dependencies have ended is skipped, whatever its `if` says. */
export function mustSkip(step: StepPlan, ended: Readonly<Record<string, StepState>>): boolean {
  return step.dependsOn.some((other) => ended[other] !== 'done' && !step.tests.includes(other))
}

/**
 * What a run remembers between events (D2: counters and a frontier only). `pending` holds the steps
 * some of whose dependencies have ended, so its size is the width of the graph, not its length.
 */
export interface Frontier {
  readonly pending: Readonly<Record<string, { readonly left: number; readonly skip: boolean }>>
  readonly running: number
  readonly ended: number
}

/** Steps to start, and those that are skipped at once; for the latter call `advance` with `skipped`. */
export interface Advance {
  readonly frontier: Frontier
  readonly start: readonly string[]
  readonly skip: readonly string[]
}

/** The first steps of a run. */
export function begin(plan: RunPlan): Advance {
  const start = plan.order.filter((name) => plan.steps[name]!.dependsOn.length === 0)
  return { frontier: { pending: {}, running: start.length, ended: 0 }, start, skip: [] }
}

/**
 * What follows from the end of one step: its cost depends on how many steps wait for it, not on the
 * length of the run. A step in `skip` counts as running until `advance` is told that it was skipped.
 */
export function advance(plan: RunPlan, frontier: Frontier, name: string, state: StepState): Advance {
  const pending = { ...frontier.pending }
  const start: string[] = []
  const skip: string[] = []
  for (const other of plan.steps[name]!.dependents) {
    const dependent = plan.steps[other]!
    const before = pending[other] ?? { left: dependent.dependsOn.length, skip: false }
    const now = { left: before.left - 1, skip: before.skip || (state !== 'done' && !dependent.tests.includes(name)) }
    if (now.left > 0) pending[other] = now
    else {
      delete pending[other]
      ;(now.skip ? skip : start).push(other)
    }
  }
  return { frontier: { pending, running: frontier.running - 1 + start.length + skip.length, ended: frontier.ended + 1 }, start, skip }
}

/** Whether every step has ended: then the output is evaluated, never before. */
export function hasEnded(plan: RunPlan, frontier: Frontier): boolean {
  return frontier.ended === plan.order.length
}

/** Id of one item of a forEach, as bills and actors name it. @example itemId('rows', 3) // 'rows[3]' */
export function itemId(step: string, index: number): string {
  return `${step}[${index}]`
}

/** Step and index of an id; index null for a step without forEach. */
export function parseItemId(id: string): { step: string; index: number | null } {
  const match = /^([^[]+)\[([0-9]+)\]$/.exec(id)
  return match ? { step: match[1]!, index: Number(match[2]) } : { step: id, index: null }
}
