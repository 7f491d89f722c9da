/**
 * The purse: a payer's lanes of one partition (D2, D6, D7). It hands an idle lane to whoever hires,
 * reserves on the chain when none is wide enough, and signs a voucher for each delivery accepted.
 * One call at a time on a lane, so the worst loss of either side is one step's price. Told by
 * `negotiation`, `step` and `inquiry`; keeps I1 (cumulative only grows, journaled before it leaves).
 *
 * Amounts are decimal strings of atomic units: bigint does not survive every journal format.
 */
import { assign, createMachine, enqueueActions } from 'xstate'
import type { Address, Hash, Hex32, PlainVoucher } from '../../schemas/documents.gen.ts'
import { ERRORS, type ErrorBody } from '../../schemas/error.ts'
import { defineActor } from '../actors/actor.ts'
import { foldRef, NO_REF } from './fold.ts'

/** Reserved at once for a lane: this many times the amount asked, so that most steps need no chain. */
const RESERVE_AHEAD = 4n
/** Lanes one payee can have: parallel calls beyond it wait. */
const LANES_PER_PAYEE_MAX = 64
/** Requests that wait for a lane; more are refused. */
const WAITING_MAX = 1_000

export interface LaneUse {
  /** Actor that hires on this lane. */
  readonly for: string
}

/** A voucher on its way: signed, journaled, then handed over. */
export interface Payment {
  /** Actor that hears of it. */
  readonly tell: string
  readonly delivery: Hash
  readonly amount: string
  readonly previousRef: Hex32
}

export interface PurseLane {
  /** On-chain id; zeros until the first reservation is done. */
  readonly id: Hex32
  readonly payee: Address
  /** Participant that serves on it. */
  readonly provider: Address
  readonly number: number
  readonly reserved: string
  readonly cumulative: string
  readonly ref: Hex32
  readonly use: LaneUse | null
  readonly payment: Payment | null
  /** Whether a reservation for it is on its way to the chain. */
  readonly reserving: boolean
  /** The highest voucher signed on it. */
  readonly voucher: PlainVoucher | null
}

export interface LaneRequest {
  readonly for: string
  readonly payee: Address
  readonly provider: Address
  readonly amount: string
  /** Only reserve, do not hold: the first fallback's lane. */
  readonly spare: boolean
}

export interface PurseContext {
  readonly vault: Hex32
  readonly voucherKey: Address
  readonly lanes: Readonly<Record<string, PurseLane>>
  readonly waiting: readonly LaneRequest[]
  /** Lanes and totals of the reservation under way. */
  readonly reserving: readonly { readonly key: string; readonly payee: Address; readonly number: number; readonly total: string }[]
  readonly writes: number
}

export type PurseEvent =
  | { type: 'acquire'; request: LaneRequest }
  | { type: 'release'; for: string }
  | { type: 'pay'; lane: string; for: string; tell: string; delivery: Hash; amount: string }
  | { type: 'voucher.sign.done'; lane: string; voucher: PlainVoucher }
  | { type: 'voucher.pay.done'; lane: string }
  | { type: 'voucher.pay.failed'; error: ErrorBody; params: { lane: string } }
  | { type: 'lanes.reserve.done'; key: string; lanes: readonly { readonly lane: string; readonly id: Hex32; readonly reserved: string }[] }
  | { type: 'lanes.reserve.failed'; error: ErrorBody; params: { key: string } }

export interface PurseInput {
  readonly vault: Hex32
  readonly voucherKey: Address
}

/** Lane of a payee by its number, before its on-chain id is needed as a key. */
export function laneKey(payee: Address, number: number): string {
  return `${payee}.${number}`
}

function grantable(context: PurseContext, request: LaneRequest): PurseLane | undefined {
  return Object.values(context.lanes).find(
    (lane) =>
      lane.payee === request.payee && lane.use === null && lane.payment === null && !lane.reserving && BigInt(lane.reserved) - BigInt(lane.cumulative) >= BigInt(request.amount),
  )
}

