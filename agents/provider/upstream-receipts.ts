/**
 * The receipts behind a bundle's call: the verb `upstream` shows its payer what was bought for it,
 * where the bundle lists that, and `upstreamReceipts` asks for it. Each receipt proves its own
 * purchase (I3) and that the bundle was its payer; that it belongs to this call is the bundle's word.
 */
import type { Receipt } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { participantId } from '../../schemas/id.ts'
import { validate } from '../../schemas/validate.ts'
import { paidCalls } from '../../pipelines/bill.ts'
import type { RunContext } from '../../pipelines/run.machine.ts'
import type { Node } from '../../runtime/node/node.ts'
import { verifyReceipt } from '../../runtime/payments/receipt.ts'
import { keyedRun } from '../user/run.ts'
import { callActor, type CallContext } from './call.machine.ts'

const PAGE = 16
/** Receipts of one call that are fetched at most: as many as the steps of a document. */
const RECEIPTS_MAX = 10_000
const LATE_MS = 300_000
const TIMEOUT_MS = 5_000

/** Registers `upstream`; where the bundle does not list its receipts it says so. */
export function serveUpstream({ wire, host }: Pick<Node, 'wire' | 'host'>, listed: boolean): void {
  wire.serve('upstream', (body) => validate('UpstreamRequest', body), async ({ lane, agreement, call, from }, { caller }) => {
    const id = callActor(lane, agreement, call)
    host.mustHold(id)
    const context = (await host.load(id))?.snapshot.context as CallContext | undefined
    if (!context) throw new AigenError('market.unknown-agreement')
    if (context.caller !== caller) throw new AigenError('auth.unauthorised', 'the agreement is of another payer')
    if (!listed) throw new AigenError('market.refused', 'this bundle does not list its receipts')
    const run = await host.look<RunContext>(`run/${keyedRun(id)}`)
    const paid = run ? await paidCalls(host, run, wire.credentials.verifier) : []
    return { receipts: paid.slice(from, from + PAGE).map(({ receipt }) => receipt), total: paid.length }
  }, { lateMs: LATE_MS })
}

/**
 * What the provider of a receipt bought for it, each verified and paid by that provider.
 *
 * - `market.refused`: it does not list that. `auth.unauthorised`: the receipt is of another payer.
 * - `auth.*`, `step.output`, `voucher.*`: a receipt of its list proves nothing.
 */
export async function upstreamReceipts({ wire, random }: Pick<Node, 'wire' | 'random'>, { agreement, delivery }: Receipt): Promise<Receipt[]> {
  const { provider } = agreement.terms
  const receipts: Receipt[] = []
  for (;;) {
    const body = { lane: agreement.lane, agreement: delivery.body.agreement, call: delivery.body.call, from: receipts.length }
    const answer = await wire.call(participantId(provider), 'upstream', body, {
      callId: `u-${Buffer.from(random.bytes(12)).toString('hex')}`, route: agreement.lane, timeoutMs: TIMEOUT_MS, validate: (value) => validate('UpstreamAnswer', value),
    })
    for (const receipt of answer.receipts) {
      verifyReceipt(receipt)
      if (receipt.agreement.terms.payer !== provider) throw new AigenError('auth.unauthorised', 'a receipt of the list is of another payer')
    }
    receipts.push(...answer.receipts)
    if (answer.receipts.length === 0 || receipts.length >= answer.total || receipts.length >= RECEIPTS_MAX) return receipts
  }
}
