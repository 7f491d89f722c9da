/**
 * The bill: what a run cost, step by step, read from the journal's actors (I2, I3). Each step that
 * was paid names its receipt; receipts are made from the same actors and verify without us.
 */
import type { Address, Bill, BillAttempt, BillStep, Delivery, Folded, Hex32, NodeAuthorisation, Receipt, Voucher } from '../schemas/documents.gen.ts'
import { AigenError } from '../schemas/error.ts'
import { formatMoney } from '../schemas/money.ts'
import type { Actors } from '../runtime/actors/read-actors.ts'
import type { Verifier } from '../runtime/identity/signed.ts'
import { keptKeys } from '../runtime/market/keyring.machine.ts'
import { foldedItems } from '../runtime/payments/fold.ts'
import { makeReceipt } from '../runtime/payments/receipt.ts'
import { billEscrow, decidedFor, disputeParts, disputesOf, feeStepsOf, lostTo, type Find } from './bill-escrow.ts'
import type { DisputeContext } from './dispute.machine.ts'
import { chargedFor, inquiryId, type InquiryContext } from './inquiry.machine.ts'
import { feeStepId } from './escrow.ts'
import type { RunContext } from './run.machine.ts'
import { hiringsOf, workOf, type Attempt, type StepContext } from './step.ts'
import { stepsOf } from './steps-of.ts'
import { paidSoFar, streamId, type StreamContext } from './stream.ts'
import { lockCost, unlockId, type UnlockContext } from './unlock.machine.ts'

/** What a bill needs of actors. */
export type Reading = Pick<Actors, 'look' | 'lookEach'>

export interface BillOptions {
  /** A node's host, or the actors of a journal that another process owns. */
  readonly host: Reading
  readonly verifier: Verifier
  readonly asset: string
  readonly decimals: number
}

/** One voucher of a run, with what it pays. */
export interface PaidCall {
  readonly voucher: Voucher
  readonly previousRef: Hex32
  readonly delivery: Delivery
  readonly provider: Address
  readonly receipt: Receipt
  /** The lane's total that it reaches, and how much of it is this call's; atomic. */
  readonly upTo: bigint
  readonly amount: bigint
}

/** What came of a call that its step had nothing of. */
type Late = Parameters<typeof receiptOf>[0] & Pick<InquiryContext, 'prepaid'> & { readonly charged: string; readonly outcome?: InquiryContext['outcome'] }

/** What came of the attempts of a step that were in doubt. */
async function* inquiriesOf(host: Reading, step: StepContext): AsyncGenerator<{ readonly attempt: number; readonly inquiry: Late }> {
  // Its first hiring did it, and was paid afterwards: none of it was ever in doubt.
  // How it settles stands in its plan: what was agreed last may be its fallback's, which is postpaid.
  const { settle } = step.plan
  if (step.state === 'done' && step.attempts.length === 1 && !step.refusals && settle === 'postpaid') return
  for (const { attempt, negotiation } of hiringsOf(step)) {
    const inquiry = await host.look<InquiryContext>(inquiryId(negotiation))
    if (inquiry) yield { attempt, inquiry: { ...inquiry, charged: chargedFor(inquiry) } }
    const stream = settle === 'streamed' ? await host.look<StreamContext>(streamId(negotiation)) : undefined
    if (stream?.late) yield { attempt, inquiry: { ...stream, parts: stream.folded.slice(0, -1), charged: paidSoFar(stream).toString() } }
    // What was opened in time is the step's own.
    const lock = settle === 'locked' ? await host.look<UnlockContext>(unlockId(negotiation)) : undefined
    if (lock?.late) yield { attempt, inquiry: { ...lock, voucher: lock.spent ? lock.voucher : null, charged: lockCost(lock) } }
  }
}

/** Authorisations: those met in this process, else those the journal keeps. */
const finder = async (host: Reading, verifier: Verifier): Promise<Find> => {
  const kept = await keptKeys(host)
  return (hash) => verifier.authorisations.get(hash) ?? kept[hash]
}

function receiptOf(step: { agreement: StepContext['agreement']; delivery: Delivery | null; voucher: Voucher | null; previousRef: Hex32 | null; parts?: readonly Folded[]; after?: string; lane: StepContext['lane'] }, find: Find): Receipt | undefined {
  const { agreement, delivery, voucher, previousRef, parts = [], after = '', lane } = step
  if (!agreement || !delivery || !voucher || !previousRef || !lane) return undefined
  const hashes = new Set([agreement.payer.auth, agreement.provider.auth, delivery.signature.auth])
  const authorisations = [...hashes].map(find).filter((one): one is NodeAuthorisation => one !== undefined)
  return makeReceipt({ agreement, delivery, voucher, previousRef, parts, after: foldedItems(after), voucherKey: lane.voucherKey, authorisations })
}

/** What a hub paid the provider of a step: not the payer's own payment, and its proof all the same. */
function onwardOf(step: StepContext, find: Find): Receipt | undefined {
  return step.hop ? receiptOf({ ...step, ...step.hop }, find) : undefined
}

