/**
 * Calls as effects, on the payer's side (D3, D6): `call.invoke` sends a step's input and waits for
 * the delivery; `call.cancel` asks what became of a call before anybody else is hired. Both repeat
 * under the same call id until answered or too late, and both judge a delivery by the signed clauses
 * before a cent moves (I8).
 */
import type { Address, Agreement, BlobRef, Capability, Delivery, Hash, Hex32, Parcel } from '../schemas/documents.gen.ts'
import { AigenError, asError, fromBody, type ErrorBody } from '../schemas/error.ts'
import { hashOfFixed } from '../schemas/fixed.ts'
import { participantId } from '../schemas/id.ts'
import { validate } from '../schemas/validate.ts'
import type { ActorEvent } from '../runtime/actors/actor.ts'
import type { EffectKind } from '../runtime/actors/effects.ts'
import type { Host } from '../runtime/actors/host.ts'
import { blobsIn, receiveParcel, sendParcel } from '../runtime/identity/parcel.ts'
import type { Wire } from '../runtime/identity/wire.ts'
import { keepKeys } from '../runtime/market/keyring.machine.ts'
import { verifyDelivery, verifyStatement } from '../runtime/payments/delivery.ts'
import { verifySealed } from '../runtime/payments/seal.ts'
import type { Blobs } from '../runtime/ports/blobs.ts'
import type { Bus } from '../runtime/ports/bus.ts'
import type { Clock } from '../runtime/ports/clock.ts'
import type { Random } from '../runtime/ports/random.ts'
import { judge } from './evaluate-step.ts'
import type { InquiryContext } from './inquiry.machine.ts'
import { listen, type Listeners } from './listen.ts'
import type { Evaluate } from './prepare.ts'
import type { RunContext } from './run.machine.ts'
import type { StepContext, Verdict } from './step.ts'

/** One attempt waits this long for the answer, in ms; the provider holds the request meanwhile. */
const ATTEMPT_MS = 2_500
/** Pause after an attempt that nobody answered, in ms. */
const PAUSE_MS = 150
/** A provider whose nodes are all gone for this long has failed at the step, in ms. */
const GONE_MS = 3_000
/** A partition that passes from one of our nodes to another is there again within this, in ms. */
const PASSING_MS = 30_000
/** Clocks may differ by this much when a delivery's time is checked, in ms. */
const SKEW_MS = 5_000
/**
 * Past the deadline a stored answer is still asked for this long, in ms: a provider's node that stands
 * still is taken over from, and one that was killed is back. What is not heard of then is not paid.
 */
const LAST_CHANCE_MS = 12_000

export interface InvokeOptions {
  readonly wire: Wire
  readonly clock: Clock
  readonly random: Random
  readonly host: () => Host
  readonly evaluate: Evaluate
  readonly capability: (provider: string, id: string) => Capability | undefined
  readonly bus: Bus
  /** Who hears the pieces of outputs in this process. */
  readonly listeners: Listeners
  /** The participant's own shelf of large values, and its transfer shelf. */
  readonly blobs: Blobs
  readonly transfer: Blobs
}

interface CallParams {
  readonly to: Address
  readonly lane: Hex32
  readonly agreement: Hash
  readonly call: number
  readonly inputHash: Hash
  readonly until: number
}

type Answer =
  | { readonly state: 'pending' | 'cancelled' | 'unknown' }
  | { readonly state: 'delivered'; readonly delivery: Delivery; readonly output: unknown; readonly parcels?: readonly Parcel[] }
  | { readonly state: 'sealed'; readonly delivery: Delivery; readonly sealed: string }
  | { readonly state: 'failed'; readonly error: ErrorBody }

