/**
 * What the payer makes of a delivery (D6, I8): whose it is, of which call, at which price and in time,
 * then the signed clauses; its blobs are fetched before it counts. And the other way, the blobs of an
 * input. Used by the effects of `invoke.ts` and `stream.ts`.
 */
import type { Agreement, BlobRef, Capability, Delivery, Parcel } from '../schemas/documents.gen.ts'
import { AigenError, asError } from '../schemas/error.ts'
import { hashOfFixed } from '../schemas/fixed.ts'
import type { Host } from '../runtime/actors/host.ts'
import { blobsIn, receiveParcel, sendParcel } from '../runtime/identity/parcel.ts'
import type { Wire } from '../runtime/identity/wire.ts'
import { keepKeys } from '../runtime/market/keyring.machine.ts'
import { checkCount } from '../runtime/payments/count.ts'
import { CLOCKS_MS, verifyDelivery, verifyStatement } from '../runtime/payments/delivery.ts'
import { verifySealed } from '../runtime/payments/seal.ts'
import type { Blobs } from '../runtime/ports/blobs.ts'
import type { Clock } from '../runtime/ports/clock.ts'
import type { Random } from '../runtime/ports/random.ts'
import type { Answer, CallParams } from './ask.ts'
import { judge } from './evaluate-step.ts'
import type { Evaluate } from './prepare.ts'
import type { Verdict } from './step.ts'

/** A partition that passes from one of our nodes to another is there again within this, in ms. */
const PASSING_MS = 30_000
const PAUSE_MS = 150

export interface JudgeOptions {
  readonly wire: Wire
  readonly clock: Clock
  readonly random: Random
  readonly host: () => Host
  readonly evaluate: Evaluate
  readonly capability: (provider: string, id: string) => Capability | undefined
  /** The participant's own shelf of large values, and its transfer shelf. */
  readonly blobs: Blobs
  readonly transfer: Blobs
}

export interface CallJudge {
  parcelsFor(input: unknown): Promise<Parcel[]>
  verdictOn(answer: Extract<Answer, { state: 'delivered' | 'sealed' }>, params: CallParams, agreement: Agreement, sent?: { readonly input: unknown }): Promise<Verdict>
  /** Checks what a delivery says without its output, and keeps the keys that it is signed with. Errors as `verifyStatement`, `step.timeout`. */
  statementOf(delivery: Delivery, params: CallParams, agreement: Agreement): Promise<void>
}

/** A receipt is checked as of the delivery's time, so a time outside of the call would make one that proves nothing. Errors `step.output`, `step.timeout`. */
function inTime({ body }: Delivery, { until }: CallParams, { terms }: Agreement): void {
  if (body.at < until - terms.deadlineMs - terms.graceMs - CLOCKS_MS) throw new AigenError('step.output', 'delivered before the call')
  if (body.at > until + CLOCKS_MS) throw new AigenError('step.timeout', 'delivered after the deadline')
}

/** Error of either: `blob.missing`, and those of the network: then nothing is decided. */
export function createJudge({ wire, clock, random, host, evaluate, capability, blobs, transfer }: JudgeOptions): CallJudge {
  /** Lays the input's blobs on the transfer shelf, once an effect run. */
  const parcelsFor = async (input: unknown): Promise<Parcel[]> => {
    const parcels: Parcel[] = []
    for (const ref of blobsIn(input)) {
      const bytes = await blobs.get(blobKey(ref))
      if (!bytes) throw new AigenError('blob.missing', `${ref.$blob} is not on the own shelf`)
      parcels.push(await sendParcel(transfer, wire.participant, bytes, random))
    }
    return parcels
  }

  /** Fetches the output's blobs, so that a delivery whose blobs are not there is not paid. */
  const keepBlobs = async (output: unknown, parcels: readonly Parcel[]): Promise<void> => {
    for (const ref of blobsIn(output)) {
      if (await blobs.get(blobKey(ref))) continue
      await blobs.put(blobKey(ref), await receiveParcel(transfer, ref, parcels))
    }
  }

  /** Does what may find a partition of ours in passing from node to node: a delivery must not go unpaid for that. */
  const surely = async (act: () => Promise<void>): Promise<void> => {
    for (const until = clock.monotonic() + PASSING_MS; ;) {
      try {
        return await act()
      } catch (thrown) {
        if (!asError(thrown).rule.retry || clock.monotonic() >= until) throw thrown
      }
      await clock.sleep(PAUSE_MS)
    }
  }

  /** The verdict on a delivery: signature, call, hashes, price and time first, then the signed clauses. */
  const verdictOn = async (answer: Extract<Answer, { state: 'delivered' | 'sealed' }>, params: CallParams, agreement: Agreement, sent: { readonly input?: unknown } = {}): Promise<Verdict> => {
    const { terms } = agreement
    try {
      const facts = { terms, agreement: params.agreement, call: params.call, inputHash: params.inputHash }
      const keep = (): Promise<void> => surely(() => keepKeys(host(), [agreement.payer.auth, agreement.provider.auth, answer.delivery.signature.auth], wire.credentials.verifier.authorisations))
      // What is in escrow may be paid by default, whatever is wrong with the output: the receipt needs the keys.
      if (terms.settle === 'escrow') {
        verifyStatement(answer.delivery, facts, wire.credentials.verifier, clock.now())
        await keep()
      }
      if (answer.state === 'delivered') verifyDelivery(answer.delivery, { ...facts, output: answer.output }, wire.credentials.verifier, clock.now())
      else {
        if (terms.settle !== 'locked') throw new AigenError('step.output', 'sealed, which was not agreed')
        verifyStatement(answer.delivery, facts, wire.credentials.verifier, clock.now())
        verifySealed(answer.delivery, answer.sealed)
      }
      inTime(answer.delivery, params, agreement)
      const contract = capability(terms.provider, terms.capability)
      if (!contract || hashOfFixed(contract) !== terms.capabilityHash) throw new AigenError('step.output', 'the capability of the agreement is not known here')
      const elapsedMs = clock.now() - (params.until - terms.deadlineMs - terms.graceMs)
      checkCount(terms, answer.delivery.body.units, { ...(Object.hasOwn(sent, 'input') ? { input: sent.input } : {}), ...(answer.state === 'delivered' ? { output: answer.output } : {}), elapsedMs })
      // What is sealed is judged when its key has come.
      if (answer.state === 'delivered') {
        await keepBlobs(answer.output, answer.parcels ?? [])
        const fault = await judge(answer.output, contract.output, terms.expect, evaluate)
        if (fault) return { ok: false, error: fault.toJSON() }
      }
      await keep()
      return { ok: true }
    } catch (thrown) {
      const error = asError(thrown)
      if (error.code === 'blob.missing' || error.rule.fault === 'network') throw error
      return { ok: false, error: { ...error.toJSON(), code: error.code === 'step.timeout' ? 'step.timeout' : 'step.output' } }
    }
  }

  const statementOf = async (delivery: Delivery, params: CallParams, agreement: Agreement): Promise<void> => {
    verifyStatement(delivery, { terms: agreement.terms, agreement: params.agreement, call: params.call, inputHash: params.inputHash }, wire.credentials.verifier, clock.now())
    inTime(delivery, params, agreement)
    await surely(() => keepKeys(host(), [agreement.payer.auth, agreement.provider.auth, delivery.signature.auth], wire.credentials.verifier.authorisations))
  }

  return { parcelsFor, verdictOn, statementOf }
}

/** Key of a blob on the own shelf. */
export function blobKey(ref: Pick<BlobRef, '$blob'>): string {
  return ref.$blob
}
