/**
 * One case of an escrow agent: open → hearing → ruling → ruled, or undecided, or lapsed without a
 * complaint. The ruling is journaled with its signature before it leaves, so a case is ruled once
 * (D1). The agent holds nothing: where it dies or is late, the vault's default pays the provider.
 * Started by the capability `payment.escrow@1`; told of the complaint by the verb `complain`.
 */
import { assign, createMachine } from 'xstate'
import type { CaseState, CallDelivered, ComplainRequest, Hash, Hex32 } from '../../schemas/documents.gen.ts'
import type { ErrorBody } from '../../schemas/error.ts'
import { defineActor, effect } from '../../runtime/actors/actor.ts'

export interface CaseInput {
  readonly agreement: Hash
  /** When the challenge is over at the latest, in ms since the epoch. */
  readonly until: number
}

export interface CaseContext extends CaseInput {
  readonly openedAt: number
  readonly payer: `0x${string}` | null
  readonly provider: `0x${string}` | null
  /** Kept until it is ruled on. */
  readonly complaint: ComplainRequest | null
  readonly payeeAmount: string | null
  readonly reason: string | null
  readonly signature: `0x${string}` | null
  /** What the provider showed and is paid for: the payer gets it here. */
  readonly outcome: CallDelivered | null
  readonly hash: Hex32 | null
}

export type CaseEvent = { at: number } & (
  | { type: 'complain'; complaint: ComplainRequest }
  | { type: 'case.hear.done'; payeeAmount: string | null; reason: string; signature: `0x${string}` | null; outcome: CallDelivered | null }
  | { type: 'case.hear.failed'; error: ErrorBody }
  | { type: 'case.rule.done'; hash: Hex32 | null }
  | { type: 'case.rule.failed'; error: ErrorBody }
)

/** @example caseActor('sha256-ab…') // 'case/sha256-ab…' */
export function caseActor(agreement: Hash): string {
  return `case/${agreement}`
}

const forget = assign<CaseContext, any, undefined, any, never>({ complaint: null })
const giveUp = assign<CaseContext, any, undefined, any, never>({ reason: ({ event }) => event.error.message, payeeAmount: null })

const machine = createMachine({
  id: 'case',
  types: {} as { context: CaseContext; events: CaseEvent; input: CaseInput & { at: number } },
  context: ({ input: { at, agreement, until } }) => ({
    agreement, until, openedAt: at, payer: null, provider: null, complaint: null, payeeAmount: null, reason: null, signature: null, outcome: null, hash: null,
  }),
  initial: 'open',
  states: {
    open: {
      on: {
        complain: {
          target: 'hearing',
          actions: assign(({ event: { complaint } }) => ({ complaint, payer: complaint.agreement.terms.payer, provider: complaint.agreement.terms.provider })),
        },
      },
      after: { lapse: 'lapsed' },
    },
    hearing: {
      entry: effect<CaseContext, any>('case.hear', ({ context: { agreement } }) => ({ agreement })),
      on: {
        'case.hear.done': [
          { guard: ({ event }) => event.payeeAmount === null, target: 'undecided', actions: assign({ reason: ({ event }) => event.reason }) },
          { target: 'ruling', actions: assign(({ event: { payeeAmount, reason, signature, outcome } }) => ({ payeeAmount, reason, signature, outcome })) },
        ],
        'case.hear.failed': { target: 'undecided', actions: giveUp },
      },
    },
    ruling: {
      entry: effect<CaseContext, any>('case.rule', ({ context: { agreement } }) => ({ agreement })),
      on: {
        'case.rule.done': { target: 'ruled', actions: assign({ hash: ({ event }) => event.hash }) },
        'case.rule.failed': { target: 'undecided', actions: giveUp },
      },
    },
    ruled: { type: 'final', entry: forget },
    undecided: { type: 'final', entry: forget },
    lapsed: { type: 'final' },
  },
}, { delays: { lapse: ({ context }) => Math.max(0, context.until - context.openedAt) } })

export const escrowCase = defineActor('case', '1', machine, { pays: [], holds: [] }, { passivates: 'ended' })

/** Where the case stands, as the wire says it. */
export function stateOf(state: string, { payeeAmount, reason, outcome }: CaseContext): CaseState {
  return {
    state: state === 'lapsed' ? 'undecided' : state as CaseState['state'],
    ...(payeeAmount === null ? {} : { payeeAmount }),
    ...(reason === null ? {} : { reason: reason.slice(0, 1_000) }),
    ...(outcome === null ? {} : { outcome }),
  }
}
