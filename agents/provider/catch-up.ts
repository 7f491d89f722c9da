/**
 * The payee's side of a lane whose two ends do not agree, as after an old store was restored on either
 * side: it shows the latest voucher that it holds, and takes the payer's where that is worth more than all it
 * knows of, what it is owed included. Served as the verb `latest`, and asked of payers by `recall` at each start. Keeps I1: what it holds never falls.
 */
import { AigenError } from '../../schemas/error.ts'
import { participantId } from '../../schemas/id.ts'
import { validate } from '../../schemas/validate.ts'
import type { Hex32, LatestAnswer, PlainVoucher } from '../../schemas/documents.gen.ts'
import type { Node, NodeParts } from '../../runtime/node/node.ts'
import { outdoes, type TillContext } from '../../runtime/payments/till.machine.ts'
import { toRail } from '../../runtime/payments/voucher.ts'

/** Lanes compared with their payers at a start, those worth most first, and how many at once. */
const RECALLED_MAX = 512
const AT_ONCE = 8
const CALL_MS = 5_000

/** Compares each lane with its payer, once; who is away is heard when it starts itself, or pays. Returns how to stop. */
export function recallLanes({ host, wire, rail, random }: Pick<Node, 'host' | 'wire' | 'rail' | 'random'>): () => void {
  const stopped = new AbortController()
  const { signal } = stopped
  const worth = ({ cumulative }: TillContext): bigint => BigInt(cumulative)
  const lanes = [...host.list('till')].map(({ snapshot }) => snapshot.context as TillContext).filter((till) => worth(till) > 0n || till.owed !== null)
    .toSorted((one, other) => (worth(one) < worth(other) ? 1 : -1)).slice(0, RECALLED_MAX).map(({ lane }) => lane)
  const ask = async (lane: Hex32): Promise<void> => {
    const till = host.context<TillContext>(`till/${lane}`)
    if (!till) return
    const { voucher } = await wire.call(participantId(till.payer), 'recall', { lane, voucher: till.voucher?.kind === 'plain' ? till.voucher : null }, {
      callId: `r-${Buffer.from(random.bytes(16)).toString('hex')}`, timeoutMs: CALL_MS, signal, validate: (value) => validate('RecallAnswer', value),
    })
    if (voucher) await restore({ rail, host: () => host }, lane, host.context<TillContext>(`till/${lane}`)!, voucher)
  }
  void Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (let lane = lanes.shift(); lane && !signal.aborted; lane = lanes.shift()) await ask(lane).catch(() => undefined)
  }))
  return () => stopped.abort()
}

/** Takes `voucher` where it is worth more than all that is known of the lane. Errors `voucher.lane`, `voucher.key`, `voucher.over-reserve`. */
async function restore({ rail, host }: Pick<NodeParts, 'rail' | 'host'>, lane: Hex32, till: TillContext, voucher: PlainVoucher): Promise<void> {
  if (!outdoes(till, voucher)) return
  if (voucher.lane !== lane) throw new AigenError('voucher.lane', undefined, { path: 'voucher.lane' })
  const key = rail.recover(toRail(voucher), voucher.signature)
  if (key !== till.voucherKey) throw new AigenError('voucher.key', `signed by ${key}`, { path: 'voucher.signature' })
  const { reserved = 0n } = (await rail.lane(lane)) ?? {}
  // What could not be claimed would pay for nothing.
  if (BigInt(voucher.cumulative) > reserved) throw new AigenError('voucher.over-reserve', `${reserved} is reserved`, { path: 'voucher.cumulative' })
  await host().send(`till/${lane}`, { type: 'restored', voucher })
}

/** Registers `latest`; `tillOf` gives the caller's own till. Errors `voucher.lane`, `voucher.key`, `voucher.over-reserve`, `auth.*`. */
export function serveLatest({ wire, rail, host }: NodeParts, tillOf: (lane: TillContext['lane'], caller: string) => TillContext): void {
  wire.serve('latest', (body) => validate('LatestRequest', body), async ({ lane, voucher }, { caller }): Promise<LatestAnswer> => {
    let till = tillOf(lane, caller)
    if (voucher !== null) {
      await restore({ rail, host }, lane, till, voucher)
      till = tillOf(lane, caller)
    }
    return { voucher: till.voucher?.kind === 'plain' ? till.voucher : null, owed: till.owed?.delivery ?? null, ...(till.tab ? { owes: till.tab.owed.map(({ delivery }) => delivery) } : {}) }
  })
}
