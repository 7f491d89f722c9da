/**
 * One negotiation: call for quotes → choice → one counter-offer → lane → signature → agreement (D6).
 * Started by a step, tells it `agreed` or `refused`. Where a chosen provider does not accept, the
 * next in rank is asked. Every state waits for a stored deadline (I5); nothing is owed before both
 * have signed, and no price above the cap is signed (I4).
 */
import { assign, createMachine, enqueueActions } from 'xstate'
import type { Address, Agreement, Hash, Hex32, LaneGrant, Settle, Signature } from '../../schemas/documents.gen.ts'
import { ERRORS, type ErrorBody } from '../../schemas/error.ts'
import { defineActor, effect, tell } from '../actors/actor.ts'
import type { EscrowWish } from './escrow-agent.ts'
import { freeLane, isFree } from './free.ts'
import { BARGAIN_WITH, counterPrice, latestOf, rank, type Choice, type Offer } from './strategy.ts'

/** Reserved for a call under a pass: it costs nothing, and is agreed, delivered and signed for on a lane all the same. */
const LEAST = '1'
/** Longest that one state may take, in ms. */
const PATIENCE_MS = 20_000
/** Times that all are asked again because time or the network had taken every offer. */
const AGAIN_MAX = 3
/**
 * Where nobody answers at all and some are away, for a node dies and comes back: so often all are asked
 * again, after this and ever longer pauses, in ms. Where all are there, once: a call can be lost.
 */
const SILENCES_MAX = 5
const SILENCE_MS = 500
const SILENCE_MAX_MS = 4_000

export interface NegotiationInput {
  /** Actor that wants to hire. */
  readonly parent: string
  readonly self: string
  readonly purse: string
  readonly capability: string
  /** Units to expect. */
  readonly units: number
  readonly inputBytes: number
  /** Highest price of the whole call, atomic. */
  readonly cap: string
  readonly deadlineMs: number
  readonly graceMs: number
  readonly expect: string | null
  readonly settle: Settle
  readonly escrow?: EscrowWish | null
  /** W3C traceparent that its calls belong to. */
  readonly trace: string | null
  /** Providers that may be asked; null for anybody. */
  readonly only: readonly Address[] | null
  /** Providers not to ask: those that failed at this step. */
  readonly exclude: readonly Address[]
  /** Who is preferred of those that offer it; the cheapest without it. */
  readonly choose?: Choice
  /** Where one agreement for many calls is wanted, of those that offer it. */
  readonly standing?: StandingWish
}

/** Calls of one agreement, at most, and how long it should stand, in ms. */
export interface StandingWish {
  readonly calls: number
  readonly forMs: number
}

export interface Lane {
  /** Key in the purse. */
  readonly key: string
  readonly id: Hex32
  readonly number: number
  readonly vault: Hex32
  readonly voucherKey: Address
  /** What was reserved on it and not signed away, atomic. */
  readonly left?: string
  /** Of a hub's lane: its grant, the route it was asked by, and the actor that gave it, to which it is given back. */
  readonly grant?: LaneGrant
  readonly route?: string
  readonly from?: string
}

export interface NegotiationContext extends NegotiationInput {
  readonly offers: readonly Offer[]
  /** Counter-offers not answered yet. */
  readonly waiting: number
  readonly chosen: Offer | null
  readonly lane: Lane | null
  readonly payer: Signature | null
  readonly error: ErrorBody
  /** Lane, by its key, that its payee found too narrow: reserved again once. */
  readonly narrow: string | null
  /** How often all were asked again: time or the network had taken every offer, or a pass that counted when it was quoted did not any more. */
  readonly again?: number
  /** How many offers came, for people. */
  readonly asked: number
  /** Times that nobody answered at all. */
  readonly silences?: number
}

export type NegotiationEvent =
  | { type: 'market.ask.done'; offers: readonly Offer[]; silent?: 'away' | 'mute' | null }
  | { type: 'market.ask.failed'; error: ErrorBody }
  | { type: 'market.counter.done'; offer: Offer['quote'] }
  | { type: 'market.counter.failed'; error: ErrorBody }
  | ({ type: 'lane.ready' } & Lane)
  | { type: 'lane.refused'; error: ErrorBody }
  | { type: 'market.sign.done'; payer: Signature }
  | { type: 'market.sign.failed'; error: ErrorBody }
  | { type: 'market.accept.done'; agreement: Hash; provider: Signature }
  | { type: 'market.accept.failed'; error: ErrorBody }
  | { type: 'cancel' }

/** What a step learns when it is hired for. */
export interface Agreed {
  readonly type: 'agreed'
  readonly agreement: Agreement
  readonly id: Hash
  readonly offer: Offer
  readonly lane: Lane
  readonly asked: number
  /** Which negotiation it was. */
  readonly negotiation?: string
  /** Under a standing agreement: the number of the call. */
  readonly call?: number
}

