/**
 * One step of a run (D6, D8): prepare its input, hire, invoke, check, pay; elsewhere again where the
 * document allows it. A step with `forEach` hires nothing itself: it starts one step per item.
 * Started by a run (or by a step, for an item); tells its parent `step.ended`.
 *
 * Keeps I1 and I4: an attempt whose outcome is unknown is handed to an inquiry, its lane and its
 * share of the hold kept until that is settled, before anybody else is hired.
 */
import { assign, createMachine, enqueueActions } from 'xstate'
import type { ErrorBody } from '../schemas/error.ts'
import { defineActor, effect } from '../runtime/actors/actor.ts'
import { deliveryHash } from '../runtime/payments/delivery.ts'
import { attemptOf, mayRetry, stateWord } from './attempt.ts'
import { disputeFor, disputeId, feeStep, feeStepId, stakeFor } from './escrow.ts'
import { stepPromises } from './step-promises.ts'
import { stepId, type StepContext, type StepEvent, type StepInput } from './step.ts'

function negotiationId(context: StepContext): string {
  return `negotiation/${context.self.slice('step/'.length)}/${context.attempts.length}`
}

const release = { type: 'tell', params: ({ context }: any) => ({ to: 'purse', event: { type: 'release', for: negotiationId(context) } }) } as any
const remember = (type: 'delivered' | 'failed'): any => ({
  type: 'tell',
  params: ({ context }: any) => ({ to: 'experience', event: { type, provider: context.agreement.terms.provider, capability: context.plan.uses } }),
})
/** Why an attempt failed, by the event that said so. */
const faultOf = (event: any): ErrorBody => event.error ?? event.verdict?.error ?? { code: 'step.cancelled', message: 'The step was cancelled.' }
/** Writes the attempt down as failed; the last action of an attempt, since its number grows. */
const noteFailure = assign<StepContext, any, undefined, any, never>({
  attempts: ({ context, event }) => [...context.attempts, attemptOf(context, stateWord(faultOf(event)), '0', faultOf(event))],
  error: ({ event }) => faultOf(event),
})
const countItem = assign<StepContext, any, undefined, any, never>({
  ended: ({ context }) => context.ended + 1,
  spent: ({ context, event }) => (BigInt(context.spent) + BigInt(event.charged)).toString(),
})
/** Hands the attempt to an inquiry, or in escrow to a dispute, which keeps the lane until the outcome is known. */
const doubt = {
  type: 'tell',
  params: ({ context, event }: any) => context.staked ? {
    to: disputeId(negotiationId(context)), event: { type: 'start', input: disputeFor(context, negotiationId(context), event) },
  } : ({
    to: `inquiry/${negotiationId(context).slice('negotiation/'.length)}`,
    event: {
      type: 'start',
      input: {
        run: `run/${context.run}`,
        holder: negotiationId(context),
        agreement: context.agreement,
        id: context.agreementId,
        lane: context.lane,
        inputHash: context.inputHash,
        until: context.until,
        step: context.self,
        offer: context.offer,
      },
    },
  }),
} as any
const tellDoubt = { type: 'tell', params: ({ context }: any) => ({ to: `run/${context.run}`, event: { type: 'doubt.opened' } }) } as any

/** Nothing is owed: the lane is given back, or in escrow the payee has a voucher still, and only a ruling takes it away. */
const letGo: any = enqueueActions(({ context, enqueue }: any) => {
  for (const action of context.staked ? [tellDoubt, doubt] : [release]) enqueue(action)
})
/** A delivery that fails a signed clause; outside of escrow the lane stays out of use, since its payee sees it otherwise. */
const contest: any = enqueueActions(({ context, enqueue }: any) => {
  for (const action of context.staked ? [tellDoubt, doubt] : []) enqueue(action)
})
const addFee = assign<StepContext, any, undefined, any, never>({ fees: ({ context, event }) => (BigInt(context.fees) + BigInt(event.charged)).toString() })

