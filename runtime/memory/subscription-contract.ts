/**
 * The Subscription contract in TypeScript: its rules and errors, on the chain's `Ledger` (D10). Checks all
 * before it changes anything, as `vault-contract.ts` does. Held to Subscription.sol by
 * `subscriptions.contract.ts`.
 */
import { AigenError } from '../../schemas/error.ts'
import { planId, subscriptionId } from '../evm/subscription-id.ts'
import type { Hex } from '../ports/signer.ts'
import { CHANGED_BLOCKS_MAX, type Subscriptions, type SubscriptionWrite } from '../ports/subscriptions.ts'
import { move, type Ledger } from './ledger.ts'

const PERIOD_MAX = 366 * 86_400
const AHEAD_MAX = 1_000
/** Changes that are remembered; a reader that is further behind looks at what it knows. */
const CHANGES_MAX = 10_000

const lower = (hex: string): Hex => hex.toLowerCase() as Hex
const revert = (reason: string): never => {
  throw new AigenError('chain.reverted', reason)
}

export interface SubscriptionContractOptions {
  /** The contract's own address, and the token that plans are priced in. */
  readonly contract: Hex
  readonly token: Hex
  /** Second of the block that is being made, and its number. */
  readonly now: () => number
  readonly block: () => number
}

export function isSubscriptionWrite(write: { readonly kind: string }): write is SubscriptionWrite {
  return write.kind.startsWith('subscription-')
}

/** Runs the write as `from`; a `dry` run changes nothing. Error `chain.reverted`. */
export function executeSubscription(ledger: Ledger, write: SubscriptionWrite, from: Hex, dry: boolean, options: SubscriptionContractOptions): void {
  const { token } = options
  switch (write.kind) {
    case 'subscription-plan': {
      const { number, price, period, ahead, quota } = write
      if (price <= 0n || period <= 0 || period > PERIOD_MAX || ahead <= 0 || ahead > AHEAD_MAX) revert('BadPlan()')
      const id = planId(from, number)
      const known = ledger.plans.get(id)
      if (known && (known.price !== price || known.period !== period || known.ahead !== ahead || known.quota !== quota)) revert(`OtherPlan(${BigInt(id)})`)
      if (!dry && !known) ledger.plans.set(id, { id, provider: from, token, price, period, ahead, quota, closed: false })
      return
    }
    case 'subscription-close': {
      const id = planId(from, write.number)
      const plan = ledger.plans.get(id) ?? revert(`UnknownPlan(${BigInt(id)})`)
      if (!dry) plan.closed = true
      return
    }
    case 'subscription-approve':
      if (!dry) ledger.subscriptionAllowances.set(from, write.amount)
      return
    case 'subscription-buy': {
      const plan = ledger.plans.get(lower(write.plan)) ?? revert(`UnknownPlan(${BigInt(write.plan)})`)
      const id = subscriptionId(plan.id, from, write.number)
      if (ledger.subscriptions.has(id)) revert(`AlreadySubscribed(${BigInt(id)})`)
      extend(ledger, { id, plan: plan.id, holder: from, expiresAt: 0, cancelled: false }, write.periods, from, dry, options)
      return
    }
    case 'subscription-renew': {
      const known = existing(ledger, write.subscription)
      const { period } = ledger.plans.get(known.plan)!
      if (write.seconds % period !== 0) revert(`BadDuration(${write.seconds}, ${period})`)
      extend(ledger, known, write.seconds / period, from, dry, options)
      return
    }
    case 'subscription-cancel': {
      const known = existing(ledger, write.subscription)
      if (known.holder !== from) revert(`ERC721InsufficientApproval(${from}, ${BigInt(known.id)})`)
      if (dry || known.cancelled) return
      known.cancelled = true
      changed(ledger, known.id, options.block())
      return
    }
    case 'subscription-give': {
      const to = lower(write.to)
      if (BigInt(to) === 0n) revert(`ERC721InvalidReceiver(${to})`)
      const known = existing(ledger, write.subscription)
      if (known.holder !== from) revert(`ERC721InsufficientApproval(${from}, ${BigInt(known.id)})`)
      if (dry) return
      known.holder = to
      changed(ledger, known.id, options.block())
    }
  }
}

type Entry = ReturnType<typeof existing>

function existing(ledger: Ledger, id: Hex) {
  return ledger.subscriptions.get(lower(id)) ?? revert(`ERC721NonexistentToken(${BigInt(id)})`)
}

/** From now or from the end of what is paid, drawn from `payer`. */
function extend(ledger: Ledger, entry: Entry, periods: number, payer: Hex, dry: boolean, { contract, now, block }: SubscriptionContractOptions): void {
  const plan = ledger.plans.get(entry.plan)!
  if (entry.cancelled) revert(`IsCancelled(${BigInt(entry.id)})`)
  if (plan.closed) revert(`PlanIsClosed(${BigInt(plan.id)})`)
  const until = Math.max(entry.expiresAt, now()) + plan.period * periods
  if (periods <= 0 || periods > plan.ahead || until > now() + plan.period * plan.ahead) revert(`BadPeriods(${periods}, ${plan.ahead})`)
  const paid = plan.price * BigInt(periods)
  const [allowed, balance] = [ledger.subscriptionAllowances.get(payer) ?? 0n, ledger.balances.get(payer) ?? 0n]
  if (allowed < paid) revert(`ERC20InsufficientAllowance(${contract}, ${allowed}, ${paid})`)
  if (balance < paid) revert(`ERC20InsufficientBalance(${payer}, ${balance}, ${paid})`)
  if (dry) return
  ledger.subscriptionAllowances.set(payer, allowed - paid)
  ledger.subscriptions.set(entry.id, { ...entry, expiresAt: until })
  move(ledger, payer, plan.provider, paid)
  changed(ledger, entry.id, block())
}

function changed({ subscriptionChanges }: Ledger, id: Hex, block: number): void {
  subscriptionChanges.push({ block, id })
  if (subscriptionChanges.length > CHANGES_MAX) subscriptionChanges.shift()
}

/** The port's reads, on whatever ledger the chain has now. */
export function memorySubscriptions(contract: Hex, ledger: () => Ledger, block: () => number): Subscriptions {
  return {
    contract,
    planId,
    id: subscriptionId,
    plan: async (id) => copy(ledger().plans.get(lower(id))),
    subscription: async (id) => copy(ledger().subscriptions.get(lower(id))),
    changed: async (since) => {
      const at = Math.min(block(), since + CHANGED_BLOCKS_MAX)
      const ids = ledger().subscriptionChanges.filter((change) => change.block > since && change.block <= at).map(({ id }) => id)
      return { at, ids: [...new Set(ids)] }
    },
  }
}

const copy = <T extends object>(found: T | undefined): T | undefined => found && { ...found }
