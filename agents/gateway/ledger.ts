/**
 * The ledger of the gateway's accounts: credit, reserve the worst case before a call, settle what it
 * cost after, release what never began. Each is one database transaction that first locks the
 * customer, so that balances, quotas and key limits hold under any concurrency (I4), and each is
 * keyed by its call: said twice, it happens once (I1). Amounts are atomic units of the asset.
 */
import { AigenError } from '../../schemas/error.ts'
import type { Clock } from '../../runtime/ports/clock.ts'
import { customersOf, type Customer } from './customers.ts'
import type { Database, HoldTable, Inside, KeyTable } from './database.ts'
import type { Selectable } from 'kysely'
import { admit, close, inWindow, remaining, type KeyCounters, type KeyLimits } from './keys.ts'
import { audit, balances, HOUSE, post, purse, type Audit } from './postings.ts'
import { bear, feeOf, share, type Tier } from './tiers.ts'

export interface Reservation {
  /** Names the call everywhere: here, in the journal (`hire({ key })`) and in its answer. */
  readonly call: string
  readonly customer: string
  readonly key: string
  /** Model or pipeline, for the account's own list. */
  readonly route: string
  /** What the network may charge at worst, atomic. */
  readonly worst: bigint
  /** Tokens it may take at worst. */
  readonly tokens: number
  /** The run that it will be. */
  readonly run: string
}

export interface Hold extends Omit<Reservation, 'worst'> {
  readonly state: 'open' | 'settled' | 'released'
  /** Held in all, fee included. */
  readonly total: bigint
  /** What the network charged, and the fee; 0 while open. */
  readonly cost: bigint
  readonly fee: bigint
  readonly createdAt: number
}

export interface KeyStatus {
  readonly limits: KeyLimits
  readonly counters: KeyCounters
  /** What the budget leaves; undefined without one. */
  readonly remaining: bigint | undefined
}

export interface Ledger {
  /** Opens the customer's account on a tier, or moves it to another; with `keep`, one that is there stays where it is. */
  enrol(customer: string, tier: string, keep?: boolean): Promise<void>
  /** Adds money; `reference` names the payment, which counts once. */
  credit(customer: string, amount: bigint, reference: string): Promise<void>
  addKey(customer: string, key: string, name: string, limits: KeyLimits): Promise<void>
  /** Takes a key out of use; calls under way end as they would. */
  revoke(customer: string, key: string): Promise<boolean>
  /**
   * Holds the worst case. A call that is known is given back as it stands.
   * Errors: `gateway.credit`, `gateway.budget`, `gateway.rate`, `gateway.parallel`, `gateway.key`, `gateway.account`.
   */
  reserve(reservation: Reservation): Promise<Hold>
  /** Charges what the call cost, gives the rest back; a call that is closed stays as it is. `tokens`: what it took. */
  settle(call: string, cost: bigint, tokens?: number): Promise<Hold>
  hold(call: string): Promise<Hold | undefined>
  holdOfRun(customer: string, run: string): Promise<Hold | undefined>
  /** Calls that are not closed, oldest first. */
  open(): Promise<Hold[]>
  customer(customer: string): Promise<Customer>
  key(key: string): Promise<KeyStatus & { readonly customer: string; readonly name: string; readonly revoked: boolean }>
  keys(customer: string): Promise<({ readonly id: string; readonly name: string; readonly revoked: boolean } & KeyStatus)[]>
  audit(): Promise<Audit>
}

export interface LedgerOptions {
  readonly db: Database
  readonly clock: Pick<Clock, 'now'>
  readonly tiers: Readonly<Record<string, Tier>>
}