/** The lane to widen, or a new number, for a request that nothing idle can serve. */
function placeFor(context: PurseContext, request: LaneRequest, taken: ReadonlySet<string>): { number: number; base: bigint } | undefined {
  const own = Object.values(context.lanes).filter((lane) => lane.payee === request.payee)
  const idle = own.find((lane) => lane.use === null && lane.payment === null && !lane.reserving && !taken.has(laneKey(lane.payee, lane.number)))
  if (idle) return { number: idle.number, base: BigInt(idle.cumulative) }
  for (let number = 0; number < LANES_PER_PAYEE_MAX; number++) {
    const key = laneKey(request.payee, number)
    if (!context.lanes[key] && !taken.has(key)) return { number, base: 0n }
  }
  return undefined
}

/** The signed voucher on its way to the payee, under the lane's key. */
const handOver = {
  type: 'voucher.pay',
  params: ({ context, event }: any) => {
    const key = event.lane ?? event.params.lane
    const lane: PurseLane = context.lanes[key]
    return { lane: key, to: lane.provider, voucher: lane.voucher, deliveries: [lane.payment!.delivery] }
  },
} as any

const machine = createMachine({
  id: 'purse',
  types: {} as { context: PurseContext; events: PurseEvent; input: PurseInput },
  context: ({ input }) => ({ vault: input.vault, voucherKey: input.voucherKey, lanes: {}, waiting: [], reserving: [], writes: 0 }),
  initial: 'open',
  states: {
    open: {
      on: {
        acquire: [
          {
            guard: ({ context }) => context.waiting.length >= WAITING_MAX,
            actions: { type: 'tell', params: ({ event }: any) => ({ to: event.request.for, event: { type: 'lane.refused', error: { code: 'node.busy', message: 'too many wait for a lane' } } }) } as any,
          },
          { actions: [assign({ waiting: ({ context, event }) => [...context.waiting.filter((one) => one.for !== event.request.for || one.spare !== event.request.spare), event.request] }), serve()] },
        ],
        release: { actions: [assign({ lanes: ({ context, event }) => freed(context, event.for), waiting: ({ context, event }) => context.waiting.filter((one) => one.for !== event.for) }), serve()] },
        pay: {
          guard: ({ context, event }) => {
            const lane = context.lanes[event.lane]
            return lane?.use?.for === event.for && lane.payment === null
          },
          actions: [
            assign({
              lanes: ({ context, event }) =>
                change(context, event.lane, (lane) => ({
                  ...lane,
                  cumulative: (BigInt(lane.cumulative) + BigInt(event.amount)).toString(),
                  ref: foldRef(lane.ref, event.delivery, event.amount),
                  payment: { tell: event.tell, delivery: event.delivery, amount: event.amount, previousRef: lane.ref },
                })),
            }),
            { type: 'voucher.sign', params: ({ context, event }: any) => unsigned(context, event.lane) } as any,
          ],
        },
        'voucher.sign.done': {
          guard: ({ context, event }) => !!context.lanes[event.lane]?.payment,
          actions: [
            assign({ lanes: ({ context, event }) => change(context, event.lane, (lane) => ({ ...lane, voucher: event.voucher })) }),
            {
              type: 'tell',
              params: ({ context, event }: any) => {
                const { tell: to, ...payment } = context.lanes[event.lane].payment
                return { to, event: { type: 'paid', ...payment, voucher: event.voucher } }
              },
            } as any,
            handOver,
          ],
        },
        'voucher.pay.done': {
          actions: [assign({ lanes: ({ context, event }) => change(context, event.lane, (lane) => ({ ...lane, use: null, payment: null })) }), serve()],
        },
        // A payee that cannot be reached is tried for ever, slowly; one that refuses keeps the lane out of use.
        'voucher.pay.failed': {
          guard: ({ event }) => ERRORS[event.error.code].retry,
          actions: [handOver],
        },
        'lanes.reserve.done': {
          actions: [
            assign({
              lanes: ({ context, event }) => {
                const lanes = { ...context.lanes }
                for (const { lane: key, id, reserved } of event.lanes) {
                  const lane = lanes[key]
                  if (lane) lanes[key] = { ...lane, id, reserved, reserving: false }
                }
                return lanes
              },
              reserving: ({ context, event }) => context.reserving.filter((one) => one.key !== event.key),
            }),
            serve(),
          ],
        },
        'lanes.reserve.failed': {
          actions: enqueueActions(({ context, event, enqueue }) => {
            const failed = context.reserving.filter((one) => one.key === event.params.key)
            const payees = new Set(failed.map((one) => one.payee))
            for (const request of context.waiting) {
              if (payees.has(request.payee) && !request.spare) enqueue({ type: 'tell', params: { to: request.for, event: { type: 'lane.refused', error: event.error } } } as any)
            }
            const lanes = { ...context.lanes }
            for (const { payee, number } of failed) {
              const lane = lanes[laneKey(payee, number)]
              if (lane) lanes[laneKey(payee, number)] = { ...lane, reserving: false }
            }
            enqueue.assign({ lanes, reserving: context.reserving.filter((one) => one.key !== event.params.key), waiting: context.waiting.filter((one) => !payees.has(one.payee)) })
          }),
        },
      },
    },
  },
})

