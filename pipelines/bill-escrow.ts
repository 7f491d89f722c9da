/**
 * What the journal's actors say about the escrow of a step's attempts: who the agent was, what its
 * fee was, how it was decided. Read by the bill and by the end of a run (I2, I3).
 */
import type { Address, BillEscrow, Delivery, EscrowVoucher, Hex32, NodeAuthorisation } from '../schemas/documents.gen.ts'
import { AigenError } from '../schemas/error.ts'
import { formatMoney } from '../schemas/money.ts'
import type { Actors } from '../runtime/actors/read-actors.ts'
import { createAuthorisations } from '../runtime/identity/authorisation.ts'
import { createVerifier } from '../runtime/identity/signed.ts'
import { verifyAgreement } from '../runtime/market/agreement.ts'
import { verifyStatement } from '../runtime/payments/delivery.ts'
import type { DisputeContext } from './dispute.machine.ts'
import { disputeId, feeStepId } from './escrow.ts'
import { negotiationId, type StepContext } from './step.ts'

type Reading = Pick<Actors, 'look'>

/** Authorisations by hash. */
export type Find = (hash: string) => NodeAuthorisation | undefined

const disputeOf = (host: Reading, step: StepContext, attempt: number): Promise<DisputeContext | undefined> => host.look(disputeId(negotiationId(step, attempt)))

/** The steps that opened cases for this one, or had a hub pay for it, an attempt each. */
export async function* feeStepsOf(host: Reading, step: StepContext): AsyncGenerator<{ readonly attempt: number; readonly fee: StepContext }> {
  if (step.plan.escrow === null && !step.plan.through) return
  for (let attempt = 0; attempt <= step.attempts.length; attempt++) {
    const fee = await host.look<StepContext>(feeStepId(step.self, attempt, step.plan.through ? 'hub' : 'escrow'))
    if (fee) yield { attempt, fee }
  }
}

/** The disputes about this step, an attempt each. */
export async function* disputesOf(host: Reading, step: StepContext): AsyncGenerator<{ readonly attempt: number; readonly dispute: DisputeContext }> {
  if (step.plan.escrow === null) return
  for (let attempt = 0; attempt <= step.attempts.length; attempt++) {
    const dispute = await disputeOf(host, step, attempt)
    if (dispute) yield { attempt, dispute }
  }
}

/** What was decided for the payee without an acceptance: the lane's total that it reaches, and how much of it is this call's. */
export function decidedFor({ outcome, paid, voucher }: DisputeContext): { readonly voucher: EscrowVoucher; readonly upTo: bigint; readonly amount: bigint } | undefined {
  if ((outcome !== 'ruled' && outcome !== 'default') || paid === '0') return undefined
  return { voucher, upTo: BigInt(voucher.cumulative) - BigInt(voucher.amount) + BigInt(paid), amount: BigInt(paid) }
}

/**
 * The delivery that proves what a dispute came to; null where there is none. What the payee says it
 * delivered may be of another call or at another price, and is paid by default all the same: that
 * proves nothing, so the money is lost and has no receipt (I3).
 */
function provenBy({ agreement, id, inputHash, delivery }: DisputeContext, find: Find): Delivery | null {
  if (!delivery) return null
  const authorisations = createAuthorisations()
  const { at } = delivery.body
  try {
    for (const hash of new Set([agreement.payer.auth, agreement.provider.auth, delivery.signature.auth])) {
      const one = find(hash)
      if (one) authorisations.admit(one)
    }
    const verifier = createVerifier(authorisations)
    verifyAgreement(agreement, verifier, at)
    verifyStatement(delivery, { terms: agreement.terms, agreement: id, call: 0, inputHash }, verifier, at)
    return delivery
  } catch (thrown) {
    if (thrown instanceof AigenError) return null
    throw thrown
  }
}

/** What the payee was given of a dispute without a delivery that proves it; undefined where there is none. */
export function lostTo(dispute: DisputeContext, find: Find): ReturnType<typeof decidedFor> {
  const decided = decidedFor(dispute)
  return decided && !provenBy(dispute, find) ? decided : undefined
}

/** The bill's words about the escrow of one attempt; undefined where no case was opened. `receipt` finds the receipt of a fee. */
export async function billEscrow(host: Reading, step: StepContext, attempt: number, decimals: number, find: Find, receipt: (fee: StepContext) => { readonly id: string } | undefined): Promise<BillEscrow | undefined> {
  const fee = step.plan.escrow === null ? undefined : await host.look<StepContext>(feeStepId(step.self, attempt))
  if (!fee) return undefined
  const money = (atomic: string): string => formatMoney(BigInt(atomic), decimals)
  const dispute = await disputeOf(host, step, attempt)
  const accepted = attempt === step.attempts.length - 1 && step.voucher !== null
  const proof = receipt(fee)
  const reason = dispute?.said?.reason
  const lost = dispute && lostTo(dispute, find)
  return {
    agent: fee.plan.only![0] as Address,
    ...(fee.offer ? { agentName: fee.offer.name } : {}),
    fee: money(fee.voucher ? fee.delivery!.body.amount : '0'),
    ...(proof ? { receipt: proof.id } : {}),
    state: accepted ? 'accepted' : dispute?.outcome ?? 'open',
    ...(accepted ? { paid: money(step.delivery!.body.amount) } : dispute && dispute.outcome !== 'open' ? { paid: money(dispute.paid) } : {}),
    ...(lost ? { lost: money(lost.amount.toString()) } : {}),
    ...(reason === undefined ? {} : { reason }),
  }
}

/** The parts of a receipt that a decided dispute has: the escrow voucher pays, where a delivery proves it. */
export function disputeParts(dispute: DisputeContext, find: Find): { agreement: DisputeContext['agreement']; delivery: DisputeContext['delivery']; voucher: DisputeContext['acceptance'] | EscrowVoucher; previousRef: Hex32; lane: DisputeContext['lane'] } {
  const { agreement, lane, previousRef, acceptance } = dispute
  const voucher = acceptance ?? decidedFor(dispute)?.voucher ?? null
  return { agreement, delivery: acceptance ? dispute.delivery : voucher && provenBy(dispute, find), lane, previousRef, voucher }
}
