/**
 * Customers and their periods: the free quota of a day, the plan of a month. Periods turn by the
 * clock, when the customer's row is next locked: what is left of the old one is given back, the new
 * one granted, each as an entry keyed by customer and start, so that it happens once (I1).
 * Used by the ledger, inside its transactions.
 */
import { sql } from 'kysely'
import { AigenError } from '../../schemas/error.ts'
import { parseMoney } from '../../schemas/money.ts'
import type { Inside } from './database.ts'
import { balances, HOUSE, post, purse } from './postings.ts'
import { DAY_MS, MONTH_MS, type Tier } from './tiers.ts'

export interface Customer {
  readonly id: string
  readonly tier: string
  readonly freeDay: number
  /** Calls that the day's quota has served. */
  readonly freeCalls: number
  /** The plan's month, 0 and 0 without one. */
  readonly planFrom: number
  readonly planUntil: number
  /** Atomic. */
  readonly balance: bigint
  readonly free: bigint
  readonly plan: bigint
  readonly held: bigint
}

export interface Customers {
  /** Makes the customer, or moves it to the tier unless `keep`; a plan is charged when the customer is next looked at. */
  enrol(inside: Inside, id: string, tier: string, keep: boolean): Promise<void>
  /** The customer, its row locked until the transaction ends, its periods current. Error `gateway.account`. */
  lock(inside: Inside, id: string, now: number): Promise<Customer>
  countFree(inside: Inside, id: string, by: number): Promise<void>
}

export function customersOf({ tiers }: { readonly tiers: Readonly<Record<string, Tier>> }): Customers {
  return {
    enrol: async (inside, id, tier, keep) => {
      if (!Object.hasOwn(tiers, tier)) throw new AigenError('usage.invalid', `There is no tier ${tier}; there are ${Object.keys(tiers).join(', ')}.`)
      await inside.insertInto('gateway_customer').values({ id, tier, free_day: 0, free_calls: 0, plan_from: 0, plan_until: 0 }).onConflict((conflict) => (keep ? conflict.doNothing() : conflict.column('id').doUpdateSet({ tier }))).execute()
    },
    lock: async (inside, id, now) => {
      // An update locks in both databases, and takes libsql's one write lock before anything is read.
      const [row] = await inside.updateTable('gateway_customer').set({ id: sql`id` as never } as never).where('id', '=', id).returningAll().execute()
      if (!row) throw new AigenError('gateway.account', id)
      const tier = tiers[row.tier] ?? {}
      const names = { balance: purse(id, 'balance'), free: purse(id, 'free'), plan: purse(id, 'plan'), held: purse(id, 'held') }
      const before = { freeDay: Number(row.free_day), freeCalls: Number(row.free_calls), planFrom: Number(row.plan_from), planUntil: Number(row.plan_until) }
      const has = await balances(inside, names)
      const after = await turn(inside, id, tier, before, has, now)
      if (after !== before) {
        await inside.updateTable('gateway_customer').where('id', '=', id)
          .set({ free_day: after.freeDay, free_calls: after.freeCalls, plan_from: after.planFrom, plan_until: after.planUntil }).execute()
      }
      return { id, tier: row.tier, ...after, ...(after === before ? has : await balances(inside, names)) }
    },
    countFree: async (inside, id, by) => {
      await inside.updateTable('gateway_customer').set({ free_calls: sql`free_calls + ${by}` as never }).where('id', '=', id).execute()
    },
  }
}

type Periods = Pick<Customer, 'freeDay' | 'freeCalls' | 'planFrom' | 'planUntil'>

async function turn(inside: Inside, id: string, tier: Tier, periods: Periods, has: { free: bigint; plan: bigint; balance: bigint }, now: number): Promise<Periods> {
  let next = periods
  const day = now - (now % DAY_MS)
  // A clock that is set back turns nothing: a day is granted once.
  if (day > periods.freeDay && (tier.free || has.free > 0n)) {
    const grant = tier.free ? parseMoney(tier.free.amount) : 0n
    await post(inside, `${id}:${day}`, 'free', { [HOUSE.promotion]: has.free - grant, [purse(id, 'free')]: grant - has.free }, now)
    next = { ...next, freeDay: day, freeCalls: 0 }
  }
  if (now >= periods.planUntil && (tier.plan || periods.planUntil > 0)) {
    const price = tier.plan ? parseMoney(tier.plan.price) : 0n
    const renews = tier.plan !== undefined && has.balance >= price
    const included = renews ? parseMoney(tier.plan!.included) : 0n
    // Months follow each other without a gap, unless one was missed.
    const from = renews ? (periods.planUntil > 0 && now < periods.planUntil + MONTH_MS ? periods.planUntil : now) : 0
    if (!renews && periods.planUntil === 0) return next
    await post(inside, `${id}:${renews ? from : periods.planUntil}`, renews ? 'plan' : 'lapse', {
      [purse(id, 'balance')]: renews ? -price : 0n, [purse(id, 'plan')]: included - has.plan, [HOUSE.revenue]: (renews ? price : 0n) - included + has.plan,
    }, now)
    next = { ...next, planFrom: from, planUntil: renews ? from + MONTH_MS : 0 }
  }
  return next
}
