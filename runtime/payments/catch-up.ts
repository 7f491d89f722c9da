/**
 * The payer's side of a lane whose two ends do not agree, as after an old store was restored on either
 * side (payments.md): both show their latest voucher, and the higher one that the payer's own key has signed
 * stands. Nothing else the payee says is believed but what it is owed, so a payee that lies costs a payer
 * that has lost its state one step at most. Used by the effects of `pay.ts`.
 */
import type { Address, Hash, Hex32, PlainVoucher } from '../../schemas/documents.gen.ts'
import { asError } from '../../schemas/error.ts'
import { participantId } from '../../schemas/id.ts'
import { validate } from '../../schemas/validate.ts'
import type { Wire } from '../identity/wire.ts'
import type { Rail } from '../ports/rail.ts'
import type { Random } from '../ports/random.ts'
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

/** Asks the payee `to` what it holds, and shows it `voucher`. Errors: those of the wire. */
export async function exchange({ wire, rail, random, voucherKey }: CatchUpOptions, to: Address, lane: Hex32, voucher: PlainVoucher | null, signal: AbortSignal): Promise<Shown> {
  const answer = await wire.call(participantId(to), 'latest', { lane, voucher }, {
    callId: `l-${Buffer.from(random.bytes(16)).toString('hex')}`, route: lane, timeoutMs: CALL_MS, signal, validate: (value) => validate('LatestAnswer', value),
  })
  const own = answer.voucher !== null && answer.voucher.lane === lane && signedBy(rail, answer.voucher) === voucherKey
  return { voucher: own ? answer.voucher : null, owed: answer.owed, ...(answer.owes ? { owes: answer.owes } : {}) }
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
