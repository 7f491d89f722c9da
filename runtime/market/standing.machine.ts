/**
 * The standing agreements of a partition (D6): one negotiation for a quota of calls, each of which then
 * takes the next number without a round trip; what is delivered in the same moment, or while a voucher is
 * on its way, is paid together. Asked by steps, told by negotiations, steps, inquiries and the purse.
 * Whoever finds room taken by what is being paid waits a moment for it; who waited in vain, and whatever
 * else no agreement has room for, negotiates for itself. Keeps I1 (a number is given out once) and I4
 * (no more is under way than the provider's window and the lane hold).
 */
import { assign, createMachine, enqueueActions } from 'xstate'
import type { Agreement, Folded, Hash, Hex32, PlainVoucher } from '../../schemas/documents.gen.ts'
import type { ErrorBody } from '../../schemas/error.ts'
import { defineActor, gathered } from '../actors/actor.ts'
import { foldedText, foldRef } from '../payments/fold.ts'
import type { Lane, NegotiationInput } from './negotiation.machine.ts'
import { AGREEMENTS_MAX, fits, GROUP_MAX, hasRoom, isOver, keyOf, PATIENCE_MS, toWiden, WAITING_MAX, willHaveRoom, type Standing, type Waiting, type Wanting } from './standing.ts'
import type { Offer } from './strategy.ts'

export interface StandingContext {
  readonly agreements: Readonly<Record<Hash, Standing>>
  /** Negotiations under way for an agreement: what for, and the step that began it. */
  readonly seeking: Readonly<Record<string, { readonly key: string; readonly step: string }>>
  readonly waiting?: readonly Wanting[]
  /** Their patience is being watched. */
  readonly watching?: true
}

export type StandingEvent = { at: number } & (
  | { type: 'want'; input: NegotiationInput }
  | { type: 'unwant'; step: string }
  | { type: 'tired' }
  | { type: 'agreed'; agreement: Agreement; id: Hash; offer: Offer; lane: Lane; asked: number; negotiation: string }
  | { type: 'refused'; error: ErrorBody; negotiation: string }
  | { type: 'pay'; agreement: Hash; call: number; tell: string; delivery: Hash; amount: string }
  | { type: 'return'; agreement: Hash; call: number; how: 'spare' | 'failed' | 'contested' }
  | { type: 'paid'; lane: string; group: readonly Folded[]; previousRef: Hex32; voucher: PlainVoucher; left: string }
  | { type: 'handed'; lane: string; count: number; window?: number; refused?: true }
  | { type: 'widened'; lane: string; left: string }
  | { type: 'doubt' | 'lapse' | 'group.close.done'; agreement: Hash }
)

type Enqueue = { (action: object): void; assign(change: object): void; raise(event: object, options: object): void }

const tell = (to: string, event: object): any => ({ type: 'tell', params: { to, event } })
const without = <T>(record: Readonly<Record<string, T>>, key: string): Record<string, T> => Object.fromEntries(Object.entries(record).filter(([one]) => one !== key))

