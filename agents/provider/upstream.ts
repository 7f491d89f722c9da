/**
 * What the steps of a bundle would cost now, and its pipeline with every call capped by that. Used by
 * bundles whose price is made of their upstream quotes.
 *
 * A cap is the dearest of the quotes that may come to be hired: as many of the best as a step has
 * attempts and providers. So what the capped pipeline can cost at worst is what the market asks (I4).
 */
import type { Capability, Pipeline } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { formatMoney } from '../../schemas/money.ts'
import { nested, scopeOf, type Scope } from '../../pipelines/nested.ts'
import { planOf, type RunPlan, type StepPlan } from '../../pipelines/plan.ts'
import type { Node } from '../../runtime/node/node.ts'
import { hireEffects } from '../../runtime/market/hire.ts'
import { rank, type Offer } from '../../runtime/market/strategy.ts'

/** How long the market is asked, in ms: less than payers wait for quotes, so that a bundle's own still comes in time. */
const PATIENCE_MS = 900
/** What was heard is believed for this long, in ms; that a step had no offer, for less. */
const FRESH_MS = 5_000
const NONE_MS = 1_000
/** Calls for quotes of one asking that are under way at once. */
const TOGETHER = 16

export interface Upstream {
  /** Most that one call of each hire may cost, atomic, in the order of `hiresOf`. */
  readonly caps: readonly bigint[]
  /** Most that a run costs at these caps, atomic, and how much of it are fees that no cap bounds. */
  readonly worst: bigint
  readonly fixed: bigint
}

/** Something that a step hires: how it asks for it, and where the document names its price. */
interface Hire {
  readonly path: string
  readonly ask: { readonly capability: string; readonly maxPrice: string; readonly expect: string | null; readonly plan: StepPlan; readonly plain: boolean }
  /** Of the best offers, how many may be hired. */
  readonly width: number
  readonly target: { price?: Pipeline['steps'][string]['price'] }
}

/** All that a run of `pipeline` may hire, sub-pipelines included. */
function hiresOf(pipeline: Pipeline, plan: RunPlan, path = '', scope: Scope = scopeOf(pipeline)): Hire[] {
  return plan.order.flatMap((name) => {
    const step = pipeline.steps[name]!
    const one = plan.steps[name]!
    const at = `${path}steps.${name}`
    const width = (one.many?.providers ?? 1) * (one.elsewhere ? one.attempts : 1)
    const hire = (where: string, work: Pick<StepPlan, 'uses' | 'maxPrice' | 'expect'>, target: Hire['target'], by: StepPlan, plain = false): Hire =>
      ({ path: where, ask: { capability: work.uses, maxPrice: work.maxPrice, expect: work.expect, plan: by, plain }, width: plain ? 1 : width, target })
    const below = step.pipeline === undefined ? undefined : nested(step.pipeline, scope)
    return [
      ...(step.uses === undefined ? [] : [hire(at, one, step, one)]),
      ...(one.cases ?? []).flatMap((work, index) => (work.uses === null ? [] : [hire(`${at}.switch[${index}]`, { ...work, uses: work.uses }, step.switch![index]!, one)])),
      ...(one.fallback?.uses ? [hire(`${at}.fallback`, { ...one.fallback, uses: one.fallback.uses }, step.fallback!, one, true)] : []),
      ...(one.compensate ? [hire(`${at}.compensate`, one.compensate, step.compensate!, one.compensate, true)] : []),
      ...(below && one.nested ? hiresOf(below.pipeline, one.nested.plan, `${at}.pipeline.`, below.scope) : []),
    ]
  })
}

/** The document with these caps, and its plan; a sub-pipeline that is run by several steps takes the dearest. */
function withCaps(document: Pipeline, budget: bigint | undefined, caps: readonly bigint[]): { readonly pipeline: Pipeline; readonly plan: RunPlan } {
  const pipeline = structuredClone(document)
  const set = new Map<object, bigint>()
  for (const [index, { target }] of hiresOf(pipeline, planOf(pipeline, budget)).entries()) {
    const known = set.get(target)
    if (known === undefined || known < caps[index]!) set.set(target, caps[index]!)
  }
  for (const [target, cap] of set) (target as Hire['target']).price = { max: formatMoney(cap) }
  return { pipeline, plan: planOf(pipeline, budget) }
}

