/**
 * The answer that a call's actor stands for (D3): what invoke, status, cancel and evidence say of it.
 */
import type { CallOutcome, Parcel } from '../../schemas/documents.gen.ts'
import { openly, seal } from '../../runtime/payments/seal.ts'
import type { CallContext } from './call.machine.ts'

/** The answer that a call's actor stands for. */
export function outcomeOf(state: string, call: CallContext): CallOutcome {
  if (call.part && (state === 'working' || state === 'owing')) return { state: 'part', delivery: call.part }
  if (call.delivery?.body.sealed?.open) return { state: 'sealed', delivery: call.delivery, sealed: openly({ output: call.output, parcels: [] }) }
  if (call.delivery && call.key) return { state: 'sealed', delivery: call.delivery, sealed: seal({ output: call.output, parcels: (call.outputParcels ?? []) as Parcel[] }, call.key) }
  if (call.delivery) {
    const parcels = call.outputParcels as CallContextParcels
    return { state: 'delivered', delivery: call.delivery, output: call.output as { [k: string]: unknown }, ...(parcels && parcels.length > 0 ? { parcels } : {}) }
  }
  if (state === 'failed') return { state: 'failed', error: call.error as { code: string; message: string } }
  return { state: state === 'cancelled' ? 'cancelled' : 'pending' }
}
type CallContextParcels = NonNullable<Extract<CallOutcome, { state: 'delivered' }>['parcels']>
