/**
 * One piece of work (D6, D8): prepare its input, hire, invoke, check, pay; elsewhere again where the
 * document allows it, then its fallback. A step of the document, an item of a forEach, a provider of
 * a race or a quorum, the fee of an escrow case, a compensation: started by a run, a fan, a step or a
 * saga, which it tells `step.ended`.
 *
 * Keeps I1 and I4: an attempt whose outcome is unknown is handed to an inquiry, its lane and its
 * share of the hold kept until that is settled, before anybody else is hired.
 */
import { assign, createMachine, enqueueActions } from 'xstate'
import type { PlainVoucher } from '../schemas/documents.gen.ts'
import { ERRORS } from '../schemas/error.ts'
import { defineActor, effect } from '../runtime/actors/actor.ts'
import { isFree } from '../runtime/market/free.ts'
import { attemptOf, endsOf, faultOf, mayAskAgain, mayRetry, mayStandIn, stateWord } from './attempt.ts'
import { toKeep } from './cache.ts'
import { doubtsOf, unlockOf } from './doubt.ts'
import { feeStep, feeStepId, stakeFor } from './escrow.ts'
import { growing, grown, itemAt, itemsOf } from './growing.ts'
import { hiringOf } from './hiring.ts'
import { LATE, stops } from './overdue.ts'
import { giveBack, payFor, payingOf } from './payer.ts'
import { stepPromises } from './step-promises.ts'
import { streamId, streamOf } from './stream.ts'
import { negotiationId, stepId, workOf, type StepContext, type StepEvent, type StepInput } from './step.ts'

/** Gives the lane back; under a standing agreement only the number, and where the provider is to blame none more is asked for. */
const release = { type: 'tell', params: ({ context, event }: any) => giveBack(payingOf(context), event.type === 'call.invoke.done' || ERRORS[faultOf(event).code].fault === 'caller' ? 'spare' : 'failed')[0] } as any
const remember = (type: 'delivered' | 'failed'): any => ({
  type: 'tell',
  params: ({ context }: any) => ({ to: 'experience', event: { type, provider: context.agreement.terms.provider, capability: workOf(context).uses } }),
})
/** A race or a quorum is told who does it. */
const tellHired: any = enqueueActions(({ context, enqueue }: any) => {
  const { parent, member, agreement } = context as StepContext
  if (member !== undefined) enqueue({ type: 'tell', params: { to: parent, event: { type: 'hired', member, provider: agreement!.terms.provider } } })
})
/** Writes the attempt down as failed; the last action of an attempt, since its number grows. */
const noteFailure = assign<StepContext, any, undefined, any, never>({
  attempts: ({ context, event }) => [...context.attempts, attemptOf(context, stateWord(faultOf(event)), '0', faultOf(event))],
  error: ({ event }) => faultOf(event),
})
/** Hands the attempt to an inquiry, or in escrow to a dispute, which keeps the lane until the outcome is known. */
const doubt: any = enqueueActions(({ context, event, enqueue }: any) => {
  for (const params of doubtsOf(context, event)) enqueue({ type: 'tell', params })
})
const tellDoubt = { type: 'tell', params: ({ context }: any) => ({ to: `run/${context.run}`, event: { type: 'doubt.opened' } }) } as any

/** Nothing is owed: the lane is given back; or the payee has a voucher still, in escrow until a ruling takes it away, prepaid for good. */
const letGo: any = enqueueActions(({ context, enqueue }: any) => {
  for (const action of context.staked ? [tellDoubt, doubt] : [release]) enqueue(action)
})
/** A delivery that fails a signed clause; postpaid the lane stays out of use, since its payee sees it otherwise. */
const contest: any = enqueueActions(({ context, enqueue }: any) => {
  for (const action of context.staked ? [tellDoubt, doubt] : []) enqueue(action)
  for (const params of giveBack(payingOf(context), 'contested')) enqueue({ type: 'tell', params })
})
const addFee = assign<StepContext, any, undefined, any, never>({ fees: ({ context, event }) => (BigInt(context.fees) + BigInt(event.charged)).toString() })

