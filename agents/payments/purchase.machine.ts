/**
 * One call that is paid from an account's credit: hold its worst → have it hired under its own key →
 * post what it cost and the fee, give the rest back. The actor is the stored answer that the same
 * request gets again. The hiring is a run of the payment provider itself, so a death loses nothing
 * and hires nothing twice (I1). Started by the verb `buy`.
 */
import { assign, createMachine } from 'xstate'
import type { Address, BuyRequest } from '../../schemas/documents.gen.ts'
import { ERRORS, type ErrorBody } from '../../schemas/error.ts'
import { defineActor, effect } from '../../runtime/actors/actor.ts'

export interface PurchaseInput {
  readonly self: string
  readonly account: Address
  readonly request: BuyRequest
  /** Atomic; held before anything is hired: the price at most and the fee on it. */
  readonly worst: string
}

export interface PurchaseContext extends PurchaseInput {
  readonly output: unknown
  readonly spent: string
  readonly fee: string
  readonly provider: string | null
  readonly error: ErrorBody | null
}

export type PurchaseEvent =
  | { type: 'held' | 'short' }
  | { type: 'credit.hire.done'; output: unknown; spent: string; fee: string; provider: string | null; error: ErrorBody | null }
  | { type: 'credit.hire.failed'; error: ErrorBody }

/** Pause before a run that could not be followed is followed again, in ms. */
const AGAIN_MS = 1_000

const settle = { type: 'tell', params: ({ context }: any) => ({ to: 'credits', event: { type: 'settle', id: context.self, spent: context.spent, fee: context.fee } }) } as any

const machine = createMachine({
  id: 'purchase',
  types: {} as { context: PurchaseContext; events: PurchaseEvent; input: PurchaseInput },
  context: ({ input: { self, account, request, worst } }) => ({ self, account, request, worst, output: null, spent: '0', fee: '0', provider: null, error: null }),
  initial: 'holding',
  states: {
    holding: {
      entry: { type: 'tell', params: ({ context: { self, account, worst } }: any) => ({ to: 'credits', event: { type: 'hold', id: self, account, amount: worst } }) } as any,
      on: {
        held: 'hiring',
        short: { target: 'failed', actions: assign({ error: { code: 'credit.short', message: ERRORS['credit.short'].says } satisfies ErrorBody }) },
      },
    },
    hiring: {
      entry: effect<PurchaseContext, any>('credit.hire', ({ context: { self } }) => ({ key: self })),
      on: {
        'credit.hire.done': [
          { guard: ({ event }) => event.error !== null, target: 'failed', actions: [assign(({ event: { spent, fee, provider, error } }) => ({ spent, fee, provider, error })), settle] },
          { target: 'done', actions: [assign(({ event: { output, spent, fee, provider } }) => ({ output, spent, fee, provider })), settle] },
        ],
        'credit.hire.failed': [
          // What became of the run is not known yet: it is in the journal, and is followed again.
          { guard: ({ event }) => ERRORS[event.error.code].retry, target: 'resting' },
          { target: 'failed', actions: [assign({ error: ({ event }) => event.error }), settle] },
        ],
      },
    },
    resting: { after: { [AGAIN_MS]: 'hiring' } },
    done: { type: 'final' },
    failed: { type: 'final' },
  },
})

export const purchase = defineActor('purchase', '1', machine, {
  pays: [{ by: ['do credit.hire'], after: ['on held'] }],
  holds: [{ what: 'credit', taken: ['on held'], returned: ['tell credits settle'] }],
  waits: { holding: [{ event: 'held', from: 'credits' }, { event: 'short', from: 'credits' }] },
}, { passivates: 'ended' })
