/**
 * Lanes as their payer keeps them, and how far ahead they are reserved (D6, D7): which lane a hire
 * gets, what is asked of the chain and when, so that a step does not wait for it. Pure; used by the
 * purse.
 */
import type { Address, EscrowVoucher, Folded, Hash, Hex32, LockedVoucher, PlainVoucher } from '../../schemas/documents.gen.ts'
import type { ErrorBody } from '../../schemas/error.ts'
import { NO_REF } from './fold.ts'
import type { Stake } from './stake.ts'

/**
 * Reserved ahead on a lane: as much again as it has paid, within so many times the amount asked. Much
 * used lanes then need the chain less and less, and never lock more than what was spent on them.
 */
const AHEAD_MIN = 4n
const AHEAD_MAX = 256n
/** Lanes one payee can have in a partition: parallel calls beyond it wait. */
const LANES_PER_PAYEE_MAX = 64
/** Lanes of one reservation. */
const RESERVES_MAX = 100

export interface LaneUse {
  /** Actor that hires on this lane. */
  readonly for: string
  /** Most that it may cost, atomic. */
  readonly amount?: string
  /** Actor that hears of it when the lane is widened. */
  readonly tell?: string
}

/** A voucher on its way: signed, journaled, then handed over. */
export interface Payment {
  /** Actor that hears of it. */
  readonly tell: string
  /** Or the agreement, of a prepaid call. */
  readonly delivery: Hash
  readonly amount: string
  readonly previousRef: Hex32
  /** Of a part of a call: who has the lane has it still when this is handed over, and hears of that. */
  readonly keep?: true
  /** Under a standing agreement, which goes on with the lane: all that its payee has not been heard to take. */
  readonly group?: Group
}

/** Deliveries of a standing agreement on their way to be paid, in the order they are folded. */
export interface Group {
  readonly items: readonly Folded[]
  /** How many of them, from the first, the lane's voucher pays. */
  readonly signed: number
  /** And how many the voucher that is being handed over; 0 for none. */
  readonly handing: number
}

/** A voucher that secures or pays a call before its work: no other on that lane until it is known what came of it. */
export type Staking = Stake & {
  /** Actor that hears of it. */
  readonly tell: string
  readonly voucher: EscrowVoucher | PlainVoucher | LockedVoucher | null
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
  /** What was signed for before the output was there: in escrow, prepaid, or locked. */
  readonly escrow?: Staking | null
  /** Whether a reservation for it is on its way to the chain. */
  readonly reserving: boolean
  /** The vault could not give what was asked ahead: from here on no more than each step needs. */
  readonly exact: boolean
  /** The chain has paid more of it than anybody remembers: it is used no more. */
  readonly lost?: boolean
  /** The highest voucher signed on it. */
  readonly voucher: PlainVoucher | null
  /** Run that had it last. */
  readonly last?: string
}

export interface LaneRequest {
  readonly for: string
  readonly payee: Address
  readonly provider: Address
  readonly amount: string
  /** The run it is for, which goes on with a lane that it had: fewer lanes of it are claimed at its close. */
  readonly run?: string
  /** Only reserve, do not hold: the first fallback's lane. */
  readonly spare: boolean
  /** Of a call that costs nothing: the place it has instead of a lane. */
  readonly free?: Hex32
  /** Of a standing agreement: most that all its calls may cost, which is what limits count. */
  readonly most?: string
}

/** Atomic, of all partitions together. */
export interface LaneLimits {
  /** Of a day, by payee in lower case. */
  readonly payees?: Readonly<Record<Address, string>>
  /** Of the voucher key, in all. */
  readonly key?: string
}

/** What payees with a limit had been paid when the day began. */
export interface PaidDay {
  /** Days since the epoch, UTC. */
  readonly day: number
  readonly base: Readonly<Record<string, string>>
}

export interface PurseContext {
  readonly vault: Hex32
  readonly voucherKey: Address
  /** Its lanes have the numbers that give `partition` when divided by `partitions`: no two purses of a participant have one together. */
  readonly partition: number
  readonly partitions: number
  readonly lanes: Readonly<Record<string, PurseLane>>
  readonly waiting: readonly LaneRequest[]
  /** Lanes to widen before they run out, while they work, and what a step on them costs at most. */
  readonly low: readonly { readonly key: string; readonly amount: string }[]
  /** Lanes that a payee finds too narrow: looked up on the chain, and used by nobody meanwhile. */
  readonly doubted: readonly string[]
  /** Lanes and totals of the reservation under way. */
  readonly reserving: readonly { readonly key: string; readonly payee: Address; readonly number: number; readonly total: string }[]
  readonly writes: number
  readonly limits?: LaneLimits
  readonly day?: PaidDay
}

