/**
 * A provider's work as effects: run the handler, judge its output by the signed clauses, price it,
 * sign the delivery (D6). Concurrency is bounded by the definition; what waits longer than its
 * deadline is ended by the call actor.
 */
import { hashOf } from '../../schemas/canonical.ts'
import type { BlobRef, DeliveryBody, Hex32, Parcel } from '../../schemas/documents.gen.ts'
import { AigenError, asError } from '../../schemas/error.ts'
import { compileFixed } from '../../schemas/fixed.ts'
import { judge, unitsOf } from '../../pipelines/evaluate-step.ts'
import type { Evaluate } from '../../pipelines/prepare.ts'
import type { EffectKind } from '../../runtime/actors/effects.ts'
import { toHex } from '../../runtime/evm/hex.ts'
import { flowSubject, openFlowSender, type FlowSender } from '../../runtime/identity/flow.ts'
import { blobRef, blobsIn, receiveParcel, sendParcel } from '../../runtime/identity/parcel.ts'
import type { NodeParts } from '../../runtime/node/node.ts'
import { signDelivery } from '../../runtime/payments/delivery.ts'
import { counted } from '../../runtime/payments/count.ts'
import { groupSigner } from '../../runtime/payments/delivery-group.ts'
import { charge } from '../../runtime/payments/meter.ts'
import { lockedBy, sealedBy } from '../../runtime/payments/seal.ts'
import type { CallContext } from './call.machine.ts'
import type { HandlerResult, ProviderDefinition } from './define.ts'
import type { Gate } from './gate.ts'
import { KeptFlows } from './kept-flows.ts'
import { openMetering, type Metering } from './metering.ts'

/** Bytes of an output that a record and an envelope can hold; larger values belong in blobs. */
const OUTPUT_BYTES_MAX = 256 * 1024

/** Calls at work or waiting, of all capabilities; admission bounds each further. */
const CALLS_MAX = 10_000

