/**
 * Subscriptions as who hires sees them: what is sold, what is held, buying, renewing, giving away. What
 * a card says is held against the chain before money moves (I8); the tokens go from the wallet, not from
 * the vault, straight to the provider. Used by `aigen subscription` and programs.
 */
import type { Address, Hex32 } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { participantId } from '../../schemas/id.ts'
import { formatMoney, parseMoney } from '../../schemas/money.ts'
import type { Directory } from '../../runtime/market/directory.ts'
import type { Held, SubscriptionsContext } from '../../runtime/payments/subscriptions.machine.ts'
import { writeThrough } from '../../runtime/payments/write.ts'
import { encodeWrite } from '../../runtime/ports/rail-json.ts'
import type { User } from './user.ts'

/** Subscriptions of one plan that an account may buy one after the other. */
const NUMBERS_MAX = 16

/** A plan that a card offers. */
export interface PlanLine {
  readonly plan: Hex32
  readonly provider: Address
  /** The name on the provider's card. */
  readonly name: string
  /** All that it covers. */
  readonly capabilities: readonly string[]
  /** Of one period, decimal string of the dollar. */
  readonly price: string
  readonly periodDays: number
  /** Calls of a day that it covers; absent for any number. */
  readonly quotaPerDay?: number
}

/** Every plan that cards offer. */
export function listPlans({ directory }: { readonly directory: Pick<Directory, 'entries'> }): PlanLine[] {
  return [...directory.entries()].flatMap(({ card: { body } }) => {
    const plans = new Map<Hex32, PlanLine>()
    for (const { capability, subscription } of body.offers) {
      if (!subscription) continue
      const known = plans.get(subscription.plan)
      plans.set(subscription.plan, { provider: body.participant, name: body.name, ...subscription, capabilities: [...known?.capabilities ?? [], capability.id] })
    }
    return [...plans.values()]
  })
}

/** What the participant holds, as it was last told; see `Held`. */
export async function heldSubscriptions({ node }: Pick<User, 'node'>): Promise<Held[]> {
  return Object.values((await node.host.look<SubscriptionsContext>('subscriptions'))?.held ?? {})
}

export interface SubscribeOptions {
  /** Who sells it, by address or by the name on its card where only one bears it. */
  readonly provider: string
  /** Where the provider sells several plans: one of what it covers. */
  readonly capability?: string
  /** Bought now (default 1). */
  readonly periods?: number
  /** Periods that may be renewed later without asking, within the wallet's policy (default 0). */
  readonly renewals?: number
  /** Whether test dollars may be minted for what the wallet lacks (devnet only). */
  readonly faucet?: boolean
}

/**
 * Buys a subscription: from then on its provider serves the participant for nothing, a few seconds later.
 * One that was bought before a crash and not written down is taken up instead; one that is held, and
 * still counts, is renewed by these periods.
 *
 * - `usage.invalid`: nobody, or more than one, sells such a plan.
 * - `market.refused`: the plan on the chain is not what the card says.
 * - `wallet.empty`: the wallet, outside its vault, does not hold enough.
 * - `chain.*`: nothing was bought, or (`chain.unreachable`) it is not known yet.
 *
 * @example const { expiresAt } = await subscribe(user, { provider: 'near-and-far', renewals: 11 })
 */
export async function subscribe(user: User, { provider, capability, periods = 1, renewals, faucet = false }: SubscribeOptions): Promise<Held & { readonly paid: string }> {
  const { rail, participant, host } = user.node
  const { decimals, symbol } = rail.terms
  const wanted = provider.toLowerCase()
  const found = listPlans(user.node).filter((one) => (one.name === provider || one.provider === wanted) && (capability === undefined || one.capabilities.includes(capability)))
  const [line] = found
  if (!line || found.length > 1) throw new AigenError('usage.invalid', `${found.length} plans are sold by ${provider}${capability === undefined ? '' : ` for ${capability}`}; see aigen subscription ls`)
  for (const [name, value, least] of [['periods', periods, 1], ['renewals', renewals ?? 0, 0]] as const) if (!Number.isSafeInteger(value) || value < least || value > 1_000) throw new AigenError('usage.invalid', `${value} is no number of ${name}`)
  const plan = await planOf(user, line)
  const held = (await host.look<SubscriptionsContext>('subscriptions'))?.held ?? {}
  const { subscriptions } = rail
  // Those that were given away or cancelled keep their numbers.
  let [number, mine] = [0, undefined as Awaited<ReturnType<NonNullable<typeof subscriptions>['subscription']>>]
  for (; number < NUMBERS_MAX; number++) {
    const state = await subscriptions!.subscription(subscriptions!.id(line.plan, participant, number))
    mine = state?.holder === participant && !state.cancelled ? state : undefined
    if (!state || mine) break
  }
  if (number === NUMBERS_MAX) throw new AigenError('usage.invalid', `${NUMBERS_MAX} subscriptions of this plan were bought and given away or cancelled`)
  const id = subscriptions!.id(line.plan, participant, number)
  const write = (what: Parameters<typeof encodeWrite>[0]): Promise<unknown> => writeThrough(host, participant, `${what.kind}.${id}.${mine?.expiresAt ?? 0}.${periods}`, 'wallet', encodeWrite(what))
  const taken = mine !== undefined && held[id] === undefined
  const amount = taken ? 0n : plan.price * BigInt(periods)
  if (!taken) {
    const has = await rail.balance(participant)
    if (has < amount && faucet) await write({ kind: 'mint', to: participant, amount: amount - has })
    else if (has < amount) throw new AigenError('wallet.empty', `${formatMoney(amount, decimals)} ${symbol} are needed outside the vault, ${formatMoney(has, decimals)} are there`)
    await write({ kind: 'subscription-approve', amount })
    await write(mine ? { kind: 'subscription-renew', subscription: id, seconds: plan.period * periods } : { kind: 'subscription-buy', plan: line.plan, number, periods })
  }
  return { ...await writeDown(user, line, id, renewals), paid: formatMoney(amount, decimals) }
}

