/**
 * What a pipeline can cost and how long it can take at worst, before a cent is spent (D7, D8).
 * Used by the checker, the plan and the run's hold (I4: the hold covers every way a run can go).
 *
 * A call that disappoints is not paid, so a further attempt costs nothing more, except after a
 * time-out: then both amounts stay held until the first one's outcome is known (D6). So a step's
 * worst case is its price × items × attempts when time-outs are retried, × 1 otherwise. In escrow
 * every disappointment is held until it is decided, and each attempt may cost the agent's fee. All
 * providers of a race or a quorum count, fallback and compensation too, of a switch the dearest case.
 */
import type { Pipeline, PipelineRetryReason, PipelineStep } from '../schemas/documents.gen.ts'
import { parseMoney } from '../schemas/money.ts'
import { parseDuration } from './duration.ts'
import { graphOf, type Graph } from './graph.ts'
import { nested, scopeOf, type Scope } from './nested.ts'

/** What holds where a document says nothing. */
export const DEFAULTS = { deadlineMs: 60_000, graceMs: 5_000, parallel: 8, escrowFee: '0.01', hubFee: '0.01' } as const
const ALL_REASONS: readonly PipelineRetryReason[] = ['timeout', 'expect', 'output', 'failed', 'refused']

/** A step's limits with the defaults filled in. */
export interface StepLimits {
  readonly deadlineMs: number
  readonly graceMs: number
  readonly attempts: number
  readonly retryOn: readonly PipelineRetryReason[]
  readonly backoffMs: number
  /** Items at most, 1 without forEach. */
  readonly items: number
  readonly parallel: number
  /** Providers that do the same work: of a race or a quorum, else 1. */
  readonly providers: number
  /** Amounts that can be held at once or one after the other for one item and provider. */
  readonly heldAttempts: number
  /** Most that an escrow agent's or a hub's fee for one attempt may be, atomic; 0 where there is none. */
  readonly fee: bigint
}

export function limitsOf(step: PipelineStep): StepLimits {
  const attempts = step.retry?.attempts ?? 1
  const retryOn = attempts === 1 ? [] : step.retry?.on ?? ALL_REASONS
  const { deadlineMs, graceMs } = slaOf(step.sla)
  // Without a spread: that costs several microseconds a step, and this is asked several times of each.
  return {
    deadlineMs, graceMs, attempts,
    retryOn,
    backoffMs: step.retry?.backoff === undefined ? 0 : parseDuration(step.retry.backoff),
    items: step.forEach === undefined ? 1 : step.maxItems ?? 1,
    parallel: step.parallel ?? DEFAULTS.parallel,
    providers: step.race?.providers ?? step.quorum?.providers ?? 1,
    heldAttempts: retryOn.includes('timeout') || step.settle === 'escrow' || step.through ? attempts : 1,
    fee: step.settle === 'escrow' ? parseMoney(step.escrow?.fee?.max ?? DEFAULTS.escrowFee) : step.through ? parseMoney(step.through.fee?.max ?? DEFAULTS.hubFee) : 0n,
  }
}

/** How long a call may take, with the defaults filled in. */
export function slaOf(sla: PipelineStep['sla']): { readonly deadlineMs: number; readonly graceMs: number } {
  return {
    deadlineMs: sla ? parseDuration(sla.deadline) : DEFAULTS.deadlineMs,
    graceMs: sla?.grace === undefined ? DEFAULTS.graceMs : parseDuration(sla.grace),
  }
}

/** Longest time of a step in milliseconds: every attempt of every item to the end of its grace. */
export function stepTimeMs(limits: StepLimits): number {
  const waits = limits.backoffMs * (2 ** (limits.attempts - 1) - 1)
  return Math.ceil(limits.items / limits.parallel) * ((limits.deadlineMs + limits.graceMs) * limits.attempts + waits)
}

export interface StepWorst {
  /** Most that one call may cost; of a switch the dearest case's, of a sub-pipeline its own worst case. */
  readonly cap: bigint
  /** Caps of a switch's cases (0 of a constant), of the fallback and of the compensation. */
  readonly cases: readonly bigint[]
  readonly fallback: bigint
  readonly compensate: bigint
  /** All that it may cost: calls with fees, fallbacks, compensations. */
  readonly price: bigint
  readonly timeMs: number
  /** Whether a cap is a share of what the budget leaves, because no price is named. */
  readonly shared: boolean
  /** Of a sub-pipeline: what one run of it may cost at worst, and its own budget. */
  readonly nested?: { readonly worst: WorstCase; readonly budget: bigint | undefined }
}

