/**
 * The standing agreements of a partition (D6): one negotiation for a quota of calls, each of which then
 * takes the next number without a round trip; what is delivered while a voucher is on its way is paid
 * together by the next. Asked by steps, told by negotiations, steps, inquiries and the purse. Whatever
 * does not fit, and whoever no agreement has room for, negotiates for itself. Keeps I1 (a number is given
 * out once) and I4 (no more is under way than the provider's window and the lane hold).
 */
import { assign, createMachine, enqueueActions } from 'xstate'
import type { Agreement, Folded, Hash, Hex32, PlainVoucher } from '../../schemas/documents.gen.ts'
import type { ErrorBody } from '../../schemas/error.ts'
import { defineActor } from '../actors/actor.ts'
import { foldRef } from '../payments/fold.ts'
import type { Lane, NegotiationInput } from './negotiation.machine.ts'
import { admits, AGREEMENTS_MAX, GROUP_MAX, isOver, keyOf, toWiden, type Standing, type Waiting } from './standing.ts'
import type { Offer } from './strategy.ts'

export interface StandingContext {
  readonly agreements: Readonly<Record<Hash, Standing>>
  /** Negotiations under way for an agreement: what for, and the step that began it. */
  readonly seeking: Readonly<Record<string, { readonly key: string; readonly step: string }>>
}

export type StandingEvent = { at: number } & (
  | { type: 'want'; input: NegotiationInput }
  | { type: 'agreed'; agreement: Agreement; id: Hash; offer: Offer; lane: Lane; asked: number; negotiation: string }
  | { type: 'refused'; error: ErrorBody; negotiation: string }
  | { type: 'pay'; agreement: Hash; call: number; tell: string; delivery: Hash; amount: string }
  | { type: 'return'; agreement: Hash; call: number; how: 'spare' | 'failed' | 'contested' }
  | { type: 'paid'; lane: string; group: readonly Folded[]; previousRef: Hex32; voucher: PlainVoucher; left: string }
  | { type: 'handed'; lane: string; count: number; window?: number; refused?: true }
  | { type: 'widened'; lane: string; left: string }
  | { type: 'doubt' | 'lapse'; agreement: Hash }
)

type Enqueue = { (action: object): void; assign(change: object): void; raise(event: object, options: object): void }

const tell = (to: string, event: object): any => ({ type: 'tell', params: { to, event } })
const without = <T>(record: Readonly<Record<string, T>>, key: string): Record<string, T> => Object.fromEntries(Object.entries(record).filter(([one]) => one !== key))

/** Keeps the agreement as it is now, pays what waits, widens the lane, or lets it go where it is over. */
function go(context: StandingContext, one: Standing, at: number, enqueue: Enqueue): StandingContext {
  let next = one
  if (next.due.length > 0 && next.paying.length === 0) {
    next = { ...next, paying: next.due.slice(0, GROUP_MAX), due: next.due.slice(GROUP_MAX) }
    const group = next.paying.map(({ delivery, amount }) => ({ delivery, amount }))
    enqueue(tell('purse', { type: 'pay', lane: next.lane.key, for: next.holder, tell: 'standing', delivery: group[0]!.delivery, amount: group[0]!.amount, group }))
  }
  const amount = toWiden(next)
  if (amount !== undefined) {
    enqueue(tell('purse', { type: 'widen', lane: next.lane.key, for: next.holder, amount, tell: 'standing' }))
    next = { ...next, widening: true }
  }
  if (!isOver(next, at)) return { ...context, agreements: { ...context.agreements, [next.id]: next } }
  if (!next.contested) enqueue(tell('purse', { type: 'release', for: next.holder }))
  return { ...context, agreements: without(context.agreements, next.id) }
}

/** The step's answer: the agreement, and its number under it. */
function give(one: Standing, step: string, asked: number, enqueue: Enqueue): Standing {
  const { id, agreement, offer, lane, next } = one
  enqueue(tell(step, { type: 'agreed', agreement, id, offer, lane, asked, call: next }))
  return { ...one, next: next + 1, open: [...one.open, next] }
}

/** Starts the negotiation that a step asked for; its parent hears how it ends. */
function negotiate(input: object, enqueue: Enqueue): void {
  enqueue(tell((input as NegotiationInput).self, { type: 'start', input }))
}

const want: any = enqueueActions(({ context, event, enqueue }: any) => {
  const { agreements, seeking } = context as StandingContext
  const input = event.input as NegotiationInput
  const one = Object.values(agreements).find((each) => admits(each, input, event.at))
  if (one) return enqueue.assign(go(context, give(one, input.parent, 0, enqueue), event.at, enqueue))
  const key = keyOf(input)
  const known = Object.values(agreements).some((each) => !each.closed && each.key === key && each.next < each.agreement.terms.standing!.calls && event.at < each.agreement.terms.standing!.until)
  const sought = known || Object.values(seeking).some((each) => each.key === key)
  if (sought || Object.keys(agreements).length + Object.keys(seeking).length >= AGREEMENTS_MAX) {
    const { standing: _standing, ...single } = input
    return negotiate(single, enqueue)
  }
  negotiate({ ...input, parent: 'standing' }, enqueue)
  enqueue.assign({ seeking: { ...seeking, [input.self]: { key, step: input.parent } } })
})