export function openLedger({ db, clock, tiers }: LedgerOptions): Ledger {
  const customers = customersOf({ tiers })
  /** Runs `act` with the customer's row locked, its periods current. */
  const within = <T>(customer: string, act: (inside: Inside, row: Customer, now: number) => Promise<T>): Promise<T> =>
    db.transaction().execute(async (inside) => {
      const now = clock.now()
      return act(inside, await customers.lock(inside, customer, now), now)
    })

  const keyRow = async (from: Database | Inside, id: string): Promise<Selectable<KeyTable>> => {
    const row = await from.selectFrom('gateway_key').selectAll().where('id', '=', id).executeTakeFirst()
    if (!row) throw new AigenError('gateway.key')
    return row
  }
  const statusOf = (row: Selectable<KeyTable>): KeyStatus => {
    const limits = JSON.parse(row.limits) as KeyLimits
    const counters = inWindow(limits, countersOf(row), clock.now())
    return { limits, counters, remaining: remaining(limits, counters) }
  }
  const writeCounters = async (inside: Inside, id: string, next: KeyCounters): Promise<void> => {
    await inside.updateTable('gateway_key').where('id', '=', id).set({
      window_from: next.windowFrom, used: next.used, minute: next.minute, minute_requests: next.minuteRequests, minute_tokens: next.minuteTokens, parallel: next.parallel,
    }).execute()
  }

  const ledger: Ledger = {
    enrol: (customer, tier, keep = false) => db.transaction().execute((inside) => customers.enrol(inside, customer, tier, keep)),
    credit: (customer, amount, reference) => {
      if (amount <= 0n) throw new AigenError('money.invalid', 'A credit is more than nothing.')
      return within(customer, async (inside, _row, now) => {
        if (await post(inside, reference, 'credit', { [HOUSE.deposits]: -amount, [purse(customer, 'balance')]: amount }, now)) return
        const [same] = await inside.selectFrom('ledger_posting').select('amount').where('entry', '=', `credit:${reference}`).where('account', '=', purse(customer, 'balance')).execute()
        if (BigInt(same?.amount ?? 0) !== amount) throw new AigenError('gateway.repeat', `Payment ${reference} was credited otherwise.`)
      })
    },
    addKey: (customer, key, name, limits) => within(customer, async (inside, _row, now) => {
      await inside.insertInto('gateway_key').values({
        id: key, customer, name, limits: JSON.stringify(limits), window_from: now, used: 0, minute: 0, minute_requests: 0, minute_tokens: 0, parallel: 0, revoked: 0, created_at: now,
      }).onConflict((conflict) => conflict.doNothing()).execute()
    }),
    revoke: async (customer, key) => (await db.updateTable('gateway_key').set({ revoked: 1 }).where('id', '=', key).where('customer', '=', customer).executeTakeFirst()).numUpdatedRows === 1n,
    reserve: ({ call, customer, key, route, worst, tokens, run }) => within(customer, async (inside, row, now) => {
      const known = await holdRow(inside, call)
      if (known) return holdOf(known)
      const keyed = await keyRow(inside, key)
      if (keyed.customer !== customer || Number(keyed.revoked) === 1) throw new AigenError('gateway.key', 'It was revoked.')
      const tier = tiers[row.tier] ?? {}
      const names = { free: purse(customer, 'free'), plan: purse(customer, 'plan'), balance: purse(customer, 'balance') }
      const has = await balances(inside, names)
      const free = tier.free && row.freeCalls < tier.free.calls ? has.free : 0n
      // The key's limits first: what they refuse is refused however much money there is.
      const counters = countersOf(keyed)
      const limits = JSON.parse(keyed.limits) as KeyLimits
      const most = worst + feeOf(worst > free + has.plan ? worst - free - has.plan : 0n, tier.feeBps ?? 0)
      const next = admit(limits, counters, { amount: most, tokens }, now)
      const shares = share(worst, { ...has, free }, tier.feeBps)
      const total = worst + shares.fee
      await post(inside, call, 'reserve', { [names.free]: -shares.free, [names.plan]: -shares.plan, [names.balance]: -(shares.paid + shares.fee), [purse(customer, 'held')]: total }, now)
      await writeCounters(inside, key, next)
      if (shares.free > 0n) await customers.countFree(inside, customer, 1)
      const hold: Selectable<HoldTable> = {
        call, customer, key, route, run, state: 'open', tokens, ...texts(shares), fee_bps: tier.feeBps ?? 0, free_day: row.freeDay, plan_from: row.planFrom,
        window_from: next.windowFrom, minute: next.minute, cost: 0, charged_fee: 0, created_at: now, closed_at: 0,
      }
      await inside.insertInto('gateway_hold').values(hold as never).execute()
      return holdOf(hold)
    }),
    settle: async (call, cost, tokens = 0) => {
      const found = await holdRow(db, call)
      if (!found) throw new AigenError('internal', `${call} was never reserved`)
      return within(found.customer, async (inside, row, now) => {
        const held = (await holdRow(inside, call))!
        if (held.state !== 'open') return holdOf(held)
        const { customer } = held
        const shares = { free: BigInt(held.free), plan: BigInt(held.plan), paid: BigInt(held.paid) }
        const total = shares.free + shares.plan + shares.paid + BigInt(held.fee)
        const borne = bear(cost, shares, Number(held.fee_bps))
        // What a day or a month that is over had left goes back to who gave it.
        const sameDay = Number(held.free_day) === row.freeDay
        const sameMonth = Number(held.plan_from) === row.planFrom
        const back = { free: shares.free - borne.free, plan: shares.plan - borne.plan, balance: shares.paid + BigInt(held.fee) - borne.paid - borne.fee }
        const kind = cost === 0n ? 'release' : 'settle'
        await post(inside, call, kind, {
          [purse(customer, 'held')]: -total,
          [HOUSE.network]: cost,
          [HOUSE.revenue]: borne.fee - borne.over + (sameMonth ? 0n : back.plan),
          [HOUSE.promotion]: sameDay ? 0n : back.free,
          [purse(customer, 'free')]: sameDay ? back.free : 0n,
          [purse(customer, 'plan')]: sameMonth ? back.plan : 0n,
          [purse(customer, 'balance')]: back.balance,
        }, now)
        if (cost === 0n && shares.free > 0n && sameDay) await customers.countFree(inside, customer, -1)
        const spent = { amount: total - back.free - back.plan - back.balance, tokens }
        const counters = countersOf(await keyRow(inside, held.key))
        await writeCounters(inside, held.key, close(counters, { amount: total, tokens: Number(held.tokens), windowFrom: Number(held.window_from), minute: Number(held.minute) }, spent))
        const state = cost === 0n ? 'released' : 'settled'
        await inside.updateTable('gateway_hold').where('call', '=', call).set({ state, cost, charged_fee: borne.fee, closed_at: now }).execute()
        return holdOf({ ...held, state, cost: cost.toString(), charged_fee: borne.fee.toString() })
      })
    },
    hold: async (call) => optional(await holdRow(db, call)),
    holdOfRun: async (customer, run) => optional(await db.selectFrom('gateway_hold').selectAll().where('run', '=', run).where('customer', '=', customer).executeTakeFirst()),
    open: async () => (await db.selectFrom('gateway_hold').selectAll().where('state', '=', 'open').orderBy('created_at').execute()).map(holdOf),
    customer: (customer) => within(customer, async (_inside, row) => row),
    key: async (key) => {
      const row = await keyRow(db, key)
      return { ...statusOf(row), customer: row.customer, name: row.name, revoked: Number(row.revoked) === 1 }
    },
    keys: async (customer) => (await db.selectFrom('gateway_key').selectAll().where('customer', '=', customer).orderBy('created_at').execute())
      .map((row) => ({ id: row.id, name: row.name, revoked: Number(row.revoked) === 1, ...statusOf(row) })),
    audit: () => audit(db),
  }
  return ledger
}