/** Why it ends before its time: its owner wants that, or it has taken too long. */
const stop = assign<StepContext, any, undefined, any, never>({
  state: ({ event }) => (event.type === 'over' ? 'failed' : 'cancelled'),
  error: ({ context, event }) => (event.type === 'over' ? LATE : context.error),
})
/** What was under way then, as the bill lists it: no fault of who did it. */
const noteStop = assign<StepContext, any, undefined, any, never>({
  attempts: ({ context }) => [...context.attempts, attemptOf(context, 'cancelled', '0')],
})
const failed = assign<StepContext, any, undefined, any, never>({ state: 'failed' })
const standIn = assign<StepContext, any, undefined, any, never>({ fallback: true, choice: null })
const stopped = ({ context }: { context: StepContext }): boolean => context.state !== 'running'
const agrees = (event: any): any => ({ agreement: event.agreement, agreementId: event.id, offer: event.offer, lane: event.lane, asked: event.asked, call: event.call })

const begin = assign<StepContext, any, undefined, any, never>(({ context, event }) => ({ ...agrees(event), staked: null, invokedAt: event.at, until: event.at + context.plan.deadlineMs + context.plan.graceMs }))

/** What follows a disappointment: another attempt, the fallback, or the end. */
const next = (actions: any[]): any[] => [
  { guard: ({ context, event }: any) => mayRetry(context, faultOf(event), event.streamed), target: 'pausing', actions: [...actions, noteFailure] },
  { guard: ({ context, event }: any) => mayStandIn(context, event.streamed), target: 'preparing', actions: [...actions, noteFailure, standIn] },
  { target: 'ended', actions: [...actions, noteFailure, failed] },
]

/** What its provider's card allows to be used again is known to other runs from here on. */
const keep: any = enqueueActions(({ context, enqueue }: any) => {
  for (const params of toKeep(context)) enqueue({ type: 'tell', params })
})

/** Tells those who take its pieces what came. */
const passOn: any = enqueueActions(({ context, event, enqueue }: any) => {
  const { pieces, listeners } = context as StepContext
  // Heard anew after a restart: the same, or of another attempt at the work.
  if (event.number < pieces.length) return enqueue.assign({ torn: context.torn || JSON.stringify(itemAt(pieces, event.number)) !== JSON.stringify(event.chunk) })
  for (const to of listeners) enqueue({ type: 'tell', params: { to, event: { type: 'pieces', from: event.number, pieces: [event.chunk] } } })
  enqueue.assign({ pieces: grown(pieces, [event.chunk]) })
})

const take = assign<StepContext, any, undefined, any, never>(({ context, event }) => ({ delivery: event.delivery, output: event.output, latencyMs: event.latencyMs, torn: context.torn || event.lost === true }))

/** Delivered and paid for. */
const finish = [
  remember('delivered'), keep,
  assign<StepContext, any, undefined, any, never>({ state: 'done', attempts: ({ context }) => [...context.attempts, attemptOf(context, 'done', context.delivery!.body.amount)], error: null }),
]

const tellEnd: any = enqueueActions(({ context, enqueue }: any) => {
  if (context.plan.timeoutMs !== undefined) enqueue.cancel('over')
  for (const params of endsOf(context)) enqueue({ type: 'tell', params })
})

