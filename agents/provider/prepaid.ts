/**
 * A provider's side of prepaid calls: the voucher that must come with the invoke, and the one of a
 * call that never began, which its payer hands over all the same, for it counts the money as gone.
 * Keeps the provider's worst loss at nothing; the payer's is the price of one call.
 */
import type { Hash, PlainVoucher, Voucher } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import type { NodeParts } from '../../runtime/node/node.ts'
import { staked, verifyPrepayment } from '../../runtime/payments/stake.ts'
import type { TillContext } from '../../runtime/payments/till.machine.ts'
import { callActor, type CallContext } from './call.machine.ts'

/** The voucher that pays `call`, or null where none is agreed. Errors as `verifyPrepayment`; `voucher.prepaid` for one that nobody asked for. */
export function admitPrepaid({ rail }: Pick<NodeParts, 'rail'>, { terms, agreement }: CallContext, till: TillContext, voucher: PlainVoucher | undefined): PlainVoucher | null {
  if (terms.settle !== 'prepaid') {
    if (voucher) throw new AigenError('voucher.prepaid', 'the agreement is not prepaid', { path: 'prepaid' })
    return null
  }
  const { lane, voucherKey } = till
  return verifyPrepayment(rail, voucher, terms, { lane, voucherKey, ...staked(till, { agreement, amount: terms.cap }) })
}

/** Takes the voucher of a prepaid call that has ended before it was invoked; undefined where it is of no such call. Errors `voucher.*`. */
export async function takePrepaid({ rail, host }: Pick<NodeParts, 'rail' | 'host'>, till: TillContext, voucher: Voucher, deliveries: readonly Hash[]): Promise<{ cumulative: string } | undefined> {
  const { lane, voucherKey } = till
  const known = deliveries.length === 1 && voucher.kind === 'plain' ? await host().load(callActor(lane, deliveries[0]!, 0)) : undefined
  const call = known?.snapshot.context as CallContext | undefined
  if (call?.terms.settle !== 'prepaid' || call.prepaid || voucher.kind !== 'plain') return undefined
  const stake = { agreement: call.agreement, amount: call.terms.cap }
  verifyPrepayment(rail, voucher, call.terms, { lane, voucherKey, ...staked(till, stake) })
  const actor = await host().send(`till/${lane}`, { type: 'prepaid', ...stake, voucher })
  const { cumulative, ref } = actor.snapshot.context as TillContext
  if (ref !== voucher.ref) throw new AigenError('voucher.ref')
  return { cumulative }
}