function holdRow(from: Database | Inside, call: string): Promise<Selectable<HoldTable> | undefined> {
  return from.selectFrom('gateway_hold').selectAll().where('call', '=', call).executeTakeFirst()
}

function holdOf(row: Selectable<HoldTable>): Hold {
  return {
    call: row.call, customer: row.customer, key: row.key, route: row.route, run: row.run, state: row.state as Hold['state'], tokens: Number(row.tokens),
    total: BigInt(row.free) + BigInt(row.plan) + BigInt(row.paid) + BigInt(row.fee), cost: BigInt(row.cost), fee: BigInt(row.charged_fee), createdAt: Number(row.created_at),
  }
}

const optional = (row: Selectable<HoldTable> | undefined): Hold | undefined => row && holdOf(row)

function countersOf(row: Selectable<KeyTable>): KeyCounters {
  return {
    windowFrom: Number(row.window_from), used: BigInt(row.used), minute: Number(row.minute), minuteRequests: Number(row.minute_requests),
    minuteTokens: Number(row.minute_tokens), parallel: Number(row.parallel),
  }
}

function texts({ free, plan, paid, fee }: { free: bigint; plan: bigint; paid: bigint; fee: bigint }): Pick<Selectable<HoldTable>, 'free' | 'plan' | 'paid' | 'fee'> {
  return { free: free.toString(), plan: plan.toString(), paid: paid.toString(), fee: fee.toString() }
}
