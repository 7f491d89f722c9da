/**
 * An escrowed call that disappointed (D6, payments.md): its provider is asked once more, a delivery
 * that counts is paid, anything else is complained of to the agreed agent. Then the chain decides: a
 * ruling recorded in time, or by default the provider is paid. Lane and money stay held meanwhile, at
 * most until the challenge is over (I5). Started by a step; tells its run `doubt.closed` with what
 * it cost. What it learns of the work comes too late for the step, which has gone elsewhere.
 */
import { assign, createMachine } from 'xstate'
import type { CaseState, Delivery, EscrowVoucher, Hex32, PlainVoucher } from '../schemas/documents.gen.ts'
import type { ErrorBody } from '../schemas/error.ts'
import { defineActor, effect } from '../runtime/actors/actor.ts'
import { deliveryHash } from '../runtime/payments/delivery.ts'
import type { Verdict } from '../runtime/payments/verdict.ts'
import { lateOf, type InquiryInput } from './inquiry.machine.ts'
import type { Verdict as Judgement } from './step.ts'

export interface DisputeInput extends InquiryInput {
  readonly voucher: EscrowVoucher
  /** Ref of the lane before the voucher. */
  readonly previousRef: Hex32
  /** What is wrong, for people. */
  readonly reason: string
  /** As they came, where they did. */
  readonly delivery: Delivery | null
  readonly output: unknown
  /** Whether the provider is asked once more. */
  readonly asks: boolean
}

export interface DisputeContext extends DisputeInput {
  readonly outcome: 'open' | 'accepted' | 'ruled' | 'default'
  /** What the payee gets, atomic. */
  readonly paid: string
  /** The plain voucher of an acceptance. */
  readonly acceptance: PlainVoucher | null
  /** What the agent said last. */
  readonly said: CaseState | null
}

export type DisputeEvent = { at: number } & (
  | { type: 'call.cancel.done'; delivery?: Delivery; output?: unknown; verdict?: Judgement }
  | { type: 'call.cancel.failed'; error: ErrorBody }
  | { type: 'case.complain.done'; said: CaseState }
  | { type: 'case.complain.failed'; error: ErrorBody }
  | { type: 'case.ask.done'; said: CaseState }
  | { type: 'case.ask.failed'; error: ErrorBody }
  | Verdict
  | { type: 'verdict.look.failed' }
  | { type: 'paid'; voucher: PlainVoucher; previousRef: Hex32 }
)

/** Pause after a look at the chain that failed for good, in ms. */
const AGAIN_MS = 60_000

const self = (context: DisputeContext): string => `dispute/${context.holder.slice('negotiation/'.length)}`

const machine = createMachine({
  id: 'dispute',
  types: {} as { context: DisputeContext; events: DisputeEvent; input: DisputeInput & { at: number } },
  context: ({ input: { at: _at, ...input } }) => ({ ...input, outcome: 'open', paid: '0', acceptance: null, said: null }),
  initial: 'born',
  states: {
    born: { always: [{ guard: ({ context }) => context.asks, target: 'asking' }, { target: 'complaining' }] },
    asking: {
      entry: effect<DisputeContext, any>('call.cancel', ({ context: { agreement, id, lane, inputHash, until } }) => ({ to: agreement.terms.provider, lane: lane.id, agreement: id, call: 0, inputHash, until })),
      on: {
        'call.cancel.done': [
          { guard: ({ event }) => event.delivery !== undefined && event.verdict?.ok === true, target: 'paying', actions: assign({ delivery: ({ event }) => event.delivery!, output: ({ event }) => event.output ?? null }) },
          { target: 'complaining', actions: assign({ delivery: ({ event }) => event.delivery ?? null, output: ({ event }) => event.output ?? null }) },
        ],
        'call.cancel.failed': 'complaining',
      },
    },
    /** Heard until the challenge is over; what the agent answers here decides nothing. */
    complaining: {
      entry: effect<DisputeContext, any>('case.complain', ({ context: { id, voucher } }) => ({ agreement: id, until: voucher.challengeEnd * 1_000 })),
      on: {
        'case.complain.done': { target: 'watching', actions: assign({ said: ({ event }) => event.said }) },
        'case.complain.failed': 'watching',
      },
    },
    watching: {
      entry: effect<DisputeContext, any>('verdict.look', ({ context: { voucher } }) => ({ voucher })),
      on: {
        'verdict.look.done': {
          target: 'decided',
          actions: assign({ outcome: ({ event }) => (event.ruled === null ? 'default' : 'ruled'), paid: ({ context, event }) => event.ruled ?? context.voucher.amount }),
        },
        'verdict.look.failed': 'resting',
      },
    },
    resting: { after: { [AGAIN_MS]: 'watching' } },
    decided: {
      entry: [
        { type: 'tell', params: ({ context }: any) => ({ to: 'purse', event: { type: 'decided', lane: context.lane.key, for: context.holder, payeeAmount: context.paid } }) } as any,
        effect<DisputeContext, any>('case.ask', ({ context: { id, agreement } }) => ({ agreement: id, agent: agreement.terms.escrow!.agent })),
      ],
      on: {
        'case.ask.done': { target: 'closed', actions: assign({ said: ({ event }) => event.said, delivery: ({ context, event }) => event.said.outcome?.delivery ?? context.delivery }) },
        'case.ask.failed': 'closed',
      },
    },
    paying: {
      entry: {
        type: 'tell',
        params: ({ context }: any) => ({
          to: 'purse',
          event: { type: 'pay', lane: context.lane.key, for: context.holder, tell: self(context), delivery: deliveryHash(context.delivery), amount: context.delivery.body.amount },
        }),
      } as any,
      on: { paid: { target: 'closed', actions: assign({ acceptance: ({ event }) => event.voucher, outcome: 'accepted', paid: ({ context }) => context.delivery!.body.amount }) } },
    },
    closed: {
      type: 'final',
      entry: { type: 'tell', params: ({ context }: any) => ({ to: context.run, event: { type: 'doubt.closed', charged: context.paid, ...(context.outcome === 'accepted' ? lateOf(self(context), context) : {}) } }) } as any,
    },
  },
})

export const dispute = defineActor('dispute', '2', machine, {
  pays: [{ by: ['tell purse pay'], after: ['on call.cancel.done'] }],
  holds: [{ what: 'lane', taken: ['on start'], returned: ['tell purse decided', 'on paid'] }],
  waits: { paying: [{ event: 'paid', from: 'purse' }] },
}, { passivates: 'ended' })
