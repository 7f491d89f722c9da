/**
 * A pipeline whose steps are paid through a hub, where its author said nothing of how they are paid. Pure;
 * used by `aigen run --through`.
 */
import type { Address, Pipeline } from '../../schemas/documents.gen.ts'

/**
 * The document with every hired step that settles locked, or says nothing, paid through `hub`; null for the best.
 * `budget`, decimal string, in place of its own, which knows of no hub's fees. Sub-pipelines stay as they are.
 */
export function throughHub(pipeline: Pipeline, hub: Address | null, budget?: string): Pipeline {
  const steps = Object.entries(pipeline.steps).map(([name, step]) => {
    const open = step.uses !== undefined && step.through === undefined && (step.settle === undefined || step.settle === 'locked')
    return [name, open ? { ...step, settle: 'locked' as const, through: hub === null ? {} : { hub } } : step] as const
  })
  return { ...pipeline, ...(budget === undefined ? {} : { budget: { ...pipeline.budget, max: budget } }), steps: Object.fromEntries(steps) }
}
