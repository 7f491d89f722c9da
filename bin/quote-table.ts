/** How `aigen quote` shows what it heard: for each hiring its candidates, who is left out and why, and what to expect. */
import Table from 'cli-table3'
import type { Outlook } from '../agents/user/foresee.ts'
import type { Forecast, Hiring } from '../pipelines/forecast.ts'
import type { RunPlan } from '../pipelines/plan.ts'
import { pricedInWords } from '../runtime/market/asked.ts'
import { trustIn, type Offer } from '../runtime/market/strategy.ts'
import { formatMoney } from '../schemas/money.ts'
import { BARE, lasting, seconds } from './bare-table.ts'
import type { Output } from './output.ts'

/** Somebody who sells the capability and is not a candidate. */
export interface Excluded {
  readonly provider: string
  readonly name: string
  readonly why: string
}

export interface Heard {
  readonly hiring: Hiring
  /** Best first. */
  readonly offers: readonly Offer[]
  readonly excluded: readonly Excluded[]
  /** Addresses of those that are expected to be hired. */
  readonly picked: readonly string[]
}

const money = (atomic: string | bigint): string => formatMoney(BigInt(atomic))
const percent = (share: number): string => `${(share * 100).toFixed(0)}%`

/** As one JSON object a hiring and one for the whole, or as a table. */
export function showQuotes(plan: RunPlan, heard: readonly Heard[], forecast: Forecast, worstPath: readonly string[], output: Output): void {
  const { ink } = output
  const table = new Table({ head: ['step', 'provider', 'asked', 'units', 'promised', 'trust', 'delivered', 'cap'].map((text) => ink.dim(text)), chars: BARE, style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 } })
  for (const one of heard) {
    const { step, role, plan: { forEach, many, choose }, uses, cap, choice } = one.hiring
    const candidates = one.offers.map((offer) => ({
      provider: offer.quote.terms.provider, name: offer.name, unitPrice: money(offer.quote.terms.unitPrice), unit: offer.quote.terms.unit, units: offer.quote.terms.units, price: money(offer.quote.terms.cap), asked: pricedInWords(offer.quote.terms), latencyMs: offer.latencyMs,
      ...(offer.cacheMs === undefined ? {} : { cacheMs: offer.cacheMs }),
      ...offer.history, trust: Math.round(trustIn(offer) * 1_000) / 1_000, ...(offer.reputation ? { reputation: offer.reputation } : {}), picked: one.picked.includes(offer.quote.terms.provider),
    }))
    output.emit({
      type: 'quote', step, ...(role === 'work' ? {} : { role }), ...(choice === undefined ? {} : { choice }), capability: uses, maxPrice: money(cap), perItem: forEach !== null, choose: choose ?? 'cheapest',
      ...(many ? { providers: many.providers } : {}), candidates, excluded: one.excluded,
    })
    const label = role === 'work' ? step : `${step} ${role}${choice === undefined ? '' : ` ${choice + 1}`}`
    if (candidates.length === 0) table.push([label, ink.red(`nobody offers ${uses} within the price`), '', '', '', '', '', money(cap)])
    candidates.forEach(({ name, asked, units, latencyMs, cacheMs, trust, reputation, delivered, failed, picked }, index) => table.push([
      index === 0 ? label : '', picked ? ink.bold(name) : name, asked, `${units}${forEach === null ? '' : ' an item'}`, `${seconds(latencyMs)}${cacheMs === undefined ? '' : ink.dim(`, holds ${lasting(cacheMs)}`)}`, reputation ? percent(trust) : ink.dim(`${percent(trust)}?`),
      `${delivered} of ${delivered + failed}`, index === 0 ? money(cap) : '',
    ]))
    for (const { name, why } of one.excluded) table.push(['', ink.dim(name), { colSpan: 6, content: ink.dim(why) }])
  }
  const { price, perItem, timeMs, criticalPath } = forecast
  const items = Object.fromEntries([...perItem].map(([step, cost]) => [step, money(cost)]))
  output.emit({
    type: 'quotes', pipeline: plan.pipeline, expected: money(price), expectedPerItem: items, expectedMs: timeMs, expectedPath: criticalPath, worstCase: money(plan.worst), timeMs: plan.timeMs, criticalPath: worstPath,
  })
  output.print(table.toString())
  const more = Object.entries(items).map(([step, cost]) => ` and ${cost} an item of ${step}`).join('')
  output.print(`${ink.bold(`expected ${money(price)}${more}`)}, ${seconds(timeMs)} along ${criticalPath.join(' → ')} ${ink.dim('(before bargaining, with these units)')}`)
  output.print(`at worst ${money(plan.worst)}, ${seconds(plan.timeMs)} along ${worstPath.join(' → ')} ${ink.dim('(nothing was agreed)')}`)
}

/** What of a run with the inputs that were given need not be hired, and what is left at worst. */
export function showOutlook({ reused, anew, worst, saved }: Outlook, output: Output): void {
  output.emit({ type: 'known', reused, anew, worst, saved })
  for (const { step, providerName, paid } of reused) output.print(`${output.ink.bold(step)} need not be hired: ${providerName}'s card lets what it gave be used again, ${paid} was paid for it`)
  output.print(`with this input ${output.ink.bold(`at worst ${worst}`)}; ${saved} is not paid again`)
}
