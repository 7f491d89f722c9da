/**
 * A call that is paid piece by piece, as effects on the payer's side: `stream.call` sends the input, counts
 * the pieces that come and holds each part that the provider signs for against its own count; `stream.count`
 * says how far it came when it is given up, `stream.cancel` tells the provider and looks at what it signs for
 * then. Nothing is paid that did not come (I8): a provider that says otherwise of pieces, units or price
 * costs at most the part before. Asked for by `stream.machine.ts`.
 */
import type { Delivery } from '../schemas/documents.gen.ts'
import { AigenError, asError } from '../schemas/error.ts'
import type { ActorEvent } from '../runtime/actors/actor.ts'
import type { EffectKind } from '../runtime/actors/effects.ts'
import type { PieceMeter } from '../runtime/identity/flow.ts'
import { checkMeter, metered, unmetered, verifyStreamed, type Metered } from '../runtime/payments/stream.ts'
import { createAsk, failureOf, type CallParams } from './ask.ts'
import { hearing } from './hearing.ts'
import type { InvokeOptions } from './invoke.ts'
import { createJudge } from './judge-call.ts'
import { listen } from './listen.ts'
import type { RunContext } from './run.machine.ts'
import type { StepContext, Verdict } from './step.ts'
import type { StreamContext } from './stream.ts'

/** Pieces that are signed for and have not come are asked for this long, in ms. */
const LAG_MS = 10_000
const LOOK_MS = 150
/** A part is on its way to its provider this long before the call is given up, in ms. */
const HAND_MS = 60_000