const machine = createMachine({
  id: 'step',
  types: {} as { context: StepContext; events: StepEvent; input: StepInput & { at: number } },
  context: ({ input }) => ({
    ...input,
    self: stepId(input.run, input.plan.name, input.index),
    attempts: [], input: null, inputHash: null, units: 1, inputBytes: 0, agreement: null, agreementId: null, offer: null, asked: 0, lane: null,
    invokedAt: 0, until: 0, output: null, delivery: null, latencyMs: 0, voucher: null, previousRef: null, error: null, state: 'running',
    list: [], items: 0, started: 0, ended: 0, spent: '0', staked: null, fees: '0', paused: false,
  }),
  initial: 'preparing',
  // A call under way is not held up; a step that hires for each item begins no further one.
  on: {
    pause: { actions: assign({ paused: true }) },
    resume: { actions: assign({ paused: false }) },
  },
  states: {
    preparing: {
      entry: effect<StepContext, any>('step.prepare', ({ context }) => ({ run: context.run, step: context.plan.name, index: context.index })),
      on: {
        'step.prepare.done': [
          { guard: ({ event }) => event.skip === true, target: 'ended', actions: assign({ state: 'skipped' }) },
          { guard: ({ event }) => event.items?.length === 0, target: 'ended', actions: assign({ state: 'done' }) },
          { guard: ({ event }) => event.items !== undefined, target: 'fanning', actions: assign({ list: ({ event }) => event.items!, items: ({ event }) => event.items!.length }) },
          {
            target: 'hiring',
            actions: assign(({ event }) => ({ input: event.input, inputHash: event.inputHash!, units: event.units!, inputBytes: event.inputBytes! })),
          },
        ],
        'step.prepare.failed': { target: 'ended', actions: assign({ state: 'failed', error: ({ event }) => event.error }) },
        cancel: { target: 'ended', actions: [assign({ state: 'cancelled' }), { type: 'abort', params: { kind: 'step.prepare' } } as any] },
      },
    },
    fanning: {
      entry: fan(),
      on: {
        resume: { actions: [assign({ paused: false }), fan()] },
        'step.ended': [
          {
            guard: ({ event }) => event.state === 'failed' || event.state === 'cancelled',
            actions: [countItem, assign({ items: ({ context }) => context.started, error: ({ context, event }) => context.error ?? event.error ?? null, state: 'failed' })],
          },
          { actions: [countItem, fan()] },
        ],
        cancel: {
          actions: [
            assign({ items: ({ context }) => context.started, state: 'cancelled' }),
            enqueueActions(({ context, enqueue }) => {
              for (let index = 0; index < context.started; index++) enqueue({ type: 'tell', params: { to: stepId(context.run, context.plan.name, index), event: { type: 'cancel' } } } as any)
            }),
          ],
        },
      },
      always: {
        guard: ({ context }) => context.ended >= context.items,
        target: 'ended',
        actions: assign({ state: ({ context }) => (context.state === 'running' ? 'done' : context.state) }),
      },
    },
    pausing: {
      after: { pause: 'hiring' },
      on: { cancel: { target: 'ended', actions: assign({ state: 'cancelled' }) } },
    },
    hiring: {
      entry: enqueueActions(({ context, enqueue }) => {
        const { plan, units, inputBytes, attempts } = context
        const input = {
          parent: context.self,
          self: negotiationId(context),
          purse: 'purse',
          capability: plan.uses,
          units,
          inputBytes,
          cap: plan.maxPrice,
          deadlineMs: plan.deadlineMs,
          graceMs: plan.graceMs,
          expect: plan.expect,
          settle: plan.settle,
          escrow: plan.escrow,
          trace: context.trace,
          only: plan.only,
          ...(plan.choose === undefined ? {} : { choose: plan.choose }),
          exclude: [...plan.not, ...(plan.elsewhere ? attempts.map((one) => one.provider) : [])],
        }
        enqueue({ type: 'tell', params: { to: input.self, event: { type: 'start', input } } } as any)
      }),
      on: {
        agreed: [
          {
            guard: ({ context }) => context.plan.escrow !== null,
            target: 'engaging',
            actions: assign(({ event }) => ({ agreement: event.agreement, agreementId: event.id, offer: event.offer, lane: event.lane, asked: event.asked, staked: null, previousRef: null })),
          },
          {
            target: 'invoking',
            actions: assign(({ context, event }) => ({
              agreement: event.agreement, agreementId: event.id, offer: event.offer, lane: event.lane, asked: event.asked,
              invokedAt: event.at, until: event.at + context.plan.deadlineMs + context.plan.graceMs,
            })),
          },
        ],
        refused: { target: 'ended', actions: assign({ state: 'failed', error: ({ context, event }) => (event.error.code === 'market.no-provider' && context.error ? context.error : event.error) }) },
        cancel: { actions: [assign({ state: 'cancelled' }), { type: 'tell', params: ({ context }: any) => ({ to: negotiationId(context), event: { type: 'cancel' } }) } as any], target: 'ended' },
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
          { guard: ({ context }) => context.state === 'cancelled', target: 'ended', actions: [addFee, release] },
          { guard: ({ event }) => event.state === 'done', target: 'staking', actions: addFee },
          { guard: ({ context, event }) => mayRetry(context, faultOf(event)), target: 'pausing', actions: [addFee, release, noteFailure] },
          { target: 'ended', actions: [addFee, release, noteFailure, assign({ state: 'failed' })] },
        ],
        cancel: { actions: [assign({ state: 'cancelled' }), { type: 'tell', params: ({ context }: any) => ({ to: feeStepId(context.self, context.attempts.length), event: { type: 'cancel' } }) } as any] },
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
            guard: ({ context }) => context.state === 'cancelled',
            target: 'ended',
            actions: { type: 'tell', params: ({ context }: any) => ({ to: 'purse', event: { type: 'unstake', lane: context.lane.key, for: negotiationId(context) } }) } as any,
          },
          { target: 'invoking', actions: assign({ staked: ({ event }) => event.voucher, previousRef: ({ event }) => event.previousRef }) },
        ],
        cancel: { actions: assign({ state: 'cancelled' }) },
      },
    },
    invoking: {
      entry: effect<StepContext, any>('call.invoke', ({ context }) => ({ to: context.agreement!.terms.provider, lane: context.lane!.id, agreement: context.agreementId, call: 0, inputHash: context.inputHash, until: context.until })),
      on: {
        'call.invoke.done': [
          {
            guard: ({ event }) => event.verdict.ok,
            target: 'paying',
            actions: assign(({ event }) => ({ delivery: event.delivery, output: event.output, latencyMs: event.latencyMs })),
          },
          // A signed clause failed: nothing is owed.
          { guard: ({ context, event }) => !event.verdict.ok && mayRetry(context, event.verdict.error, event.streamed), target: 'pausing', actions: [remember('failed'), contest, noteFailure] },
          { target: 'ended', actions: [remember('failed'), contest, noteFailure, assign({ state: 'failed' })] },
        ],
        'call.invoke.declined': [
          { guard: ({ context, event }) => mayRetry(context, event.error, event.streamed), target: 'pausing', actions: [remember('failed'), letGo, noteFailure] },
          { target: 'ended', actions: [remember('failed'), letGo, noteFailure, assign({ state: 'failed' })] },
        ],
        'call.invoke.failed': [
          { guard: ({ context, event }) => mayRetry(context, event.error, event.streamed), target: 'pausing', actions: [remember('failed'), tellDoubt, doubt, noteFailure] },
          { target: 'ended', actions: [remember('failed'), tellDoubt, doubt, noteFailure, assign({ state: 'failed' })] },
        ],
        cancel: { target: 'ended', actions: [{ type: 'abort', params: { kind: 'call.invoke' } } as any, tellDoubt, doubt, assign({ state: 'cancelled' })] },
      },
    },
    paying: {
      entry: {
        type: 'tell',
        params: ({ context }: any) => ({
          to: 'purse',
          event: { type: 'pay', lane: context.lane.key, for: negotiationId(context), tell: context.self, delivery: deliveryHash(context.delivery), amount: context.delivery.body.amount },
        }),
      } as any,
      on: {
        paid: {
          target: 'ended',
          actions: [
            remember('delivered'),
            assign({
              state: 'done',
              voucher: ({ event }) => event.voucher,
              previousRef: ({ event }) => event.previousRef,
              attempts: ({ context }) => [...context.attempts, attemptOf(context, 'done', context.delivery!.body.amount)],
              error: null,
            }),
          ],
        },
      },
    },
    ended: {
      type: 'final',
      entry: {
        type: 'tell',
        params: ({ context }: any) => ({
          to: context.parent,
          event: { type: 'step.ended', step: context.plan.name, index: context.index, state: context.state, charged: (BigInt(context.voucher ? context.delivery.body.amount : context.spent) + BigInt(context.fees)).toString(), ...(context.error ? { error: context.error } : {}) },
        }),
      } as any,
    },
  },
}, { delays: { pause: ({ context }) => context.plan.backoffMs * 2 ** (context.attempts.length - 1) } })

/** Starts items up to `parallel` at once; none while the run is paused. */
function fan(): any {
  return enqueueActions(({ context, enqueue }: any) => {
    let { started } = context as StepContext
    while (!context.paused && started < context.items && started - context.ended < context.plan.parallel) {
      const input: StepInput = { run: context.run, parent: context.self, plan: context.plan, index: started, item: context.list[started], trace: context.trace }
      enqueue({ type: 'tell', params: { to: stepId(context.run, context.plan.name, started), event: { type: 'start', input } } })
      started++
    }
    enqueue.assign({ started })
  })
}

export const step = defineActor('step', '4', machine, stepPromises, { passivates: 'ended' })
