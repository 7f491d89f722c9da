/**
 * The gateway on the network: accounts, HTTP door on a port, card with its address. Used by
 * `aigen gateway` and by programs that bring a gateway of their own.
 */
import { AigenError } from '../../../schemas/error.ts'
import { openDoor } from '../../http/door.ts'
import { announcePresence } from '../../presence.ts'
import type { Gateway } from '../gateway.ts'
import { openAccounts, type Accounts } from './accounts.ts'
import { gatewayApp } from './app.ts'

export interface FrontDoorOptions {
  /** Name on its card. */
  readonly name: string
  /** Signs session cookies, 32 characters or more. */
  readonly secret: string
  /** Tier of new accounts (default `free`). */
  readonly tier?: string
  /** Whether strangers may open accounts (default true). */
  readonly signUp?: boolean
  /** Default 0: a free one. */
  readonly port?: number
  /** Default 127.0.0.1. */
  readonly hostname?: string
  /** Address told to clients, where a proxy stands in front; default the door's own. */
  readonly publicUrl?: string
}

export interface FrontDoor {
  /** Base address; OpenAI's clients take it with `/v1` behind it. */
  readonly url: string
  readonly accounts: Accounts
  /** Says goodbye, takes no more requests; the gateway and its node stay the caller's. */
  close(): Promise<void>
}

/** Errors: `node.locked` when the port is taken, `usage.invalid` for a tier there is not, `network.*`. */
export async function openFrontDoor(gateway: Gateway, { name, secret, tier = 'free', signUp = true, port, hostname, publicUrl }: FrontDoorOptions): Promise<FrontDoor> {
  if (!Object.hasOwn(gateway.tiers, tier)) throw new AigenError('usage.invalid', `There is no tier ${tier}.`)
  const { node } = gateway.user
  const serving: { fetch?: ReturnType<typeof gatewayApp>['fetch'] } = {}
  // The door first: sessions bear its address, which a free port decides.
  const door = await openDoor({ fetch: (request, ...more) => serving.fetch?.(request, ...more) ?? new Response(null, { status: 503 }) }, { ...(port === undefined ? {} : { port }), ...(hostname === undefined ? {} : { hostname }) })
  try {
    const url = publicUrl ?? door.url
    const accounts = await openAccounts({ database: gateway.database, ledger: gateway.ledger, clock: node.clock, random: node.random, secret, baseUrl: url, tier, signUp })
    serving.fetch = gatewayApp({ gateway, accounts }, () => url).fetch
    const presence = await announcePresence(node, () => ({ name, roles: ['client-provider'], offers: [], doors: [{ kind: 'gateway', url }] }))
    return {
      url, accounts,
      close: async () => {
        presence.leave()
        await door.close()
      },
    }
  } catch (error) {
    await door.close()
    throw error
  }
}
