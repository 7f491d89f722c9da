/**
 * One call as its provider lives it (D3, D6): agreed → working → delivered → paid; under a standing
 * agreement it ends as owed, since the till keeps what several of its calls cost. The actor is the stored
 * answer that a repeated invoke gets, so the handler's work is done once and owed once (I1). Its lane's
 * till hears what is taken, owed and freed. Started by `accept`.
 */
import { assign, createMachine, enqueueActions } from 'xstate'
import type { Address, Delivery, EscrowVoucher, Hash, Hex32, PlainVoucher, Terms } from '../../schemas/documents.gen.ts'
import type { ErrorBody } from '../../schemas/error.ts'
import { defineActor, effect } from '../../runtime/actors/actor.ts'
import { isFree } from '../../runtime/market/free.ts'
import { CLOCKS_MS } from '../../runtime/payments/delivery.ts'
import { owedOf, parted, partPaid, takesPart, wantsPart, type PartedCall } from './parts.ts'

export interface CallInput {
  readonly agreement: Hash
  readonly call: number
  readonly terms: Terms
  readonly lane: Hex32
  readonly caller: Address
  /** Whose lane it is, where that is a hub's. */
  readonly payer?: Address
}

export interface CallContext extends CallInput, PartedCall {
  readonly inputHash: Hash | null
  readonly input: unknown
  readonly parcels: unknown
  /** When the work must be delivered, in ms since the epoch. */
  readonly until: number
  readonly output: unknown
  readonly outputParcels: unknown
  readonly delivery: Delivery | null
  /** What opens the sealed output, where the call is paid by a locked voucher. */
  readonly key?: Hex32 | null
  /** Actor that gets the key, where the output is open and paid for the key of another's. */
  readonly keeper?: string
  readonly error: ErrorBody | null
  readonly trace: string | null
  /** What secured it before it began; the till keeps it from there on. */
  readonly escrow: EscrowVoucher | null
  /** What paid it before it began. */
  readonly prepaid?: PlainVoucher | null
  /** Secret under which the pieces of the output are sent ahead; null when nobody listens. */
  readonly flow: string | null
}

export type CallEvent = { at: number } & (
  | { type: 'invoke'; input: unknown; inputHash: Hash; parcels: unknown; until?: number; trace?: string; escrow?: EscrowVoucher; prepaid?: PlainVoucher; flow?: string }
  | { type: 'service.work.done'; output: unknown; parcels: unknown; delivery: Delivery; key?: Hex32; keeper?: string }
  | { type: 'service.work.failed'; error: ErrorBody }
  | { type: 'service.work.unknown' }
  | { type: 'lane.lost' }
  | { type: 'part'; delivery: Delivery }
  | { type: 'cancel'; pieces?: number }
  | { type: 'paid' }
  | { type: 'ruled' }
)

/** Beside its lane's till (D2). @example callActor('0xcd…', 'sha256-ab…', 0) // 'call/0xcd…/sha256-ab…/0' */
export function callActor(lane: Hex32, agreement: Hash, call: number): string {
  return `call/${lane}/${agreement}/${call}`
}

const tillOf = (context: CallContext): string => `till/${context.lane}`
const tellTill = (event: (context: CallContext) => object): any => enqueueActions(({ context, enqueue }: any) => {
  // What costs nothing has no lane, and no till.
  if (!isFree(context.terms)) enqueue({ type: 'tell', params: { to: tillOf(context), event: event(context) } })
})
/** Under a standing agreement the till counts calls by their number. */
const numberOf = ({ terms, call }: CallContext): { number?: number } => (terms.standing ? { number: call } : {})
const freeLane = tellTill((context) => ({ type: 'free', agreement: context.agreement, ...numberOf(context) }))
const forgetInput = assign<CallContext, any, undefined, any, never>({ input: null, parcels: null })

const takeInput = assign<CallContext, any, undefined, any, never>(({ context, event }) => ({
  input: event.input, inputHash: event.inputHash, parcels: event.parcels, trace: event.trace ?? null, escrow: event.escrow ?? null, prepaid: event.prepaid ?? null, flow: event.flow ?? null, until: Math.min(event.at + context.terms.deadlineMs + context.terms.graceMs, (event.until ?? Infinity) + CLOCKS_MS),
}))
const takeResult = assign<CallContext, any, undefined, any, never>({ output: ({ event }: any) => event.output, outputParcels: ({ event }: any) => event.parcels, delivery: ({ event }: any) => event.delivery, key: ({ event }: any) => event.key ?? null, keeper: ({ event }: any) => event.keeper })
/** Heard in the record of the invoke: where the lane is another's by then, the till says so before any work begins. */
const invoked = tellTill((context) => ({ type: 'invoked', agreement: context.agreement, call: callActor(context.lane, context.agreement, context.call), ...numberOf(context), ...(context.escrow ? { escrow: context.escrow } : {}), ...(context.prepaid ? { prepaid: context.prepaid } : {}) }))
const owe = tellTill((context) => ({ type: 'owe', owed: owedOf(context), ...numberOf(context) }))
const stopAt = assign<CallContext, any, undefined, any, never>({ stopAt: ({ event }: any) => event.pieces ?? 0 })
/** The end without a result; not before a part that is owed is paid. */
const fails = (actions: any[]): any => [{ guard: ({ context }: any) => !!context.part, target: 'owing', actions }, { target: 'failed', actions }]
/** The end of a call whose caller has given up: a part that it has taken all pieces of counts. */
const stops = (actions: any[]): any => [
  { guard: ({ context }: any) => wantsPart(context), target: 'delivered', actions: [...actions, assign<CallContext, any, undefined, any, never>({ delivery: ({ context }) => context.part! })] },
  { target: 'cancelled', actions },
]
/** Time that a handler has to hand over a part of the output once the caller has given up, in ms; less than a cancel is held. */
const STOP_MS = 1_000
/** Whose payer does not come for the key in this time, in ms, does not come: a hub's lane is needed by others. */
const WAIVE_MS = 120_000

