/**
 * The subscriptions of a payer: which it holds, what they cover, and which renew themselves. One actor a
 * participant. Calls for quotes name those that may cover them; the wallet's policy is asked before each
 * renewal, and every renewal has a key made of what it extends, so that it is paid once (I1, I4).
 */
import { assign, createMachine, enqueueActions } from 'xstate'
import type { Address, Hex32 } from '../../schemas/documents.gen.ts'
import type { ErrorBody } from '../../schemas/error.ts'
import { defineActor, effect } from '../actors/actor.ts'

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000
/** Renewed this long before the end at most, or a tenth of the period before it. */
const LEAD_MS = DAY_MS
/** Looked at again at least so often while something is to be renewed. */
const LOOK_MS = 7 * DAY_MS
/** How long the wallet may take to answer. */
const PATIENCE_MS = 60_000
/** Renewals that fail so often in a row are given up; the pause doubles from a minute to an hour. */
const TRIES_MAX = 24
/** Subscriptions of one payer. */
const HELD_MAX = 1_000

export interface Held {
  readonly id: Hex32
  readonly plan: Hex32
  readonly provider: Address
  /** Name on the provider's card when it was bought. */
  readonly name: string
  readonly capabilities: readonly string[]
  /** Of one period, atomic. */
  readonly price: string
  /** Of one period. */
  readonly seconds: number
  /** Second from which it no longer counts, as the chain last said. */
  readonly expiresAt: number
  /** Periods that may still be renewed without asking anybody; 0 for none. */
  readonly renewals: number
  /** Why the last renewal did not come about; null after one that did. */
  readonly error: ErrorBody | null
  readonly tries: number
  /** Not tried again before this, ms since the epoch. */
  readonly notBefore: number
}

export interface SubscriptionsContext {
  readonly held: Readonly<Record<Hex32, Held>>
  /** What is being renewed. */
  readonly current: Hex32 | null
}

export type SubscriptionsEvent = { at: number } & (
  | { type: 'bought'; subscription: Pick<Held, 'id' | 'plan' | 'provider' | 'name' | 'capabilities' | 'price' | 'seconds' | 'expiresAt'>; renewals?: number }
  | { type: 'renewals'; id: Hex32; renewals: number }
  | { type: 'dropped'; id: Hex32 }
  | { type: 'allowed' }
  | { type: 'refused'; error: ErrorBody }
  | { type: 'subscription.renew.done'; expiresAt: number; renewed: boolean; gone: ErrorBody | null }
  | { type: 'subscription.renew.failed'; error: ErrorBody }
)

/** When a subscription is due for renewal, ms since the epoch. */
function dueAt({ renewals, expiresAt, seconds, notBefore }: Held): number {
  return renewals === 0 ? Number.POSITIVE_INFINITY : Math.max(notBefore, expiresAt * 1_000 - Math.min(LEAD_MS, seconds * 100))
}

function next({ held }: SubscriptionsContext): Held | undefined {
  return Object.values(held).filter(({ renewals }) => renewals > 0).toSorted((one, other) => dueAt(one) - dueAt(other) || (one.id < other.id ? -1 : 1))[0]
}

/** Those that may cover a call of `capability` at `at` (ms since the epoch), those that last longest first. */
export function covering(context: SubscriptionsContext | undefined, capability: string, at: number): Hex32[] {
  const found = Object.values(context?.held ?? {}).filter((one) => one.capabilities.includes(capability) && one.expiresAt * 1_000 > at)
  return found.toSorted((one, other) => other.expiresAt - one.expiresAt).map(({ id }) => id)
}

const change = (context: SubscriptionsContext, id: Hex32, more: Partial<Held>): Pick<SubscriptionsContext, 'held'> => ({ held: { ...context.held, [id]: { ...context.held[id]!, ...more } } })
/** What did not come about, and when it is tried again. */
const later = assign<SubscriptionsContext, any, undefined, any, never>(({ context, event }) => {
  const one = context.held[context.current!]
  const error: ErrorBody = event.error ?? { code: 'network.timeout', message: 'The wallet did not answer.' }
  if (!one) return { current: null }
  const pause = error.code === 'policy.refused' ? HOUR_MS : Math.min(HOUR_MS, PATIENCE_MS * 2 ** one.tries)
  return { current: null, ...change(context, one.id, { error, tries: one.tries + 1, notBefore: (event.at ?? 0) + pause, renewals: one.tries + 1 >= TRIES_MAX ? 0 : one.renewals }) }
})