/** Whether something of the price was given for what the payer has, or has not used up. */
const givenFor = (chosen: Offer | null): boolean => {
  const { pass, subscription, free } = chosen?.quote.terms ?? {}
  return pass !== undefined || subscription !== undefined || free !== undefined
}

type At = { context: NegotiationContext; event: any }

const NONE: ErrorBody = { code: 'market.no-provider', message: 'No live provider offers this capability within the price.' }
const late = (what: string): ErrorBody => ({ code: 'network.timeout', message: `No answer came in time. (${what})` })

/** Whether it may be otherwise the next time: nobody has refused. */
const passing = ({ code }: ErrorBody): boolean => ERRORS[code].retry || code === 'market.expired'

/** Each time that this node was away costs one; a kill every minute is no reason to give up. */
const mayAskAgain = ({ context }: { context: NegotiationContext }): boolean => Number(context.again ?? 0) < AGAIN_MAX
const askAgain = assign<NegotiationContext, any, undefined, any, never>({ again: ({ context }) => Number(context.again ?? 0) + 1 })

/** Gives the lane back and goes on with the next offer. */
const dropChosen: any = enqueueActions(({ context, event, enqueue }: any) => {
  // A payee that says its lane is unpaid will say so again: that lane stays out of use, the next hire opens another.
  if (context.chosen && event.error?.code !== 'lane.unpaid') enqueue({ type: 'tell', params: { to: context.purse, event: { type: 'release', for: context.self } } })
  enqueue.assign({
    offers: context.offers.filter((one: Offer) => one.quote.terms.provider !== context.chosen?.quote.terms.provider),
    chosen: null,
    lane: null,
    payer: null,
    error: event.error ?? late('accept'),
  })
})

