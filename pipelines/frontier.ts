/**
 * Whose turn it is in a run: which steps follow from the end, or the beginning, of another. Pure, so
 * the run machine calls it inside transitions (D1, D2). Every step starts at most once, after all it
 * depends on; what a step costs here does not depend on how many there are.
 */
import type { RunPlan, StepPlan, StepState } from './plan.ts'

/**
 * The steps whose turn it is, in order: everything they depend on has ended and they have not
 * started. Looks at every step: for long runs use `begin` and `advance`, which look at dependents only.
 */
export function ready(plan: RunPlan, ended: Readonly<Record<string, StepState>>, started: ReadonlySet<string>): string[] {
  return plan.order.filter((name) => !started.has(name) && plan.steps[name]!.dependsOn.every((other) => Object.hasOwn(ended, other)))
}

/** Whether a step whose dependencies have ended is skipped, whatever its `if` says. */
export function mustSkip(step: StepPlan, ended: Readonly<Record<string, StepState>>): boolean {
  return step.dependsOn.some((other) => ended[other] !== 'done' && !goesWithout(step, other))
}

/** Whether a step runs although the one it waits for was skipped or failed. */
function goesWithout({ tests, apart = [] }: StepPlan, other: string): boolean {
  return tests.includes(other) || apart.includes(other)
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
  return release(plan, { pending: {}, running: 0, ended: 0 }, plan.order.filter((name) => plan.steps[name]!.dependsOn.length === 0), [])
}

/**
 * What follows from the end of one step: its cost depends on how many steps wait for it, not on the
 * length of the run. A step in `skip` counts as running until `advance` is told that it was skipped,
 * which it was before it had `begun`.
 */
export function advance(plan: RunPlan, frontier: Frontier, name: string, state: StepState, begun = true): Advance {
  const { dependents, feeds = [] } = plan.steps[name]!
  const waiting = [...dependents, ...(begun ? [] : feeds)].map((other) => ({ other, skip: state !== 'done' && !goesWithout(plan.steps[other]!, name) }))
  return release(plan, { ...frontier, running: frontier.running - 1, ended: frontier.ended + 1 }, [], waiting)
}

/** Starts `start`, and what waits for the beginning of one of them; then those whose last wait is over. */
function release(plan: RunPlan, frontier: Frontier, start: readonly string[], waiting: readonly { readonly other: string; readonly skip: boolean }[]): Advance {
  const pending = { ...frontier.pending }
  const starting: string[] = []
  const skip: string[] = []
  const open = [...waiting]
  const go = (name: string): void => {
    starting.push(name)
    for (const other of plan.steps[name]!.feeds ?? []) open.push({ other, skip: false })
  }
  for (const name of start) go(name)
  for (let next = open.shift(); next; next = open.shift()) {
    const { other } = next
    const before = pending[other] ?? { left: plan.steps[other]!.dependsOn.length, skip: false }
    const now = { left: before.left - 1, skip: before.skip || next.skip }
    if (now.left > 0) pending[other] = now
    else {
      delete pending[other]
      if (now.skip) skip.push(other)
      else go(other)
    }
  }
  return { frontier: { pending, running: frontier.running + starting.length + skip.length, ended: frontier.ended }, start: starting, skip }
}

/** Whether every step has ended: then the output is evaluated, never before. */
export function hasEnded(plan: RunPlan, frontier: Frontier): boolean {
  return frontier.ended === plan.order.length
}
