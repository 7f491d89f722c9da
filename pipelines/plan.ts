/**
 * What a run follows: one plan per step, made once from a checked document. Plain data, so the run
 * and step machines carry it in snapshots; pure functions, so they call them inside transitions (D1).
 *
 * A step starts when all it depends on has ended. A false `if` gives null and the state `skipped`;
 * what depends on a skipped step is skipped too unless it tests `meta` of it.
 */
import type { Address, Pipeline, PipelineProviders, PipelineRetryReason, PipelineStep, Settle } from '../schemas/documents.gen.ts'
import { AigenError } from '../schemas/error.ts'
import { labelsOfSteps } from './check-labels.ts'
import { parseDuration } from './duration.ts'
import { dependentsOf, graphOf, stepsNamed, type Graph } from './graph.ts'
import { nested, nestingFault, scopeOf, type Scope } from './nested.ts'
import { DEFAULTS, limitsOf, slaOf, worstCaseOf, type StepWorst, type WorstCase } from './price.ts'
import { providersOf } from './providers.ts'
import type { StandingWish } from '../runtime/market/negotiation.machine.ts'
import type { Choice } from '../runtime/market/strategy.ts'
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

/** One thing that a step can do: hire a capability, or give a constant. */
export interface Work {
  /** Null for the constant `value`. */
  readonly uses: string | null
  readonly with: Readonly<Record<string, unknown>>
  readonly value?: unknown
  /** Most that one call may cost, atomic. */
  readonly maxPrice: string
  /** CEL source over `output`, as the agreement carries it; null for none. */
  readonly expect: string | null
}

/** A case of a switch: the first whose `when` is true counts; null is always true. */
export interface Case extends Work {
  readonly when: string | null
}

/** A wait: one of `forMs`, `until`, `schedule` and `signal`. */
export interface WaitPlan {
  readonly forMs?: number
  /** Template that gives RFC 3339 text or ms since the epoch. */
  readonly until?: string
  readonly schedule?: { readonly cron: string; readonly timeZone?: string }
  readonly signal?: string
  /** How long a signal is waited for; without it, for ever (I5: a named message). */
  readonly timeoutMs?: number
  /** What no signal in time means. */
  readonly late: 'fail' | 'continue'
}

export interface ApprovePlan {
  /** A participant's address, or `owner`. */
  readonly by: string
  /** Template; null for none. */
  readonly message: string | null
  readonly timeoutMs: number
  /** What no answer in time means. */
  readonly late: 'reject' | 'approve'
}

/** A sub-pipeline, planned: what it may cost is a part of what the run holds. */
export interface NestedPlan {
  readonly plan: RunPlan
  /** JSON Schema of its inputs; null for none. */
  readonly input: Readonly<Record<string, unknown>> | null
  /** Atomic; its worst case where the document names none. */
  readonly budget: string
}

export interface StepPlan {
  readonly name: string
  /** Capability or bundle; the name of a sub-pipeline; else the word `switch`, `wait` or `approve`. */
  readonly uses: string
  readonly dependsOn: readonly string[]
  /** Those of `dependsOn` that may have been skipped without this step being skipped. */
  readonly tests: readonly string[]
  /** Those of `dependsOn` that only their providers are asked of: however they end, it runs. */
  readonly apart?: readonly string[]
  /** Steps that wait for the end of this one. */
  readonly dependents: readonly string[]
  /** Steps that wait for its beginning, since they take its pieces as they come. */
  readonly feeds?: readonly string[]
  /** The one of `dependsOn` whose pieces its items are. */
  readonly chunksOf?: string
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
  /** Who is preferred of those that offer it; the cheapest without it. */
  readonly choose?: Choice
  /** An agreement for many calls is asked for, and used; by whoever starts the run. */
  readonly standing?: StandingWish
  /** Those of `dependsOn` whose providers are not asked. */
  readonly differ?: readonly string[]
  readonly settle: Settle
  /** Where it settles in escrow: the agent, null for the cheapest, and the most that its fee may be, atomic. */
  readonly escrow: { readonly agent: Address | null; readonly fee: string } | null
  /** Where a hub pays the provider: which, null for the best, and the most that its fee may be, atomic. */
  readonly through?: { readonly hub: Address | null; readonly fee: string }
  /** CEL source over `output`, as the agreement carries it; null for none. */
  readonly expect: string | null
  /** How old a delivery of another run that stands in may be, in ms; 0: none does, and none of its own is kept. Absent: as the provider's card says. */
  readonly cacheMs?: number
  /** Templates as they stand in the document; null where there is none. */
  readonly if: string | null
  readonly forEach: string | null
  readonly with: Readonly<Record<string, unknown>>
  /** Bound of forEach, 1 without it. */
  readonly maxItems: number
  readonly parallel: number
  /** Items that may fail, null in their places. */
  readonly tolerate?: number
  readonly cases?: readonly Case[]
  /** What stands in when every attempt failed. */
  readonly fallback?: Work
  /** Several providers at once: a race without `agree`, else a quorum under `rule` (template over a and b; null: equal). */
  readonly many?: { readonly providers: number; readonly agree?: number; readonly rule?: string | null }
  /** Longest that the whole step may take, in ms. */
  readonly timeoutMs?: number
  readonly wait?: WaitPlan
  readonly approve?: ApprovePlan
  readonly nested?: NestedPlan
  /** The step that undoes it; its name is of this one and its index. */
  readonly compensate?: StepPlan
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
  /** Whether a wait may take longer: its end is not known before it begins. */
  readonly openEnded?: true
  /** Longest that its steps may take before what is under way is cancelled, in ms. */
  readonly timeoutMs?: number
}

