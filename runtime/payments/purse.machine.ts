/**
 * The purse: a payer's lanes of one partition (D2, D6, D7). It hands an idle lane to whoever hires,
 * reserves on the chain when none is wide enough, and signs a voucher for each delivery accepted.
 * One call at a time on a lane, so the worst loss of either side is one step's price. Told by
 * `negotiation`, `step` and `inquiry`; keeps I1 (cumulative only grows, journaled before it leaves).
 *
 * Amounts are decimal strings of atomic units: bigint does not survive every journal format.
 */
import { assign, createMachine, enqueueActions } from 'xstate'
import type { Address, EscrowVoucher, Folded, Hash, Hex32, PlainVoucher, Voucher } from '../../schemas/documents.gen.ts'
import { ERRORS, type ErrorBody } from '../../schemas/error.ts'
import { defineActor } from '../actors/actor.ts'
import { caughtUp, lookAt, lookedUp, owedOn, unsettledLanes } from './doubt.ts'
import { decide, notReserved, prepaid, serveWaiting, widened, type LaneLimits, type LaneRequest, type PurseContext, type PurseLane } from './lane.ts'
import { againGroup, heardGroup, isGroup, outdoneGroup, payGroup, signedGroup, takesMore, widenedNews, type Doing } from './group.ts'
import { beyondLimits, paidDay } from './limits.ts'
import { freed, handedOver, isUnsigned, paying, unsigned } from './payment.ts'
import type { Stake } from './stake.ts'

/** Requests that wait for a lane; more are refused. */
const WAITING_MAX = 1_000
/** Pause before a voucher that could not be signed is signed again, in ms: a delivery waits for it, so it is never given up. */
const SIGN_AGAIN_MS = 30_000

export type { PurseContext } from './lane.ts'

export type PurseEvent = { at?: number } & (
  | { type: 'acquire'; request: LaneRequest }
  | { type: 'release'; for: string }
  | { type: 'doubt'; lane: string; for: string }
  | { type: 'reconcile' }
  | { type: 'recalled'; lane: string; voucher: PlainVoucher }
  | { type: 'lanes.look.done'; lane: string; reserved: string; claimed?: string; voucher?: PlainVoucher; atStart?: boolean }
  | { type: 'lanes.look.failed'; params: { lane: string } }
  | { type: 'pay'; lane: string; for: string; tell: string; delivery: Hash; amount: string; keep?: true; group?: readonly Folded[] }
  | { type: 'widen'; lane: string; for: string; amount: string; tell: string }
  | { type: 'stake'; lane: string; for: string; tell: string; stake: Stake }
  | { type: 'unstake'; lane: string; for: string }
  | { type: 'decided'; lane: string; for: string; payeeAmount: string }
  | { type: 'prepaid'; lane: string; for: string; tell: string; heard: boolean }
  | { type: 'voucher.sign.done'; lane: string; voucher: Voucher }
  | { type: 'voucher.sign.failed'; error: ErrorBody; params: { lane: string } }
  | { type: 'voucher.again'; lane: string }
  | { type: 'voucher.pay.done'; lane: string; window?: number }
  | { type: 'voucher.pay.outdone'; lane: string; voucher: PlainVoucher; owed: boolean; owes?: readonly Hash[]; part?: true }
  | { type: 'voucher.pay.failed'; error: ErrorBody; params: { lane: string } }
  | { type: 'lanes.reserve.done'; key: string; lanes: readonly { readonly lane: string; readonly id: Hex32; readonly reserved: string }[] }
  | { type: 'lanes.reserve.failed'; error: ErrorBody; params: { key: string } }
  | { type: 'limits'; limits: LaneLimits }
)

export interface PurseInput {
  readonly vault: Hex32
  readonly voucherKey: Address
  /** Which of how many partitions it is of: lane numbers are shared out among them. */
  readonly partition: number
  readonly partitions: number
}

/** The purse of a partition. @example purseActor(0) // 'purse/0' */
export function purseActor(partition: number): string {
  return `purse/${partition}`
}

/** Before anything is paid on a day, what its limits count from. Without limits there is nothing to keep. */
const newDay: any = assign(({ context, event }: any) => (context.limits ? { day: paidDay(context, event.at ?? 0) } : {}))

/** Does what `doing` says of a standing agreement's lane. */
const does = (doing: (context: PurseContext, event: any) => Doing): any => enqueueActions(({ context, event, enqueue }: any) => {
  const { lanes, actions } = doing(context, event)
  enqueue.assign({ lanes })
  for (const action of actions) enqueue(action)
})

