/**
 * What a pipeline can cost and how long it can take at worst, before a cent is spent (D7, D8).
 * Used by the checker, the plan and the run's hold (I4: the hold covers every way a run can go).
 *
 * A call that disappoints is not paid, so a further attempt costs nothing more, except after a
 * time-out: then both amounts stay held until the first one's outcome is known (D6). So a step's
 * worst case is its price × items × attempts when time-outs are retried, × 1 otherwise. In escrow
 * every disappointment is held until it is decided, and each attempt may cost the agent's fee.
 */
import type { Pipeline, PipelineRetryReason, PipelineStep } from '../schemas/documents.gen.ts'
import { parseMoney } from '../schemas/money.ts'
import { parseDuration } from './duration.ts'
import type { Graph } from './graph.ts'

/** What holds where a document says nothing. */
export const DEFAULTS = { deadlineMs: 60_000, graceMs: 5_000, parallel: 8, escrowFee: '0.01' } as const
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
  /** Amounts that can be held at once or one after the other for one item. */
  readonly heldAttempts: number
  /** Most that an escrow agent's fee for one attempt may be, atomic; 0 where nothing is escrowed. */
  readonly fee: bigint
}

export function limitsOf(step: PipelineStep): StepLimits {
  const attempts = step.retry?.attempts ?? 1
  const retryOn = attempts === 1 ? [] : step.retry?.on ?? ALL_REASONS
  return {
    deadlineMs: step.sla ? parseDuration(step.sla.deadline) : DEFAULTS.deadlineMs,
    graceMs: step.sla?.grace === undefined ? DEFAULTS.graceMs : parseDuration(step.sla.grace),
    attempts,
    retryOn,
    backoffMs: step.retry?.backoff === undefined ? 0 : parseDuration(step.retry.backoff),
    items: step.forEach === undefined ? 1 : step.maxItems ?? 1,
    parallel: step.parallel ?? DEFAULTS.parallel,
    heldAttempts: retryOn.includes('timeout') || step.settle === 'escrow' ? attempts : 1,
    fee: step.settle === 'escrow' ? parseMoney(step.escrow?.fee?.max ?? DEFAULTS.escrowFee) : 0n,
  }
}

/** Longest time of a step in milliseconds: every attempt of every item to the end of its grace. */
export function stepTimeMs(limits: StepLimits): number {
  const waits = limits.backoffMs * (2 ** (limits.attempts - 1) - 1)
  return Math.ceil(limits.items / limits.parallel) * ((limits.deadlineMs + limits.graceMs) * limits.attempts + waits)
}

export interface StepWorst {
  /** Most that one call may cost. */
  readonly cap: bigint
  /** (cap + fee) × items × held attempts. */
  readonly price: bigint
  readonly timeMs: number
  /** Whether the cap is a share of what the budget leaves, because the step names no price. */
  readonly shared: boolean
}

export interface WorstCase {
  readonly price: bigint
  readonly timeMs: number
  /** The steps that make `timeMs`, in order. */
  readonly criticalPath: readonly string[]
  readonly steps: ReadonlyMap<string, StepWorst>
  /** Steps without a price while no budget can be shared among them: their caps count as 0 here. */
  readonly unpriced: readonly string[]
}

/**
 * The worst case of a document whose graph has no cycle. A hired step without `price` may cost its
 * share of what the budget leaves after the priced ones, so that every call has a cap.
 *
 * @param budget atomic units; the document's own by default
 */
export function worstCaseOf(pipeline: Pipeline, graph: Graph, budget: bigint | undefined = budgetOf(pipeline)): WorstCase {
  const limits = new Map(Object.entries(pipeline.steps).map(([id, step]) => [id, limitsOf(step)]))
  let priced = 0n
  let shares = 0n
  const unpriced: string[] = []
  for (const [id, step] of Object.entries(pipeline.steps)) {
    if (step.uses === undefined) continue
    const times = timesOf(limits.get(id)!)
    priced += limits.get(id)!.fee * times
    if (step.price) priced += parseMoney(step.price.max) * times
    else {
      unpriced.push(id)
      shares += times
    }
  }
  const left = budget === undefined || budget < priced ? 0n : budget - priced
  const share = shares === 0n ? 0n : left / shares
  const steps = new Map<string, StepWorst>()
  let price = 0n
  for (const [id, step] of Object.entries(pipeline.steps)) {
    const cap = step.uses === undefined ? 0n : step.price ? parseMoney(step.price.max) : share
    const shared = step.uses !== undefined && !step.price
    const worst = { cap, price: (cap + limits.get(id)!.fee) * timesOf(limits.get(id)!), timeMs: stepTimeMs(limits.get(id)!), shared }
    price += worst.price
    steps.set(id, worst)
  }
  return { price, ...longestWay(graph, steps), steps, unpriced: share === 0n ? unpriced : [] }
}

/** The document's budget in atomic units, `undefined` where it names none. */
export function budgetOf(pipeline: Pipeline): bigint | undefined {
  return pipeline.budget === undefined ? undefined : parseMoney(pipeline.budget.max)
}

function timesOf(limits: StepLimits): bigint {
  return BigInt(limits.items) * BigInt(limits.heldAttempts)
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