/** Keeps the agreement as it is now, pays what waits, widens the lane, or lets it go where it is over. */
function go(context: StandingContext, one: Standing, at: number, enqueue: Enqueue): StandingContext {
  let next = one
  if (next.due.length > 0 && next.paying.length === 0 && !next.closing) {
    next = { ...next, closing: true }
    enqueue({ type: 'group.close', params: { agreement: next.id } })
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

/** Gives a call to whoever wants one, or begins to negotiate for it; undefined where it should wait for a voucher that is on its way. */
function serve(context: StandingContext, { input, key }: Pick<Wanting, 'input' | 'key'>, at: number, enqueue: Enqueue): StandingContext | undefined {
  const { agreements, seeking } = context
  const alike = Object.values(agreements).filter((each) => fits(each, input, key, at))
  const one = alike.find(hasRoom)
  if (one) return go(context, give(one, input.parent, 0, enqueue), at, enqueue)
  if (alike.some(willHaveRoom)) return undefined
  // One of the kind is there, or looked for: another of it would only be looked for again and again.
  const known = Object.values(seeking).some((each) => each.key === key) || Object.values(agreements).some((each) => !each.closed && each.key === key && each.next < each.agreement.terms.standing!.calls && at < each.agreement.terms.standing!.until)
  if (known || Object.keys(agreements).length + Object.keys(seeking).length >= AGREEMENTS_MAX) return alone(context, input, enqueue)
  negotiate({ ...input, parent: 'standing' }, enqueue)
  return { ...context, seeking: { ...seeking, [input.self]: { key, step: input.parent } } }
}

function alone(context: StandingContext, { standing: _standing, ...single }: NegotiationInput, enqueue: Enqueue): StandingContext {
  negotiate(single, enqueue)
  return context
}

/** Keeps `context`, once those that waited are served where there is room now, in their order. */
function keep(context: StandingContext, at: number, enqueue: Enqueue): void {
  const { waiting = [] } = context
  if (waiting.length === 0) return enqueue.assign(context)
  let now = context
  const left: Wanting[] = []
  const full = new Set<string>()
  for (const one of waiting) {
    const served = full.has(one.key) ? undefined : serve(now, one, at, enqueue)
    if (served) now = served
    else {
      full.add(one.key)
      left.push(one)
    }
  }
  enqueue.assign({ ...now, waiting: left })
}

const want: any = enqueueActions(({ context, event, enqueue }: any) => {
  let now = context as StandingContext
  for (const { input, at } of gathered(event as Extract<StandingEvent, { type: 'want' }>)) now = wanted(now, { input, key: keyOf(input), since: at }, enqueue)
  enqueue.assign(now)
})

function wanted(context: StandingContext, one: Wanting, enqueue: Enqueue): StandingContext {
  const { waiting = [], watching } = context
  const served = waiting.some(({ key }) => key === one.key) ? undefined : serve(context, one, one.since, enqueue)
  if (served) return served
  if (waiting.length >= WAITING_MAX) return alone(context, one.input, enqueue)
  if (!watching) enqueue.raise({ type: 'tired', at: 0 }, { delay: PATIENCE_MS, id: 'tired' })
  return { ...context, waiting: [...waiting, one], watching: true }
}

/** Whoever waited long enough negotiates for itself. */
const tired: any = enqueueActions(({ context, event, enqueue }: any) => {
  const { waiting = [] } = context as StandingContext
  const left = waiting.filter(({ since }) => event.at < since + PATIENCE_MS)
  for (const { input, since } of waiting) if (event.at >= since + PATIENCE_MS) alone(context, input, enqueue)
  if (left.length > 0) enqueue.raise({ type: 'tired', at: 0 }, { delay: left[0]!.since + PATIENCE_MS - event.at, id: 'tired' })
  enqueue.assign({ waiting: left, watching: left.length > 0 ? true : undefined })
})

const agreed: any = enqueueActions(({ context, event, enqueue }: any) => {
  const { seeking } = context as StandingContext
  const { key, step } = seeking[event.negotiation]!
  const left = without(seeking, event.negotiation)
  const { at, type: _type, ...answer } = event
  // Whoever offers no quota is hired for the one call.
  if (!event.agreement.terms.standing) {
    enqueue(tell(step, { type: 'agreed', ...answer }))
    return keep({ ...context, seeking: left }, at, enqueue)
  }
  const { id, agreement, offer, lane, negotiation: holder, asked } = event
  const one: Standing = { id, key, agreement, offer, lane, holder, next: 0, open: [], due: [], paying: [], sent: 0, window: 1, left: lane.left ?? agreement.terms.cap, widening: false, closed: false, contested: false }
  enqueue.raise({ type: 'lapse', agreement: id, at: 0 }, { delay: Math.max(1, agreement.terms.standing.until - at), id: `lapse.${id}` })
  keep(go({ ...context, seeking: left }, give(one, step, asked, enqueue), at, enqueue), at, enqueue)
})

/** Asks for one voucher for all that is due. */
function pay(one: Standing, enqueue: Enqueue): Standing {
  const { closing: _closing, ...rest } = one
  if (one.due.length === 0) return rest
  const paying = one.due.slice(0, GROUP_MAX)
  const group = paying.map(({ delivery, amount }) => ({ delivery, amount }))
  enqueue(tell('purse', { type: 'pay', lane: one.lane.key, for: one.holder, tell: 'standing', delivery: group[0]!.delivery, amount: group[0]!.amount, group }))
  return { ...rest, paying, due: one.due.slice(GROUP_MAX) }
}

const change = (how: (one: Standing, event: any, enqueue: Enqueue) => Standing): any => enqueueActions(({ context, event, enqueue }: any) => {
  let now = context as StandingContext
  for (const each of gathered(event as { type: string; at: number; agreement: Hash })) {
    const one = now.agreements[each.agreement]
    if (one) now = go(now, how(one, each, enqueue), event.at, enqueue)
  }
  if (now !== context) keep(now, event.at, enqueue)
})

/** The agreement that has a lane of the purse. */
const onLane = ({ agreements }: StandingContext, lane: string): Standing | undefined => Object.values(agreements).find((one) => one.lane.key === lane)

/** Each of the group is told of its voucher, with what the voucher folds before and after it. */
const paid: any = enqueueActions(({ context, event, enqueue }: any) => {
  const one = onLane(context, event.lane)
  if (!one) return
  const group = event.group as readonly Folded[]
  let previousRef = event.previousRef as Hex32
  let after = foldedText(group)
  for (const { delivery, amount } of group) {
    const waiting = one.paying.find((each) => each.delivery === delivery)
    const space = after.indexOf(' ')
    after = space < 0 ? '' : after.slice(space + 1)
    if (waiting) enqueue(tell(waiting.tell, { type: 'paid', voucher: event.voucher, previousRef, ...(after === '' ? {} : { after }) }))
    previousRef = foldRef(previousRef, delivery, amount)
  }
  const signed = (each: Waiting): boolean => group.some(({ delivery }) => delivery === each.delivery)
  const paying = one.paying.filter((each) => !signed(each))
  keep(go(context, { ...one, paying, sent: one.sent + one.paying.length - paying.length, left: event.left }, event.at, enqueue), event.at, enqueue)
})

const handed: any = enqueueActions(({ context, event, enqueue }: any) => {
  const one = onLane(context, event.lane)
  if (!one) return
  // A payee that refuses what it is owed counts on that lane otherwise than we do.
  const refused = event.refused === true
  keep(go(context, { ...one, sent: Math.max(0, one.sent - event.count), window: event.window ?? one.window, closed: one.closed || refused, contested: one.contested || refused }, event.at, enqueue), event.at, enqueue)
})

const widened: any = enqueueActions(({ context, event, enqueue }: any) => {
  const one = onLane(context, event.lane)
  if (one) keep({ ...context, agreements: { ...context.agreements, [one.id]: { ...one, left: event.left, widening: false } } }, event.at, enqueue)
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
        unwant: { actions: assign({ waiting: ({ context, event }) => (context.waiting ?? []).filter(({ input }) => input.parent !== event.step) }) },
        tired: { actions: tired },
        agreed: { guard: ({ context, event }) => context.seeking[event.negotiation] !== undefined, actions: agreed },
        refused: {
          guard: ({ context, event }) => context.seeking[event.negotiation] !== undefined,
          actions: enqueueActions(({ context, event, enqueue }: any) => {
            enqueue(tell(context.seeking[event.negotiation].step, { type: 'refused', error: event.error }))
            keep({ ...context, seeking: without(context.seeking, event.negotiation) }, event.at, enqueue)
          }),
        },
        pay: {
          actions: change((one, { call, tell: to, delivery, amount }) => (one.open.includes(call) ? { ...one, open: one.open.filter((each) => each !== call), due: [...one.due, { call, tell: to, delivery, amount } satisfies Waiting] } : one)),
        },
        // One that disappointed is asked no more: the next call is agreed anew, perhaps with another.
        return: {
          actions: change((one, { call, how }) => ({ ...one, open: one.open.filter((each) => each !== call), closed: one.closed || how !== 'spare', contested: one.contested || how === 'contested' })),
        },
        'group.close.done': { actions: change((one, _event, enqueue) => (one.closing ? pay(one, enqueue) : one)) },
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

export const standing = defineActor('standing', '2', machine, {
  // A call is given out, and a delivery paid, only under an agreement that both have signed.
  pays: [{ by: ['tell step agreed', 'tell purse pay'], after: ['on agreed'] }],
  holds: [],
  rests: { open: 'asked by steps, inquiries, negotiations and the purse' },
  quiet: ['group.close'],
}, {
  perPartition: true,
  gathers: ({ type }) => type === 'want' || type === 'pay' || type === 'return',
  // The version before paid the first that was due by itself.
  migrate: (state, machine) => (machine.startsWith('standing@1:') ? state : undefined),
})
