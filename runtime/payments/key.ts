/**
 * Asks a payee for the key of a lock until it comes, or a given time; `patient`, also looks for it on the
 * chain, until the lock has expired there. Used by a payer's unlock and by a hub, which is one.
 */
import type { Address, Hash, Hex32, Hop, LockedVoucher } from '../../schemas/documents.gen.ts'
import { AigenError, asError } from '../../schemas/error.ts'
import { participantId } from '../../schemas/id.ts'
import { validate } from '../../schemas/validate.ts'
import type { Wire } from '../identity/wire.ts'
import type { Clock } from '../ports/clock.ts'
import type { LockedVoucher as RailLocked, Rail } from '../ports/rail.ts'
import { lockHashOf } from './seal.ts'
import { toRail } from './voucher.ts'

const ASK_MS = 2_500
/** Pause between two looks, in ms: doubled each time, within these. */
const PAUSE_MIN_MS = 250
const PAUSE_MAX_MS = 30_000

/** Given for the voucher; seen at its claim, where it is still to be seen; or the lock has expired. */
export type KeyAnswer = { readonly how: 'given'; readonly key: Hex32; readonly hop?: Hop } | { readonly how: 'taken'; readonly key: Hex32 | null } | { readonly how: 'gone' }

export interface KeyRequest {
  readonly to: Address
  readonly voucher: LockedVoucher
  /** Hash of the delivery that it pays. */
  readonly delivery: Hash
  /** Ms since the epoch, where it is not patient. */
  readonly until: number
  readonly patient: boolean
}

/** Errors: where not patient, what the payee refused with, or the last error at `until`; `step.output` for another key. */
export async function keyFor({ wire, clock, rail }: { readonly wire: Wire; readonly clock: Clock; readonly rail: Rail }, { to, voucher, delivery, until, patient }: KeyRequest, signal: AbortSignal): Promise<KeyAnswer> {
  let last = new AigenError('step.timeout', 'no key came')
  for (let pause = PAUSE_MIN_MS; ; pause = Math.min(PAUSE_MAX_MS, pause * 2)) {
    try {
      const { key, hop } = await wire.call(participantId(to), 'pay', { lane: voucher.lane, voucher, deliveries: [delivery] }, {
        callId: `l-${voucher.ref.slice(2, 34)}`, route: voucher.lane, timeoutMs: ASK_MS, signal, validate: (value) => validate('PayAnswer', value),
      })
      if (key !== undefined && lockHashOf(key) === voucher.lockHash) return { how: 'given', key, ...(hop ? { hop } : {}) }
      last = new AigenError('step.output', 'the key is not the one of the delivery')
    } catch (thrown) {
      last = asError(thrown)
      if (signal.aborted) throw last
    }
    if (!patient && (!last.rule.retry || clock.now() >= until)) throw last
    const seen = patient ? await look(rail, voucher).catch(() => undefined) : undefined
    if (seen) return seen
    await clock.sleep(pause, signal)
  }
}

/** What the chain says of the lock; undefined while it is open. */
async function look(rail: Rail, voucher: LockedVoucher): Promise<KeyAnswer | undefined> {
  // The time first: what was claimed in between is then still seen.
  const { time } = await rail.head()
  const claimed = (await rail.lane(voucher.lane))?.claimed ?? 0n
  if (claimed < BigInt(voucher.cumulative)) return time >= voucher.lockExpiry ? { how: 'gone' } : undefined
  return { how: 'taken', key: await rail.revealed?.(toRail(voucher) as RailLocked) ?? null }
}
