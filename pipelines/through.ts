/**
 * What a step does differently when its provider is paid through a hub: its hiring gets its lane by a
 * passage, and the hub is paid by a small step of its own, which settles locked under the lock of the
 * output, so that one key opens both. Pure; used by the step machine and the bill.
 */
import { HUB_CAPABILITY } from '../runtime/market/grant.ts'
import { callPlan } from './plan.ts'
import { feeStepId } from './escrow.ts'
import { negotiationId, stepId, type StepContext, type StepInput } from './step.ts'

const DEADLINE_MS = 10_000
const GRACE_MS = 2_000
/** Its own hiring and that of the provider may take this long besides the call, in ms. */
const HIRING_MS = 60_000

/** Actor id of a hiring's passage. */
export function passageId(negotiation: string): string {
  return `passage/${negotiation.slice('negotiation/'.length)}`
}

/** Whether the attempt under way goes through a hub: a fallback never does. */
export function goesThrough({ plan, fallback }: Pick<StepContext, 'plan' | 'fallback'>): boolean {
  return !!plan.through && !fallback
}

/** The message that starts the passage of the hiring that begins. */
export function passageOf(context: StepContext): { readonly to: string; readonly event: object } {
  const { plan: { through, deadlineMs, graceMs } } = context
  const self = passageId(negotiationId(context))
  return { to: self, event: { type: 'start', input: { self, through, forMs: deadlineMs + graceMs + HIRING_MS } } }
}

/** The message that starts the step which has the hub pay the provider of the attempt under way. */
export function hubStep(context: StepContext): { readonly to: string; readonly event: object } {
  const { run, self, plan, agreement, delivery, lane, attempts, trace, authorisations } = context
  const id = feeStepId(self, attempts.length, 'hub')
  const { route, grant } = lane!
  const { amount } = delivery!.body
  const fee = callPlan({
    name: id.slice(stepId(run, '', null).length), uses: HUB_CAPABILITY, settle: 'locked', maxPrice: (BigInt(amount) + BigInt(plan.through!.fee)).toString(), deadlineMs: DEADLINE_MS, graceMs: GRACE_MS,
    only: [grant!.body.hub], with: { route, amount: Number(amount), agreement, delivery, authorisations: authorisations ?? [] },
  })
  const input: StepInput = { run, parent: self, plan: fee, index: null, item: null, trace }
  return { to: id, event: { type: 'start', input } }
}
