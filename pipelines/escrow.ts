/**
 * What a step does differently when it settles in escrow: the case is opened with the agent, for its
 * fee, by a small step of its own before the work, and a disappointment is decided by a dispute
 * instead of an inquiry. Pure; used by the step machine, the bill and the run's end.
 */
import type { ErrorBody } from '../schemas/error.ts'
import type { EscrowVoucher, Hash, Hex32 } from '../schemas/documents.gen.ts'
import { ESCROW_CAPABILITY } from '../runtime/market/escrow-agent.ts'
import { stakeOf } from '../runtime/payments/escrow.ts'
import type { Stake } from '../runtime/payments/stake.ts'
import type { DisputeInput } from './dispute.machine.ts'
import { callPlan } from './plan.ts'
import { stepId, type StepContext, type StepInput } from './step.ts'

/** The agent's word that it takes a case may take this long, in ms. */
const FEE_DEADLINE_MS = 10_000
const FEE_GRACE_MS = 2_000

/** Actor id of the step that opens the case of an attempt, or has a hub pay for it. @example feeStepId('step/r_1/read', 0) // 'step/r_1/read/escrow.0' */
export function feeStepId(step: string, attempt: number, kind: 'escrow' | 'hub' = 'escrow'): string {
  return `${step}/${kind}.${attempt}`
}

/** Actor id of the dispute about what `negotiation` had agreed. */
export function disputeId(negotiation: string): string {
  return `dispute/${negotiation.slice('negotiation/'.length)}`
}

/** The stake of the attempt under way, its clock started at `at`: in escrow, or prepaid. */
export function stakeFor({ agreement, agreementId, plan }: StepContext, at: number): Stake {
  if (agreement!.terms.settle === 'prepaid') return { kind: 'prepaid', agreement: agreementId!, amount: agreement!.terms.cap }
  return stakeOf(agreement!.terms, agreementId!, at + plan.deadlineMs + plan.graceMs)
}

/** The step that hires the agent for the attempt under way, and pays its fee. */
export function feeStep(context: StepContext, at: number): { readonly id: string; readonly input: StepInput } {
  const { run, self, plan, agreement, agreementId, attempts, trace } = context
  const id = feeStepId(self, attempts.length)
  const name = id.slice(stepId(run, '', null).length)
  const { agent, challengeMs } = agreement!.terms.escrow!
  const longest = at + FEE_DEADLINE_MS + FEE_GRACE_MS + plan.deadlineMs + plan.graceMs + challengeMs + 60_000
  const fee = callPlan({
    name, uses: ESCROW_CAPABILITY, maxPrice: plan.escrow!.fee, deadlineMs: FEE_DEADLINE_MS, graceMs: FEE_GRACE_MS, only: [agent], with: { agreement: agreementId!, until: longest },
  })
  return { id, input: { run, parent: self, plan: fee, index: null, item: null, trace } }
}

/** What a dispute is started with when an attempt in escrow disappointed; `event` is what ended the attempt. */
export function disputeFor(context: StepContext, negotiation: string, event: { readonly type: string; readonly delivery?: DisputeInput['delivery']; readonly output?: unknown; readonly verdict?: { readonly error?: ErrorBody }; readonly error?: ErrorBody }): DisputeInput {
  const { agreement, agreementId, lane, inputHash, until, self, offer, run, staked, previousRef } = context
  const reason = event.error ?? event.verdict?.error
  return {
    run: `run/${run}`, holder: negotiation, agreement: agreement!, id: agreementId as Hash, lane: lane!, inputHash: inputHash as Hash, until, step: self, offer: offer!,
    voucher: staked as EscrowVoucher, previousRef: previousRef as Hex32, reason: reason?.message ?? 'The step was cancelled.',
    delivery: event.delivery ?? null, output: event.output ?? null,
    // What the provider has said is its last word; where it said nothing, it is asked once more.
    asks: event.type !== 'call.invoke.done' && event.type !== 'call.invoke.declined',
  }
}

