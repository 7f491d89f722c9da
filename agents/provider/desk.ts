/**
 * What a call costs its caller, and whether what the terms give it for nothing still stands when they
 * are accepted: passes, subscriptions, free units, volume. Used by quoting and accept.
 */
import type { CallForQuotesBody, Hex32, Offer, Terms } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { parseMoney } from '../../schemas/money.ts'
import type { ActorId } from '../../runtime/actors/actor.ts'
import type { NodeParts } from '../../runtime/node/node.ts'
import type { Tariff } from '../../runtime/payments/meter.ts'
import type { ProviderDefinition } from './define.ts'
import { openPassDesk, passEntries } from './pass.ts'
import { openSubscriptionDesk, subscriptionEntries } from './subscription.ts'
import { hasFree, offerOf, tariffEntries, tariffFor } from './tariff.ts'
import { openUsage, type Entries } from './usage.ts'

/** Who has shown too little of a deposit is offered nothing free for this long, in ms. */
const SHORT_MS = 60_000
const SHORT_MAX = 10_000

export interface Desk {
  /** Registers on the chain what is sold there and new. Error `input.invalid` where a number was taken with other terms; `chain.*`. */
  register(): Promise<void>
  /** What the card says of a capability's price. */
  offer(definition: ProviderDefinition): Pick<Offer, 'list' | 'min' | 'max' | 'tiers' | 'free' | 'meter' | 'pass' | 'subscription'>
  /** The prices of a call; `unitPrice` is asked of everybody (atomic), undefined where only those are served who have paid already. */
  price(call: CallForQuotesBody, unitPrice: () => Promise<bigint | undefined>): Promise<Tariff & Pick<Terms, 'pass' | 'subscription'> | undefined>
  /** Checks that what the terms give for nothing still stands, and counts the call. Errors `market.expired`, `chain.unreachable`. */
  admit(terms: Terms, call: ActorId, vault: Hex32): Promise<void>
  close(): void
}

/** Counts first what was used before this process. Errors: `journal.*`, `network.*`. */
export async function openDesk(parts: NodeParts, definitions: readonly ProviderDefinition[]): Promise<Desk> {
  const { rail, clock } = parts
  const { decimals } = rail.terms
  const sold = new Map(definitions.map((one) => [one.capability.id as string, one]))
  const counted = [passEntries(definitions), subscriptionEntries(definitions), tariffEntries(definitions)].filter((one) => one !== undefined)
  const entries: Entries | undefined = counted.length === 0 ? undefined : (call, state) => counted.flatMap((one) => one(call, state))
  const usage = await openUsage(parts, entries)
  const passes = openPassDesk(parts, definitions, usage)
  const subscriptions = openSubscriptionDesk(parts, definitions, usage)
  /** Payers whose vault held too little, with when they were looked at. */
  const short = new Map<string, number>()

  /** Error `market.expired`: the next time the call is offered at its price. */
  const checkDeposit = async ({ capability, payer }: Terms, vault: Hex32): Promise<void> => {
    const deposit = sold.get(capability)?.price.free?.deposit
    if (deposit === undefined) return
    const state = await rail.vault(vault)
    if (state?.owner === payer && state.free >= parseMoney(deposit, decimals)) return
    if (short.size >= SHORT_MAX) short.delete(short.keys().next().value!)
    short.set(payer, clock.monotonic())
    throw new AigenError('market.expired', `free units are for those whose vault holds ${deposit}`, { path: 'terms.free' })
  }
  const checkFree = (terms: Terms): void => {
    const free = sold.get(terms.capability)?.price.free
    if (!free || !hasFree(free, terms, usage)) throw new AigenError('market.expired', 'the free units of today are used up', { path: 'terms.free' })
  }

  return {
    register: async () => {
      await passes.register()
      await subscriptions.register()
    },
    offer: ({ price, capability, meter }) => {
      const pass = passes.offer(capability.id)
      const subscription = subscriptions.offer(capability.id)
      return { ...offerOf(price), ...(meter ? { meter } : {}), ...(pass ? { pass } : {}), ...(subscription ? { subscription } : {}) }
    },
    price: async (call, unitPrice) => {
      // What is signed for before the work is the price, so that there must be one.
      const [pass, subscription] = call.settle === 'postpaid' ? await Promise.all([passes.passOf(call.capability, call.payer), subscriptions.of(call)]) : []
      if (pass !== undefined) return { unitPrice: '0', pass }
      if (subscription !== undefined) return { unitPrice: '0', subscription }
      const asked = await unitPrice()
      if (asked === undefined) return undefined
      const { price } = sold.get(call.capability)!
      const shown = short.get(call.payer)
      const tariff = tariffFor(price, decimals, call, asked, usage, clock.now())
      if (tariff.free === undefined || shown === undefined || clock.monotonic() - shown >= SHORT_MS) return tariff
      const { free: _none, ...rest } = tariff
      return rest
    },
    admit: async (terms, call, vault) => {
      await passes.check(terms)
      await subscriptions.check(terms)
      if (terms.free !== undefined) await checkDeposit(terms, vault)
      // From here on at once: many may be accepted at the same time.
      passes.checkQuota(terms)
      subscriptions.checkQuota(terms)
      if (terms.free !== undefined) checkFree(terms)
      usage.add(call, { terms, delivery: null })
    },
    close: () => usage.close(),
  }
}