/** A lane whose escrow gave its payee `amount`; where that is nothing, the voucher never counted. */
export function decide(lane: PurseLane, amount: string): PurseLane {
  const free = { ...lane, escrow: null, use: null }
  return amount === '0' ? free : { ...free, cumulative: (BigInt(lane.cumulative) + BigInt(amount)).toString(), ref: lane.escrow!.voucher!.ref }
}

/** A lane whose prepayment counts; `tell` hears of it where it is handed over still. */
export function prepaid(lane: PurseLane, tell: string | null): PurseLane {
  const { agreement, amount, voucher } = lane.escrow as Extract<PurseLane['escrow'], { kind: 'prepaid' }>
  const { cumulative, ref } = voucher as PlainVoucher
  const counted = { ...lane, cumulative, ref, voucher: voucher as PlainVoucher, escrow: null }
  return tell === null ? { ...counted, use: null } : { ...counted, payment: { tell, delivery: agreement, amount, previousRef: lane.ref } }
}

/** The lanes with what was reserved for some of them. */
export function widened({ lanes }: Pick<PurseContext, 'lanes'>, reserved: readonly { readonly lane: string; readonly id: Hex32; readonly reserved: string }[]): Record<string, PurseLane> {
  const now = { ...lanes }
  for (const { lane: key, id, reserved: total } of reserved) if (now[key]) now[key] = { ...now[key], id, reserved: total, reserving: false }
  return now
}

/** Lane of a payee by its number, before its on-chain id is needed as a key. */
export function laneKey(payee: Address, number: number): string {
  return `${payee}.${number}`
}

/** Whether a lane of the payee is being looked up: its requests wait, rather than open another lane. */
function isDoubted(context: PurseContext, payee: Address): boolean {
  return context.doubted.some((key) => context.lanes[key]?.payee === payee)
}

function grantable(context: PurseContext, { payee, amount, run }: LaneRequest): PurseLane | undefined {
  const lanes = Object.values(context.lanes)
  const fits = (lane: PurseLane): boolean =>
    lane.payee === payee && lane.use === null && lane.payment === null && !lane.lost && lane.id !== NO_REF && BigInt(lane.reserved) - BigInt(lane.cumulative) >= BigInt(amount)
  return (run === undefined ? undefined : lanes.find((lane) => lane.last === run && fits(lane))) ?? lanes.find(fits)
}

/** What is reserved beyond an amount asked on `lane`, so that the steps after it need no chain. */
function ahead(lane: PurseLane | undefined, amount: bigint): bigint {
  if (lane?.exact) return 0n
  const [least, most, paid] = [(AHEAD_MIN - 1n) * amount, AHEAD_MAX * amount, BigInt(lane?.cumulative ?? 0)]
  return paid < least ? least : paid > most ? most : paid
}

/** Whether a lane in use should be widened now: half of what it had ahead is gone. */
function isLow(lane: PurseLane, amount: bigint): boolean {
  return !lane.exact && !lane.reserving && BigInt(lane.reserved) - BigInt(lane.cumulative) - amount < ahead(lane, amount) / 2n
}

/** What is reserved and not signed away yet, atomic. */
export function leftOn({ reserved, cumulative }: PurseLane): string {
  return (BigInt(reserved) - BigInt(cumulative)).toString()
}

/** What is left after a reservation failed, and the requests that are refused for it. */
export function notReserved(context: PurseContext, key: string, error: ErrorBody): Pick<PurseContext, 'lanes' | 'reserving' | 'waiting'> & { readonly refused: readonly LaneRequest[] } {
  const lanes: Record<string, PurseLane> = { ...context.lanes }
  const payees = new Set<Address>()
  for (const { payee, number } of context.reserving.filter((one) => one.key === key)) {
    const lane = lanes[laneKey(payee, number)]
    if (!lane) continue
    // The vault may lack only what was asked ahead: the bare amount is asked before anybody is refused.
    const again = error.code === 'chain.reverted' && !lane.exact
    if (!again) payees.add(payee)
    lanes[laneKey(payee, number)] = { ...lane, reserving: false, exact: lane.exact || again }
  }
  return {
    // A fallback's lane is a comfort: where money is short it must not take the chosen one's.
    refused: context.waiting.filter((request) => payees.has(request.payee) && !request.spare),
    lanes, reserving: context.reserving.filter((one) => one.key !== key), waiting: context.waiting.filter((one) => !one.spare && !payees.has(one.payee)),
  }
}