/** A pipeline whose worst case is at most `budget`, atomic: caps grow with what is left of it, up to the document's own. */
export function capped(document: Pipeline, own: bigint | undefined, { caps, worst, fixed }: Upstream, budget: bigint): { readonly pipeline: Pipeline; readonly plan: RunPlan } {
  if (worst > budget) throw new AigenError('step.failed', `The market asks ${formatMoney(worst)} for the steps now, the call leaves ${formatMoney(budget)}.`)
  const hires = hiresOf(document, planOf(document, own))
  const grown = caps.map((cap, index) => {
    const most = BigInt(hires[index]!.ask.maxPrice)
    const more = worst === fixed ? cap : cap + (cap * (budget - worst)) / (worst - fixed)
    return more < most ? more : most
  })
  return withCaps(document, own, grown)
}

export interface UpstreamDesk {
  /**
   * What the steps cost now, or the path of a step that nobody offers in time. Many who ask at once are
   * one asking: bundles that hire each other wait for each other's quotes once, then have none.
   */
  ask(): Promise<Upstream | string>
}

/** Asks the market for what `pipeline` hires; `budget` as of `planOf`. */
export function openUpstream(node: Node, pipeline: Pipeline, budget: bigint | undefined, capabilities: () => ReadonlyMap<string, Capability>): UpstreamDesk {
  const { wire, clock, directory, reputation, rail, host, random } = node
  const market = hireEffects({ wire, clock, directory, reputation, terms: rail.terms, host: () => host, keep: async () => undefined })['market.ask']!
  const hires = hiresOf(pipeline, planOf(pipeline, budget))
  let known: { readonly at: number; readonly found: Upstream | string } | undefined
  let asking: Promise<Upstream | string> | undefined

  const offersFor = async ({ ask: { capability, maxPrice, expect, plan, plain } }: Hire): Promise<Offer[]> => {
    const params = {
      capability, units: capabilities().get(capability)?.estimate?.units ?? 1, inputBytes: 0, cap: maxPrice, deadlineMs: plan.deadlineMs, graceMs: plan.graceMs, expect,
      settle: plain ? 'postpaid' as const : plan.settle, escrow: plain ? null : plan.escrow, only: plain ? null : plan.only, exclude: plan.not, trace: null, patienceMs: PATIENCE_MS,
    }
    const key = `upstream.${Buffer.from(random.bytes(9)).toString('hex')}`
    const answer = await market.run(params, { key, actor: 'upstream', attempt: 1, again: false, signal: new AbortController().signal }) as unknown as { readonly offers: readonly Offer[] }
    return rank(answer.offers, plan.choose)
  }

  const askAll = async (): Promise<Upstream | string> => {
    const caps: bigint[] = []
    for (let start = 0; start < hires.length; start += TOGETHER) {
      const some = hires.slice(start, start + TOGETHER)
      const offers = await Promise.all(some.map(offersFor))
      for (const [index, found] of offers.entries()) {
        if (found.length === 0) return some[index]!.path
        const prices = found.slice(0, some[index]!.width).map(({ quote }) => BigInt(quote.terms.cap))
        caps.push(prices.reduce((most, price) => (price > most ? price : most)))
      }
    }
    return {
      caps, worst: BigInt(withCaps(pipeline, budget, caps).plan.worst),
      fixed: BigInt(withCaps(pipeline, budget, caps.map(() => 0n)).plan.worst),
    }
  }

  return {
    ask: () => {
      if (known && clock.monotonic() - known.at < (typeof known.found === 'string' ? NONE_MS : FRESH_MS)) return Promise.resolve(known.found)
      asking ??= askAll().then((found) => {
        known = { at: clock.monotonic(), found }
        return found
      }).finally(() => { asking = undefined })
      return asking
    },
  }
}
