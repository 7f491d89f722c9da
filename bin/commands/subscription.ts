/** `aigen subscription ls|buy|renewals|cancel|give|take`: plans that providers sell, and what a participant holds of them. */
import Table from 'cli-table3'
import { cancelSubscription, giveSubscription, listPlans, setRenewals, subscribe, takeUp } from '../../agents/user/subscription.ts'
import { readRuns } from '../../agents/user/read.ts'
import type { User } from '../../agents/user/user.ts'
import { createAuthorisations } from '../../runtime/identity/authorisation.ts'
import { createVerifier } from '../../runtime/identity/signed.ts'
import { openDirectory } from '../../runtime/market/directory.ts'
import type { Held, SubscriptionsContext } from '../../runtime/payments/subscriptions.machine.ts'
import type { Hex32 } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { BARE } from '../bare-table.ts'
import { join } from '../join.ts'
import type { Output } from '../output.ts'
import { dataFolder } from '../places.ts'
import { openSession } from '../user-session.ts'
import type { ReadOptions } from './bill.ts'

export interface BuyOptions extends ReadOptions {
  readonly periods?: number
  readonly renewals?: number
  readonly capability?: string
}

const until = (expiresAt: number): string => `${expiresAt * 1_000 > Date.now() ? 'until' : 'ended'} ${new Date(expiresAt * 1_000).toISOString()}`
const renewing = ({ renewals, error }: Held): string => `${renewals === 0 ? 'does not renew itself' : `renews itself ${renewals} more time${renewals === 1 ? '' : 's'}`}${error ? ` (${error.message})` : ''}`

/** What is sold, and what is held; looks only, so that it works beside a running node. */
export async function list(options: ReadOptions, output: Output): Promise<boolean> {
  const { ports } = await join(dataFolder(options.data), options.as)
  try {
    const directory = await openDirectory({ bus: ports.bus, clock: ports.clock, verifier: createVerifier(createAuthorisations()) })
    const plans = listPlans({ directory })
    await directory.close()
    const held = Object.values((await (await readRuns(ports)).look<SubscriptionsContext>('subscriptions'))?.held ?? {})
    const table = new Table({ head: ['provider', 'covers', 'price', 'quota', 'yours'].map((text) => output.ink.dim(text)), chars: BARE, style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 } })
    for (const line of plans) {
      output.emit({ type: 'plan', ...line })
      const mine = held.filter(({ plan }) => plan === line.plan)
      table.push([line.name, line.capabilities.join(', '), `${line.price} for ${line.periodDays} days`, line.quotaPerDay === undefined ? 'every call' : `${line.quotaPerDay} calls a day`, mine.length === 0 ? 'not held' : mine.map(({ expiresAt }) => until(expiresAt)).join(', ')])
    }
    output.print(plans.length === 0 ? 'Nobody sells a subscription here.' : table.toString())
    for (const one of held) {
      output.emit({ type: 'subscription', ...one })
      output.print(`${one.id} of ${one.name}: ${until(one.expiresAt)}, ${renewing(one)}`)
    }
    return true
  } finally {
    await ports.close()
  }
}

async function withUser(options: ReadOptions, output: Output, act: (user: User) => Promise<Held | undefined>): Promise<boolean> {
  const session = await openSession({ data: dataFolder(options.data), name: options.as })
  try {
    const held = await act(session.user)
    if (held) {
      output.emit({ type: 'subscription', ...held })
      output.print(`${held.name} serves ${held.capabilities.join(', ')} for nothing ${until(held.expiresAt)}; it ${renewing(held)}\n${held.id}`)
    }
    return true
  } finally {
    await session.close()
  }
}

function idOf(text: string): Hex32 {
  if (!/^0x[0-9a-f]{64}$/i.test(text)) throw new AigenError('usage.invalid', `${text} is no id of a subscription; see aigen subscription ls`)
  return text.toLowerCase() as Hex32
}

export function buy(provider: string, { periods, renewals, capability, ...options }: BuyOptions, output: Output): Promise<boolean> {
  return withUser(options, output, async (user) => {
    const bought = await subscribe(user, { provider, faucet: true, ...(periods === undefined ? {} : { periods }), ...(renewals === undefined ? {} : { renewals }), ...(capability === undefined ? {} : { capability }) })
    output.print(`paid ${bought.paid}`)
    return bought
  })
}

export function renewals(id: string, count: number, options: ReadOptions, output: Output): Promise<boolean> {
  return withUser(options, output, (user) => setRenewals(user, idOf(id), count))
}

export function cancel(id: string, options: ReadOptions, output: Output): Promise<boolean> {
  return withUser(options, output, (user) => cancelSubscription(user, idOf(id)))
}

export function take(id: string, options: ReadOptions, output: Output): Promise<boolean> {
  return withUser(options, output, (user) => takeUp(user, idOf(id)))
}

export function give(id: string, to: string, options: ReadOptions, output: Output): Promise<boolean> {
  return withUser(options, output, async (user) => {
    await giveSubscription(user, idOf(id), to)
    output.print(`${to} holds it now; it is served once it has taken it up: aigen subscription take ${id}`)
    return undefined
  })
}
