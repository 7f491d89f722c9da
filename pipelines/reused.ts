/**
 * What a step takes over instead of hiring, as runs, steps and bills carry it, and which steps of a
 * fork may take anything. Found by `reuse.ts` in the run that is forked, by `cached.ts` in any other.
 */
import type { Address, Hash } from '../schemas/documents.gen.ts'
import type { StepPlan, Work } from './plan.ts'

/** Of a fork: the run that it takes from, and the steps that are done anew. */
export interface Reuse {
  readonly run: string
  readonly except: readonly string[]
}

/** What a step took over: where it was paid for, by whom it was done, and what that had cost. */
export interface Reused {
  readonly run: string
  readonly receipt: string
  readonly provider: Address
  readonly providerName: string
  readonly inputHash: Hash
  readonly outputHash: Hash
  /** Atomic. */
  readonly paid: string
  /** Where its provider's card allows it to anybody's run: how long, in ms since the epoch. */
  readonly until?: number
}

export interface Known {
  readonly reused: Reused
  readonly output: unknown
}

/** What there is for a step that hires `work` with an input of that hash; undefined where it must be hired. `reuse` is that of its run. */
export type FindKnown = (reuse: Reuse | undefined, plan: StepPlan, work: Pick<Work, 'uses' | 'expect'>, inputHash: Hash) => Promise<Known | undefined>

/** The steps of a document from `from` on: it, and whatever depends on it. */
export function stepsFrom(plans: Readonly<Record<string, Pick<StepPlan, 'dependsOn'>>>, order: readonly string[], from: string): string[] {
  const found = new Set([from])
  for (const name of order) if (plans[name]!.dependsOn.some((before) => found.has(before))) found.add(name)
  return [...found]
}

/** The step of the run's own document that a step of its sub-pipelines belongs to. @example topStep('r_1/sub[2]/deep', 'read') // 'sub' */
export function topStep(run: string, step: string): string {
  const [, below] = run.split('/')
  return below === undefined ? step : below.replace(/\[[0-9]+\]$/, '')
}
