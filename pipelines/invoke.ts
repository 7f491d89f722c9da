/**
 * Calls as effects, on the payer's side (D3, D6): `call.invoke` sends a step's input and waits for
 * the delivery; `call.cancel` asks what became of a call before anybody else is hired. Both repeat
 * under the same call id until answered or too late, and both judge a delivery by the signed clauses
 * before a cent moves (I8).
 */
import type { Delivery, NodeAuthorisation } from '../schemas/documents.gen.ts'
import { AigenError, asError } from '../schemas/error.ts'
import type { ActorEvent } from '../runtime/actors/actor.ts'
import type { EffectKind } from '../runtime/actors/effects.ts'
import type { Bus } from '../runtime/ports/bus.ts'
import { createAsk, failureOf, type CallParams } from './ask.ts'
import { hearing } from './hearing.ts'
import type { InquiryContext } from './inquiry.machine.ts'
import { createJudge, type JudgeOptions } from './judge-call.ts'
import { listen, type Listeners } from './listen.ts'
import type { RunContext } from './run.machine.ts'
import type { StepContext } from './step.ts'

export interface InvokeOptions extends JudgeOptions {
  readonly bus: Bus
  /** Who hears the pieces of outputs in this process. */
  readonly listeners: Listeners
}

/** The effects `call.invoke` and `call.cancel`. */
export function invokeEffects(options: InvokeOptions): Record<string, EffectKind> {
  const { wire, clock, random, host, capability, bus, listeners } = options
  const ask = createAsk(options)
  const { parcelsFor, verdictOn } = createJudge(options)

  /** Through a hub: the authorisations that it needs to check both signatures and the delivery's. */
  const behind = ({ lane, agreement }: StepContext, { signature }: Delivery): { authorisations?: NodeAuthorisation[] } => {
    if (!lane?.grant) return {}
    const { authorisations } = wire.credentials.verifier
    const hashes = new Set([agreement!.payer.auth, agreement!.provider.auth, signature.auth])
    return { authorisations: [...hashes].flatMap((hash) => authorisations.get(hash) ?? []) }
  }

  const invoke: EffectKind = {
    mode: 'idempotent',
    attempts: 1,
    concurrency: 256,
    run: async (params: CallParams, { actor, signal }): Promise<ActorEvent> => {
      const step = host().context<StepContext>(actor)!
      const { run } = step
      const { trace } = host().context<RunContext>(`run/${run}`) ?? {}
      const parcels = await parcelsFor(step.input)
      const { lane, agreement, call, inputHash } = params
      const contract = capability(step.agreement!.terms.provider, step.agreement!.terms.capability)
      const { secret, feeds, take, kept } = hearing(host(), listeners, actor, step)
      const listening = secret === undefined || !contract || step.agreement!.terms.settle === 'locked' ? undefined : await listen({ bus, clock, random, secret, agreement, call, contract, take })
      const body = {
        lane, agreement, call, input: step.input, inputHash, until: params.until, ...(parcels.length > 0 ? { parcels } : {}), ...(step.staked ? { [step.staked.kind === 'escrow' ? 'escrow' : 'prepaid']: step.staked } : {}), ...(listening ? { flow: listening.flow } : {}),
      }
      // A step whose pieces were passed on is never done elsewhere: nobody can take them back.
      const streamed = (): { streamed?: true } => (listening?.passed() ? { streamed: true } : {})
      try {
        const answer = await ask('invoke', params, body, signal, step.agreement!.lane, trace)
        if (answer.state === 'sealed') {
          const verdict = await verdictOn(answer, params, step.agreement!, { input: step.input })
          return { type: 'call.invoke.done', delivery: answer.delivery, output: null, sealed: answer.sealed, ...behind(step, answer.delivery), latencyMs: Math.max(0, clock.now() - step.invokedAt), verdict }
        }
        if (answer.state === 'delivered') {
          const verdict = await verdictOn(answer, params, step.agreement!, { input: step.input })
          if (verdict.ok) await listening?.last()
          const lost = feeds && verdict.ok && (!(await kept()) || listening?.complete() !== true)
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