const machine = createMachine({
  id: 'negotiation',
  types: {} as { context: NegotiationContext; events: NegotiationEvent; input: NegotiationInput },
  context: ({ input }) => ({ ...input, offers: [], waiting: 0, chosen: null, lane: null, payer: null, error: NONE, narrow: null, asked: 0 }),
  initial: 'asking',
  on: { cancel: { target: '.refused', actions: dropChosen } },
  states: {
    asking: {
      entry: effect<NegotiationContext, any>('market.ask', ({ context: { capability, units, inputBytes, cap, deadlineMs, graceMs, expect, settle, escrow, only, exclude, trace, standing } }) => ({
        capability, units, inputBytes, cap, deadlineMs, graceMs, expect, settle, escrow: escrow ?? null, only, exclude, trace, ...(standing ? { standing } : {}),
      })),
      on: {
        'market.ask.done': [
          {
            guard: ({ context, event }) => event.offers.length === 0 && !!event.silent && (context.silences ?? 0) < (event.silent === 'away' ? SILENCES_MAX : 1),
            target: 'resting', actions: assign({ silences: ({ context }) => (context.silences ?? 0) + 1 }),
          },
          { guard: ({ event }) => event.offers.length === 0, target: 'refused' },
          { target: 'bargaining', actions: assign({ offers: ({ context, event }) => rank(event.offers, context.choose), asked: ({ event }) => event.offers.length }) },
        ],
        'market.ask.failed': { target: 'refused', actions: assign({ error: ({ event }) => event.error }) },
      },
      after: {
        [PATIENCE_MS]: [
          { guard: mayAskAgain, target: 'asking', reenter: true, actions: askAgain },
          { target: 'refused', actions: assign({ error: late('call for quotes') }) },
        ],
      },
    },
    resting: { after: { silence: 'asking' } },
    bargaining: {
      entry: enqueueActions(({ context, enqueue }) => {
        // Whoever has had its round, or quotes a firm price, refuses another.
        const best = context.offers.slice(0, BARGAIN_WITH).filter(({ quote }) => quote.terms.round === 0)
        enqueue.assign({ waiting: best.length })
        const quotes = context.offers.map((one) => one.quote)
        for (const { quote } of best) enqueue({ type: 'market.counter', params: { quote, want: counterPrice(quote, quotes), trace: context.trace } } as any)
      }),
      on: {
        'market.counter.done': { actions: assign(({ context, event }) => ({ waiting: context.waiting - 1, offers: rank(latestOf(context.offers, event.offer), context.choose) })) },
        'market.counter.failed': { actions: assign({ waiting: ({ context }) => context.waiting - 1 }) },
      },
      always: { guard: ({ context }) => context.waiting === 0, target: 'securing' },
      after: { [PATIENCE_MS]: 'securing' },
    },
    securing: {
      entry: enqueueActions(({ context, enqueue }) => {
        const [chosen, fallback] = context.offers
        enqueue.assign({ chosen: chosen ?? null })
        const ask = (offer: Offer, spare: boolean): any => {
          const { terms } = offer.quote
          const { payee, provider, cap } = terms
          const request = { for: context.self, run: context.self.split('/', 2)[1], payee, provider, amount: cap === '0' ? LEAST : cap, spare, ...(isFree(terms) ? { amount: '0', free: freeLane(terms) } : terms.standing && !spare ? { most: (BigInt(cap) * BigInt(terms.standing.calls)).toString() } : {}) }
          return { type: 'tell', params: { to: context.purse, event: { type: 'acquire', request } } }
        }
        if (chosen) enqueue(ask(chosen, false))
        if (fallback && !isFree(fallback.quote.terms)) enqueue(ask(fallback, true))
      }),
      always: [
        // A node that was down finds its offers expired and its time over: no reason to give up on everybody.
        { guard: ({ context }) => context.offers.length === 0 && mayAskAgain({ context }) && passing(context.error), target: 'asking', actions: askAgain },
        { guard: ({ context }) => context.offers.length === 0, target: 'refused' },
      ],
      on: {
        'lane.ready': { target: 'signing', actions: assign({ lane: ({ event: { type: _type, ...lane } }) => lane }) },
        // Another provider may have a lane already that is wide enough.
        'lane.refused': { target: 'securing', reenter: true, actions: dropChosen },
      },
      after: {
        [PATIENCE_MS]: [
          { guard: mayAskAgain, target: 'asking', actions: [dropChosen, askAgain] },
          { target: 'refused', actions: dropChosen },
        ],
      },
    },
    signing: {
      entry: effect<NegotiationContext, any>('market.sign', ({ context }) => ({ terms: context.chosen!.quote.terms, lane: context.lane!.id })),
      on: {
        'market.sign.done': { target: 'accepting', actions: assign({ payer: ({ event }) => event.payer }) },
        'market.sign.failed': { target: 'securing', actions: dropChosen },
      },
      after: { [PATIENCE_MS]: { target: 'securing', actions: dropChosen } },
    },
    accepting: {
      entry: effect<NegotiationContext, any>('market.accept', ({ context: { chosen, lane, payer, trace } }) => ({ quote: chosen!.quote, lane, payer, trace })),
      on: {
        'market.accept.done': {
          target: 'agreed',
          actions: tell<NegotiationContext, any>(
            ({ context }) => context.parent,
            ({ context, event }: At) => ({
              type: 'agreed',
              id: event.agreement,
              agreement: { terms: context.chosen!.quote.terms, lane: context.lane!.id, payer: context.payer, provider: event.provider },
              offer: context.chosen,
              lane: context.lane,
              asked: context.asked,
              negotiation: context.self,
            }),
          ) as any,
        },
        'market.accept.failed': [
          {
            guard: ({ context, event }) => event.error.code === 'voucher.over-reserve' && context.lane !== null && context.narrow !== context.lane.key,
            target: 'securing',
            actions: [
              tell<NegotiationContext, any>(({ context }) => context.purse, ({ context }) => ({ type: 'doubt', lane: context.lane!.key, for: context.self })) as any,
              assign({ narrow: ({ context }) => context.lane!.key, chosen: null, lane: null, payer: null }),
            ],
          },
          // A pass counted when it was quoted, free units were left, and not any more now: another price, perhaps still the best.
          {
            guard: ({ context, event }) => event.error.code === 'market.expired' && givenFor(context.chosen) && mayAskAgain({ context }),
            target: 'asking',
            actions: [dropChosen, askAgain],
          },
          { target: 'securing', actions: dropChosen },
        ],
      },
      after: { [PATIENCE_MS]: { target: 'securing', actions: dropChosen } },
    },
    agreed: { type: 'final' },
    refused: { type: 'final', entry: tell<NegotiationContext, any>(({ context }) => context.parent, ({ context }) => ({ type: 'refused', error: context.error, negotiation: context.self })) as any },
  },
}, { delays: { silence: ({ context }) => Math.min(SILENCE_MAX_MS, SILENCE_MS * 2 ** ((context.silences ?? 1) - 1)) } })

export const negotiation = defineActor('negotiation', '4', machine, {
  // The payer signs for a lane it has; the step hears of an agreement that both have signed.
  pays: [{ by: ['do market.sign'], after: ['on lane.ready'], until: ['tell purse acquire'] }, { by: ['tell step agreed', 'tell standing agreed'], after: ['on market.accept.done'] }],
  holds: [{
    what: 'lane', taken: ['tell purse acquire'], returned: ['tell purse release', 'tell purse doubt', 'tell step agreed', 'tell standing agreed'],
    kept: { because: 'a payee that calls its lane unpaid says so again at the next hire', when: ({ type, error }) => type === 'market.accept.failed' && error.code === 'lane.unpaid' },
  }],
}, { passivates: true })
