/**
 * Which steps of a run are hired under standing agreements: those of the capabilities that whoever starts it
 * names, settled after the delivery. Pure; used where runs start.
 */
import type { StandingWish } from '../runtime/market/negotiation.machine.ts'
import type { RunPlan, StepPlan } from './plan.ts'

/** A user's wish; one agreement is for `calls` calls at most, and stands for `forMs`. */
export interface StandingPolicy extends StandingWish {
  /** Capabilities that it is for; all by default. */
  readonly capabilities?: readonly string[]
}

/** The plan with the wish in each step that it is for, those of sub-pipelines included. */
export function withStanding(plan: RunPlan, { capabilities, calls, forMs }: StandingPolicy): RunPlan {
  const hires = (uses: string | null): boolean => uses !== null && (capabilities?.includes(uses) ?? true)
  const each = (step: StepPlan): StepPlan => ({
    ...step,
    ...(step.settle === 'postpaid' && (hires(step.uses) || step.cases?.some(({ uses }) => hires(uses))) ? { standing: { calls, forMs } } : {}),
    ...(step.nested ? { nested: { ...step.nested, plan: withStanding(step.nested.plan, { calls, forMs, ...(capabilities ? { capabilities } : {}) }) } } : {}),
  })
  return { ...plan, steps: Object.fromEntries(Object.entries(plan.steps).map(([name, step]) => [name, each(step)])) }
}