/** What a run paid for nothing that counts, ahead or by what became of an escrow: paid, without a receipt. */
export type LostPayment = Pick<PaidCall, 'voucher' | 'provider' | 'upTo' | 'amount'>

/** Everything that a run paid: for its steps' deliveries and those that an inquiry found, and for nothing. Reads each of its actors once. */
export async function paymentsOf(host: Reading, run: RunContext, verifier: Verifier): Promise<{ readonly paid: readonly PaidCall[]; readonly lost: readonly LostPayment[] }> {
  const paid: PaidCall[] = []
  const lost: LostPayment[] = []
  const find = await finder(host, verifier)
  const add = (source: Parameters<typeof receiptOf>[0], decided?: { readonly upTo: bigint; readonly amount: bigint }): void => {
    const { agreement, delivery, voucher, previousRef, lane } = source
    if (!agreement || !delivery || !voucher || !previousRef || !lane) return
    const { upTo, amount } = decided ?? { upTo: BigInt(voucher.cumulative), amount: BigInt(delivery.body.amount) }
    let receipt: Receipt | undefined
    // Made when it is asked for: to settle a run, what was paid is enough.
    paid.push({ voucher, previousRef, delivery, provider: agreement.terms.provider, upTo, amount, get receipt() { return (receipt ??= receiptOf(source, find)!) } })
  }
  const addAll = async (context: StepContext): Promise<void> => {
    add(context)
    for await (const { inquiry } of inquiriesOf(host, context)) {
      add(inquiry)
      const { prepaid, outcome, agreement } = inquiry
      if (prepaid && outcome === 'nothing') lost.push({ voucher: prepaid.voucher, provider: agreement!.terms.provider, upTo: BigInt(prepaid.voucher.cumulative), amount: BigInt(agreement!.terms.cap) })
    }
    for await (const { dispute } of disputesOf(host, context)) {
      add(disputeParts(dispute, find), decidedFor(dispute))
      const decided = lostTo(dispute, find)
      if (decided) lost.push({ ...decided, provider: dispute.agreement.terms.provider })
    }
    for await (const { fee } of feeStepsOf(host, context)) await addAll(fee)
  }
  for await (const { context } of stepsOf(host, run)) {
    if (context) await addAll(context)
  }
  return { paid, lost }
}

/** Every payment of a run that has a receipt. */
export async function paidCalls(host: Reading, run: RunContext, verifier: Verifier): Promise<readonly PaidCall[]> {
  return (await paymentsOf(host, run, verifier)).paid
}

/** The receipts behind a run's answer: of what it paid, then of what it took over from runs before. */
export async function receiptsOf(host: Reading, run: RunContext, verifier: Verifier): Promise<Receipt[]> {
  const receipts = (await paidCalls(host, run, verifier)).map(({ receipt }) => receipt)
  const find = await finder(host, verifier)
  const taken = new Map<string, Set<string>>()
  for await (const { context } of stepsOf(host, run)) {
    const onward = context ? onwardOf(context, find) : undefined
    if (onward) receipts.push(onward)
    if (context?.reused) taken.set(context.reused.run, (taken.get(context.reused.run) ?? new Set()).add(context.reused.receipt))
  }
  for (const [id, wanted] of taken) {
    const before = await host.look<RunContext>(`run/${id}`)
    const paid = before ? await paidCalls(host, before, verifier) : []
    receipts.push(...paid.flatMap(({ receipt }) => (wanted.has(receipt.id) ? [receipt] : [])))
  }
  return receipts
}