/** The effects `call.invoke` and `call.cancel`. */
export function invokeEffects(options: InvokeOptions): Record<string, EffectKind> {
  const { wire, clock, random, host, evaluate, blobs, transfer, capability, bus, listeners } = options

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
  const verdictOn = async (answer: Extract<Answer, { state: 'delivered' | 'sealed' }>, params: CallParams, agreement: Agreement): Promise<Verdict> => {
    const { terms } = agreement
    try {
      const facts = { terms, agreement: params.agreement, call: params.call, inputHash: params.inputHash }
      if (answer.state === 'delivered') verifyDelivery(answer.delivery, { ...facts, output: answer.output }, wire.credentials.verifier, clock.now())
      else {
        if (terms.settle !== 'locked') throw new AigenError('step.output', 'sealed, which was not agreed')
        verifyStatement(answer.delivery, facts, wire.credentials.verifier, clock.now())
        verifySealed(answer.delivery, answer.sealed)
      }
      // A receipt is checked as of the delivery's time, so a time outside of the call would make one that proves nothing.
      if (answer.delivery.body.at < params.until - terms.deadlineMs - terms.graceMs - SKEW_MS) throw new AigenError('step.output', 'delivered before the call')
      if (answer.delivery.body.at > params.until + SKEW_MS) throw new AigenError('step.timeout', 'delivered after the deadline')
      const contract = capability(terms.provider, terms.capability)
      if (!contract || hashOfFixed(contract) !== terms.capabilityHash) throw new AigenError('step.output', 'the capability of the agreement is not known here')
      // What is sealed is judged when its key has come.
      if (answer.state === 'delivered') {
        await keepBlobs(answer.output, answer.parcels ?? [])
        const fault = await judge(answer.output, contract.output, terms.expect, evaluate)
        if (fault) return { ok: false, error: fault.toJSON() }
      }
      await surely(() => keepKeys(host(), [agreement.payer.auth, agreement.provider.auth, answer.delivery.signature.auth], wire.credentials.verifier.authorisations))
      return { ok: true }
    } catch (thrown) {
      const error = asError(thrown)
      if (error.code === 'blob.missing' || error.rule.fault === 'network') throw error
      return { ok: false, error: { ...error.toJSON(), code: error.code === 'step.timeout' ? 'step.timeout' : 'step.output' } }
    }
  }

  /** Repeats `verb` until it is answered with more than `pending`, or it is too late. */
  const ask = async (verb: 'invoke' | 'cancel', params: CallParams, body: object, signal: AbortSignal, lane: string, trace?: string): Promise<Answer> => {
    const started = clock.monotonic()
    const until = Math.max(params.until, clock.now() + LAST_CHANCE_MS)
    let goneSince: number | undefined
    let last: AigenError = new AigenError('step.timeout')
    while (clock.now() < until) {
      if (signal.aborted) throw new AigenError('step.cancelled')
      const asked = clock.monotonic()
      try {
        const answer = await wire.call(participantId(params.to), verb, body, {
          callId: `${verb[0]}-${params.agreement.slice(7, 39)}-${params.call}`,
          route: lane,
          timeoutMs: Math.max(200, Math.min(ATTEMPT_MS, until - clock.now())),
          expiresAt: until,
          signal,
          ...(trace === undefined ? {} : { trace: { traceparent: trace } }),
          validate: (value) => readAnswer(verb, value),
        })
        if (answer.state !== 'pending') return answer
        goneSince = undefined
        // One that holds the request, as it should, is asked again at once; one that does not is not asked in a circle.
        if (clock.monotonic() - asked >= PAUSE_MS) continue
      } catch (thrown) {
        last = asError(thrown)
        if (!last.rule.retry) throw last
        goneSince = last.code === 'network.no-responders' ? goneSince ?? clock.monotonic() : undefined
        if (verb === 'invoke' && goneSince !== undefined && clock.monotonic() - goneSince >= GONE_MS) throw last
      }
      await clock.sleep(PAUSE_MS + Math.floor(random.fraction() * PAUSE_MS), signal)
    }
    throw last.code.startsWith('network.') ? new AigenError('step.timeout', `no answer in ${Math.round(clock.monotonic() - started)} ms; last: ${last.message}`) : last
  }

  const invoke: EffectKind = {
    mode: 'idempotent',
    attempts: 1,
    concurrency: 256,
    run: async (params: CallParams, { actor, signal }): Promise<ActorEvent> => {
      const step = host().context<StepContext>(actor)!
      const { run } = step
      const { trace } = host().context<RunContext>(`run/${run}`) ?? {}
      const root = run.split('/', 1)[0]!
      const secret = host().context<RunContext>(`run/${root}`)?.flow
      const parcels = await parcelsFor(step.input)
      const { lane, agreement, call, inputHash } = params
      const contract = capability(step.agreement!.terms.provider, step.agreement!.terms.capability)
      const hears = listeners.get(run)
      // Pieces that steps take are journaled before those are told; heard again after a restart, they are known by their number.
      const feeds = step.plan.feeds !== undefined && !step.fallback
      const journaled: Promise<boolean>[] = []
      const take = hears || feeds ? (chunk: unknown): void => {
        hears?.({ step: step.plan.name, index: step.index, chunk })
        if (feeds) journaled.push(host().send(actor, { type: 'piece', number: journaled.length, chunk }).then(() => true, () => false))
      } : undefined
      const listening = secret === undefined || !contract || step.agreement!.terms.settle === 'locked' ? undefined : await listen({ bus, clock, random, secret, agreement, call, contract, take })
      const body = {
        lane, agreement, call, input: step.input, inputHash, ...(parcels.length > 0 ? { parcels } : {}), ...(step.staked ? { [step.staked.kind === 'escrow' ? 'escrow' : 'prepaid']: step.staked } : {}), ...(listening ? { flow: listening.flow } : {}),
      }
      // A step whose pieces were passed on is never done elsewhere: nobody can take them back.
      const streamed = (): { streamed?: true } => (listening?.passed() ? { streamed: true } : {})
      try {
        const answer = await ask('invoke', params, body, signal, step.agreement!.lane, trace)
        if (answer.state === 'sealed') {
          const verdict = await verdictOn(answer, params, step.agreement!)
          return { type: 'call.invoke.done', delivery: answer.delivery, output: null, sealed: answer.sealed, latencyMs: Math.max(0, clock.now() - step.invokedAt), verdict }
        }
        if (answer.state === 'delivered') {
          const verdict = await verdictOn(answer, params, step.agreement!)
          if (verdict.ok) await listening?.last()
          // One that could not be journaled is as lost as one that did not come.
          const kept = (await Promise.all(journaled)).every(Boolean)
          const lost = feeds && verdict.ok && (!kept || listening?.complete() !== true)
          return { type: 'call.invoke.done', delivery: answer.delivery, output: answer.output, latencyMs: Math.max(0, clock.now() - step.invokedAt), verdict, ...streamed(), ...(lost ? { lost } : {}) }
        }
        const error = answer.state === 'failed' ? failureOf(answer.error) : new AigenError('step.cancelled', 'the provider cancelled').toJSON()
        return { type: 'call.invoke.declined', error, ...streamed() }
      } catch (thrown) {
        if (signal.aborted || !listening?.passed()) throw thrown
        return { type: 'call.invoke.failed', error: asError(thrown).toJSON(), ...streamed() }
      } finally {
        await listening?.stop()
      }
    },
  }

  const cancel: EffectKind = {
    mode: 'idempotent',
    attempts: 1,
    concurrency: 256,
    run: async (params: CallParams, { actor, signal }): Promise<ActorEvent> => {
      const inquiry = host().context<InquiryContext>(actor)!
      const answer = await ask('cancel', params, { lane: params.lane, agreement: params.agreement, call: params.call }, signal, inquiry.agreement.lane)
      if (answer.state !== 'delivered') return { type: 'call.cancel.done' }
      return { type: 'call.cancel.done', delivery: answer.delivery, output: answer.output, verdict: await verdictOn(answer, params, inquiry.agreement) }
    },
  }
  return { 'call.invoke': invoke, 'call.cancel': cancel }
}

/** The answer, when it has the shape of one. Error `step.output`: what a provider says badly is its own fault. */
function readAnswer(verb: 'invoke' | 'cancel', value: unknown): Answer {
  try {
    return validate(verb === 'invoke' ? 'InvokeAnswer' : 'CancelAnswer', value) as Answer
  } catch (cause) {
    throw new AigenError('step.output', asError(cause).message, { cause })
  }
}

/** Why the provider failed, as it says; it can blame the step's input, but nothing else of the payer's. */
function failureOf(body: ErrorBody): ErrorBody {
  const error = fromBody(body)
  return (error.code === 'internal' || error.rule.fault === 'caller' || error.rule.fault === 'config') && !error.code.startsWith('step.') && !error.code.startsWith('input.')
    ? { ...error.toJSON(), code: 'step.failed' }
    : error.toJSON()
}

/** Key of a blob on the own shelf. */
export function blobKey(ref: Pick<BlobRef, '$blob'>): string {
  return ref.$blob
}