/** Grants what can be granted and asks the chain for the rest, one reservation under way at a time. */
function serve(): any {
  return enqueueActions(({ context, enqueue }: any) => {
    let state: PurseContext = context
    const still: LaneRequest[] = []
    for (const request of state.waiting) {
      const lane = grantable(state, request)
      if (!lane) {
        still.push(request)
        continue
      }
      if (request.spare) continue
      const key = laneKey(lane.payee, lane.number)
      state = { ...state, lanes: { ...state.lanes, [key]: { ...lane, use: { for: request.for } } } }
      enqueue({ type: 'tell', params: { to: request.for, event: { type: 'lane.ready', key, id: lane.id, number: lane.number, vault: state.vault, voucherKey: state.voucherKey } } })
    }
    state = { ...state, waiting: still }
    if (still.length > 0 && state.reserving.length === 0) state = reserve(state, enqueue)
    enqueue.assign(state)
  })
}

function reserve(state: PurseContext, enqueue: any): PurseContext {
  const write = `reserve.${state.writes}`
  const taken = new Set<string>()
  const reserving: { key: string; payee: Address; number: number; total: string }[] = []
  const lanes: Record<string, PurseLane> = { ...state.lanes }
  for (const request of state.waiting) {
    const place = placeFor(state, request, taken)
    if (!place || reserving.length >= 100) continue
    const key = laneKey(request.payee, place.number)
    taken.add(key)
    const total = (place.base + BigInt(request.amount) * RESERVE_AHEAD).toString()
    reserving.push({ key: write, payee: request.payee, number: place.number, total })
    const known = lanes[key]
    lanes[key] = known
      ? { ...known, reserving: true }
      : { id: NO_REF, payee: request.payee, provider: request.provider, number: place.number, reserved: '0', cumulative: '0', ref: NO_REF, use: null, payment: null, reserving: true, voucher: null }
  }
  if (reserving.length === 0) return state
  enqueue({
    type: 'lanes.reserve',
    params: { key: write, vault: state.vault, reserves: reserving.map(({ payee, number, total }) => ({ payee, number, total })) },
  })
  return { ...state, lanes, reserving, writes: state.writes + 1 }
}

function change(context: PurseContext, key: string, update: (lane: PurseLane) => PurseLane): Record<string, PurseLane> {
  const lane = context.lanes[key]
  return lane ? { ...context.lanes, [key]: update(lane) } : { ...context.lanes }
}

/** Every lane that `user` holds and that no payment is under way on, given back. */
function freed(context: PurseContext, user: string): Record<string, PurseLane> {
  return Object.fromEntries(Object.entries(context.lanes).map(([key, lane]) => [key, lane.use?.for === user && lane.payment === null ? { ...lane, use: null } : lane]))
}

function unsigned(context: PurseContext, key: string): object {
  const lane = context.lanes[key]!
  return { lane: key, id: lane.id, cumulative: lane.cumulative, ref: lane.ref }
}

export const purse = defineActor('purse', '1', machine)
