/**
 * What a card's offer asks, before anybody is asked: its worst price for some units, and its price in
 * plain words. Used by the gateway, by agents that plan, and by the command line.
 */
import type { Meter, Offer, Terms } from '../../schemas/documents.gen.ts'
import { formatMoney, parseMoney } from '../../schemas/money.ts'
import { priceOf } from '../payments/meter.ts'

type Asked = Pick<Offer, 'capability' | 'list' | 'min' | 'max' | 'tiers' | 'free' | 'meter' | 'pass' | 'subscription'>

/** Most that `units` in one call cost, atomic: what depends on the day and the payer is left out. */
export function askedFor({ capability: { per }, list, min, max, tiers }: Asked, units: number, decimals?: number): bigint {
  const money = (text: string): string => parseMoney(text, decimals).toString()
  const price = priceOf({
    unitPrice: money(list), ...(per === undefined ? {} : { per }), ...(min === undefined ? {} : { min: money(min) }),
    ...(tiers?.over === 'call' ? { tiers: tiers.steps.map((step) => ({ above: step.above, unitPrice: money(step.price) })) } : {}),
  }, units)
  const most = max === undefined ? price : parseMoney(max, decimals)
  return price < most ? price : most
}

/** Its price for people, like `0.01 a page, at least 0.02 a call, 0.008 from page 101 of a month on`. */
export function askedInWords({ capability: { per, unit }, list, min, max, tiers, free, meter, pass, subscription }: Asked): string {
  const each = per === undefined ? unit : `${per} ${unit}`
  const among = tiers?.over === 'call' ? '' : ` of a ${tiers?.over}`
  return [
    `${list} a ${each}`,
    ...(min === undefined ? [] : [`at least ${min} a call`]), ...(max === undefined ? [] : [`at most ${max} a call`]),
    ...(tiers?.steps ?? []).map(({ above, price }) => `${price} from ${unit} ${above + 1}${among} on`),
    ...(free === undefined ? [] : [`the first ${free.units} ${unit} a day are free${free.deposit === undefined ? '' : ` to who has ${free.deposit} in a vault`}`]),
    ...(meter === undefined ? [] : [`counted by you too: ${meterInWords(meter)}`]),
    ...(pass === undefined ? [] : [`nothing with a pass (${periodInWords(pass)})`]), ...(subscription === undefined ? [] : [`nothing by subscription (${periodInWords(subscription)})`]),
  ].join(', ')
}

/** @example '5 for 30 days, 100 calls a day' */
function periodInWords({ price, periodDays, quotaPerDay }: NonNullable<Offer['pass' | 'subscription']>): string {
  return `${price} for ${periodDays} days${quotaPerDay === undefined ? '' : `, ${quotaPerDay} calls a day`}`
}

/** @example 'items of output.rows' */
function meterInWords({ by, of = [], tokenizer, tolerance = 0 }: Meter): string {
  const what = of.map(({ path, times }) => (times === undefined ? path : `${times} times ${path}`)).join(' and ')
  return `${by}${what === '' ? '' : ` of ${what}`}${by === 'tokens' ? ` by ${tokenizer ?? 'cl100k_base'}` : ''}${tolerance === 0 ? '' : `, give or take ${tolerance} %`}`
}

/** The prices of one call as its terms have them, for people. */
export function pricedInWords({ unit, unitPrice, per, min, tiers, free, pass, subscription }: Pick<Terms, 'unit' | 'unitPrice' | 'per' | 'min' | 'tiers' | 'free' | 'pass' | 'subscription'>, decimals?: number): string {
  const money = (atomic: string): string => formatMoney(BigInt(atomic), decimals)
  return [
    `${money(unitPrice)} a ${per === undefined ? unit : `${per} ${unit}`}`,
    ...(pass === undefined ? [] : ['by your pass']), ...(subscription === undefined ? [] : ['by your subscription']), ...(free === undefined ? [] : [`${free} free`]), ...(min === undefined ? [] : [`at least ${money(min)}`]),
    ...(tiers ?? []).map(({ above, unitPrice: price }) => `${money(price)} from ${unit} ${above + 1} on`),
  ].join(', ')
}
