/**
 * Money: integers of the asset's smallest unit inside, decimal strings in documents (DESIGN D7).
 *
 * Used wherever an amount enters or leaves. Parsing is exact or refused: no sign, no exponent, no
 * more decimals than the asset has, nothing beyond uint128 (what vouchers and the vault can hold).
 * Keeps I2 and I4: there is no rounding anywhere.
 */
import type { Address, Asset, Atomic, Money } from './documents.gen.ts'
import { AigenError } from './error.ts'

/** Decimals of the network's dollar. */
export const DOLLAR_DECIMALS = 6

/** Largest amount a voucher can carry. */
export const ATOMIC_MAX = 2n ** 128n - 1n

const DECIMAL = /^(0|[1-9][0-9]{0,38})(?:\.([0-9]{1,18}))?$/
const INTEGER = /^(0|[1-9][0-9]{0,38})$/
const CAIP19_ERC20 = /^eip155:([1-9][0-9]{0,31})\/erc20:(0x[0-9a-fA-F]{40})$/

/**
 * Atomic units of a decimal string.
 *
 * Error `money.invalid`: not plain decimal digits ("1e3", "-1", ".5", "01", " 1"), more decimals
 * than `decimals`, or beyond uint128.
 *
 * @example parseMoney('0.018') // 18000n
 */
export function parseMoney(text: Money, decimals: number = DOLLAR_DECIMALS): bigint {
  const match = typeof text === 'string' ? DECIMAL.exec(text) : null
  if (!match) throw new AigenError('money.invalid', `Found ${shown(text)}.`)
  const fraction = match[2] ?? ''
  if (fraction.length > decimals) {
    throw new AigenError('money.invalid', `${shown(text)} has ${fraction.length} decimals, the asset has ${decimals}.`)
  }
  return bounded(BigInt(match[1]! + fraction.padEnd(decimals, '0')), text)
}

/**
 * The shortest decimal string of an amount; `parseMoney` gives the amount back.
 *
 * @example formatMoney(18000n) // '0.018'
 */
export function formatMoney(atomic: bigint, decimals: number = DOLLAR_DECIMALS): Money {
  if (atomic < 0n || atomic > ATOMIC_MAX) throw new AigenError('money.invalid', `${atomic} is out of range.`)
  const digits = atomic.toString().padStart(decimals + 1, '0')
  const whole = digits.slice(0, digits.length - decimals)
  const fraction = digits.slice(digits.length - decimals).replace(/0+$/, '')
  return fraction === '' ? whole : `${whole}.${fraction}`
}

/** The amount of an atomic string ("18000"), as signed documents carry it; error `money.invalid`. */
export function parseAtomic(text: Atomic): bigint {
  if (typeof text !== 'string' || !INTEGER.test(text)) throw new AigenError('money.invalid', `Found ${shown(text)}, expected digits only.`)
  return bounded(BigInt(text), text)
}

/** An amount as signed documents carry it; error `money.invalid` when negative or beyond uint128. */
export function formatAtomic(atomic: bigint): Atomic {
  if (atomic < 0n || atomic > ATOMIC_MAX) throw new AigenError('money.invalid', `${atomic} is out of range.`)
  return atomic.toString()
}

export interface Erc20 {
  readonly chainId: number
  /** Lower case. */
  readonly token: Address
}

/**
 * The chain and token of a CAIP-19 ERC-20 asset; a checksummed address is accepted and lowered.
 * Error `money.invalid` for any other asset.
 *
 * @example parseAsset('eip155:31337/erc20:0x…').chainId // 31337
 */
export function parseAsset(text: Asset): Erc20 {
  const match = typeof text === 'string' ? CAIP19_ERC20.exec(text) : null
  const chainId = Number(match?.[1])
  if (!match || !Number.isSafeInteger(chainId)) {
    throw new AigenError('money.invalid', `Found ${shown(text)}, expected an asset like eip155:31337/erc20:0x….`)
  }
  return { chainId, token: match[2]!.toLowerCase() as Address }
}

/** The CAIP-19 text of a token, in lower case; error `money.invalid` when it would not parse. */
export function formatAsset({ chainId, token }: Erc20): Asset {
  const text = `eip155:${chainId}/erc20:${token.toLowerCase()}`
  parseAsset(text)
  return text
}

function bounded(atomic: bigint, text: string): bigint {
  if (atomic > ATOMIC_MAX) throw new AigenError('money.invalid', `${shown(text)} is more than any lane can hold.`)
  return atomic
}

/** What was found, short enough for an error. */
function shown(found: unknown): string {
  if (typeof found !== 'string') return found === null ? 'null' : `a ${typeof found}`
  return JSON.stringify(found.length > 40 ? `${found.slice(0, 40)}…` : found)
}