export interface WorstCase {
  readonly price: bigint
  readonly timeMs: number
  /** Whether a wait has no end that is known before it begins: that is not in `timeMs`. */
  readonly openEnded: boolean
  /** The steps that make `timeMs`, in order. */
  readonly criticalPath: readonly string[]
  readonly steps: ReadonlyMap<string, StepWorst>
  /** Steps without a price while no budget can be shared among them: their caps count as 0 here. */
  readonly unpriced: readonly string[]
}

/** What a step may hire, so often at worst; `price` undefined takes a share of the budget. */
interface Hire {
  readonly price: bigint | undefined
  readonly times: bigint
  readonly fee: bigint
}

/** Of each step: its work, its fallback, its compensation. */
function hiresOf(step: PipelineStep, limits: StepLimits): { readonly work?: Hire; readonly fallback?: Hire; readonly compensate?: Hire } {
  const amount = (price: { readonly max: string } | undefined): bigint | undefined => (price === undefined ? undefined : parseMoney(price.max))
  const items = BigInt(limits.items)
  const times = items * BigInt(limits.heldAttempts) * BigInt(limits.providers)
  const hired = (step.switch ?? []).filter(({ uses }) => uses !== undefined).map(({ price }) => amount(price ?? step.price))
  const dearest = hired.some((price) => price === undefined) ? undefined : hired.reduce<bigint>((most, price) => (price! > most ? price! : most), 0n)
  return {
    ...(step.uses === undefined ? {} : { work: { price: amount(step.price), times, fee: limits.fee } }),
    ...(hired.length === 0 ? {} : { work: { price: dearest, times, fee: limits.fee } }),
    // The last attempt may have ended by time-out: its amount is held while the fallback is hired.
    ...(step.fallback?.uses === undefined ? {} : { fallback: { price: amount(step.fallback.price), times: items, fee: 0n } }),
    // Every attempt, and what stood in, may have been delivered after it was given up: each is undone by itself.
    ...(step.compensate === undefined ? {} : { compensate: { price: amount(step.compensate.price), times: times + (step.fallback === undefined ? 0n : items), fee: 0n } }),
  }
}

/**
 * The worst case of a document whose graph has no cycle and whose sub-pipelines do not come round. A
 * hired call without `price` may cost its share of what the budget leaves after the priced ones, so
 * that every call has a cap.
 *
 * @param budget atomic units; the document's own by default
 */
export function worstCaseOf(pipeline: Pipeline, graph: Graph, budget: bigint | undefined = budgetOf(pipeline), scope: Scope = scopeOf(pipeline)): WorstCase {
  let priced = 0n
  let shares = 0n
  const parts = new Map(Object.entries(pipeline.steps).map(([id, step]) => {
    const limits = limitsOf(step)
    const hires = hiresOf(step, limits)
    for (const { price, times, fee } of Object.values(hires)) {
      priced += fee * times
      if (price === undefined) shares += times
      else priced += price * times
    }
    const below = step.pipeline === undefined ? undefined : nestedWorst(step, scope)
    if (below) priced += below.worst.price * BigInt(limits.items)
    return [id, { limits, hires, below }]
  }))
  const left = budget === undefined || budget < priced ? 0n : budget - priced
  const share = shares === 0n ? 0n : left / shares
  const steps = new Map<string, StepWorst>()
  const unpriced: string[] = []
  let price = 0n
  let undoMs = 0
  for (const [id, { limits, hires, below }] of parts) {
    const step = pipeline.steps[id]!
    const capOf = (hire: Hire | undefined): bigint => (hire === undefined ? 0n : hire.price ?? share)
    const own = step.price ? parseMoney(step.price.max) : share
    const all = Object.values(hires)
    const cases = (step.switch ?? []).map((one) => (one.uses === undefined ? 0n : one.price ? parseMoney(one.price.max) : own))
    const dearest = cases.reduce((most, one) => (one > most ? one : most), step.uses === undefined ? 0n : capOf(hires.work))
    const calls = hires.work ? (dearest + hires.work.fee) * hires.work.times : 0n
    const rest = capOf(hires.fallback) * (hires.fallback?.times ?? 0n) + capOf(hires.compensate) * (hires.compensate?.times ?? 0n)
    const nestedPrice = below ? below.worst.price * BigInt(limits.items) : 0n
    const shared = all.some((hire) => hire.price === undefined)
    if (shared) unpriced.push(id)
    const worst: StepWorst = {
      cap: below ? below.worst.price : dearest, cases, fallback: capOf(hires.fallback), compensate: capOf(hires.compensate),
      price: calls + rest + nestedPrice, timeMs: wholeTimeMs(step, limits, below?.worst.timeMs ?? 0), shared, ...(below ? { nested: below } : {}),
    }
    price += worst.price
    if (hires.compensate) undoMs += Number(hires.compensate.times) * undoTimeMs(step)
    steps.set(id, worst)
  }
  const { timeMs, criticalPath } = longestWay(graph, steps)
  const openEnded = pipeline.timeout === undefined && Object.entries(pipeline.steps).some(([id, step]) => isOpenEnded(step) || (step.timeout === undefined && steps.get(id)!.nested?.worst.openEnded === true))
  const longest = pipeline.timeout === undefined ? timeMs : Math.min(timeMs, parseDuration(pipeline.timeout))
  return { price, timeMs: longest + undoMs, openEnded, criticalPath, steps, unpriced: share === 0n ? unpriced : [] }
}