const agreed: any = enqueueActions(({ context, event, enqueue }: any) => {
  const { seeking } = context as StandingContext
  const { key, step } = seeking[event.negotiation]!
  const left = without(seeking, event.negotiation)
  const { at, type: _type, ...answer } = event
  // Whoever offers no quota is hired for the one call.
  if (!event.agreement.terms.standing) {
    enqueue(tell(step, { type: 'agreed', ...answer }))
    return enqueue.assign({ seeking: left })
  }
  const { id, agreement, offer, lane, negotiation: holder, asked } = event
  const one: Standing = { id, key, agreement, offer, lane, holder, next: 0, open: [], due: [], paying: [], sent: 0, window: 1, left: lane.left ?? agreement.terms.cap, widening: false, closed: false, contested: false }
  enqueue.raise({ type: 'lapse', agreement: id, at: 0 }, { delay: Math.max(1, agreement.terms.standing.until - at), id: `lapse.${id}` })
  enqueue.assign(go({ ...context, seeking: left }, give(one, step, asked, enqueue), at, enqueue))
})

const change = (how: (one: Standing, event: any, enqueue: Enqueue) => Standing): any => enqueueActions(({ context, event, enqueue }: any) => {
  const one = (context as StandingContext).agreements[event.agreement]
  if (one) enqueue.assign(go(context, how(one, event, enqueue), event.at, enqueue))
})

/** The agreement that has a lane of the purse. */
const onLane = ({ agreements }: StandingContext, lane: string): Standing | undefined => Object.values(agreements).find((one) => one.lane.key === lane)

/** Each of the group is told of its voucher, with what the voucher folds before and after it. */
const paid: any = enqueueActions(({ context, event, enqueue }: any) => {
  const one = onLane(context, event.lane)
  if (!one) return
  const group = event.group as readonly Folded[]
  let previousRef = event.previousRef as Hex32
  for (const [place, { delivery, amount }] of group.entries()) {
    const waiting = one.paying.find((each) => each.delivery === delivery)
    const after = group.slice(place + 1)
    if (waiting) enqueue(tell(waiting.tell, { type: 'paid', voucher: event.voucher, previousRef, ...(after.length > 0 ? { after } : {}) }))
    previousRef = foldRef(previousRef, delivery, amount)
  }
  const signed = (each: Waiting): boolean => group.some(({ delivery }) => delivery === each.delivery)
  const paying = one.paying.filter((each) => !signed(each))
  enqueue.assign(go(context, { ...one, paying, sent: one.sent + one.paying.length - paying.length, left: event.left }, event.at, enqueue))
})

const handed: any = enqueueActions(({ context, event, enqueue }: any) => {
  const one = onLane(context, event.lane)
  if (!one) return
  // A payee that refuses what it is owed counts on that lane otherwise than we do.
  const refused = event.refused === true
  enqueue.assign(go(context, { ...one, sent: Math.max(0, one.sent - event.count), window: event.window ?? one.window, closed: one.closed || refused, contested: one.contested || refused }, event.at, enqueue))
})

const widened: any = enqueueActions(({ context, event, enqueue }: any) => {
  const one = onLane(context, event.lane)
  if (one) enqueue.assign({ agreements: { ...context.agreements, [one.id]: { ...one, left: event.left, widening: false } } })
})

const machine = createMachine({
  id: 'standing',
  types: {} as { context: StandingContext; events: StandingEvent },
  context: { agreements: {}, seeking: {} },
  initial: 'open',
  states: {
    open: {
      on: {
        want: { actions: want },
        agreed: { guard: ({ context, event }) => context.seeking[event.negotiation] !== undefined, actions: agreed },
        refused: {
          guard: ({ context, event }) => context.seeking[event.negotiation] !== undefined,
          actions: [
            { type: 'tell', params: ({ context, event }: any) => ({ to: context.seeking[event.negotiation].step, event: { type: 'refused', error: event.error } }) } as any,
            assign({ seeking: ({ context, event }) => without(context.seeking, event.negotiation) }),
          ],
        },
        pay: {
          actions: change((one, { call, tell: to, delivery, amount }) => (one.open.includes(call) ? { ...one, open: one.open.filter((each) => each !== call), due: [...one.due, { call, tell: to, delivery, amount } satisfies Waiting] } : one)),
        },
        // One that disappointed is asked no more: the next call is agreed anew, perhaps with another.
        return: {
          actions: change((one, { call, how }) => ({ ...one, open: one.open.filter((each) => each !== call), closed: one.closed || how !== 'spare', contested: one.contested || how === 'contested' })),
        },
        paid: { actions: paid },
        handed: { actions: handed },
        widened: { actions: widened },
        // Nobody has answered for a call: no other is made before that is settled.
        doubt: { actions: change((one) => ({ ...one, closed: true })) },
        lapse: { actions: change((one) => ({ ...one, closed: true })) },
      },
    },
  },
})

/** The standing agreements of a partition. @example standingActor(0) // 'standing/0' */
export function standingActor(partition: number): string {
  return `standing/${partition}`
}

export const standing = defineActor('standing', '1', machine, {
  // A call is given out, and a delivery paid, only under an agreement that both have signed.
  pays: [{ by: ['tell step agreed', 'tell purse pay'], after: ['on agreed'] }],
  holds: [],
  rests: { open: 'asked by steps, inquiries, negotiations and the purse' },
}, { perPartition: true })