const learn = {
  bought: {
    guard: ({ context, event }: any) => context.held[event.subscription.id] !== undefined || Object.keys(context.held).length < HELD_MAX,
    actions: assign<SubscriptionsContext, any, undefined, any, never>({
      held: ({ context, event: { subscription, renewals } }) => {
        const known: Held | undefined = context.held[subscription.id]
        return { ...context.held, [subscription.id]: { ...subscription, renewals: renewals ?? known?.renewals ?? 0, error: null, tries: 0, notBefore: 0 } }
      },
    }),
  },
  renewals: {
    guard: ({ context, event }: any) => context.held[event.id] !== undefined,
    actions: assign<SubscriptionsContext, any, undefined, any, never>(({ context, event }) => change(context, event.id, { renewals: event.renewals, error: null, tries: 0, notBefore: 0 })),
  },
  dropped: {
    actions: assign<SubscriptionsContext, any, undefined, any, never>({
      held: ({ context, event }) => {
        const { [event.id as Hex32]: _gone, ...held } = context.held as Record<Hex32, Held>
        return held
      },
    }),
  },
}
/** The same where it may change what is waited for. */
const replan = Object.fromEntries(Object.entries(learn).map(([type, one]) => [type, { ...one, target: 'planning' }])) as any

const machine = createMachine({
  id: 'subscriptions',
  types: {} as { context: SubscriptionsContext; events: SubscriptionsEvent; input: { at: number } },
  context: { held: {}, current: null },
  initial: 'planning',
  states: {
    planning: { always: [{ guard: ({ context }) => next(context) !== undefined, target: 'waiting' }, { target: 'resting' }] },
    resting: { on: replan },
    waiting: {
      on: replan,
      after: { due: [{ guard: ({ context, event }) => dueAt(next(context)!) <= ((event as { at?: number }).at ?? 0), target: 'asking', actions: assign({ current: ({ context }) => next(context)!.id }) }, { target: 'planning' }] },
    },
    asking: {
      entry: enqueueActions(({ context, enqueue }) => {
        const { id, expiresAt, price } = context.held[context.current!]!
        enqueue({ type: 'tell', params: { to: 'wallet', event: { type: 'outside', id: `${id}.${expiresAt}`, amount: price, for: 'subscriptions' } } } as any)
      }),
      on: {
        ...learn as any,
        allowed: 'renewing',
        refused: { target: 'planning', actions: later },
      },
      after: { [PATIENCE_MS]: { target: 'planning', actions: later } },
    },
    renewing: {
      entry: effect<SubscriptionsContext, any>('subscription.renew', ({ context }) => {
        const { id, expiresAt, tries } = context.held[context.current!] ?? { id: context.current!, expiresAt: 0, tries: 0 }
        return { id, expiresAt, tries }
      }),
      on: {
        ...learn as any,
        'subscription.renew.done': {
          target: 'planning',
          actions: assign(({ context, event }) => {
            const one = context.held[context.current!]
            if (!one) return { current: null }
            const renewals = event.gone ? 0 : event.renewed ? Math.max(0, one.renewals - 1) : one.renewals
            return { current: null, ...change(context, one.id, { expiresAt: event.expiresAt, renewals, error: event.gone, tries: 0, notBefore: 0 }) }
          }),
        },
        'subscription.renew.failed': { target: 'planning', actions: later },
      },
    },
  },
}, {
  delays: {
    due: ({ context, event }) => Math.min(LOOK_MS, Math.max(0, dueAt(next(context)!) - ((event as { at?: number }).at ?? 0))),
  },
})

export const subscriptions = defineActor('subscriptions', '1', machine, {
  // The wallet's policy has allowed it.
  pays: [{ by: ['do subscription.renew'], after: ['on allowed'] }],
  holds: [], rests: { resting: 'told by its owner what was bought' },
})
