/**
 * The payee's side of a lane whose two ends do not agree, as after an old store was restored on either
 * side: it shows the latest voucher that it holds, and takes the payer's where that is worth more than all it
 * knows of, what it is owed included. Served as the verb `latest`. Keeps I1: what it holds never falls.
 */
import { AigenError } from '../../schemas/error.ts'
import { validate } from '../../schemas/validate.ts'
import type { LatestAnswer } from '../../schemas/documents.gen.ts'
import type { NodeParts } from '../../runtime/node/node.ts'
import { outdoes, type TillContext } from '../../runtime/payments/till.machine.ts'
import { toRail } from '../../runtime/payments/voucher.ts'

/** Registers `latest`; `tillOf` gives the caller's own till. Errors `voucher.lane`, `voucher.key`, `voucher.over-reserve`, `auth.*`. */
export function serveLatest({ wire, rail, host }: NodeParts, tillOf: (lane: TillContext['lane'], caller: string) => TillContext): void {
  wire.serve('latest', (body) => validate('LatestRequest', body), async ({ lane, voucher }, { caller }): Promise<LatestAnswer> => {
    let till = tillOf(lane, caller)
    if (voucher !== null && outdoes(till, voucher)) {
      if (voucher.lane !== lane) throw new AigenError('voucher.lane', undefined, { path: 'voucher.lane' })
      const key = rail.recover(toRail(voucher), voucher.signature)
      if (key !== till.voucherKey) throw new AigenError('voucher.key', `signed by ${key}`, { path: 'voucher.signature' })
      const { reserved = 0n } = (await rail.lane(lane)) ?? {}
      // What could not be claimed would pay for nothing.
      if (BigInt(voucher.cumulative) > reserved) throw new AigenError('voucher.over-reserve', `${reserved} is reserved`, { path: 'voucher.cumulative' })
      await host().send(`till/${lane}`, { type: 'restored', voucher })
      till = tillOf(lane, caller)
    }
    return { voucher: till.voucher?.kind === 'plain' ? till.voucher : null, owed: till.owed?.delivery ?? null, ...(till.tab ? { owes: till.tab.owed.map(({ delivery }) => delivery) } : {}) }
  })
}
