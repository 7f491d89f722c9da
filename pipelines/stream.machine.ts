/**
 * A call that is paid piece by piece (D6, `streamed`): its pieces come, what the provider signs for of them
 * is held against the own count and paid at once, and only then further ones come. It may be given up at any
 * piece: what came until then is paid, nothing else. One lane and one call, whose cumulative rises several
 * times (I1); the cap bounds the sum (I4). Started by a step; tells it `streamed` or `unstreamed`, and its
 * run `doubt.closed` with what it cost where the step was told that it has nothing.
 */
import { assign, createMachine, enqueueActions } from 'xstate'
import type { Delivery } from '../schemas/documents.gen.ts'
import type { ErrorBody } from '../schemas/error.ts'
import { defineActor, effect } from '../runtime/actors/actor.ts'
import { deliveryHash } from '../runtime/payments/delivery.ts'
import { foldedBy, paidSoFar, streamId, type StreamContext, type StreamEvent, type StreamInput } from './stream.ts'

/** How long a voucher that is on its way is waited for before the call is given up, in ms. */
const HAND_MS = 60_000

type Do = ReturnType<typeof assign<StreamContext, any, undefined, any, never>>
const pays = (keep: boolean): any => ({
  type: 'tell',
  params: ({ context, event }: any) => {
    const delivery: Delivery = context.paying
    return { to: 'purse', event: { type: 'pay', lane: context.lane.key, for: context.holder, tell: streamId(context.holder), delivery: deliveryHash(delivery), amount: (BigInt(delivery.body.amount) - paidSoFar(context)).toString(), ...(keep ? { keep: true } : {}), at: event.at } }
  },
})
const giveBack: any = { type: 'tell', params: ({ context }: any) => ({ to: 'purse', event: { type: 'release', for: context.holder } }) }
/** Signed for: the money is gone from here on. */
const paid: Do = assign(({ context, event }: any) => foldedBy(context, event))
const handed: Do = assign({ paying: null })
const take: Do = assign(({ event }: any) => ({ paying: event.delivery, output: event.output ?? null, latencyMs: event.latencyMs ?? 0, lost: event.lost === true }))

/** The step goes on without it; from here on the run waits for what it cost. */
const giveUp: any = enqueueActions(({ context, event, enqueue }: any) => {
  if (context.late) return
  const error: ErrorBody = event.error ?? event.verdict.error
  enqueue({ type: 'tell', params: { to: context.run, event: { type: 'doubt.opened' } } })
  enqueue({ type: 'tell', params: { to: context.step, event: { type: 'unstreamed', error, ...(event.streamed || context.folded.length > 0 ? { streamed: true } : {}) } } })
  enqueue.assign({ late: true })
})
/** Its step has ended, and has told its run that this is open. */
const leave: Do = assign({ late: true })
const atRest = ({ context }: { context: StreamContext }): boolean => context.paying === null
const isSigned = ({ paying, folded }: StreamContext): boolean => paying !== null && folded.at(-1)?.delivery === deliveryHash(paying)
const abort: any = { type: 'abort', params: { kind: 'stream.call' } }

const machine = createMachine({
  id: 'stream',
  types: {} as { context: StreamContext; events: StreamEvent; input: StreamInput },
  context: ({ input }) => ({ ...input, paying: null, folded: [], delivery: null, voucher: null, previousRef: null, output: null, latencyMs: 0, lost: false, late: false, meter: null }),
  initial: 'calling',
  states: {
    calling: {
      entry: effect<StreamContext, any>('stream.call', () => ({})),
      on: {
        part: { guard: ({ context }) => context.paying === null, actions: [take, pays(true)] },
        paid: { actions: paid },
        handed: { actions: handed },
        'stream.call.done': [
          { guard: ({ context, event }) => event.verdict.ok && context.paying === null, target: 'paying', actions: take },
          // A signed clause failed: what came since the last part is not owed. Its payee sees it otherwise, so the lane stays out of use.
          { guard: atRest, target: 'closed', actions: giveUp },
          { target: 'stopping', actions: giveUp },
        ],
        'stream.call.declined': [{ guard: atRest, target: 'closed', actions: [giveUp, giveBack] }, { target: 'stopping', actions: giveUp }],
        'stream.call.broken': { target: 'stopping', actions: giveUp },
        'stream.call.failed': { target: 'stopping', actions: giveUp },
        cancel: { target: 'stopping', actions: [leave, abort] },
      },
    },
    /** A voucher that is on its way arrives first: two at once could not both be right. */
    stopping: {
      always: { guard: atRest, target: 'counting' },
      on: { paid: { actions: paid }, handed: { actions: handed }, cancel: { actions: leave } },
      // Where it is signed for, it counts, whether it arrives or not.
      after: { [HAND_MS]: [{ guard: ({ context }) => isSigned(context), target: 'counting' }, { target: 'stopping', reenter: true }] },
    },
    /** How many pieces there are is written down before the provider hears of it. */
    counting: {
      entry: effect<StreamContext, any>('stream.count', () => ({})),
      on: {
        'stream.count.done': { target: 'asking', actions: assign({ meter: ({ event }) => event.meter }) },
        'stream.count.failed': { target: 'closed', actions: giveBack },
        paid: { actions: paid },
        handed: { actions: handed },
        cancel: { actions: leave },
      },
    },
    asking: {
      entry: effect<StreamContext, any>('stream.cancel', () => ({})),
      on: {
        'stream.cancel.done': [
          { guard: ({ context, event }) => event.delivery !== undefined && event.verdict?.ok === true && context.paying === null, target: 'paying', actions: take },
          // What it signs for is not what came: it sees the lane otherwise, so that stays out of use.
          { guard: ({ event }) => event.delivery !== undefined, target: 'closed' },
          { target: 'closed', actions: giveBack },
        ],
        'stream.cancel.failed': { target: 'closed', actions: giveBack },
        paid: { actions: paid },
        handed: { actions: handed },
        cancel: { actions: leave },
      },
    },
    /** The last of it. */
    paying: {
      entry: pays(false),
      on: { paid: { target: 'closed', actions: paid }, cancel: { actions: leave } },
    },
    closed: {
      type: 'final',
      entry: enqueueActions(({ context, enqueue }: any) => {
        const { late, run, step, output, voucher, previousRef, delivery, folded, latencyMs, lost } = context as StreamContext
        enqueue({ type: 'tell', params: late ? { to: run, event: { type: 'doubt.closed', charged: paidSoFar(context).toString() } } : { to: step, event: { type: 'streamed', output, voucher, previousRef, delivery, parts: folded.slice(0, -1), latencyMs, ...(lost ? { lost } : {}) } } } as any)
      }) as any,
    },
  },
})

export const stream = defineActor('stream', '1', machine, {
  pays: [{ by: ['tell purse pay', 'do stream.call'], after: ['on start'] }],
  holds: [{
    what: 'lane', taken: ['on start'], returned: ['tell purse release', 'on paid'],
    kept: { because: 'a signed clause failed, or its payee signed for other pieces than came: it still counts on that lane', when: ({ type, delivery, verdict }) => (type === 'stream.call.done' || type === 'stream.cancel.done') && delivery !== undefined && verdict?.ok !== true },
  }],
  waits: { paying: [{ event: 'paid', from: 'purse' }] },
}, { passivates: 'ended' })