/** The lane to widen, or a new number, for a request that nothing idle can serve. */
function placeFor(context: PurseContext, request: LaneRequest, taken: ReadonlySet<string>): { number: number; base: bigint } | undefined {
  const own = Object.values(context.lanes).filter((lane) => lane.payee === request.payee)
  const idle = own.find((lane) => lane.use === null && lane.payment === null && !lane.reserving && !lane.lost && !taken.has(laneKey(lane.payee, lane.number)))
  if (idle) return { number: idle.number, base: BigInt(idle.cumulative) }
  for (let count = 0; count < LANES_PER_PAYEE_MAX; count++) {
    const number = context.partition + count * context.partitions
    const key = laneKey(request.payee, number)
    if (!context.lanes[key] && !taken.has(key)) return { number, base: 0n }
  }
  return undefined
}

type Enqueue = (action: { readonly type: string; readonly params: object }) => void

/** Grants what can be granted and asks the chain for the rest, one reservation under way at a time. */
export function serveWaiting(context: PurseContext, enqueue: Enqueue): PurseContext {
  let state: PurseContext = context
  const still: LaneRequest[] = []
  for (const request of state.waiting) {
    const lane = isDoubted(state, request.payee) ? undefined : grantable(state, request)
    if (!lane) {
      still.push(request)
      continue
    }
    if (request.spare) continue
    const key = laneKey(lane.payee, lane.number)
    const low = isLow(lane, BigInt(request.amount)) ? [...state.low.filter((one) => one.key !== key), { key, amount: request.amount }] : state.low
    state = { ...state, low, lanes: { ...state.lanes, [key]: { ...lane, use: { for: request.for, amount: request.most ?? request.amount }, ...(request.run === undefined ? {} : { last: request.run }) } } }
    enqueue({ type: 'tell', params: { to: request.for, event: { type: 'lane.ready', key, id: lane.id, number: lane.number, vault: state.vault, voucherKey: state.voucherKey, left: leftOn(lane) } } })
  }
  state = { ...state, waiting: still }
  if ((still.length > 0 || state.low.length > 0) && state.reserving.length === 0) state = reserve(state, enqueue)
  return state
}

function reserve(state: PurseContext, enqueue: Enqueue): PurseContext {
  const write = `reserve.${state.partition}.${state.writes}`
  const taken = new Set<string>()
  const reserving: { key: string; payee: Address; number: number; total: string }[] = []
  const lanes: Record<string, PurseLane> = { ...state.lanes }
  const add = (lane: PurseLane, base: bigint, amount: bigint): void => {
    const key = laneKey(lane.payee, lane.number)
    taken.add(key)
    reserving.push({ key: write, payee: lane.payee, number: lane.number, total: (base + amount + ahead(lane, amount)).toString() })
    lanes[key] = { ...lane, reserving: true }
  }
  for (const request of state.waiting) {
    if (isDoubted(state, request.payee)) continue
    const place = placeFor(state, request, taken)
    if (!place || reserving.length >= RESERVES_MAX) continue
    const { payee, provider } = request
    add(
      lanes[laneKey(payee, place.number)] ??
        { id: NO_REF, payee, provider, number: place.number, reserved: '0', cumulative: '0', ref: NO_REF, use: null, payment: null, reserving: true, exact: false, voucher: null },
      place.base, BigInt(request.amount),
    )
  }
  for (const { key, amount } of state.low) {
    const lane = lanes[key]
    if (!lane || lane.exact || lane.reserving || state.doubted.includes(key) || taken.has(key) || reserving.length >= RESERVES_MAX) continue
    add(lane, BigInt(lane.cumulative), BigInt(amount))
  }
  if (reserving.length === 0) return { ...state, low: [] }
  enqueue({
    type: 'lanes.reserve',
    params: { key: write, vault: state.vault, reserves: reserving.map(({ payee, number, total }) => ({ payee, number, total })) },
  })
  return { ...state, lanes, reserving, low: [], writes: state.writes + 1 }
}
