/**
 * A provider's price beside the list price: least and most of a call, tiers, free units. What the card
 * says of it, and what the terms of one caller's call say, which alone decide (D6). Used by the desk.
 *
 * Tiers over a day or a month are counted here, and the terms of each call say at which prices its units
 * are: so nobody has to believe the count.
 */
import type { CallForQuotesBody, Offer, Terms } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { parseMoney } from '../../schemas/money.ts'
import { validate } from '../../schemas/validate.ts'
import type { Tariff } from '../../runtime/payments/meter.ts'
import type { ProviderDefinition, ProviderPrice } from './define.ts'
import { dayOf, monthOf, type Entries, type Usage } from './usage.ts'

const TIERS_MAX = 16
const UNITS_MAX = 1_000_000_000

/** Errors: `input.invalid`, `money.invalid`. */
export function checkPrice({ list, min, max, tiers, free }: ProviderPrice): void {
  const wrong = (path: string, why: string): never => { throw new AigenError('input.invalid', why, { path: `price.${path}` }) }
  const units = (value: number, least: number, path: string): void => void (Number.isSafeInteger(value) && value >= least && value <= UNITS_MAX || wrong(path, `${value} is no number of units`))
  for (const one of [list, min, max, free?.deposit]) if (one !== undefined) validate('Money', one)
  if (min !== undefined && max !== undefined && parseMoney(min) > parseMoney(max)) wrong('max', 'a call costs at least more than it costs at most')
  if (free) units(free.units, 1, 'free.units')
  if (!tiers) return
  if (tiers.steps.length === 0 || tiers.steps.length > TIERS_MAX) wrong('tiers.steps', `${tiers.steps.length} tiers, 1 to ${TIERS_MAX}`)
  let before = { above: -1, price: list }
  for (const [index, step] of tiers.steps.entries()) {
    units(step.above, 0, `tiers.steps[${index}].above`)
    validate('Money', step.price)
    if (step.above <= before.above || parseMoney(step.price) >= parseMoney(before.price)) wrong(`tiers.steps[${index}]`, 'each tier begins further on and is cheaper than what is before it')
    before = step
  }
}

/** What the card says of it. */
export function offerOf({ list, min, max, tiers, free }: ProviderPrice): Pick<Offer, 'list' | 'min' | 'max' | 'tiers' | 'free'> {
  return {
    list, ...(min === undefined ? {} : { min }), ...(max === undefined ? {} : { max }),
    ...(tiers === undefined ? {} : { tiers: { over: tiers.over, steps: tiers.steps.map((step) => ({ ...step })) } }), ...(free === undefined ? {} : { free: { ...free } }),
  }
}

type Whose = Pick<CallForQuotesBody, 'payer' | 'capability'>
const freeBook = ({ payer, capability }: Whose, at: number): { readonly book: string; readonly until: number } => {
  const { name, until } = dayOf(at)
  return { book: `free ${name} ${capability} ${payer}`, until }
}
const volumeBook = ({ payer, capability }: Whose, over: 'day' | 'month', at: number): { readonly book: string; readonly until: number } => {
  const { name, until } = over === 'day' ? dayOf(at) : monthOf(at)
  return { book: `volume ${name} ${capability} ${payer}`, until }
}

/** What a call takes of its payer's free units and adds to its volume; undefined where neither is counted. */
export function tariffEntries(definitions: readonly ProviderDefinition[]): Entries | undefined {
  const counts = definitions.filter(({ price: { free, tiers } }) => free || (tiers && tiers.over !== 'call'))
  if (counts.length === 0) return undefined
  const prices = new Map<string, ProviderPrice>(counts.map(({ capability, price }) => [capability.id, price]))
  return ({ terms, delivery }, state) => {
    const price = prices.get(terms.capability)
    const over = price?.tiers?.over ?? 'call'
    const used = delivery?.body.units[terms.unit] ?? 0
    const gone = state === 'failed' || state === 'cancelled'
    return [
      ...(terms.free === undefined ? [] : [{ ...freeBook(terms, terms.expiresAt), amount: gone ? 0 : delivery ? Math.min(terms.free, used) : terms.free }]),
      // What was given for nothing, or not paid for in the end, is no volume.
      ...(over === 'call' || state === 'unpaid' || terms.pass !== undefined || terms.subscription !== undefined ? [] : [{ ...volumeBook(terms, over, terms.expiresAt), amount: Math.max(0, used - (terms.free ?? 0)) }]),
    ]
  }
}

/** The prices of one call for who asks, as its terms say them; atomic. `unitPrice` is what is asked of everybody. */
export function tariffFor(price: ProviderPrice, decimals: number, call: Whose & Pick<CallForQuotesBody, 'units' | 'settle'>, unitPrice: bigint, usage: Pick<Usage, 'of'>, at: number): Tariff {
  const money = (text: string): bigint => parseMoney(text, decimals)
  const { tiers, free, min } = price
  const used = tiers && tiers.over !== 'call' ? usage.of(volumeBook(call, tiers.over, at).book) : 0
  const steps = (tiers?.steps ?? []).map(({ above, price: step }) => ({ above: above - used, unitPrice: money(step) })).filter((step) => step.unitPrice < unitPrice)
  const now = steps.reduce((least, step) => (step.above <= 0 && step.unitPrice < least ? step.unitPrice : least), unitPrice)
  const ahead = steps.filter(({ above }) => above > 0).map((step) => ({ above: step.above, unitPrice: step.unitPrice.toString() }))
  // What is signed for before the work is its price, so that there must be one.
  const left = free && call.settle === 'postpaid' ? Math.min(call.units, free.units - usage.of(freeBook(call, at).book)) : 0
  return { unitPrice: now.toString(), ...(min === undefined ? {} : { min: money(min).toString() }), ...(ahead.length === 0 ? {} : { tiers: ahead }), ...(left > 0 ? { free: left } : {}) }
}

/** Whether the payer has not used up what the terms give it for nothing. */
export function hasFree({ units }: NonNullable<ProviderPrice['free']>, terms: Pick<Terms, 'payer' | 'capability' | 'free' | 'expiresAt'>, usage: Pick<Usage, 'of'>): boolean {
  return usage.of(freeBook(terms, terms.expiresAt).book) + (terms.free ?? 0) <= units
}
