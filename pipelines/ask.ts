/**
 * A call asked for again until it is answered, on the payer's side (D3): under the same call id, until
 * there is more to say than `pending`, or it is too late. Used by the effects of `invoke.ts` and `stream.ts`.
 */
import type { Address, Delivery, Hash, Hex32, Parcel } from '../schemas/documents.gen.ts'
import { AigenError, asError, fromBody, type ErrorBody } from '../schemas/error.ts'
import { participantId } from '../schemas/id.ts'
import { validate } from '../schemas/validate.ts'
import type { Wire } from '../runtime/identity/wire.ts'
import type { Clock } from '../runtime/ports/clock.ts'
import type { Random } from '../runtime/ports/random.ts'

/** One attempt waits this long for the answer, in ms; the provider holds the request meanwhile. */
const ATTEMPT_MS = 2_500
/** Pause after an attempt that nobody answered, in ms. */
const PAUSE_MS = 150
/** A provider whose nodes are all gone for this long has failed at the step, in ms. */
const GONE_MS = 3_000
/**
 * Past the deadline a stored answer is still asked for this long, in ms: a provider's node that stands
 * still is taken over from, and one that was killed is back. What is not heard of then is not paid.
 */
const LAST_CHANCE_MS = 12_000

export interface CallParams {
  readonly to: Address
  readonly lane: Hex32
  readonly agreement: Hash
  readonly call: number
  readonly inputHash: Hash
  readonly until: number
}

export type Answer =
  | { readonly state: 'pending' | 'cancelled' | 'unknown' }
  | { readonly state: 'delivered'; readonly delivery: Delivery; readonly output: unknown; readonly parcels?: readonly Parcel[] }
  | { readonly state: 'sealed'; readonly delivery: Delivery; readonly sealed: string }
  | { readonly state: 'part'; readonly delivery: Delivery }
  | { readonly state: 'failed'; readonly error: ErrorBody }

export type Ask = (verb: 'invoke' | 'cancel', params: CallParams, body: object, signal: AbortSignal, lane: string, trace?: string) => Promise<Answer>

/** How a node asks. Errors of the asking: `step.timeout`, `step.cancelled` where `signal` aborts, and what the callee refuses with. */
export function createAsk({ wire, clock, random }: { readonly wire: Wire; readonly clock: Clock; readonly random: Random }): Ask {
  return async (verb, params, body, signal, lane, trace) => {
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
export function failureOf(body: ErrorBody): ErrorBody {
  const error = fromBody(body)
  return (error.code === 'internal' || error.rule.fault === 'caller' || error.rule.fault === 'config') && !error.code.startsWith('step.') && !error.code.startsWith('input.')
    ? { ...error.toJSON(), code: 'step.failed' }
    : error.toJSON()
}