/** Takes up a subscription that somebody has given to the participant. Errors: `usage.invalid` where it is not its own or no card offers its plan; `chain.*`. */
export async function takeUp(user: User, id: Hex32): Promise<Held> {
  const state = await user.node.rail.subscriptions?.subscription(id)
  const line = listPlans(user.node).find(({ plan }) => plan === state?.plan)
  if (!state || state.holder !== user.node.participant || !line) throw new AigenError('usage.invalid', `${id} is ${state ? state.holder === user.node.participant ? 'of a plan that no card offers' : `held by ${state.holder}` : 'no subscription'}`)
  await planOf(user, line)
  return writeDown(user, line, id)
}

/** How many periods may be renewed without asking; 0 for none. Error `usage.invalid` where it is not held. */
export async function setRenewals(user: User, id: Hex32, renewals: number): Promise<Held> {
  await ownOf(user, id)
  if (!Number.isSafeInteger(renewals) || renewals < 0 || renewals > 1_000) throw new AigenError('usage.invalid', `${renewals} is no number of renewals`)
  await user.node.host.send('subscriptions', { type: 'renewals', id, renewals })
  return ownOf(user, id)
}

/** Ends it at the end of what is paid, for good. Errors: `usage.invalid`, `chain.*`. */
export async function cancelSubscription(user: User, id: Hex32): Promise<Held> {
  await setRenewals(user, id, 0)
  await writeThrough(user.node.host, user.node.participant, `subscription-cancel.${id}`, 'wallet', encodeWrite({ kind: 'subscription-cancel', subscription: id }))
  return ownOf(user, id)
}

/** Gives it, with the rest of its time and of today's quota, to another account. Errors: `usage.invalid`, `chain.*`. */
export async function giveSubscription(user: User, id: Hex32, to: string): Promise<void> {
  const { expiresAt } = await setRenewals(user, id, 0)
  await writeThrough(user.node.host, user.node.participant, `subscription-give.${id}.${expiresAt}`, 'wallet', encodeWrite({ kind: 'subscription-give', subscription: id, to: participantId(to) }))
  await user.node.host.send('subscriptions', { type: 'dropped', id })
}

async function ownOf(user: User, id: Hex32): Promise<Held> {
  const found = (await heldSubscriptions(user)).find((one) => one.id === id)
  if (!found) throw new AigenError('usage.invalid', `${id} is not held; see aigen subscription ls`)
  return found
}

/** The plan on the chain. Error `market.refused` where it is not what the card says. */
async function planOf({ node: { rail } }: User, { plan, provider, price, periodDays, quotaPerDay = 0, name }: PlanLine): Promise<{ readonly price: bigint; readonly period: number; readonly token: string }> {
  const known = await rail.subscriptions?.plan(plan)
  if (!known || known.closed || known.provider !== provider || known.token !== rail.terms.token || known.price !== parseMoney(price, rail.terms.decimals) || known.period !== periodDays * 86_400 || known.quota !== quotaPerDay) {
    throw new AigenError('market.refused', `the plan ${plan} is not what the card of ${name} says`)
  }
  return known
}

async function writeDown(user: User, { plan, provider, name, capabilities, price, periodDays }: PlanLine, id: Hex32, renewals?: number): Promise<Held> {
  const { rail, host } = user.node
  const { expiresAt } = (await rail.subscriptions!.subscription(id))!
  const subscription = { id, plan, provider, name, capabilities, price: parseMoney(price, rail.terms.decimals).toString(), seconds: periodDays * 86_400, expiresAt }
  await host.send('subscriptions', { type: 'bought', subscription, ...(renewals === undefined ? {} : { renewals }) })
  return ownOf(user, id)
}
