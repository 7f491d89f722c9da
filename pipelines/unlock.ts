/**
 * The key of a sealed output as an effect: the locked voucher is handed over until its key comes, or a
 * given time; `patient`, also looked for on the chain, until the lock has expired there. What the key
 * opens is judged by the signed clauses, like any delivery. Asked for by `unlock`.
 */
import type { Capability, Hash, Hex32, LockedVoucher } from '../schemas/documents.gen.ts'
import { AigenError, asError } from '../schemas/error.ts'
import { hashOfFixed } from '../schemas/fixed.ts'
import { participantId } from '../schemas/id.ts'
import { validate } from '../schemas/validate.ts'
import type { ActorEvent } from '../runtime/actors/actor.ts'
import type { EffectKind } from '../runtime/actors/effects.ts'
import type { Host } from '../runtime/actors/host.ts'
import { blobsIn, receiveParcel } from '../runtime/identity/parcel.ts'
import type { Wire } from '../runtime/identity/wire.ts'
import { checkCount } from '../runtime/payments/count.ts'
import { deliveryHash } from '../runtime/payments/delivery.ts'
import { lockHashOf, unseal } from '../runtime/payments/seal.ts'
import type { Blobs } from '../runtime/ports/blobs.ts'
import type { Clock } from '../runtime/ports/clock.ts'
import type { Rail } from '../runtime/ports/rail.ts'
import { toRail } from '../runtime/payments/voucher.ts'
import { judge } from './evaluate-step.ts'
import { blobKey } from './judge-call.ts'
import type { Evaluate } from './prepare.ts'
import type { Verdict } from './step.ts'
import type { UnlockContext } from './unlock.machine.ts'

const ASK_MS = 2_500
/** Pause between two looks, in ms: doubled each time, within these. */
const PAUSE_MIN_MS = 250
const PAUSE_MAX_MS = 30_000

export interface UnlockOptions {
  readonly wire: Wire
  readonly clock: Clock
  readonly rail: Rail
  readonly host: () => Host
  readonly evaluate: Evaluate
  readonly capability: (provider: string, id: string) => Capability | undefined
  readonly blobs: Blobs
  readonly transfer: Blobs
}

/** The effect `lock.open`. */
export function unlockEffects({ wire, clock, rail, host, evaluate, capability, blobs, transfer }: UnlockOptions): Record<string, EffectKind> {
  /** What the key opens, and whether it is what was agreed. */
  const open = async ({ agreement: { terms }, delivery, sealed }: UnlockContext, key: Hex32): Promise<{ output: unknown; verdict: Verdict; key: Hex32 }> => {
    let output: unknown = null
    try {
      const content = unseal(delivery, sealed, key)
      output = content.output
      const contract = capability(terms.provider, terms.capability)
      if (!contract || hashOfFixed(contract) !== terms.capabilityHash) throw new AigenError('step.output', 'the capability of the agreement is not known here')
      for (const ref of blobsIn(output)) if (!(await blobs.get(blobKey(ref)))) await blobs.put(blobKey(ref), await receiveParcel(transfer, ref, content.parcels))
      checkCount(terms, delivery.body.units, { output })
      const fault = await judge(output, contract.output, terms.expect, evaluate)
      return { output, key, verdict: fault ? { ok: false, error: fault.toJSON() } : { ok: true } }
    } catch (thrown) {
      // Paid for already: what cannot be fetched is as wrong as what was never there.
      return { output, key, verdict: { ok: false, error: { ...asError(thrown).toJSON(), code: 'step.output' } } }
    }
  }

  /** The key by the chain, `gone` when the lock has expired there, `taken` when it was claimed and the key is not to be seen; undefined while it is open. */
  const look = async (voucher: LockedVoucher): Promise<Hex32 | 'gone' | 'taken' | undefined> => {
    // The time first: what was claimed in between is then still seen.
    const { time } = await rail.head()
    const claimed = (await rail.lane(voucher.lane))?.claimed ?? 0n
    if (claimed < BigInt(voucher.cumulative)) return time >= voucher.lockExpiry ? 'gone' : undefined
    return await rail.revealed?.(toRail(voucher) as Parameters<NonNullable<Rail['revealed']>>[0]) ?? 'taken'
  }

  const unlock: EffectKind = {
    mode: 'idempotent',
    attempts: 1,
    concurrency: 256,
    run: async ({ to, until, patient }: { to: `0x${string}`; until: number; patient: boolean }, { actor, signal }): Promise<ActorEvent> => {
      const context = host().context<UnlockContext>(actor)!
      const voucher = context.voucher as LockedVoucher
      const deliveries: Hash[] = [deliveryHash(context.delivery)]
      let last = new AigenError('step.timeout', 'no key came')
      for (let pause = PAUSE_MIN_MS; ; pause = Math.min(PAUSE_MAX_MS, pause * 2)) {
        try {
          const { key } = await wire.call(participantId(to), 'pay', { lane: voucher.lane, voucher, deliveries }, {
            callId: `l-${voucher.ref.slice(2, 34)}`, route: voucher.lane, timeoutMs: ASK_MS, signal, validate: (value) => validate('PayAnswer', value),
          })
          if (key !== undefined && lockHashOf(key) === voucher.lockHash) return { type: 'lock.open.done', ...await open(context, key) }
          last = new AigenError('step.output', 'the key is not the one of the delivery')
        } catch (thrown) {
          last = asError(thrown)
          if (signal.aborted) throw last
        }
        if (!patient && (!last.rule.retry || clock.now() >= until)) throw last
        if (patient) {
          const seen = await look(voucher).catch(() => undefined)
          if (seen === 'gone') return { type: 'lock.open.gone' }
          if (seen === 'taken') return { type: 'lock.open.taken', output: null, verdict: { ok: false, error: { code: 'step.output', message: 'The lock was claimed, and its key is not to be seen.' } } }
          if (seen !== undefined) return { type: 'lock.open.taken', ...await open(context, seen) }
        }
        await clock.sleep(pause, signal)
      }
    },
  }
  return { 'lock.open': unlock }
}
