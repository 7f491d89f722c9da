/**
 * The key of a sealed output as an effect: the locked voucher is handed over until its key comes, or a
 * given time; `patient`, also looked for on the chain, until the lock has expired there. What the key
 * opens is judged by the signed clauses, like any delivery. Asked for by `unlock`.
 */
import type { Capability, Hex32, LockedVoucher } from '../schemas/documents.gen.ts'
import { AigenError, asError } from '../schemas/error.ts'
import { hashOfFixed } from '../schemas/fixed.ts'
import type { ActorEvent } from '../runtime/actors/actor.ts'
import type { EffectKind } from '../runtime/actors/effects.ts'
import type { Host } from '../runtime/actors/host.ts'
import { blobsIn, receiveParcel } from '../runtime/identity/parcel.ts'
import type { Wire } from '../runtime/identity/wire.ts'
import { checkCount } from '../runtime/payments/count.ts'
import { deliveryHash } from '../runtime/payments/delivery.ts'
import { keyFor } from '../runtime/payments/key.ts'
import { unseal } from '../runtime/payments/seal.ts'
import type { Blobs } from '../runtime/ports/blobs.ts'
import type { Clock } from '../runtime/ports/clock.ts'
import type { Rail } from '../runtime/ports/rail.ts'
import { judge } from './evaluate-step.ts'
import { blobKey } from './judge-call.ts'
import type { Evaluate } from './prepare.ts'
import type { Verdict } from './step.ts'
import type { UnlockContext } from './unlock.machine.ts'

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

/** Opens a sealed output with its key, and judges whether it is what was agreed. */
export function openerOf({ evaluate, capability, blobs, transfer }: Pick<UnlockOptions, 'evaluate' | 'capability' | 'blobs' | 'transfer'>) {
  return async ({ agreement: { terms }, delivery, sealed }: Pick<UnlockContext, 'agreement' | 'delivery' | 'sealed'>, key: Hex32): Promise<{ output: unknown; verdict: Verdict; key: Hex32 }> => {
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
}

/** The effect `lock.open`. */
export function unlockEffects(options: UnlockOptions): Record<string, EffectKind> {
  const { wire, clock, rail, host } = options
  const open = openerOf(options)

  const unlock: EffectKind = {
    mode: 'idempotent',
    attempts: 1,
    concurrency: 256,
    run: async ({ to, until, patient }: { to: `0x${string}`; until: number; patient: boolean }, { actor, signal }): Promise<ActorEvent> => {
      const context = host().context<UnlockContext>(actor)!
      const found = await keyFor({ wire, clock, rail }, { to, until, patient, voucher: context.voucher as LockedVoucher, delivery: deliveryHash(context.delivery) }, signal)
      if (found.how === 'gone') return { type: 'lock.open.gone' }
      const { key } = found
      if (key === null) return { type: 'lock.open.taken', output: null, verdict: { ok: false, error: { code: 'step.output', message: 'The lock was claimed, and its key is not to be seen.' } } }
      if (found.how === 'taken') return { type: 'lock.open.taken', ...await open(context, key) }
      return { type: 'lock.open.done', ...(found.hop ? { hop: found.hop } : {}), ...await open(context, key) }
    },
  }
  return { 'lock.open': unlock }
}