interface Kept {
  readonly value: unknown
  readonly context: CallContext
}

function endedOwed(state: Kept): object {
  return state.value === 'delivered' && state.context.terms.standing ? { ...state, value: 'owed', status: 'done' } : state
}

const machine = createMachine({
  id: 'call',
  types: {} as { context: CallContext; events: CallEvent; input: CallInput & { at: number } },
  context: ({ input }) => ({ ...input, inputHash: null, input: null, parcels: null, until: 0, output: null, outputParcels: null, delivery: null, error: null, trace: null, escrow: null, flow: null }),
  initial: 'agreed',
  states: {
    agreed: {
      entry: enqueueActions(({ context: { lane, agreement, terms }, enqueue }) => {
        if (!isFree(terms) && !terms.standing) enqueue({ type: 'tell', params: { to: `till/${lane}`, event: { type: 'take', agreement, cap: terms.cap } } } as any)
      }),
      on: {
        invoke: { target: 'working', actions: [takeInput, invoked] },
        cancel: { target: 'cancelled' },
      },
      after: { stale: 'cancelled' },
    },
    working: {
      entry: effect<CallContext, any>('service.work', ({ context }) => ({ until: context.until })),
      on: {
        'lane.lost': {
          target: 'failed',
          actions: [{ type: 'abort', params: { kind: 'service.work' } } as any, assign({ error: { code: 'lane.unpaid', message: 'An earlier step of this lane is not paid. (the lane was given to another agreement)' } satisfies ErrorBody }), forgetInput],
        },
        // Signed by the effect that worked: journaled here before it leaves, and the step has one record less to wait for.
        'service.work.done': {
          target: 'delivered',
          actions: [takeResult, forgetInput],
        },
        'service.work.failed': fails([assign({ error: ({ event }) => event.error }), forgetInput]),
        'service.work.unknown': fails([assign({ error: { code: 'step.failed', message: 'The provider stopped while it worked, and the work must not be done twice.' } satisfies ErrorBody }), forgetInput]),
        part: { guard: ({ context }) => !context.part, actions: [assign(({ context, event }) => parted(context, event.delivery)), owe] },
        paid: { actions: assign(({ context }) => partPaid(context)) },
        cancel: { target: 'stopping', actions: stopAt },
      },
      after: {
        late: fails([{ type: 'abort', params: { kind: 'service.work' } } as any, assign({ error: { code: 'step.timeout', message: 'The step missed its deadline.' } satisfies ErrorBody }), forgetInput]),
      },
    },
    /** It has failed; a part that was signed for before is owed all the same. */
    owing: {
      on: {
        paid: { target: 'failed', actions: assign(({ context }) => partPaid(context)) },
        cancel: { guard: ({ context, event }) => !wantsPart({ ...context, stopAt: event.pieces ?? 0 }), target: 'failed' },
      },
    },
    /** The caller has given up: a handler that had made a part of the output may hand it over, and is paid for it. */
    stopping: {
      entry: effect<CallContext, any>('service.stop', () => ({})),
      on: {
        'service.work.done': [{ guard: ({ context, event }) => takesPart(context, event.delivery), target: 'delivered', actions: [takeResult, forgetInput] }, { target: 'cancelled', actions: forgetInput }],
        'service.work.failed': stops([forgetInput]),
        'service.work.unknown': stops([forgetInput]),
        paid: { actions: assign(({ context }) => partPaid(context)) },
      },
      after: { [STOP_MS]: stops([{ type: 'abort', params: { kind: 'service.work' } } as any, forgetInput]) },
    },
    delivered: {
      entry: owe,
      always: [{ guard: ({ context }) => isFree(context.terms), target: 'paid' }, { guard: ({ context }) => context.terms.standing !== undefined, target: 'owed' }, { guard: ({ context }) => context.payer !== undefined, target: 'lent' }],
      on: { paid: 'paid', ruled: 'unpaid' },
    },
    /** Delivered on a hub's lane. */
    lent: {
      on: { paid: 'paid', ruled: 'unpaid' },
      after: { [WAIVE_MS]: { target: 'unpaid', actions: tellTill(({ agreement }) => ({ type: 'waive', agreement })) } },
    },
    paid: { type: 'final' },
    /** Under a standing agreement: the till has what it costs. */
    owed: { type: 'final' },
    /** The agreed arbiter gave it nothing, or nobody came for its key. */
    unpaid: { type: 'final' },
    failed: { type: 'final', entry: freeLane },
    cancelled: { type: 'final', entry: freeLane },
  },
}, {
  delays: {
    // Its caller may have sent it a while ago: what comes later than it waits is not paid.
    late: ({ context, event }) => Math.max(0, context.until - event.at),
    stale: ({ context }) => context.terms.deadlineMs + context.terms.graceMs + 60_000,
  },
})

export const call = defineActor('call', '11', machine, {
  pays: [],
  holds: [{ what: 'lane', taken: ['tell till take'], returned: ['tell till free', 'tell till owe'] }],
  waits: { delivered: [{ event: 'paid', from: 'till' }, { event: 'ruled', from: 'till' }], owing: [{ event: 'paid', from: 'till' }] },
  quiet: ['service.stop'],
}, {
  passivates: 'ended',
  // The versions before knew neither parts nor hubs: they go on without any; and a call under a standing agreement waited for its till.
  migrate: (state, machine) => (/^call@(?:[89]|10):/.test(machine) ? endedOwed(state as Kept) : undefined),
})
