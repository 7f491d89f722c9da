/**
 * What became of a call nobody answered for (D6): asks the provider to cancel, and learns in the
 * answer whether it had delivered in time. Until then, or until the agreement is past, the lane and
 * the money stay held; a delivery in time is paid even though the step has gone elsewhere.
 * A prepaid call is paid whatever it finds, which is kept as what the payer can complain of.
 * Started by a step; tells its run `doubt.closed` with what it cost.
 */
import { assign, createMachine, enqueueActions } from 'xstate'
import type { Address, Agreement, Delivery, Hash, Hex32, PlainVoucher } from '../schemas/documents.gen.ts'
import type { ErrorBody } from '../schemas/error.ts'
import { defineActor, effect } from '../runtime/actors/actor.ts'
import type { Lane } from '../runtime/market/negotiation.machine.ts'
import { isFree } from '../runtime/market/free.ts'
import type { Offer } from '../runtime/market/strategy.ts'
import { giveBack, payFor } from './payer.ts'
import type { Done } from './saga.machine.ts'
import type { Verdict } from './step.ts'

export interface InquiryInput {
  /** Actor id of the run. */
  readonly run: string
  /** Who holds the lane in the purse. */
  readonly holder: string
  readonly agreement: Agreement
  readonly id: Hash
  readonly lane: Lane
  readonly inputHash: Hash
  /** When a delivery stops to count, in ms since the epoch. */
  readonly until: number
  readonly step: string
  readonly offer: Offer
  /** Of a step that is undone: which one, told on with a delivery that counts. */
  readonly undo?: Pick<Done, 'step' | 'index'>
  /** Its number, under a standing agreement. */
  readonly call?: number
  /** Of a prepaid call: the voucher that its provider was sent, and the lane's ref before it. */
  readonly prepaid?: { readonly voucher: PlainVoucher; readonly previousRef: Hex32 }
}

export interface InquiryContext extends InquiryInput {
  readonly delivery: Delivery | null
  /** What was delivered, perhaps in part, and is paid. */
  readonly output: unknown
  readonly voucher: PlainVoucher | null
  readonly previousRef: Hex32 | null
  readonly after?: string
  readonly outcome: 'asking' | 'delivered' | 'nothing'
}

/** What the call cost in the end, atomic. */
export function chargedFor({ prepaid, agreement, voucher, delivery }: InquiryContext): string {
  return prepaid ? agreement.terms.cap : voucher ? delivery!.body.amount : '0'
}

export type InquiryEvent =
  | { type: 'call.cancel.done'; delivery?: Delivery; output?: unknown; verdict?: Verdict }
  | { type: 'call.cancel.failed'; error: ErrorBody }
  | { type: 'paid'; voucher: PlainVoucher; previousRef: Hex32; after?: string }

/** What was prepaid counts; a provider that may not have its voucher is handed it, so that both see the lane alike. */
const count = (heard: boolean): any => ({
  type: 'tell', params: ({ context }: any) => ({ to: 'purse', event: { type: 'prepaid', lane: context.lane.key, for: context.holder, tell: inquiryId(context.holder), heard } }),
})
const lose = [assign<InquiryContext, any, undefined, any, never>(({ context }) => ({ ...context.prepaid, outcome: 'nothing' })), count(false)]

const machine = createMachine({
  id: 'inquiry',
  types: {} as { context: InquiryContext; events: InquiryEvent; input: InquiryInput },
  context: ({ input }) => ({ ...input, delivery: null, output: null, voucher: null, previousRef: null, outcome: 'asking' }),
  initial: 'asking',
  states: {
    asking: {
      // Bounded by `until`: the handler gives up when no delivery can count any more.
      entry: effect<InquiryContext, any>('call.cancel', ({ context: { agreement, id, lane, inputHash, until, call = 0 } }) => ({ to: agreement.terms.provider as Address, lane: lane.id, agreement: id, call, inputHash, until })),
      on: {
        'call.cancel.done': [
          { guard: ({ context, event }) => !!context.prepaid && event.verdict?.ok === true, target: 'closed', actions: [assign(({ context, event }) => ({ ...context.prepaid, delivery: event.delivery!, output: event.output ?? null, outcome: 'delivered' })), count(true)] },
          { guard: ({ context }) => !!context.prepaid, target: 'closed', actions: lose },
          { guard: ({ context, event }) => event.verdict?.ok === true && isFree(context.agreement.terms), target: 'closed', actions: [assign({ delivery: ({ event }) => event.delivery!, output: ({ event }) => event.output ?? null, outcome: 'delivered' }), giveUp('failed')] },
          { guard: ({ event }) => event.delivery !== undefined && event.verdict?.ok === true, target: 'paying', actions: assign({ delivery: ({ event }) => event.delivery!, output: ({ event }) => event.output ?? null, outcome: 'delivered' }) },
          // A delivery that fails a signed clause is not paid; its payee sees the lane otherwise, so it stays out of use.
          { guard: ({ event }) => event.delivery !== undefined, target: 'closed', actions: [assign({ outcome: 'nothing' }), giveUp('contested')] },
          { target: 'closed', actions: [assign({ outcome: 'nothing' }), giveUp('failed')] },
        ],
        'call.cancel.failed': [{ guard: ({ context }) => !!context.prepaid, target: 'closed', actions: lose }, { target: 'closed', actions: [assign({ outcome: 'nothing' }), giveUp('failed')] }],
      },
    },
    paying: {
      entry: { type: 'tell', params: ({ context }: any) => payFor({ ...context, tell: inquiryId(context.holder) }, context.delivery) } as any,
      on: { paid: { target: 'closed', actions: assign(({ event }) => ({ voucher: event.voucher, previousRef: event.previousRef, ...(event.after ? { after: event.after } : {}) })) } },
    },
    closed: {
      type: 'final',
      entry: {
        type: 'tell',
        params: ({ context }: any) => ({ to: context.run, event: { type: 'doubt.closed', charged: chargedFor(context), ...(context.outcome === 'delivered' ? lateOf(inquiryId(context.holder), context) : {}) } }),
      } as any,
    },
  },
})

/** An inquiry has the rest of its negotiation's id. */
export function inquiryId(negotiation: string): string {
  return `inquiry/${negotiation.slice('negotiation/'.length)}`
}

/** What its run is told of a delivery that came to light late, where it has to be undone. */
export function lateOf(late: string, { undo }: Pick<InquiryInput, 'undo'>): { readonly late?: Done } {
  return undo ? { late: { ...undo, late } } : {}
}

function giveUp(how: 'failed' | 'contested'): any {
  return enqueueActions(({ context, enqueue }: any) => {
    for (const params of giveBack(context, how)) enqueue({ type: 'tell', params })
  })
}

export const inquiry = defineActor('inquiry', '6', machine, {
  pays: [{ by: ['tell purse pay', 'tell standing pay'], after: ['on call.cancel.done'] }],
  holds: [{
    what: 'lane', taken: ['on start'], returned: ['tell purse release', 'tell passage release', 'tell standing return', 'tell purse prepaid', 'on paid'],
    kept: { because: 'a signed clause failed: its payee still counts on that lane', when: ({ delivery, verdict }) => delivery !== undefined && verdict?.ok !== true },
  }],
  waits: { paying: [{ event: 'paid', from: 'purse' }, { event: 'paid', from: 'standing' }] },
}, {
  passivates: 'ended',
  // The version before kept what was paid together as a list.
  migrate: (state, machine) => (machine.startsWith('inquiry@5:') ? state : undefined),
})
