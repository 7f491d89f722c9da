/**
 * Who sees to an attempt that did not end well while money hangs on it (D6): a dispute in escrow, an
 * inquiry everywhere else, which for a prepaid call also counts what it cost; and who pays for a sealed
 * output. Pure; used by the step
 * machine.
 */
import type { Hash, Hex32, PlainVoucher } from '../schemas/documents.gen.ts'
import { disputeFor, disputeId } from './escrow.ts'
import { inquiryId, type InquiryInput } from './inquiry.machine.ts'
import { negotiationId, type StepContext } from './step.ts'
import { unlockId, type UnlockInput } from './unlock.machine.ts'

/** The message that starts the payment of a sealed output. */
export function unlockOf(context: StepContext, sealed: string): { readonly to: string; readonly event: object } {
  const negotiation = negotiationId(context)
  const { run, self, agreement, agreementId, lane, delivery } = context
  const input: UnlockInput = { run: `run/${run}`, holder: negotiation, step: self, agreement: agreement!, id: agreementId as Hash, lane: lane!, delivery: delivery!, sealed }
  return { to: unlockId(negotiation), event: { type: 'start', input } }
}

/** The step that a late delivery of it undoes, where the document says how. */
function undoFor({ plan, index }: Pick<StepContext, 'plan' | 'index'>): Pick<InquiryInput, 'undo'> {
  return plan.compensate ? { undo: { step: plan.name, index } } : {}
}

/** What is told of an attempt in doubt, which `event` ended: who sees to it, and a standing agreement, under which no other call is made before that is settled. */
export function doubtsOf(context: StepContext, event: Parameters<typeof disputeFor>[2]): readonly { readonly to: string; readonly event: object }[] {
  const blamed = context.call !== undefined && event.type === 'call.invoke.failed'
  return [doubtOf(context, event), ...(blamed ? [{ to: 'standing', event: { type: 'doubt', agreement: context.agreementId } }] : [])]
}

/** The message that starts it. */
function doubtOf(context: StepContext, event: Parameters<typeof disputeFor>[2]): { readonly to: string; readonly event: object } {
  const negotiation = negotiationId(context)
  const { run, agreement, agreementId, lane, inputHash, until, self, offer, staked, previousRef, call } = context
  if (staked?.kind === 'escrow') return { to: disputeId(negotiation), event: { type: 'start', input: { ...disputeFor(context, negotiation, event), ...undoFor(context) } } }
  const input: InquiryInput = {
    run: `run/${run}`, holder: negotiation, agreement: agreement!, id: agreementId as Hash, lane: lane!, inputHash: inputHash as Hash, until, step: self, offer: offer!,
    ...undoFor(context), ...(call === undefined ? {} : { call }),
    ...(staked ? { prepaid: { voucher: staked as PlainVoucher, previousRef: previousRef as Hex32 } } : {}),
  }
  return { to: inquiryId(negotiation), event: { type: 'start', input } }
}
