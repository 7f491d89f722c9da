/**
 * How the steps of the simulated network settle, drawn from the seed beside what they do, so that the
 * work of a seed stays what it was. Used by `work`.
 */
import type { Random } from '../../runtime/ports/random.ts'

/** A step of a document, as far as its settlement goes. */
interface Hired {
  readonly uses?: string
  readonly settle?: string
  readonly compensate?: Hired
  readonly fallback?: Hired
}

/** One document in so many settles some of its steps before the work or for a key. */
const MONEY_SHARE = 0.5
/** Of such a document, the share of steps that settle so. */
const STEP_SHARE = 0.4

/** The share of steps that are paid through a hub where there is one, of those that settle locked or in no way of their own. */
const THROUGH_SHARE = 0.7

/**
 * The document, with some of the steps that hire `capability` prepaid or locked, and of those that hire
 * `streamed` paid piece by piece. `ways` decides what of it is paid through a hub; without it nothing is.
 */
export function drawSettle<D extends { readonly steps: Readonly<Record<string, Hired>> }>(document: D, capability: string, streamed: string, random: Random, ways: Random | undefined): D {
  if (ways === undefined) return settled(document, capability, streamed, random)
  const steps = Object.entries(settled(document, capability, streamed, random).steps).map(([name, step]) => {
    const struck = ways.fraction() < THROUGH_SHARE
    return [name, struck && step.uses === capability && (step.settle === 'locked' || step.settle === undefined) ? { ...step, settle: 'locked', through: {} } : step] as const
  })
  return { ...document, steps: Object.fromEntries(steps) }
}

function settled<D extends { readonly steps: Readonly<Record<string, Hired>> }>(document: D, capability: string, streamed: string, random: Random): D {
  if (random.fraction() >= MONEY_SHARE) return document
  const steps = Object.entries(document.steps).map(([name, step]) => {
    const [struck, which] = [random.fraction() < STEP_SHARE, random.fraction() < 0.5 ? 'prepaid' : 'locked']
    if (struck && step.uses === streamed && step.settle === undefined) return [name, { ...step, settle: 'streamed' }] as const
    return [name, struck && step.uses === capability && step.settle === undefined ? { ...step, settle: which } : step] as const
  })
  return { ...document, steps: Object.fromEntries(steps) }
}
