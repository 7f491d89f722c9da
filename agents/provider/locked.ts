/**
 * A provider's side of locked payment: the key of a sealed output for a locked voucher, which it can
 * claim with that key alone; and the plain voucher that folds it afterwards. Keeps the provider's worst
 * loss at the work of one call, and at no money. Where the key is of another's output (a hub), the
 * voucher is taken and journaled first, and the key given when its keeper has it.
 */
import type { Hop, LockedVoucher, PlainVoucher } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import type { NodeParts } from '../../runtime/node/node.ts'
import { verifyForwarded, verifyLockedVoucher } from '../../runtime/payments/seal.ts'
import { expected, type TillContext } from '../../runtime/payments/till.machine.ts'
import { verifyVoucher } from '../../runtime/payments/voucher.ts'
import { callActor, type CallContext } from './call.machine.ts'

type Parts = Pick<NodeParts, 'rail' | 'host' | 'clock'>
type Given = { cumulative: string; key?: `0x${string}`; hop?: Hop }

/** How long the key of another's output is waited for before its payer is told to ask again, in ms. */
const HOLD_MS = 2_000

/** Takes the locked voucher of what is owed, journals it, then gives the key. Errors as `verifyLockedVoucher`; `voucher.key` where the call is not sealed. */
export async function takeLocked({ rail, host, clock }: Parts, till: TillContext, voucher: LockedVoucher): Promise<Given> {
  const { lane, voucherKey, owed } = till
  const id = callActor(lane, owed!.agreement, 0)
  const { delivery, key, keeper } = (await host().load(id))!.snapshot.context as CallContext
  if (!key && !keeper) throw new AigenError('voucher.key', 'this agreement is paid by plain vouchers', { path: 'voucher.kind' })
  verifyLockedVoucher(rail, voucher, delivery!, { lane, voucherKey, ...expected(till) }, clock.now())
  if (keeper) verifyForwarded(voucher, await rail.lane(lane), clock.now())
  const actor = await host().send(`till/${lane}`, { type: 'lock', voucher, key: key ?? null, call: id, ...(keeper ? { keeper } : {}) })
  const after = actor.snapshot.context as TillContext
  if (after.voucher?.signature !== voucher.signature) throw new AigenError('voucher.ref')
  return key ? { cumulative: after.cumulative, key } : given({ host }, after, keeper!)
}

/** The answer to a voucher of what was taken already: the key once more, or the fold of an opened lock. */
export async function againLocked({ rail, host }: Pick<NodeParts, 'rail' | 'host'>, till: TillContext, voucher: LockedVoucher | PlainVoucher): Promise<Given> {
  const { lane, voucherKey, cumulative, ref, lock } = till
  if (till.voucher?.kind !== 'locked' || !lock) return { cumulative }
  if (voucher.kind === 'locked') {
    // The key was for that one: another with less time would be no reason to show it.
    if (voucher.signature !== till.voucher.signature) throw new AigenError('voucher.locked', 'another was taken')
    const { keeper } = lock.call === undefined ? { keeper: undefined } : (await host().load(lock.call))!.snapshot.context as CallContext
    return keeper === undefined ? { cumulative, key: lock.key! } : given({ host }, till, keeper)
  }
  verifyVoucher(rail, voucher, { lane, voucherKey, cumulative, ref })
  await host().send(`till/${lane}`, { type: 'folded', voucher })
  return { cumulative }
}

/** The key from its keeper, with what that paid for it. Error `voucher.unopened` while it has none: ask again. */
async function given({ host }: Pick<NodeParts, 'host'>, { lane, cumulative }: TillContext, keeper: string): Promise<Given> {
  const till = await host().until(`till/${lane}`, ({ context }) => (context as TillContext).lock?.key !== null, HOLD_MS).catch(() => undefined)
  const key = (till?.snapshot.context as TillContext | undefined)?.lock?.key
  if (!key) throw new AigenError('voucher.unopened')
  const hop = (await host().look<{ readonly hop?: Hop | null }>(keeper))?.hop
  return { cumulative, key, ...(hop ? { hop } : {}) }
}
