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
import { defineActor, effect } from '../runtime/actors/actor.ts'
import { isFree } from '../runtime/market/free.ts'
import { mayAskAgain, mayStandIn } from './attempt.ts'
import { unlockOf } from './doubt.ts'
import { feeStep, feeStepId, stakeFor } from './escrow.ts'
import { growing, itemsOf } from './growing.ts'
import { hiringOf } from './hiring.ts'
import { stops } from './overdue.ts'
import { payFor, payingOf } from './payer.ts'
import { stepPromises } from './step-promises.ts'
import { streamId, streamOf } from './stream.ts'
import { goesThrough, hubStep, passageOf } from './through.ts'
import { negotiationId, stepId, type StepContext, type StepEvent, type StepInput } from './step.ts'
import { release, remember, tellHired, unhire, doubt, tellDoubt, letGo, contest, takeSealed, addFee, stop, noteStop, standIn, stopped, agrees, begin, next, passOn, take, finish, tellEnd } from './step-actions.machine.ts'

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
      entry: enqueueActions(({ context, enqueue }: any) => {
        if (goesThrough(context)) enqueue({ type: 'tell', params: passageOf(context) })
        enqueue({ type: 'tell', params: hiringOf(context) })
      }),
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
        ...stops({ target: 'ended', actions: [stop, unhire] }),
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
          // The hub's lane is the hub's from here on; what it is paid is hired for by itself.
          { guard: ({ context, event }) => event.verdict.ok && event.sealed !== undefined && context.lane?.grant !== undefined, target: 'passing', actions: [takeSealed, release] },
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
    /** A hub pays its provider for the key, and is paid for that. */
    passing: {
      entry: { type: 'tell', params: ({ context }: any) => hubStep(context) } as any,
      on: {
        'step.ended': [
          { guard: stopped, target: 'ended', actions: addFee },
          { guard: ({ event }) => event.state === 'done', target: 'opening', actions: addFee },
          ...next([addFee]),
        ],
        ...stops({ actions: [stop, { type: 'tell', params: ({ context }: any) => ({ to: feeStepId(context.self, context.attempts.length, 'hub'), event: { type: 'cancel' } }) } as any] }),
      },
    },
    opening: {
      entry: effect<StepContext, any>('hub.open', () => ({})),
      on: {
        'hub.open.done': [
          { guard: ({ event }) => event.verdict.ok, target: 'ended', actions: [assign({ output: ({ event }) => event.output, hop: ({ event }) => event.hop, sealed: null }), ...finish] },
          ...next([remember('failed')]),
        ],
        'hub.open.failed': next([]),
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

export const step = defineActor('step', '10', machine, stepPromises, {
  passivates: 'ended',
  // The versions before paid for no pieces, through no hub, and kept what was paid together as a list: they go on as they were.
  migrate: (state, machine) => (/^step@[789]:/.test(machine) ? state : undefined),
})