/** The effects `stream.call`, `stream.count` and `stream.cancel`. */
export function streamEffects(options: InvokeOptions): Record<string, EffectKind> {
  const { clock, random, host, capability, bus, listeners } = options
  const ask = createAsk(options)
  const { parcelsFor, verdictOn, statementOf } = createJudge(options)
  /** The own count of each call that this process listens to. */
  const counts = new Map<string, Metered>()

  const paramsOf = ({ agreement: { terms }, id, lane, inputHash, until }: StreamContext): CallParams => ({ to: terms.provider, lane: lane.id, agreement: id, call: 0, inputHash, until })
  /** Of the last part that was found right, and is paid or about to be. */
  const paidMeter = ({ id, paying, delivery, agreement: { terms } }: StreamContext): Metered => {
    const last = (paying ?? delivery)?.body
    return last ? { pieces: last.stream!.pieces, chain: last.stream!.chain, units: last.units[terms.unit]! } : unmetered(id, 0)
  }
  const contextOf = (actor: string): StreamContext => host().context<StreamContext>(actor)!

  const call: EffectKind = {
    mode: 'idempotent',
    attempts: 1,
    concurrency: 256,
    run: async (_params: object, { actor, signal }): Promise<ActorEvent> => {
      const { step: stepActor, agreement, id, invokedAt } = contextOf(actor)
      const { terms } = agreement
      const params = paramsOf(contextOf(actor))
      const step = host().context<StepContext>(stepActor)!
      const { trace } = host().context<RunContext>(`run/${step.run}`) ?? {}
      const parcels = await parcelsFor(step.input)
      const contract = capability(terms.provider, terms.capability)
      const { secret, feeds, take, kept } = hearing(host(), listeners, stepActor, step)
      if (secret === undefined || contract?.chunk === undefined) throw new AigenError('step.output', 'the capability of the agreement is not known here, or sends no pieces')

      let own = unmetered(id, 0)
      let before = paidMeter(contextOf(actor))
      const since: Metered[] = []
      counts.set(actor, before)
      const fault = new AbortController()
      const listening = (await listen({
        bus, clock, random, secret, agreement: id, call: 0, contract,
        take: (chunk, meter?: PieceMeter) => {
          if (!meter) throw new AigenError('step.output', 'a piece says nothing of its meter')
          const [units, link] = meter
          // What is heard again after a restart was paid for: it only has to be the same.
          const old = own.pieces < before.pieces
          if (!old) checkMeter(terms, before, own, units)
          const next = metered(own, chunk, units)
          if (next.chain !== link) throw new AigenError('step.output', 'the link of a piece is another than it makes')
          if (next.pieces === before.pieces && next.chain !== before.chain) throw new AigenError('step.output', 'heard again, the pieces are others than were paid for')
          own = next
          if (!old) {
            since.push(next)
            counts.set(actor, next)
          }
          take?.(chunk)
        },
        broken: (error) => fault.abort(error),
      }))!
      const stop = AbortSignal.any([signal, fault.signal])
      const streamed = (): { streamed?: true } => (listening.passed() ? { streamed: true } : {})
      /** The own count after so many pieces; waits for those on their way. Error `step.output`. */
      const countAt = async (pieces: number): Promise<Metered> => {
        for (const until = clock.monotonic() + LAG_MS; own.pieces < pieces; listening.nudge()) {
          stop.throwIfAborted()
          if (clock.monotonic() >= until) throw new AigenError('step.output', `${pieces} pieces are signed for, ${own.pieces} came`)
          await clock.sleep(LOOK_MS, stop)
        }
        const at = pieces === before.pieces ? before : since.find((one) => one.pieces === pieces)
        if (!at) throw new AigenError('step.output', `${pieces} pieces are signed for, which were paid before`)
        return at
      }
      const atRest = async (pieces: number): Promise<void> => {
        await host().until(actor, ({ context }) => (context as StreamContext).paying === null && ((context as StreamContext).delivery?.body.stream?.pieces ?? 0) >= pieces, HAND_MS, stop)
      }
      const pay = async (delivery: Delivery): Promise<void> => {
        const { pieces = 0, part } = delivery.body.stream ?? {}
        // Paid before: its provider has not heard of it yet, or makes time go by.
        if (pieces <= before.pieces && clock.now() >= params.until) throw new AigenError('step.timeout', 'nothing came but a part that was paid')
        if (pieces <= before.pieces) return clock.sleep(LOOK_MS, stop)
        if (!part) throw new AigenError('step.output', 'no part is signed for')
        await statementOf(delivery, params, agreement)
        const at = await countAt(pieces)
        verifyStreamed(delivery, terms, at)
        // It goes on as soon as it has the voucher, before this node hears that it has.
        before = at
        while (since.length > 0 && since[0]!.pieces <= pieces) since.shift()
        await host().send(actor, { type: 'part', delivery })
        await atRest(pieces)
      }
      const body = { lane: params.lane, agreement: id, call: 0, input: step.input, inputHash: params.inputHash, ...(parcels.length > 0 ? { parcels } : {}), flow: listening.flow }
      try {
        // What was on its way when this node stopped.
        await atRest(0)
        for (;;) {
          const answer = await ask('invoke', params, body, stop, agreement.lane, trace)
          if (answer.state === 'part') {
            await pay(answer.delivery)
            continue
          }
          if (answer.state !== 'delivered') {
            const error = answer.state === 'failed' ? failureOf(answer.error) : new AigenError('step.cancelled', 'the provider cancelled').toJSON()
            counts.delete(actor)
            return { type: 'stream.call.declined', error, ...streamed() }
          }
          const { delivery, output } = answer
          await listening.last()
          const wrong = await countAt(delivery.body.stream?.pieces ?? 0).then((at) => {
            verifyStreamed(delivery, terms, at)
            checkMeter(terms, before, at, delivery.body.units[terms.unit]!)
          }).then(() => undefined, asError)
          const verdict: Verdict = wrong ? { ok: false, error: wrong.toJSON() } : await verdictOn(answer, params, agreement)
          counts.delete(actor)
          const lost = feeds && verdict.ok && (!(await kept()) || !listening.complete())
          return { type: 'stream.call.done', delivery, output, latencyMs: Math.max(0, clock.now() - invokedAt), verdict, ...streamed(), ...(lost ? { lost } : {}) }
        }
      } catch (thrown) {
        if (signal.aborted) throw thrown
        const error = fault.signal.aborted ? asError(fault.signal.reason) : asError(thrown)
        return { type: 'stream.call.broken', error: error.toJSON(), ...streamed() }
      } finally {
        await listening.stop()
      }
    },
  }

  const count: EffectKind = {
    mode: 'idempotent',
    run: async (_params: object, { actor }): Promise<ActorEvent> => {
      const paid = paidMeter(contextOf(actor))
      const known = counts.get(actor)
      counts.delete(actor)
      return { type: 'stream.count.done', meter: known && known.pieces > paid.pieces ? known : paid }
    },
  }

  const cancel: EffectKind = {
    mode: 'idempotent',
    attempts: 1,
    concurrency: 256,
    run: async (_params: object, { actor, signal }): Promise<ActorEvent> => {
      const context = contextOf(actor)
      const { agreement, meter, id } = context
      const params = paramsOf(context)
      const answer = await ask('cancel', params, { lane: params.lane, agreement: id, call: 0, pieces: meter!.pieces }, signal, agreement.lane)
      if (answer.state !== 'delivered' && answer.state !== 'part') return { type: 'stream.cancel.done' }
      const { delivery } = answer
      try {
        if (delivery.body.stream?.part || answer.state === 'part') {
          // Of a part that was paid before, nothing is owed any more.
          if (BigInt(delivery.body.amount) <= BigInt(context.delivery?.body.amount ?? 0)) return { type: 'stream.cancel.done' }
          await statementOf(delivery, params, agreement)
          verifyStreamed(delivery, agreement.terms, meter!)
          return { type: 'stream.cancel.done', delivery, verdict: { ok: true } }
        }
        // It had delivered before it heard: that is owed as it was agreed, where all of it came or is there now.
        if ((delivery.body.stream?.pieces ?? 0) <= meter!.pieces) verifyStreamed(delivery, agreement.terms, meter!)
        return { type: 'stream.cancel.done', delivery, output: answer.output, verdict: await verdictOn(answer, params, agreement) }
      } catch (thrown) {
        return { type: 'stream.cancel.done', delivery, verdict: { ok: false, error: asError(thrown).toJSON() } }
      }
    },
  }
  return { 'stream.call': call, 'stream.count': count, 'stream.cancel': cancel }
}