/**
 * The plan of a document that passed `check`.
 *
 * @param budget atomic units: the smaller of the document's and the caller's; calls without a price
 *   share what it leaves. Default: the document's.
 * @param graph the document's, where it was made already: `check` reports it
 *
 * Error `pipeline.invalid`: a cycle, or pipelines that run each other.
 */
export function planOf(pipeline: Pipeline, budget?: bigint, graph: Graph = graphOf(pipeline)): RunPlan {
  const fault = nestingFault(pipeline)
  if (fault !== undefined) throw new AigenError('pipeline.invalid', `${fault}.`)
  return runPlan(pipeline, graph, worstCaseOf(pipeline, graph, budget), scopeOf(pipeline))
}

/** `around`: what the documents around it say of providers; `labelled`: whether they hand it labelled data. */
function runPlan(pipeline: Pipeline, graph: Graph, worst: WorstCase, scope: Scope, around: Around = [], labelled = false): RunPlan {
  if (graph.cycles.length > 0) throw new AigenError('pipeline.invalid', `${graph.cycles[0]!.join(' → ')}.`)
  const dependents = dependentsOf(graph.nodes)
  const labels = labelsOfSteps(pipeline)
  const steps = Object.fromEntries(graph.order.map((name) => [name, stepPlan({
    name, step: pipeline.steps[name]!, graph, dependents: dependents.get(name)!, worst: worst.steps.get(name)!, scope, around: [...around, pipeline.providers], labelled: labelled || (labels.get(name)?.size ?? 0) > 0,
  })]))
  return {
    pipeline: `${pipeline.name}@${pipeline.version}`,
    steps,
    order: graph.order,
    output: { template: pipeline.output, reads: readsOf([graph.output]) },
    worst: worst.price.toString(),
    timeMs: worst.timeMs, ...(worst.openEnded ? { openEnded: true } : {}),
    ...(pipeline.timeout === undefined ? {} : { timeoutMs: parseDuration(pipeline.timeout) }),
  }
}

type Around = readonly (PipelineProviders | undefined)[]

interface Planned {
  readonly name: string
  readonly step: PipelineStep
  readonly graph: Graph
  readonly dependents: readonly string[]
  readonly worst: StepWorst
  readonly scope: Scope
  /** What the documents around it say of providers, the outermost first. */
  readonly around: Around
  /** Whether labelled data reaches it. */
  readonly labelled: boolean
}

function stepPlan({ name, step, graph, dependents, worst, scope, around, labelled }: Planned): StepPlan {
  const { dependsOn, tests, apart, templates, chunksOf } = graph.nodes.get(name)!
  const limits = limitsOf(step)
  const feeds = dependents.filter((other) => graph.nodes.get(other)!.chunksOf === name)
  const own = [...templates.fields].filter(([field]) => field !== 'compensate').map(([, template]) => template)
  return {
    name, uses: step.uses ?? step.pipeline ?? (step.switch ? 'switch' : step.wait ? 'wait' : 'approve'),
    dependsOn, tests, dependents: dependents.filter((other) => !feeds.includes(other)),
    ...(apart.length > 0 ? { apart } : {}), ...(feeds.length > 0 ? { feeds } : {}), ...(chunksOf === undefined ? {} : { chunksOf }),
    maxPrice: worst.cap.toString(), worst: worst.price.toString(),
    deadlineMs: limits.deadlineMs, graceMs: limits.graceMs, attempts: limits.attempts, retryOn: limits.retryOn, backoffMs: limits.backoffMs,
    elsewhere: step.retry?.elsewhere ?? true,
    ...providersOf(...around, step.providers), ...(step.providers?.differ ? { differ: step.providers.differ } : {}),
    settle: step.settle ?? 'postpaid',
    escrow: step.settle === 'escrow' ? { agent: step.escrow?.agent ?? null, fee: limits.fee.toString() } : null,
    ...(step.through ? { through: { hub: step.through.hub ?? null, fee: limits.fee.toString() } } : {}),
    expect: acceptance(step.expect, name),
    ...(labelled || step.cache === false ? { cacheMs: 0 } : step.cache === undefined ? {} : { cacheMs: parseDuration(step.cache) }),
    if: step.if ?? null, forEach: step.forEach ?? null, with: step.with ?? {},
    maxItems: limits.items, parallel: step.forEach === undefined ? 1 : step.parallel ?? DEFAULTS.parallel,
    ...constructsOf(name, step, worst, scope, around, labelled), ...(step.compensate ? { compensate: undoPlan(name, step, graph, worst, around) } : {}),
    reads: readsOf(own),
  }
}