/** The bill of a run, so far or for good. Error `run.unknown`. */
export async function billOf(id: string, { host, verifier, asset, decimals }: BillOptions): Promise<Bill> {
  const run = await host.look<RunContext>(`run/${id}`)
  if (!run) throw new AigenError('run.unknown', id)
  const money = (atomic: string): string => formatMoney(BigInt(atomic), decimals)
  const steps: BillStep[] = []
  const find = await finder(host, verifier)
  for await (const { name, plan, context, state, undoes } of stepsOf(host, run)) {
    if (!context) {
      const hired = plan.cases || plan.nested || plan.wait || plan.approve ? {} : { capability: plan.uses }
      const how = state ?? (run.error ? 'cancelled' : 'skipped')
      if (state !== undefined || run.endedAt > 0) steps.push({ step: name, state: how === 'running' ? 'cancelled' : how, ...hired, charged: '0' })
      continue
    }
    const { uses } = workOf(context)
    const { delivery, agreement, offer, voucher, attempts, reused } = context
    const receipt = receiptOf(context, find)
    const late = new Map<number, Late>()
    for await (const { attempt, inquiry } of inquiriesOf(host, context)) late.set(attempt, inquiry)
    const disputed = new Map<number, DisputeContext>()
    for await (const { attempt, dispute } of disputesOf(host, context)) disputed.set(attempt, dispute)
    let fees = 0n
    for await (const { fee } of feeStepsOf(host, context)) fees += await feesOf(host, fee)
    const extra = fees + [...late.values()].reduce((sum, inquiry) => sum + BigInt(inquiry.charged), 0n)
      + [...disputed.values()].reduce((sum, dispute) => sum + BigInt(dispute.paid), 0n)
    const charged = BigInt(voucher && delivery ? delivery.body.amount : '0') + extra
    const streamed = voucher && delivery ? context : [...late.values()].find((one) => one.voucher)
    const escrowOf = (attempt: number): Promise<BillStep['escrow']> => billEscrow(host, context, attempt, decimals, find, (fee) => receiptOf(fee, find))
    const throughOf = async ({ plan, state, lane, delivery }: StepContext): Promise<Pick<BillStep, 'through'>> => {
      if (!plan.through || state !== 'done' || !lane?.grant) return {}
      const fee = await host.look<StepContext>(feeStepId(context.self, attempts.length - 1, 'hub'))
      const [proof, onward] = [fee && receiptOf(fee, find), onwardOf(context, find)]
      return { through: {
        hub: lane.grant.body.hub, ...(fee?.offer ? { hubName: fee.offer.name } : {}), fee: formatMoney((fee ? await feesOf(host, fee) : 0n) - BigInt(delivery!.body.amount), decimals),
        ...(proof ? { receipt: proof.id } : {}), ...(onward ? { onward: onward.id } : {}),
      } }
    }
    const escrow = await escrowOf(Math.max(0, attempts.length - 1))
    steps.push({
      step: name,
      state: context.state === 'running' ? 'cancelled' : context.state,
      ...(uses === null || (context.plan.cases && context.choice === null && !context.fallback) ? {} : { capability: uses }),
      ...(context.fallback ? { fallback: true } : {}),
      ...(undoes === undefined ? {} : { undoes }),
      charged: formatMoney(charged, decimals),
      ...(agreement && offer && !reused
        ? { provider: agreement.terms.provider, providerName: offer.name, list: money(offer.list), agreed: money(agreement.terms.unitPrice), ...(agreement.terms.per === undefined ? {} : { per: agreement.terms.per }) }
        : {}),
      ...(delivery && (voucher || context.state === 'done')
        ? { units: delivery.body.units, inputHash: delivery.body.inputHash, outputHash: delivery.body.outputHash, latencyMs: context.latencyMs }
        : {}),
      ...(reused ? { provider: reused.provider, providerName: reused.providerName, inputHash: reused.inputHash, outputHash: reused.outputHash, reused: { run: reused.run, receipt: reused.receipt, paid: money(reused.paid), ...(reused.until === undefined ? {} : { until: reused.until }) } } : {}),
      ...(streamed?.delivery?.body.stream ? { stream: { pieces: streamed.delivery.body.stream.pieces, vouchers: (streamed.parts?.length ?? 0) + 1 } } : {}),
      ...(receipt ? { receipt: receipt.id } : {}),
      ...(escrow ? { escrow } : {}),
      ...await throughOf(context),
      ...(attempts.length > (reused ? 0 : 1) || late.size + disputed.size > 0 ? { attempts: await Promise.all(attempts.map(async (one, index) => billAttempt(one, late.get(index), disputed.get(index), find, decimals, await escrowOf(index)))) } : {}),
    })
  }
  return {
    type: 'bill', run: run.run, pipeline: run.pipeline, budget: money(run.budget), spent: money(run.spent), settled: money(run.settled), asset, steps,
    transactions: [...run.transactions],
  }
}

/** What opening a case cost, a fee in doubt included. */
async function feesOf(host: Reading, fee: StepContext): Promise<bigint> {
  let late = 0n
  for await (const { inquiry } of inquiriesOf(host, fee)) late += BigInt(inquiry.charged)
  return late + (fee.voucher ? BigInt(fee.delivery!.body.amount) : 0n)
}

function billAttempt(attempt: Attempt, late: Late | undefined, dispute: DisputeContext | undefined, find: Find, decimals: number, escrow: BillAttempt['escrow']): BillAttempt {
  const found = late ? receiptOf(late, find) : dispute && receiptOf(disputeParts(dispute, find), find)
  const charged = dispute ? dispute.paid : late ? late.charged : attempt.charged
  return {
    provider: attempt.provider,
    providerName: attempt.providerName,
    agreed: formatMoney(BigInt(attempt.agreed), decimals),
    charged: formatMoney(BigInt(charged), decimals),
    state: attempt.state,
    ...(attempt.fallback ? { fallback: true } : {}),
    ...(attempt.reason === undefined ? {} : { reason: attempt.reason }),
    ...(attempt.latencyMs === undefined ? {} : { latencyMs: attempt.latencyMs }),
    ...(found ? { receipt: found.id } : {}),
    ...(escrow ? { escrow } : {}),
  }
}