const machine = createMachine({
  id: 'step',
  types: {} as { context: StepContext; events: StepEvent; input: StepInput & { at: number } },
  context: ({ input }) => ({
    ...input,
    self: stepId(input.run, input.plan.name, input.index, input.member),
    attempts: [], input: null, inputHash: null, units: 1, inputBytes: 0, agreement: null, agreementId: null, offer: null, asked: 0, lane: null,
    invokedAt: 0, until: 0, output: null, delivery: null, latencyMs: 0, voucher: null, previousRef: null, error: null, state: 'running',
    staked: null, fees: '0', choice: null, fallback: false, avoid: [], listeners: [], pieces: growing([]), torn: false,
  }),
  initial: 'preparing',
  // Of a member, whoever has it watches the time.
  entry: enqueueActions(({ context, enqueue }) => {
    if (context.plan.timeoutMs !== undefined && context.index === null && context.member === undefined) enqueue.raise({ type: 'over', at: 0 }, { delay: context.plan.timeoutMs, id: 'over' })
  }),
  on: {
    listen: {
      actions: enqueueActions(({ context, event, enqueue }) => {
        enqueue({ type: 'tell', params: { to: event.to, event: { type: 'pieces', from: 0, pieces: itemsOf(context.pieces) } } } as any)
        enqueue.assign({ listeners: [...context.listeners, event.to] })
      }),
    },
  },
  states: {
    preparing: {
      entry: effect<StepContext, any>('step.prepare', ({ context }) => ({ run: context.run, step: context.plan.name, index: context.index })),
      on: {
        'step.prepare.done': [
          { guard: ({ event }) => event.skip === true, target: 'ended', actions: assign({ state: 'skipped' }) },
          { guard: ({ event }) => event.value !== undefined, target: 'ended', actions: assign(({ event }) => ({ state: 'done', choice: event.choice ?? null, output: event.value, error: null })) },
          {
            guard: ({ event }) => event.known !== undefined,
            target: 'ended',
            actions: assign(({ event }) => ({ state: 'done', choice: event.choice ?? null, input: event.input, inputHash: event.inputHash!, output: event.known!.output, reused: event.known!.reused, error: null })),
          },
          {
            target: 'ready',
            actions: assign(({ event }) => ({ choice: event.choice ?? null, input: event.input, inputHash: event.inputHash!, units: event.units!, inputBytes: event.inputBytes!, ...(event.apart ? { apart: event.apart } : {}) })),
          },
        ],
        'step.prepare.failed': { target: 'ended', actions: assign({ state: 'failed', error: ({ event }) => event.error }) },
        ...stops({ target: 'ended', actions: [stop, { type: 'abort', params: { kind: 'step.prepare' } } as any] }),
      },
    },
    pausing: {
      after: { pause: 'ready' },
      on: stops({ target: 'ended', actions: [stop] }),
    },
    ready: { always: [{ guard: ({ context }) => context.member !== undefined, target: 'queueing' }, { target: 'hiring' }] },
    /** One provider of a race or a quorum is hired after the other, so that no two are the same. */
    queueing: {
      entry: { type: 'tell', params: ({ context }: any) => ({ to: context.parent, event: { type: 'hire.wanted', member: context.member } }) } as any,
      on: {
        turn: { target: 'hiring', actions: assign({ avoid: ({ event }) => event.avoid }) },
        cancel: { target: 'ended', actions: stop },
      },
    },
    hiring: {
      entry: { type: 'tell', params: ({ context }: any) => hiringOf(context) } as any,
      on: {
        agreed: [
          {
            guard: ({ context }) => context.plan.escrow !== null && !context.fallback,
            target: 'engaging',
            actions: [assign(({ event }) => ({ ...agrees(event), staked: null, previousRef: null })), tellHired],
          },
          {
            guard: ({ context, event }) => event.agreement.terms.settle === 'prepaid' && !context.fallback,
            target: 'staking',
            actions: [assign(({ event }) => ({ ...agrees(event), staked: null, previousRef: null })), tellHired],
          },
          { guard: ({ context, event }) => event.agreement.terms.settle === 'streamed' && !context.fallback, target: 'streaming', actions: [begin, tellHired] },
          { target: 'invoking', actions: [begin, tellHired] },
        ],
        refused: [
          { guard: ({ context }) => mayAskAgain(context), target: 'pausing', actions: assign({ refusals: ({ context }) => (context.refusals ?? 0) + 1 }) },
          { guard: ({ context }) => mayStandIn(context), target: 'preparing', actions: standIn },
          { target: 'ended', actions: assign({ state: 'failed', error: ({ context, event }) => (event.error.code === 'market.no-provider' && context.error ? context.error : event.error) }) },
        ],
        ...stops({ target: 'ended', actions: [stop, { type: 'tell', params: ({ context }: any) => ({ to: negotiationId(context), event: { type: 'cancel' } }) } as any] }),
      },
    },
    /** In escrow the agent takes the case first: nothing is at stake with one that is not there. */
    engaging: {
      entry: {
        type: 'tell',
        params: ({ context, event }: any) => {
          const { id, input } = feeStep(context, event.at)
          return { to: id, event: { type: 'start', input } }
        },
      } as any,
      on: {
        'step.ended': [
          { guard: stopped, target: 'ended', actions: [addFee, release] },
          { guard: ({ event }) => event.state === 'done', target: 'staking', actions: addFee },
          ...next([addFee, release]),
        ],
        ...stops({ actions: [stop, { type: 'tell', params: ({ context }: any) => ({ to: feeStepId(context.self, context.attempts.length), event: { type: 'cancel' } }) } as any] }),
      },
    },
    staking: {
      entry: [
        assign({ invokedAt: ({ event }) => event.at, until: ({ context, event }) => event.at + context.plan.deadlineMs + context.plan.graceMs }),
        {
          type: 'tell',
          params: ({ context, event }: any) => ({ to: 'purse', event: { type: 'stake', lane: context.lane.key, for: negotiationId(context), tell: context.self, stake: stakeFor(context, event.at) } }),
        } as any,
      ],
      on: {
        staked: [
          {
            guard: stopped,
            target: 'ended',
            actions: { type: 'tell', params: ({ context }: any) => ({ to: 'purse', event: { type: 'unstake', lane: context.lane.key, for: negotiationId(context) } }) } as any,
          },
          { target: 'invoking', actions: assign({ staked: ({ event }) => event.voucher, previousRef: ({ event }) => event.previousRef }) },
        ],
        ...stops({ actions: [stop] }),
      },
    },
    invoking: {
      entry: effect<StepContext, any>('call.invoke', ({ context }) => ({ to: context.agreement!.terms.provider, lane: context.lane!.id, agreement: context.agreementId, call: context.call ?? 0, inputHash: context.inputHash, until: context.until })),
      on: {
        piece: { guard: ({ context, event }) => event.number <= context.pieces.length, actions: passOn },
        'call.invoke.done': [
          {
            guard: ({ context, event }) => event.verdict.ok && context.staked?.kind === 'plain',
            target: 'ended',
            actions: [
              assign(({ context, event }) => ({ delivery: event.delivery, output: event.output, latencyMs: event.latencyMs, torn: context.torn || event.lost === true, voucher: context.staked as PlainVoucher })),
              { type: 'tell', params: ({ context }: any) => ({ to: 'purse', event: { type: 'prepaid', lane: context.lane.key, for: negotiationId(context), tell: context.self, heard: true } }) } as any,
              ...finish,
            ],
          },
          {
            guard: ({ event }) => event.verdict.ok && event.sealed !== undefined,
            target: 'unlocking',
            actions: assign(({ event }) => ({ delivery: event.delivery, latencyMs: event.latencyMs })),
          },
          { guard: ({ context, event }) => event.verdict.ok && isFree(context.agreement!.terms), target: 'ended', actions: [take, release, ...finish] },
          { guard: ({ event }) => event.verdict.ok, target: 'paying', actions: take },
          // A signed clause failed: nothing is owed.
          ...next([remember('failed'), contest]),
        ],
        'call.invoke.declined': next([remember('failed'), letGo]),
        'call.invoke.failed': next([remember('failed'), tellDoubt, doubt]),
        ...stops({ target: 'ended', actions: [{ type: 'abort', params: { kind: 'call.invoke' } } as any, tellDoubt, doubt, stop, noteStop] }),
      },
    },
    /** Another hears its pieces and pays for them as they come. */
    streaming: {
      entry: { type: 'tell', params: ({ context }: any) => streamOf(context) } as any,
      on: {
        piece: { guard: ({ context, event }) => event.number <= context.pieces.length, actions: passOn },
        streamed: { target: 'ended', actions: [take, assign({ voucher: ({ event }) => event.voucher, previousRef: ({ event }) => event.previousRef, parts: ({ event }) => event.parts }), ...finish] },
        unstreamed: next([remember('failed')]),
        ...stops({ target: 'ended', actions: [tellDoubt, { type: 'tell', params: ({ context }: any) => ({ to: streamId(negotiationId(context)), event: { type: 'cancel' } }) } as any, stop, noteStop] }),
      },
    },
    /** Its output is there, sealed: another pays for the key. */
    unlocking: {
      entry: { type: 'tell', params: ({ context, event }: any) => unlockOf(context, event.sealed) } as any,
      on: {
        opened: { target: 'ended', actions: [assign({ output: ({ event }) => event.output, voucher: ({ event }) => event.voucher, previousRef: ({ event }) => event.previousRef }), ...finish] },
        unopened: next([remember('failed')]),
      },
    },
    paying: {
      entry: { type: 'tell', params: ({ context }: any) => payFor(payingOf(context), context.delivery) } as any,
      on: {
        paid: { target: 'ended', actions: [assign(({ event }) => ({ voucher: event.voucher, previousRef: event.previousRef, ...(event.after ? { after: event.after } : {}) })), ...finish] },
      },
    },
    ended: { type: 'final', entry: tellEnd },
  },
}, { delays: { pause: ({ context }) => context.plan.backoffMs * 2 ** (context.attempts.length + (context.refusals ?? 0) - 1) } })

export const step = defineActor('step', '8', machine, stepPromises, {
  passivates: 'ended',
  // The version before paid for no pieces: it goes on as it was.
  migrate: (state, machine) => (machine.startsWith('step@7:') ? state : undefined),
})
