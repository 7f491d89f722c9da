/**
 * A provider's side of locked payment: the key of a sealed output for a locked voucher, which it can
 * claim with that key alone; and the plain voucher that folds it afterwards. Keeps the provider's worst
 * loss at the work of one call, and at no money.
 */
import type { LockedVoucher, PlainVoucher } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import type { NodeParts } from '../../runtime/node/node.ts'
import { verifyLockedVoucher } from '../../runtime/payments/seal.ts'
import { expected, type TillContext } from '../../runtime/payments/till.machine.ts'
import { verifyVoucher } from '../../runtime/payments/voucher.ts'
import { callActor, type CallContext } from './call.machine.ts'

type Parts = Pick<NodeParts, 'rail' | 'host' | 'clock'>

/** Takes the locked voucher of what is owed, journals it, then gives the key. Errors as `verifyLockedVoucher`; `voucher.key` where the call is not sealed. */
export async function takeLocked({ rail, host, clock }: Parts, till: TillContext, voucher: LockedVoucher): Promise<{ cumulative: string; key: `0x${string}` }> {
  const { lane, voucherKey, owed } = till
  const id = callActor(lane, owed!.agreement, 0)
  const { delivery, key } = (await host().load(id))!.snapshot.context as CallContext
  if (!key) throw new AigenError('voucher.key', 'this agreement is paid by plain vouchers', { path: 'voucher.kind' })
  verifyLockedVoucher(rail, voucher, delivery!, { lane, voucherKey, ...expected(till) }, clock.now())
  const actor = await host().send(`till/${lane}`, { type: 'lock', voucher, key, call: id })
  const after = actor.snapshot.context as TillContext
  if (after.voucher?.signature !== voucher.signature) throw new AigenError('voucher.ref')
  return { cumulative: after.cumulative, key }
}

/** The answer to a voucher of what was taken already: the key once more, or the fold of an opened lock. */
export async function againLocked({ rail, host }: Parts, till: TillContext, voucher: LockedVoucher | PlainVoucher): Promise<{ cumulative: string; key?: `0x${string}` }> {
  const { lane, voucherKey, cumulative, ref, lock } = till
  if (till.voucher?.kind !== 'locked' || !lock) return { cumulative }
  if (voucher.kind === 'locked') {
    // The key was for that one: another with less time would be no reason to show it.
    if (voucher.signature !== till.voucher.signature) throw new AigenError('voucher.locked', 'another was taken')
    return { cumulative, key: lock.key }
  }
  verifyVoucher(rail, voucher, { lane, voucherKey, cumulative, ref })
  await host().send(`till/${lane}`, { type: 'folded', voucher })
  return { cumulative }
}
