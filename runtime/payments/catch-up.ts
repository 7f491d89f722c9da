/**
 * The payer's side of a lane whose two ends do not agree, as after an old store was restored on either
 * side (payments.md): both show their latest voucher, and the higher one that the payer's own key has signed
 * stands. Nothing else the payee says is believed but what it is owed, so a payee that lies costs a payer
 * that has lost its state one step at most. Used by the effects of `pay.ts`, at each start and where the ends disagree.
 */
import type { Address, Hash, Hex32, PlainVoucher, RecallAnswer } from '../../schemas/documents.gen.ts'
import { asError } from '../../schemas/error.ts'
import { participantId } from '../../schemas/id.ts'
import { validate } from '../../schemas/validate.ts'
import type { Wire } from '../identity/wire.ts'
import type { Rail } from '../ports/rail.ts'
import type { Random } from '../ports/random.ts'
import type { PurseContext } from './lane.ts'
import { purseActor } from './purse.machine.ts'
import { toRail } from './voucher.ts'

export interface CatchUpOptions {
  readonly wire: Wire
  readonly rail: Pick<Rail, 'recover'>
  readonly random: Random
  /** Account of the voucher key, lower case. */
  readonly voucherKey: Address
}

/** What the payee shows. */
export interface Shown {
  /** Signed by the payer's own key, for this lane; null where it has none such. */
  readonly voucher: PlainVoucher | null
  readonly owed: Hash | null
  /** All that is owed, under a standing agreement. */
  readonly owes?: readonly Hash[]
}

const CALL_MS = 5_000

/** The purses of the participant, whichever of its nodes holds them. */
export interface PurseHost {
  /** Partitions, each with a purse. */
  readonly width: number
  holds(id: string): boolean
  look<C>(id: string): Promise<C | undefined>
  send(id: string, event: { readonly type: 'recalled'; readonly lane: string; readonly voucher: PlainVoucher }): Promise<unknown>
}

/** Asks the payee `to` what it holds, and shows it `voucher`. Errors: those of the wire. */
export async function exchange({ wire, rail, random, voucherKey }: CatchUpOptions, to: Address, lane: Hex32, voucher: PlainVoucher | null, signal: AbortSignal): Promise<Shown> {
  const answer = await wire.call(participantId(to), 'latest', { lane, voucher }, {
    callId: `l-${Buffer.from(random.bytes(16)).toString('hex')}`, route: lane, timeoutMs: CALL_MS, signal, validate: (value) => validate('LatestAnswer', value),
  })
  const own = answer.voucher !== null && answer.voucher.lane === lane && signedBy(rail, answer.voucher) === voucherKey
  return { voucher: own ? answer.voucher : null, owed: answer.owed, ...(answer.owes ? { owes: answer.owes } : {}) }
}

/**
 * Answers the verb `recall`: a payee that has started hears what was signed on its lane last, and is heard where it
 * shows more that our key has signed. Of a lane that is not here or not its own it hears nothing.
 */
export function serveRecall({ wire, rail, host, voucherKey }: Pick<CatchUpOptions, 'wire' | 'rail' | 'voucherKey'> & { readonly host: PurseHost }): void {
  const find = async (lane: Hex32, caller: string) => {
    const purses = Array.from({ length: host.width }, (_, partition) => purseActor(partition))
    // Those of other nodes last: most often it is here.
    for (const purse of [...purses.filter((id) => host.holds(id)), ...purses.filter((id) => !host.holds(id))]) {
      const lanes = Object.entries((await host.look<PurseContext>(purse))?.lanes ?? {})
      for (const [key, one] of lanes) if (one.id === lane && one.provider === caller) return { purse, key, voucher: one.voucher }
    }
    return undefined
  }
  wire.serve('recall', (body) => validate('RecallRequest', body), async ({ lane, voucher }, { caller }): Promise<RecallAnswer> => {
    const known = await find(lane, caller)
    if (!known) return { voucher: null }
    if (voucher !== null && voucher.lane === lane && BigInt(voucher.cumulative) > BigInt(known.voucher?.cumulative ?? 0) && signedBy(rail, voucher) === voucherKey) await host.send(known.purse, { type: 'recalled', lane: known.key, voucher })
    return { voucher: (await find(lane, caller))?.voucher ?? null }
  })
}

/** Who signed it, or nobody. */
function signedBy(rail: Pick<Rail, 'recover'>, voucher: PlainVoucher): string | undefined {
  try {
    return rail.recover(toRail(voucher), voucher.signature)
  } catch (thrown) {
    if (asError(thrown).code === 'auth.forged') return undefined
    throw thrown
  }
}
