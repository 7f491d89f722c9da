/**
 * What a plan would hire, and what that will probably cost and take once offers are known (D8). Used by
 * `aigen quote`. Pure; the worst case is the plan's own, this is what to expect: every step is done at
 * the first attempt, of a switch the case with the dearest offer, nothing is undone.
 */
import type { RunPlan, StepPlan } from './plan.ts'

/** Something that a run may hire. */
export interface Hiring {
  /** The step, inside a sub-pipeline behind that of the step which runs it: `below.read`. */
  readonly step: string
  readonly role: 'work' | 'case' | 'fallback' | 'compensate'
  /** Of a case: its place. */
  readonly choice?: number
  /** Whose limits and providers hold. */
  readonly plan: StepPlan
  readonly uses: string
  /** Most that one call may cost, atomic. */
  readonly cap: string
  readonly expect: string | null
  /** Steps whose providers are not hired for it, named as `step` is. */
  readonly differ: readonly string[]
}

/** A provider that is expected to be hired. */
export interface Pick {
  readonly provider: string
  /** Of the whole call, atomic. */
  readonly price: bigint
  readonly latencyMs: number
}

export interface Forecast {
  /** Atomic; of a step with forEach nothing, since how many items there will be is not known. */
  readonly price: bigint
  /** By step with forEach: what one item will cost, atomic. */
  readonly perItem: ReadonlyMap<string, bigint>
  /** Without time to hire; a person's answer and a signal take none here, a forEach as long as one item. */
  readonly timeMs: number
  readonly criticalPath: readonly string[]
}

/** Every hiring of a plan and of its sub-pipelines, each step after all it depends on. */
export function hiringsOf(plan: RunPlan, prefix = ''): Hiring[] {
  return plan.order.flatMap((name) => {
    const step = plan.steps[name]!
    const own = { step: prefix + name, differ: (step.differ ?? []).map((other) => prefix + other) }
    const one = (role: Hiring['role'], uses: string, cap: string, expect: string | null, more: Partial<Hiring> = {}): Hiring => ({ ...own, role, plan: step, uses, cap, expect, ...more })
    return [
      ...(step.nested ? hiringsOf(step.nested.plan, `${prefix}${name}.`) : []),
      ...(step.cases ?? []).flatMap((work, choice) => (work.uses === null ? [] : [one('case', work.uses, work.maxPrice, work.expect, { choice })])),
      ...(step.nested ?? step.cases ?? step.wait ?? step.approve ? [] : [one('work', step.uses, step.maxPrice, step.expect)]),
      ...(step.fallback?.uses ? [one('fallback', step.fallback.uses, step.fallback.maxPrice, step.fallback.expect)] : []),
      ...(step.compensate ? [one('compensate', step.compensate.uses, step.compensate.maxPrice, null, { plan: step.compensate })] : []),
    ]
  })
}

/**
 * Who is expected to be hired for each: of the ranked offers the first, of a race or a quorum as many
 * as work at once, nobody who was picked for a step that it must differ from.
 */
export function picksOf(hirings: readonly Hiring[], offersOf: (hiring: Hiring) => readonly Pick[]): Map<Hiring, readonly Pick[]> {
  const picks = new Map<Hiring, readonly Pick[]>()
  const hired = new Map<string, string[]>()
  for (const hiring of hirings) {
    const apart = new Set(hiring.differ.flatMap((step) => hired.get(step) ?? []))
    const chosen = offersOf(hiring).filter(({ provider }) => !apart.has(provider)).slice(0, hiring.role === 'work' || hiring.role === 'case' ? hiring.plan.many?.providers ?? 1 : 1)
    picks.set(hiring, chosen)
    if (hiring.role === 'work' || hiring.role === 'case') hired.set(hiring.step, [...hired.get(hiring.step) ?? [], ...chosen.map(({ provider }) => provider)])
  }
  return picks
}

/** What to expect of a plan whose hirings have these picks. */
export function forecastOf(plan: RunPlan, picks: ReadonlyMap<Hiring, readonly Pick[]>): Forecast {
  const works = new Map<string, (readonly Pick[])[]>()
  for (const [{ step, role }, chosen] of picks) if (role === 'work' || role === 'case') works.set(step, [...works.get(step) ?? [], chosen])
  return forecast(plan, works, '')
}

function forecast(plan: RunPlan, works: ReadonlyMap<string, readonly (readonly Pick[])[]>, prefix: string): Forecast {
  let price = 0n
  const perItem = new Map<string, bigint>()
  const ends = new Map<string, { readonly at: number; readonly after: string | undefined }>()
  let last: string | undefined
  for (const name of plan.order) {
    const step = plan.steps[name]!
    const below = step.nested ? forecast(step.nested.plan, works, `${prefix}${name}.`) : undefined
    const own = below ?? dearest(works.get(prefix + name) ?? [], step)
    for (const [inner, cost] of below?.perItem ?? []) perItem.set(inner, cost)
    if (step.forEach === null) price += own.price
    else perItem.set(prefix + name, own.price)
    let start: { readonly at: number; readonly after: string | undefined } = { at: 0, after: undefined }
    for (const other of step.dependsOn) {
      const { at } = ends.get(other)!
      if (at > start.at) start = { at, after: other }
    }
    ends.set(name, { at: start.at + own.timeMs + (step.wait?.forMs ?? 0), after: start.after })
    if (last === undefined || ends.get(name)!.at > ends.get(last)!.at) last = name
  }
  const criticalPath: string[] = []
  for (let name = last; name !== undefined; name = ends.get(name)!.after) criticalPath.unshift(prefix + name)
  return { price, perItem, timeMs: last === undefined ? 0 : ends.get(last)!.at, criticalPath }
}

/** Of a switch the dearest case. Of a quorum all are paid, as soon as enough have answered; of a race the first. */
function dearest(works: readonly (readonly Pick[])[], { many }: StepPlan): { readonly price: bigint; readonly timeMs: number } {
  const each = works.map((picks) => {
    const times = picks.map(({ latencyMs }) => latencyMs).toSorted((one, other) => one - other)
    if (!many) return { price: picks[0]?.price ?? 0n, timeMs: picks[0]?.latencyMs ?? 0 }
    if (many.agree !== undefined) return { price: picks.reduce((sum, { price }) => sum + price, 0n), timeMs: times[many.agree - 1] ?? 0 }
    return { price: picks.find(({ latencyMs }) => latencyMs === times[0])?.price ?? 0n, timeMs: times[0] ?? 0 }
  })
  return each.reduce((most, one) => (one.price > most.price ? one : most), { price: 0n, timeMs: 0, ...each[0] })
}
