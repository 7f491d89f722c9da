/**
 * An account's own affairs: what it has and may do, its keys and their limits. With a session, or
 * with one of its keys for what only reads; keys are made and revoked with a session.
 */
import type { Hono } from 'hono'
import { formatMoney } from '../../../schemas/money.ts'
import { AigenError } from '../../../schemas/error.ts'
import { readLimits } from '../keys.ts'
import type { KeyStatus } from '../ledger.ts'
import { bodyOf, callerOf, customerOf, type Door } from './door.ts'

const NAME_MAX = 100

export function serveAccount(app: Hono, door: Door): void {
  const { accounts, gateway: { ledger, tiers } } = door
  app.on(['GET', 'POST'], '/api/auth/*', (context) => accounts.handle(context.req.raw))

  app.get('/v1/key', async (context) => {
    const { key } = await callerOf(door, context)
    const { name, customer, ...status } = await ledger.key(key)
    const { balance, plan, free } = await ledger.customer(customer)
    return context.json({ data: { label: name, ...shown(status), account: { balance: formatMoney(balance), plan: formatMoney(plan), free: formatMoney(free) } } })
  })
  app.get('/v1/account', async (context) => {
    const { tier, balance, free, plan, held, freeCalls, planUntil } = await ledger.customer(await customerOf(door, context))
    return context.json({
      tier, terms: tiers[tier] ?? {}, balance: formatMoney(balance), held: formatMoney(held), plan: { left: formatMoney(plan), until: planUntil || null }, free: { left: formatMoney(free), callsToday: freeCalls },
    })
  })
  app.get('/v1/keys', async (context) => {
    const keys = await ledger.keys(await accounts.session(context.req.raw.headers))
    return context.json({ object: 'list', data: keys.map(({ id, name, revoked, ...status }) => ({ id, name, revoked, ...shown(status) })) })
  })
  app.post('/v1/keys', async (context) => {
    const customer = await accounts.session(context.req.raw.headers)
    // A page of another origin can send a form with the cookie, but not JSON.
    if (!context.req.header('content-type')?.startsWith('application/json')) throw new AigenError('input.invalid', 'The body is JSON.')
    const { name = 'key', limits } = (await bodyOf(context)) as { name?: unknown; limits?: unknown }
    if (typeof name !== 'string' || name === '' || name.length > NAME_MAX) throw new AigenError('input.invalid', `name: 1 to ${NAME_MAX} characters.`, { path: 'name' })
    return context.json(await accounts.makeKey(customer, name, readLimits(limits)), 201)
  })
  app.delete('/v1/keys/:id', async (context) => {
    const customer = await accounts.session(context.req.raw.headers)
    if (!(await accounts.revoke(customer, context.req.param('id')))) throw new AigenError('gateway.unknown', 'There is no such key.')
    return context.json({ id: context.req.param('id'), revoked: true })
  })
}

function shown({ limits, counters, remaining }: KeyStatus): object {
  return {
    limits, limit: limits.maxBudget ?? null, limit_remaining: remaining === undefined ? null : formatMoney(remaining), usage: formatMoney(counters.used),
    parallel: counters.parallel, rate: { requests: counters.minuteRequests, tokens: counters.minuteTokens },
  }
}