/** What a step's sub-pipeline may cost and take, within its own budget and the step's price. */
function nestedWorst(step: PipelineStep, scope: Scope): NonNullable<StepWorst['nested']> | undefined {
  const below = nested(step.pipeline!, scope)
  if (!below) return undefined
  const budget = nestedBudget(step, below.pipeline)
  return { budget, worst: worstCaseOf(below.pipeline, graphOf(below.pipeline), budget, below.scope) }
}

/** The smaller of a sub-pipeline's budget and the price of the step that runs it. */
function nestedBudget(step: PipelineStep, pipeline: Pipeline): bigint | undefined {
  const own = budgetOf(pipeline)
  const price = step.price === undefined ? undefined : parseMoney(step.price.max)
  return own === undefined || price === undefined ? own ?? price : own < price ? own : price
}

/** Longest time of a step in ms, as far as it is known: what `until`, `schedule` and a signal without time-out wait is not. */
function wholeTimeMs(step: PipelineStep, limits: StepLimits, nestedMs: number): number {
  const { wait, approve } = step
  const turns = Math.ceil(limits.items / limits.parallel)
  const duration = (text: string | undefined): number => (text === undefined ? 0 : parseDuration(text))
  const timeMs = wait ? duration(wait.for ?? wait.timeout) : approve ? duration(approve.timeout) : step.pipeline !== undefined ? turns * nestedMs : stepTimeMs(limits) + (step.fallback?.uses === undefined ? 0 : turns * (limits.deadlineMs + limits.graceMs))
  return step.timeout === undefined ? timeMs : Math.min(timeMs, parseDuration(step.timeout))
}

/** Whether nobody can say beforehand how long a step waits. */
export function isOpenEnded({ wait, timeout }: PipelineStep): boolean {
  return timeout === undefined && wait !== undefined && (wait.until !== undefined || wait.schedule !== undefined || (wait.signal !== undefined && wait.timeout === undefined))
}

/** Longest time of one compensation. */
function undoTimeMs(step: PipelineStep): number {
  const { deadlineMs, graceMs } = slaOf(step.compensate?.sla)
  return deadlineMs + graceMs
}

/** The document's budget in atomic units, `undefined` where it names none. */
export function budgetOf(pipeline: Pipeline): bigint | undefined {
  return pipeline.budget === undefined ? undefined : parseMoney(pipeline.budget.max)
}

function longestWay(graph: Graph, steps: ReadonlyMap<string, StepWorst>): { timeMs: number; criticalPath: string[] } {
  const ends = new Map<string, { at: number; after: string | undefined }>()
  let last: string | undefined
  for (const id of graph.order) {
    let start = { at: 0, after: undefined as string | undefined }
    for (const before of graph.nodes.get(id)!.dependsOn) {
      const { at } = ends.get(before)!
      if (at > start.at) start = { at, after: before }
    }
    ends.set(id, { at: start.at + steps.get(id)!.timeMs, after: start.after })
    if (last === undefined || ends.get(id)!.at > ends.get(last)!.at) last = id
  }
  const criticalPath: string[] = []
  for (let id = last; id !== undefined; id = ends.get(id)!.after) criticalPath.push(id)
  return { timeMs: last === undefined ? 0 : ends.get(last)!.at, criticalPath: criticalPath.reverse() }
}
