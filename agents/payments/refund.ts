/**
 * Credit that is taken out again: set aside in the account, then in the payment provider's own wallet,
 * then paid to the account's address on the chain. Each happens once, whatever dies in between (I1):
 * what is under way is finished when the node is opened, or asked again. Used by `openPayments`.
 */
import { hashOf } from '../../schemas/canonical.ts'
import type { Address } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { formatMoney, parseMoney } from '../../schemas/money.ts'
import { validate } from '../../schemas/validate.ts'
import type { Node } from '../../runtime/node/node.ts'
import { payOut } from '../user/treasury.ts'
import type { WalletContext } from '../user/wallet.machine.ts'
import type { CreditsContext } from './credits.machine.ts'

/** How long a refund is held before it is answered `pending`, in ms. */
const HOLD_MS = 2_500

/** Registers `refund`. Errors `credit.short`, `run.conflict` for another amount under the same key. */
export function serveRefunds(node: Node): void {
  const { wire, host } = node
  wire.serve('refund', (body) => validate('RefundRequest', body), async ({ key, amount: text }, { caller }) => {
    const amount = parseMoney(text).toString()
    const id = refundId(caller, key)
    await host.send('credits', { type: 'refund', id, account: caller, amount })
    const refund = host.context<CreditsContext>('credits')!.refunds[id]
    if (!refund) throw new AigenError('credit.short')
    if (refund.amount !== amount) throw new AigenError('run.conflict', 'another amount')
    void payRefund(node, id).catch(() => undefined)
    const actor = await host.until('credits', ({ context }) => (context as CreditsContext).refunds[id]!.done, HOLD_MS).catch(() => undefined)
    return { state: actor ? 'done' : 'pending', amount: formatMoney(BigInt(amount)) }
  })
}

/** Goes on with what a crash, or a wallet that was empty, left unpaid. Never fails. */
export async function finishRefunds(node: Node): Promise<void> {
  const { refunds } = node.host.context<CreditsContext>('credits')!
  for (const [id, { done }] of Object.entries(refunds)) if (!done) await payRefund(node, id).catch(() => undefined)
}

/** Errors: `wallet.empty` where the payment provider's own money is held or reserved; `chain.*`. */
async function payRefund(node: Node, id: string): Promise<void> {
  const { host } = node
  const { account, amount, done } = host.context<CreditsContext>('credits')!.refunds[id]!
  if (done) return
  await host.send('wallet', { type: 'withdraw', id, amount, to: account })
  const withdrawal = (await host.look<WalletContext>('wallet'))!.withdrawals?.[id]
  if (!withdrawal) throw new AigenError('wallet.empty')
  if (!withdrawal.done) await payOut(node, id)
  await host.send('credits', { type: 'refunded', id })
}

function refundId(account: Address, key: string): string {
  return `refund.${account}.${hashOf(key).slice(7, 39)}`
}
