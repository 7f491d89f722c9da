/**
 * Accounts, sessions and API keys by better-auth, in the gateway's database (its tables beside ours;
 * migrated at start). A key's limits are ours (keys.ts): better-auth says whose a key is, the ledger
 * what it may do. Checks are cached, since one costs milliseconds; a revoked key is refused by the
 * ledger at once. Used by the door and by the operator's commands.
 */
import { createHash } from 'node:crypto'
import { apiKey } from '@better-auth/api-key'
import { betterAuth, type BetterAuthOptions } from 'better-auth'
import { getMigrations } from 'better-auth/db/migration'
import { AigenError } from '../../../schemas/error.ts'
import type { Clock } from '../../../runtime/ports/clock.ts'
import type { Random } from '../../../runtime/ports/random.ts'
import type { GatewayDatabase } from '../database.ts'
import type { KeyLimits } from '../keys.ts'
import type { Ledger } from '../ledger.ts'
import type { Caller } from '../perform.ts'

/** How long a checked key is believed, and how many are, in ms. */
const CACHE_MS = 30_000
const CACHE_MAX = 10_000
const PREFIX = 'ag_'

export interface AccountsOptions {
  readonly database: GatewayDatabase
  readonly ledger: Ledger
  readonly clock: Pick<Clock, 'now'>
  readonly random: Random
  /** Signs session cookies; kept by the operator. */
  readonly secret: string
  /** Address that browsers reach the gateway at. */
  readonly baseUrl: string
  /** Tier of a new account. */
  readonly tier: string
  /** Whether strangers may open accounts (default true). */
  readonly signUp?: boolean
}

export interface MadeKey {
  readonly id: string
  /** Shown once; kept as a hash. */
  readonly key: string
}

export interface Accounts {
  /** better-auth's own routes: sign-up, sign-in, sign-out, session. */
  handle(request: Request): Promise<Response>
  /** Whose API key it is. Error `gateway.key`. */
  caller(key: string): Promise<Caller>
  /** Whose session the headers carry. Error `gateway.key`. */
  session(headers: Headers): Promise<string>
  /** The account of an address, made when `make` and it is not there. Error `gateway.account`. */
  account(email: string, make?: boolean): Promise<string>
  makeKey(customer: string, name: string, limits: KeyLimits): Promise<MadeKey>
  revoke(customer: string, key: string): Promise<boolean>
}

export async function openAccounts({ database, ledger, clock, random, secret, baseUrl, tier, signUp = true }: AccountsOptions): Promise<Accounts> {
  const options = {
    database: { db: database.db as never, type: database.kind === 'sqlite' ? 'sqlite' : 'postgres' },
    secret, baseURL: baseUrl, basePath: '/api/auth',
    emailAndPassword: { enabled: true, disableSignUp: !signUp, minPasswordLength: 10 },
    // Keys are made and revoked through the ledger, with their limits.
    disabledPaths: ['/api-key/create', '/api-key/update', '/api-key/delete', '/api-key/verify', '/delete-user'],
    plugins: [apiKey({ defaultPrefix: PREFIX, rateLimit: { enabled: false }, maximumNameLength: 100 })],
    // Its messages may quote what was sent.
    logger: { disabled: true }, telemetry: { enabled: false },
  } satisfies BetterAuthOptions
  await (await getMigrations(options)).runMigrations()
  const auth = betterAuth(options)
  const cache = new Map<string, { readonly caller: Caller; readonly until: number }>()
  // In the database since before it had an account here, or made a moment ago.
  const enrolled = async (customer: string): Promise<string> => {
    await ledger.enrol(customer, tier, true)
    return customer
  }
  return {
    handle: (request) => auth.handler(request),
    caller: async (key) => {
      const hash = createHash('sha256').update(key).digest('base64url')
      const known = cache.get(hash)
      if (known && known.until > clock.now()) return known.caller
      const { valid, key: found } = await auth.api.verifyApiKey({ body: { key } })
      if (!valid || !found) throw new AigenError('gateway.key')
      const caller = { customer: found.referenceId, key: found.id }
      const ends = found.expiresAt ? new Date(found.expiresAt).getTime() : Infinity
      if (cache.size >= CACHE_MAX) cache.delete(cache.keys().next().value!)
      cache.set(hash, { caller, until: Math.min(ends, clock.now() + CACHE_MS) })
      return caller
    },
    session: async (headers) => {
      const session = await auth.api.getSession({ headers })
      if (!session) throw new AigenError('gateway.key', 'There is no session.')
      return enrolled(session.user.id)
    },
    account: async (email, make = false) => {
      const context = await auth.$context
      const known = await context.internalAdapter.findUserByEmail(email.toLowerCase())
      if (known) return enrolled(known.user.id)
      if (!make) throw new AigenError('gateway.account', email)
      if (!/^[^\s@]+@[^\s@]+$/.test(email)) throw new AigenError('usage.invalid', `${JSON.stringify(email)} is no email address.`)
      // Nobody knows this password: whoever owns the address sets one, or the operator makes keys.
      const made = await context.internalAdapter.createUser({ email: email.toLowerCase(), name: email, emailVerified: false }, { method: 'admin' })
      await context.internalAdapter.linkAccount({ userId: made.id, providerId: 'credential', accountId: made.id, password: await context.password.hash(Buffer.from(random.bytes(32)).toString('base64url')) })
      return enrolled(made.id)
    },
    makeKey: async (customer, name, limits) => {
      const made = await auth.api.createApiKey({ body: { userId: customer, name } })
      // Until its limits are there the ledger refuses it: dying here leaves a key that opens nothing.
      await ledger.addKey(customer, made.id, name, limits)
      return { id: made.id, key: made.key }
    },
    revoke: async (customer, key) => ledger.revoke(customer, key),
  }
}
