/**
 * Subscriptions as who hires sees them: which providers sell passes, until when one is held, and the
 * buying of one. What a card says is held against the chain before money moves (I8); the tokens go
 * from the wallet, not from the vault, straight to the provider. Used by `aigen pass` and programs.
 */
import type { Address, Hex32 } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { formatMoney, parseMoney } from '../../schemas/money.ts'
import type { Directory } from '../../runtime/market/directory.ts'
import { writeThrough } from '../../runtime/payments/write.ts'
import { encodeWrite } from '../../runtime/ports/rail-json.ts'
import type { Rail } from '../../runtime/ports/rail.ts'
import type { User } from './user.ts'

export interface PassLine {
  readonly pass: Hex32
  readonly provider: Address
  /** The name on the provider's card. */
  readonly name: string
  readonly capability: string
  /** Of one period, decimal string of the dollar. */
  readonly price: string
  readonly periodDays: number
  /** Calls of a day that it covers; absent for any number. */
  readonly quotaPerDay?: number
  /** Ms since the epoch from which the account's pass no longer counts; 0 where it never had one. */
  readonly expiresAt: number
}

export interface BuyPassOptions {
  /** Who sells it, by address or by the name on its card where only one bears it. */
  readonly provider: string
  /** Where the provider sells passes of several. */
  readonly capability?: string
  /** Default 1. */
  readonly periods?: number
  /** Whether test dollars may be minted for what the wallet lacks (devnet only). */
  readonly faucet?: boolean
}

/** Every pass that cards offer, and until when `account` holds it. Error `chain.unreachable`. */
export async function listPasses({ rail, directory }: { readonly rail: Rail; readonly directory: Pick<Directory, 'entries'> }, account: Address): Promise<PassLine[]> {
  const { passes } = rail
  if (!passes) return []
  const offers = [...directory.entries()].flatMap(({ card: { body } }) => body.offers.flatMap(({ capability, pass }) => pass
    ? [{ pass: pass.id, provider: body.participant, name: body.name, capability: capability.id, price: pass.price, periodDays: pass.periodDays, ...(pass.quotaPerDay === undefined ? {} : { quotaPerDay: pass.quotaPerDay }) }]
    : []))
  return Promise.all(offers.map(async (one) => ({ ...one, expiresAt: (await passes.pass(one.pass, account)).expiresAt * 1_000 })))
}

/**
 * Buys or renews a pass: from then on its provider serves the participant for nothing, at the latest
 * a minute after it was last asked for a price. Called again before the first is on the chain, it is
 * the same purchase; after it, another one.
 *
 * - `usage.invalid`: nobody, or more than one, sells such a pass.
 * - `market.refused`: the class on the chain is not what the card says.
 * - `wallet.empty`: the wallet, outside its vault, does not hold enough.
 * - `chain.*`: nothing was bought, or (`chain.unreachable`) it is not known yet.
 *
 * @example
 * const { expiresAt, paid } = await buyPass(user, { provider: 'near-and-far', periods: 2 })
 */
export async function buyPass(user: User, { provider, capability, periods = 1, faucet = false }: BuyPassOptions): Promise<PassLine & { readonly paid: string }> {
  const { rail, participant, host } = user.node
  const { decimals, symbol, token } = rail.terms
  const wanted = provider.toLowerCase()
  const found = (await listPasses(user.node, participant)).filter((one) => (one.name === provider || one.provider === wanted) && (capability ?? one.capability) === one.capability)
  const [line] = found
  if (!line || found.length > 1) throw new AigenError('usage.invalid', `${found.length} passes are sold by ${provider}${capability === undefined ? '' : ` for ${capability}`}; see aigen pass ls`)
  if (!Number.isSafeInteger(periods) || periods < 1) throw new AigenError('usage.invalid', `${periods} is no number of periods`)
  const known = await rail.passes!.passClass(line.pass)
  const price = parseMoney(line.price, decimals)
  if (!known || known.provider !== line.provider || known.token !== token || known.price !== price || known.period !== line.periodDays * 86_400 || known.quota !== (line.quotaPerDay ?? 0)) {
    throw new AigenError('market.refused', `the pass ${line.pass} is not what the card of ${line.name} says`)
  }
  const amount = price * BigInt(periods)
  // Each write has a key made of what the account had, so that dying between them repeats nothing.
  const key = `pass.${line.pass}.${line.expiresAt}.${periods}`
  const write = (what: Parameters<typeof encodeWrite>[0]): Promise<unknown> => writeThrough(host, participant, `${key}.${what.kind}`, 'wallet', encodeWrite(what))
  const has = await rail.balance(participant)
  if (has < amount && faucet) await write({ kind: 'mint', to: participant, amount: amount - has })
  else if (has < amount) throw new AigenError('wallet.empty', `${formatMoney(amount, decimals)} ${symbol} are needed outside the vault, ${formatMoney(has, decimals)} are there`)
  await write({ kind: 'pass-approve', amount })
  await write({ kind: 'pass-buy', pass: line.pass, periods })
  return { ...line, paid: formatMoney(amount, decimals), expiresAt: (await rail.passes!.pass(line.pass, participant)).expiresAt * 1_000 }
}
