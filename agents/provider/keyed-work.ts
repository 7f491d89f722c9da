/**
 * The work of a call by access key as an effect: run the handler, judge its output by the contract,
 * price it by the grant, sign the delivery. Pieces that the handler sends ahead go to whoever listens
 * in this process. Asked for by `keyed-call`.
 */
import { hashOf } from '../../schemas/canonical.ts'
import type { DeliveryBody, Hash } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { judge } from '../../pipelines/evaluate-step.ts'
import type { Evaluate } from '../../pipelines/prepare.ts'
import type { EffectKind } from '../../runtime/actors/effects.ts'
import { blobRef } from '../../runtime/identity/parcel.ts'
import type { Room } from '../../runtime/node/node.ts'
import { signDelivery } from '../../runtime/payments/delivery.ts'
import { charge } from '../../runtime/payments/meter.ts'
import { accessKey, accessKeyActor, type AccessKeyContext } from './access-key.machine.ts'
import type { ProviderDefinition } from './define.ts'
import type { Gate } from './gate.ts'
import { keyedCall, type KeyedCallContext } from './keyed-call.machine.ts'
import { callHandler } from './work.ts'

/** Hears the pieces of a call's output as they come; by the call's actor. */
export type ChunkListeners = Map<string, (chunk: unknown) => Promise<void>>

/** The room of access keys on a provider's node. */
export function accessRoom(definitions: readonly ProviderDefinition[], evaluate: Evaluate, gate: Gate, listeners: ChunkListeners): Room {
  return ({ clock, blobs, wire, host }) => {
    const work: EffectKind = {
      mode: definitions[0]!.idempotent === false ? 'atMostOnce' : 'idempotent',
      attempts: 1,
      // The gate bounds each capability, together with what comes over the wire.
      concurrency: 10_000,
      run: async ({ capability }: { capability: string }, { actor, signal }) => {
        const call = host().context<KeyedCallContext>(actor)!
        const definition = definitions.find((one) => one.capability.id === capability)
        const grant = host().context<AccessKeyContext>(accessKeyActor(call.key))?.grant
        const rate = grant?.body.rates.find((one) => one.capability === capability)
        if (!definition || !grant || !rate) throw new AigenError('key.scope', capability)
        // Work that waited for its turn past its deadline is not begun: the actor ends it.
        if (clock.now() >= call.until) throw new AigenError('step.timeout')
        const leave = await gate.enter(capability, signal)
        const { output, units } = await callHandler(definition, call.input, {
          signal,
          callId: actor,
          unitPrice: BigInt(rate.unitPrice),
          emit: async (chunk) => listeners.get(actor)?.(chunk),
          load: async (ref) => {
            const bytes = await blobs.get(ref.$blob)
            if (!bytes) throw new AigenError('blob.missing', ref.$blob)
            return bytes
          },
          store: async (bytes, mediaType) => {
            const ref = blobRef(bytes, mediaType)
            await blobs.put(ref.$blob, bytes)
            return ref
          },
        }).finally(leave)
        const fault = await judge(output, definition.capability.output, null, evaluate)
        if (fault) throw fault
        const body: DeliveryBody = {
          agreement: grantHash(grant.body), call: call.number, inputHash: call.inputHash, outputHash: hashOf(output), units,
          amount: charge({ ...rate, cap: call.worst }, units).toString(), at: clock.now(),
        }
        return { type: 'service.keyed.done', output, delivery: signDelivery(body, wire.credentials.sign) }
      },
    }
    return { actors: [accessKey, keyedCall], effects: { 'service.keyed': work } }
  }
}

/** What stands in a delivery in place of an agreement: the hash of what was granted. */
export function grantHash(body: AccessKeyContext['grant']['body']): Hash {
  return hashOf(body)
}