/** What only some steps have. */
function constructsOf(name: string, step: PipelineStep, worst: StepWorst, scope: Scope, around: Around, labelled: boolean): Partial<StepPlan> {
  const { wait, approve, fallback, race, quorum } = step
  const below = step.pipeline === undefined ? undefined : nested(step.pipeline, scope)
  return {
    ...(step.tolerate === undefined ? {} : { tolerate: step.tolerate }),
    ...(step.timeout === undefined ? {} : { timeoutMs: parseDuration(step.timeout) }),
    ...(step.switch ? { cases: step.switch.map((one, index) => ({ when: one.when ?? null, ...workOf(one, worst.cases[index]!, acceptance(one.expect ?? step.expect, name)) })) } : {}),
    ...(fallback ? { fallback: workOf(fallback, worst.fallback, null) } : {}),
    ...(race ? { many: { providers: race.providers } } : {}),
    ...(quorum ? { many: { providers: quorum.providers, agree: quorum.agree, rule: quorum.rule ?? null } } : {}),
    ...(wait ? { wait: {
      late: wait.then ?? 'fail', ...(wait.for === undefined ? {} : { forMs: parseDuration(wait.for) }), ...(wait.until === undefined ? {} : { until: wait.until }),
      ...(wait.schedule ? { schedule: wait.schedule } : {}), ...(wait.signal === undefined ? {} : { signal: wait.signal }), ...(wait.timeout === undefined ? {} : { timeoutMs: parseDuration(wait.timeout) }),
    } } : {}),
    ...(approve ? { approve: { by: approve.by, message: approve.message ?? null, timeoutMs: parseDuration(approve.timeout), late: approve.then ?? 'reject' } } : {}),
    ...(below ? { nested: {
      plan: runPlan(below.pipeline, graphOf(below.pipeline), worst.nested!.worst, below.scope, around, labelled), input: below.pipeline.input ?? null,
      budget: (worst.nested!.budget ?? worst.nested!.worst.price).toString(),
    } } : {}),
  }
}

function workOf({ uses, with: given, value }: Pick<NonNullable<PipelineStep['fallback']>, 'uses' | 'with' | 'value'>, cap: bigint, expect: string | null): Work {
  return { uses: uses ?? null, with: given ?? {}, ...(uses === undefined ? { value } : {}), maxPrice: cap.toString(), expect: uses === undefined ? null : expect }
}

/** The plan of one call and nothing else; `change` says what is not the default. */
export function callPlan(change: Pick<StepPlan, 'name' | 'uses' | 'maxPrice' | 'deadlineMs' | 'graceMs' | 'with'> & Partial<StepPlan>): StepPlan {
  return {
    dependsOn: [], tests: [], dependents: [], worst: change.maxPrice, attempts: 1, retryOn: [], backoffMs: 0, elsewhere: false, only: null, not: [], settle: 'postpaid', escrow: null,
    expect: null, cacheMs: 0, if: null, forEach: null, maxItems: 1, parallel: 1, reads: { steps: [], meta: [], input: false, run: false }, ...change,
  }
}

function undoPlan(name: string, step: PipelineStep, graph: Graph, worst: StepWorst, around: Around): StepPlan {
  const { uses, with: given, sla } = step.compensate!
  const { fields } = graph.nodes.get(name)!.templates
  return callPlan({ name, uses, maxPrice: worst.compensate.toString(), ...slaOf(sla), ...providersOf(...around, step.providers), with: given ?? {}, reads: readsOf([fields.get('compensate')!]) })
}

/** The CEL source of an acceptance, null for none. */
function acceptance(text: string | undefined, name: string): string | null {
  if (text === undefined) return null
  const { single } = compileTemplate(text)
  if (!single) throw new AigenError('pipeline.invalid', `steps.${name}.expect is not one expression.`, { path: `steps.${name}.expect` })
  return single.source
}

function readsOf(templates: readonly Template[]): Reads {
  const references = templates.flatMap((template) => template.references)
  const roots = new Set(references.map((reference) => reference.root))
  return { steps: stepsNamed(references, 'steps'), meta: stepsNamed(references, 'meta'), input: roots.has('input'), run: roots.has('run') }
}

/** Whether pieces flow from step to step in it, or in a sub-pipeline, or are paid for. */
export function hasStreams(plan: RunPlan): boolean {
  return Object.values(plan.steps).some(({ feeds, settle, nested: below }) => feeds !== undefined || settle === 'streamed' || (below !== undefined && hasStreams(below.plan)))
}