/** The effects `service.work` and `service.stop`. */
export function workEffects(parts: NodeParts, definitions: readonly ProviderDefinition[], evaluate: Evaluate, gate: Gate): Record<string, EffectKind> {
  const { clock, random, blobs, transfer, participant, telemetry, bus } = parts
  /** What is at work in this process, so that a caller who gives up can be told to the handler. */
  const atWork = new Map<string, AbortController>()
  const flows = new KeptFlows(parts)
  const signTogether = groupSigner((kind, body) => parts.wire.credentials.sign(kind, body))

  const work: EffectKind = {
    mode: definitions[0]!.idempotent === false ? 'atMostOnce' : 'idempotent',
    attempts: 1,
    // The gate bounds each capability by itself.
    concurrency: CALLS_MAX,
    run: async (_params: object, { actor, signal }) => {
      const call = parts.host().context<CallContext>(actor)!
      const definition = definitions.find(({ capability }) => capability.id === call.terms.capability)
      if (!definition) throw new AigenError('step.failed', `${call.terms.capability} is not sold here any more`)
      const stored = new Map<string, Uint8Array>()
      if (parts.host().peek(actor)?.snapshot.value === 'stopping') throw new AigenError('step.cancelled')
      const abort = new AbortController()
      atWork.set(actor, abort)
      const stop = (): void => abort.abort(signal.reason)
      signal.addEventListener('abort', stop, { once: true })
      // Work that waited for its turn past its deadline is not begun: the call actor ends it.
      const timer = clock.timer(call.until, () => abort.abort(new AigenError('step.timeout')))
      let leave: (() => void) | undefined
      let flow: FlowSender | undefined
      let metering: Metering | undefined
      try {
        // The payer said how much it would be, and its cap is what can be earned: less than the input takes is not worked on.
        const takes = await unitsOf(definition.capability, call.input, evaluate)
        if (takes > call.terms.units) throw new AigenError('market.refused', `the input takes ${takes} ${call.terms.unit}, ${call.terms.units} were agreed`)
        leave = await gate.enter(call.terms.capability, abort.signal)
        flow = call.flow === null || call.terms.settle === 'locked' || definition.capability.chunk === undefined ? undefined : await openFlowSender(bus, random, flowSubject(call.agreement, call.call), Buffer.from(call.flow, 'base64url'))
        metering = flow && call.terms.stream ? openMetering(actor, call, { host: parts.host(), clock, sign: parts.wire.credentials.sign, signal: abort.signal, flow }) : undefined
        const chunks = definition.capability.chunk === undefined ? undefined : compileFixed(definition.capability.chunk)
        const begun = clock.monotonic()
        const trace = call.trace === null ? undefined : { traceparent: call.trace }
        const working = telemetry.withSpan(`work ${definition.capability.id}`, { 'aigen.provider': definition.name }, trace, () =>
          callHandler(definition, call.input, {
            signal: abort.signal,
            callId: actor,
            unitPrice: BigInt(call.terms.unitPrice),
            emit: async (chunk, taken = 0) => {
              const [issue] = chunks?.issues(chunk) ?? []
              if (issue) throw new AigenError('step.failed', `a piece of the output does not fit the capability's chunk schema: ${issue.path}: ${issue.message}`)
              if (metering) return metering.emit(chunk, taken)
              flow?.send(chunk)
            },
            load: async (ref) => {
              const known = await blobs.get(ref.$blob)
              return known ?? receiveParcel(transfer, ref as BlobRef, call.parcels as readonly Parcel[])
            },
            store: async (bytes, mediaType) => {
              const ref = blobRef(bytes, mediaType)
              stored.set(ref.$blob, bytes)
              return ref
            },
          }))
        // The place is free when the handler has ended; the caller of a stream that gives up need not wait for that.
        const free = leave
        leave = undefined
        working.then(free, free)
        const { output, units: all, lock } = await (metering ? Promise.race([working, givenUp(abort.signal)]) : working)
        if (metering) abort.signal.throwIfAborted()
        const said = metering ? await metering.end(all[call.terms.unit] ?? 0) : {}
        flow?.end()
        // A stream is metered piece by piece.
        const units = metering ? all : counted(call.terms, all, { input: call.input, output, elapsedMs: clock.monotonic() - begun })
        const size = Buffer.byteLength(JSON.stringify(output) ?? '')
        if (size > OUTPUT_BYTES_MAX) throw new AigenError('step.failed', `the output has ${size} bytes, at most ${OUTPUT_BYTES_MAX}; use blobs`)
        const fault = await judge(output, definition.capability.output, call.terms.expect, evaluate)
        if (fault) throw fault
        const parcels: Parcel[] = []
        for (const ref of blobsIn(output)) {
          const bytes = stored.get(ref.$blob)
          if (bytes) parcels.push(await sendParcel(transfer, participant, bytes, random))
        }
        const key: Hex32 | undefined = call.terms.settle === 'locked' && !lock ? toHex(random.bytes(32)) : undefined
        const body: DeliveryBody = {
          agreement: call.agreement, call: call.call, inputHash: call.inputHash!, outputHash: hashOf(output), units, amount: charge(call.terms, units).toString(), at: clock.now(),
          ...said, ...(lock ? { sealed: lockedBy({ output, parcels: [] }, lock.hash) } : key ? { sealed: sealedBy({ output, parcels }, key) } : {}),
        }
        const delivery = call.terms.standing ? await signTogether(body) : signDelivery(body, parts.wire.credentials.sign)
        return { type: 'service.work.done', output, parcels, delivery, ...(key ? { key } : {}), ...(lock ? { keeper: lock.keeper } : {}) }
      } catch (thrown) {
        // What the caller has taken of a stream is signed for, whatever the handler makes of it.
        const taken = metering && abort.signal.aborted ? metering.stopAt(parts.host().context<CallContext>(actor)?.stopAt ?? -1) : undefined
        if (!taken) throw thrown
        return { type: 'service.work.done', output: null, parcels: [], delivery: signDelivery(taken, parts.wire.credentials.sign) }
      } finally {
        leave?.()
        atWork.delete(actor)
        if (flow) flows.keep(actor, flow, call.until)
        timer.cancel()
        signal.removeEventListener('abort', stop)
      }
    },
  }

  const stop: EffectKind = {
    mode: 'idempotent',
    run: async (_params: object, { actor }) => atWork.get(actor)?.abort(new AigenError('step.cancelled')),
  }
  return { 'service.work': work, 'service.stop': stop }
}

/** Rejects when the caller gives up. */
function givenUp(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const stop = (): void => reject(signal.reason as Error)
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
  })
}

/** The handler's result; what it throws that is not from the table is `step.failed`. */
export async function callHandler(definition: ProviderDefinition, input: unknown, context: Parameters<ProviderDefinition['handler']>[1]): Promise<HandlerResult> {
  try {
    const result = await definition.handler(input, context)
    // Who was told that the caller has given up may hand over what it has.
    if (context.signal.aborted && asError(context.signal.reason).code !== 'step.cancelled') throw new AigenError('step.timeout')
    return result
  } catch (thrown) {
    throw asError(thrown, 'step.failed')
  }
}
