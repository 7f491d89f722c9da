/**
 * Subscriptions as their provider serves them: plans registered once, who holds one by the event cache
 * (`runtime/payments/subscribers.ts`), and how much of today's quota a subscription has used. Used by the
 * desk. Payers name the subscriptions they have; that the caller is the holder its signed call shows (I8).
 *
 * The chain is not waited for long: while it does not answer, the last word counts until its own expiry,
 * and who is not known pays as they go. The quota is the subscription's, whoever holds it and whichever
 * capability of the plan is called, so that giving it away doubles nothing.
 */
import type { CallForQuotesBody, Hex32, Offer, Terms } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { parseMoney } from '../../schemas/money.ts'
import type { NodeParts } from '../../runtime/node/node.ts'
import { Subscribers } from '../../runtime/payments/subscribers.ts'
import { writeThrough } from '../../runtime/payments/write.ts'
import { encodeWrite } from '../../runtime/ports/rail-json.ts'
import type { PassDefinition, ProviderDefinition } from './define.ts'
import { dayOf, type Entries, type Usage } from './usage.ts'

/** How long a quote waits for the chain; payers wait little longer for quotes. */
const WAIT_MS = 800
/** Looks under way at once; names cost nothing, so strangers could ask for any number. */
const LOOKS_MAX = 64
const DAY_S = 86_400
/** Most periods that a subscription may be bought ahead. */
const AHEAD = 12

export interface SubscriptionDesk {
  /** Registers the plans that are new. Error `input.invalid` where a number was taken with other terms; `chain.*`. */
  register(): Promise<void>
  offer(capability: string): Offer['subscription']
  /** The first of the caller's subscriptions that covers the call now; undefined where it pays as it goes. */
  of(call: Pick<CallForQuotesBody, 'capability' | 'payer' | 'subscriptions'>): Promise<Hex32 | undefined>
  /** Checks that the subscription which the terms name still counts. Errors `market.expired`, `chain.unreachable`. */
  check(terms: Terms): Promise<void>
  /** The same of its quota, at once, so that it can be counted then. Error `market.expired`. */
  checkQuota(terms: Terms): void
}

const bookOf = (subscription: Hex32, at: number): { readonly book: string; readonly until: number } => {
  const { name, until } = dayOf(at)
  return { book: `subscription ${name} ${subscription}`, until }
}

/** What a call takes of its subscription's quota; undefined where no plan has one. */
export function subscriptionEntries(definitions: readonly ProviderDefinition[]): Entries | undefined {
  if (definitions.every(({ subscription }) => subscription?.quotaPerDay === undefined)) return undefined
  return ({ terms }, state) => terms.subscription === undefined ? [] : [{ ...bookOf(terms.subscription, terms.expiresAt), amount: state === 'failed' || state === 'cancelled' ? 0 : 1 }]
}

/** Error `input.invalid`: two definitions give one plan different terms. */
export function checkPlans(definitions: readonly ProviderDefinition[]): void {
  const plans = new Map<number, string>()
  for (const { subscription } of definitions) {
    if (!subscription) continue
    const { number, price, periodDays, quotaPerDay = 0 } = subscription
    const terms = `${parseMoney(price)} ${periodDays} ${quotaPerDay}`
    if ((plans.get(number) ?? terms) !== terms) throw new AigenError('input.invalid', `plan ${number} has two prices, periods or quotas`, { path: 'subscription.number' })
    plans.set(number, terms)
  }
}

export function openSubscriptionDesk(parts: NodeParts, definitions: readonly ProviderDefinition[], usage: Pick<Usage, 'of'>): SubscriptionDesk {
  const { rail, clock, participant, host } = parts
  const { subscriptions } = rail
  const sold = new Map<string, { readonly id: Hex32; readonly plan: PassDefinition }>()
  for (const { capability, subscription } of definitions) if (subscription && subscriptions) sold.set(capability.id, { id: subscriptions.planId(participant, subscription.number), plan: subscription })
  const subscribers = subscriptions && new Subscribers({ subscriptions, head: () => rail.head(), clock })
  let looks = 0

  /** False too while the chain does not say in time, or is asked by too many. */
  const countsSoon = async (id: Hex32, plan: Hex32, holder: string): Promise<boolean> => {
    if (looks >= LOOKS_MAX) return false
    looks++
    const waited = new AbortController()
    const look = subscribers!.counts(id, plan, holder as Hex32).catch(() => false).finally(() => looks--)
    try {
      return await Promise.race([look, clock.sleep(WAIT_MS, waited.signal).then(() => false, () => false)])
    } finally {
      waited.abort()
    }
  }
  const hasQuota = (capability: string, subscription: Hex32, at: number): boolean => {
    const most = sold.get(capability)!.plan.quotaPerDay
    return most === undefined || usage.of(bookOf(subscription, at).book) < most
  }

  return {
    register: async () => {
      for (const [number, { id, plan }] of new Map([...sold.values()].map((one) => [one.plan.number, one]))) {
        const terms = { price: parseMoney(plan.price, rail.terms.decimals), period: plan.periodDays * DAY_S, ahead: AHEAD, quota: plan.quotaPerDay ?? 0 }
        const known = await subscriptions!.plan(id)
        if (known === undefined) {
          await writeThrough(host(), participant, `plan.${number}.${terms.price}.${terms.period}`, 'settler', encodeWrite({ kind: 'subscription-plan', number, ...terms }))
        } else if (known.closed || known.price !== terms.price || known.period !== terms.period || known.quota !== terms.quota || known.token !== rail.terms.token) {
          throw new AigenError('input.invalid', `plan ${number} was registered with other terms, which never change, or is closed: take another number`, { path: 'subscription.number' })
        }
      }
    },
    offer: (capability) => {
      const one = sold.get(capability)
      return one && { plan: one.id, price: one.plan.price, periodDays: one.plan.periodDays, ...(one.plan.quotaPerDay === undefined ? {} : { quotaPerDay: one.plan.quotaPerDay }) }
    },
    of: async ({ capability, payer, subscriptions: named = [] }) => {
      const one = sold.get(capability)
      if (!one) return undefined
      const counts = await Promise.all(named.map((id) => (hasQuota(capability, id, clock.now()) ? countsSoon(id, one.id, payer) : Promise.resolve(false))))
      return named.find((_id, index) => counts[index])
    },
    check: async ({ capability, subscription, payer }) => {
      if (subscription === undefined) return
      const one = sold.get(capability)
      if (!one || !(await subscribers!.counts(subscription, one.id, payer))) throw new AigenError('market.expired', 'the subscription does not count any more', { path: 'terms.subscription' })
    },
    checkQuota: ({ capability, subscription, expiresAt }) => {
      if (subscription !== undefined && !hasQuota(capability, subscription, expiresAt)) throw new AigenError('market.expired', 'the quota of the subscription is used up for today', { path: 'terms.subscription' })
    },
  }
}