/** The signed voucher on its way to the payee, under the lane's key. */
const handOver = { type: 'voucher.pay', params: ({ context, event }: any) => handedOver(context, event.lane ?? event.params.lane) } as any

const machine = createMachine({
  id: 'purse',
  types: {} as { context: PurseContext; events: PurseEvent; input: PurseInput },
  context: ({ input }) => ({ vault: input.vault, voucherKey: input.voucherKey, partition: input.partition, partitions: input.partitions, lanes: {}, waiting: [], low: [], doubted: [], reserving: [], writes: 0 }),
  initial: 'open',
  states: {
    open: {
      on: {
        acquire: [
          // Nothing is reserved, and nothing will be signed for.
          {
            guard: ({ event }) => event.request.free !== undefined,
            actions: { type: 'tell', params: ({ context: { vault, voucherKey }, event: { request } }: any) => ({ to: request.for, event: { type: 'lane.ready', key: 'free', id: request.free, number: 0, vault, voucherKey } }) } as any,
          },
          {
            guard: ({ context }) => context.waiting.length >= WAITING_MAX,
            actions: { type: 'tell', params: ({ event }: any) => ({ to: event.request.for, event: { type: 'lane.refused', error: { code: 'node.busy', message: 'too many wait for a lane' } } }) } as any,
          },
          {
            guard: ({ context, event }) => !event.request.spare && beyondLimits({ ...context, day: paidDay(context, event.at ?? 0) }, event.request) !== undefined,
            actions: [newDay, { type: 'tell', params: ({ context, event }: any) => ({ to: event.request.for, event: { type: 'lane.refused', error: beyondLimits(context, event.request) } }) } as any],
          },
          { actions: [newDay, assign({ waiting: ({ context, event }) => [...context.waiting.filter((one) => one.for !== event.request.for || one.spare !== event.request.spare), event.request] }), serve()] },
        ],
        limits: { actions: [assign({ limits: ({ event }) => event.limits }), newDay] },
        release: { actions: [assign({ lanes: ({ context, event }) => freed(context, event.for), waiting: ({ context, event }) => context.waiting.filter((one) => one.for !== event.for) }), serve()] },
        // The payee finds less on the chain than was reserved there: a chain may lose blocks. What it has is
        // looked up, and reserved again where it is too little: totals are absolute, so this can do no harm.
        doubt: {
          guard: ({ context, event }) => context.lanes[event.lane]?.use?.for === event.for && !context.doubted.includes(event.lane),
          actions: [
            assign({ lanes: ({ context, event }) => freed(context, event.for), doubted: ({ context, event }) => [...context.doubted, event.lane] }),
            { type: 'lanes.look', params: ({ context, event }: any) => lookAt(context, event.lane) } as any,
          ],
        },
        // At a start of ours, and of the payee: what either end has forgotten is known before the lane is used again.
        reconcile: {
          actions: [enqueueActions(({ context, enqueue }) => { for (const key of unsettledLanes(context)) enqueue({ type: 'lanes.look', params: { ...lookAt(context, key), atStart: true } } as any) }), assign({ doubted: ({ context }) => [...context.doubted, ...unsettledLanes(context)] })],
        },
        recalled: { actions: assign({ lanes: ({ context, event }) => change(context, event.lane, (lane) => caughtUp(lane, event.voucher)) }) },
        'lanes.look.done': {
          actions: [
            assign({
              lanes: ({ context, event }) => change(context, event.lane, (lane) => lookedUp(event.voucher ? caughtUp(lane, event.voucher) : lane, event)),
              doubted: ({ context, event }) => context.doubted.filter((one) => one !== event.lane),
            }),
            serve(),
          ],
        },
        'lanes.look.failed': { actions: [assign({ doubted: ({ context, event }) => context.doubted.filter((one) => one !== event.params.lane) }), serve()] },
        pay: [{
          guard: ({ context, event }) => event.group !== undefined && context.lanes[event.lane]?.use?.for === event.for && takesMore(context.lanes[event.lane]!),
          actions: [newDay, does((context, { lane, tell, group }) => payGroup(context, lane, tell, group))],
        }, {
          guard: ({ context, event }) => {
            const lane = context.lanes[event.lane]
            return event.group === undefined && lane?.use?.for === event.for && lane.payment === null
          },
          actions: [
            newDay,
            assign({ lanes: ({ context, event }) => change(context, event.lane, (lane) => paying(lane, event)) }),
            { type: 'voucher.sign', params: ({ context, event }: any) => unsigned(context, event.lane) } as any,
          ],
        }],
        // Signed before the work and handed over with it; the lane's own numbers move when it is accepted or decided.
        stake: {
          guard: ({ context, event }) => {
            const lane = context.lanes[event.lane]
            return lane?.use?.for === event.for && lane.payment === null && !lane.escrow
          },
          actions: [
            assign({ lanes: ({ context, event }) => change(context, event.lane, (lane) => ({ ...lane, escrow: { ...event.stake, tell: event.tell, voucher: null } })) }),
            { type: 'voucher.sign', params: ({ context, event }: any) => unsigned(context, event.lane) } as any,
          ],
        },
        // Signed, but nobody has it: as if it had never been.
        unstake: {
          guard: ({ context, event }) => context.lanes[event.lane]?.use?.for === event.for,
          actions: [assign({ lanes: ({ context, event }) => change(context, event.lane, (lane) => ({ ...lane, escrow: null, use: null })) }), serve()],
        },
        // By the arbiter or by default, or since the key was shown there, as the chain has it: what was given to the payee is spent, and the lane goes on.
        decided: {
          guard: ({ context, event }) => {
            const lane = context.lanes[event.lane]
            return lane?.use?.for === event.for && lane.payment === null && (lane.escrow?.voucher?.kind === 'escrow' || lane.escrow?.voucher?.kind === 'locked')
          },
          actions: [newDay, assign({ lanes: ({ context, event }) => change(context, event.lane, (lane) => decide(lane, event.payeeAmount)) }), serve()],
        },
        // What was prepaid is paid, whatever came of the call; a payee that may not have the voucher is handed it.
        prepaid: {
          guard: ({ context, event }) => {
            const lane = context.lanes[event.lane]
            return lane?.use?.for === event.for && lane.payment === null && lane.escrow?.voucher?.kind === 'plain'
          },
          actions: [
            newDay,
            assign({ lanes: ({ context, event }) => change(context, event.lane, (lane) => prepaid(lane, event.heard ? null : event.tell)) }),
            enqueueActions(({ context, event, enqueue }) => { if (context.lanes[event.lane]!.payment) enqueue(handOver) }),
            serve(),
          ],
        },
        'voucher.sign.done': [{
          guard: ({ context, event }) => {
            const lane = context.lanes[event.lane]
            return !!lane?.escrow && (event.voucher.kind !== 'plain' || (lane.payment === null && lane.escrow.kind === 'prepaid'))
          },
          actions: [
            assign({ lanes: ({ context, event }) => change(context, event.lane, (lane) => ({ ...lane, escrow: { ...lane.escrow!, voucher: event.voucher as EscrowVoucher } })) }),
            { type: 'tell', params: ({ context, event }: any) => ({ to: context.lanes[event.lane].escrow.tell, event: { type: 'staked', voucher: event.voucher, previousRef: context.lanes[event.lane].ref } }) } as any,
          ],
        }, {
          // What came late was signed before the payee showed that our state was lost.
          guard: ({ context, event }) => isGroup(context, event.lane) && event.voucher.ref === context.lanes[event.lane]!.ref,
          actions: does((context, { lane, voucher }) => signedGroup(context, lane, voucher)),
        }, {
          guard: ({ context, event }) => event.voucher.kind === 'plain' && !!context.lanes[event.lane]?.payment && !isGroup(context, event.lane),
          actions: [
            assign({ lanes: ({ context, event }) => change(context, event.lane, (lane) => ({ ...lane, voucher: event.voucher as PlainVoucher })) }),
            {
              type: 'tell',
              params: ({ context, event }: any) => {
                const { tell: to, keep: _keep, ...payment } = context.lanes[event.lane].payment
                return { to, event: { type: 'paid', ...payment, voucher: event.voucher } }
              },
            } as any,
            handOver,
          ],
        }],
        'voucher.sign.failed': {
          actions: enqueueActions(({ event: { params: { lane } }, enqueue }) => enqueue.raise({ type: 'voucher.again', lane }, { delay: SIGN_AGAIN_MS, id: `again.${lane}` })),
        },
        'voucher.again': {
          guard: ({ context, event }) => isUnsigned(context.lanes[event.lane]),
          actions: { type: 'voucher.sign', params: ({ context, event }: any) => unsigned(context, event.lane) } as any,
        },
        // Another reservation for a lane in use, before it runs out.
        widen: {
          guard: ({ context, event }) => context.lanes[event.lane]?.use?.for === event.for && !context.low.some(({ key }) => key === event.lane),
          actions: [
            assign({ low: ({ context, event }) => [...context.low, { key: event.lane, amount: event.amount }], lanes: ({ context, event }) => change(context, event.lane, (lane) => ({ ...lane, use: { ...lane.use!, tell: event.tell } })) }),
            serve(),
          ],
        },
        'voucher.pay.done': [{
          guard: ({ context, event }) => isGroup(context, event.lane),
          actions: [does((context, { lane, window }) => heardGroup(context, lane, window === undefined ? {} : { window })), serve()],
        }, {
          guard: ({ context, event }) => context.lanes[event.lane]?.payment?.keep === true,
          actions: [
            { type: 'tell', params: ({ context, event }: any) => ({ to: context.lanes[event.lane].payment.tell, event: { type: 'handed', delivery: context.lanes[event.lane].payment.delivery } }) } as any,
            assign({ lanes: ({ context, event }) => change(context, event.lane, (lane) => ({ ...lane, payment: null })) }),
          ],
        }, {
          actions: [assign({ lanes: ({ context, event }) => change(context, event.lane, (lane) => ({ ...lane, use: null, payment: null, escrow: null })) }), serve()],
        }],
        // Our own signature on more than we know of: our state was lost. What is paid by it is paid, and what is
        // still owed is signed for anew on top of it.
        'voucher.pay.outdone': [{
          guard: ({ context, event }) => isGroup(context, event.lane),
          actions: [does((context, { lane, voucher, owes = [], part }) => outdoneGroup(context, lane, voucher, owes, part)), serve()],
        }, {
          guard: ({ context, event }) => event.owed && !!context.lanes[event.lane]?.payment,
          actions: [
            assign({ lanes: ({ context, event }) => change(context, event.lane, (lane) => owedOn(lane, event.voucher)) }),
            { type: 'voucher.sign', params: ({ context, event }: any) => unsigned(context, event.lane) } as any,
          ],
        }, {
          guard: ({ context, event }) => !!context.lanes[event.lane]?.payment,
          actions: [assign({ lanes: ({ context, event }) => change(context, event.lane, (lane) => ({ ...caughtUp({ ...lane, payment: null, escrow: null }, event.voucher), use: null, escrow: null })) }), serve()],
        }],
        // A payee that cannot be reached is tried for ever, slowly; one that refuses keeps the lane out of use.
        'voucher.pay.failed': [{
          guard: ({ context, event }) => ERRORS[event.error.code].retry && isGroup(context, event.params.lane),
          actions: does((context, { params }) => againGroup(context, params.lane)),
        }, {
          guard: ({ context, event }) => ERRORS[event.error.code].retry && !!context.lanes[event.params.lane]?.payment,
          actions: [handOver],
        }, {
          // Those who wait for later vouchers must not wait for one that is refused: they are signed all the same.
          guard: ({ context, event }) => isGroup(context, event.params.lane),
          actions: does((context, { params }) => heardGroup(context, params.lane, { refused: true })),
        }],
        'lanes.reserve.done': {
          actions: [
            assign({
              lanes: ({ context, event }) => widened(context, event.lanes),
              reserving: ({ context, event }) => context.reserving.filter((one) => one.key !== event.key),
            }),
            enqueueActions(({ context, event, enqueue }) => { for (const action of widenedNews(context.lanes, event.lanes.map(({ lane }) => lane))) enqueue(action as any) }),
            serve(),
          ],
        },
        'lanes.reserve.failed': {
          actions: [enqueueActions(({ context, event, enqueue }) => {
            const { refused, ...rest } = notReserved(context, event.params.key, event.error)
            for (const request of refused) enqueue({ type: 'tell', params: { to: request.for, event: { type: 'lane.refused', error: event.error } } } as any)
            enqueue.assign(rest)
          }), serve()],
        },
      },
    },
  },
})

/** Hands out what can be handed out, after anything that may have freed or widened a lane. */
function serve(): any {
  return enqueueActions(({ context, enqueue }: any) => enqueue.assign(serveWaiting(context, enqueue)))
}

function change(context: PurseContext, key: string, update: (lane: PurseLane) => PurseLane): Record<string, PurseLane> {
  const lane = context.lanes[key]
  return lane ? { ...context.lanes, [key]: update(lane) } : { ...context.lanes }
}

export const purse = defineActor('purse', '10', machine, {
  pays: [{ by: ['do voucher.sign'], after: ['tell negotiation lane.ready'] }, { by: ['do lanes.reserve'], after: ['on acquire'] }],
  holds: [],
  rests: { open: 'asked by negotiations, steps, inquiries and disputes' },
}, {
  perPartition: true,
  // The versions before knew less: no limits, no calls that cost nothing, no parts of calls, not what a voucher shown pays of a group.
  migrate: (state, machine) => (/^purse@[6789]:/.test(machine) ? state : undefined),
})
