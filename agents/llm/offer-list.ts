/**
 * What the network sells now, as an agent reads it: capabilities that its policy allows, with their
 * contracts and prices, the likeliest for its goal first. Used by the agent's effects. All of it was
 * written by strangers and is bounded; the prompt marks it as data.
 */
import type { Directory } from '../../runtime/market/directory.ts'
import type { Address, Capability } from '../../schemas/documents.gen.ts'
import { formatMoney, parseMoney } from '../../schemas/money.ts'
import { mayHire, type Terms } from './agent-policy.ts'
import { schemaSketch } from './schema-sketch.ts'

const LIST_CHARACTERS = 12_000
const CAPABILITIES_MAX = 60
const DESCRIPTION_MAX = 700
/** Cards that are looked at for offers of one model. */
const SELLERS_MAX = 64

/** One line a capability, as JSON; at most 12,000 characters in all. */
export function offerList(directory: Directory, terms: Terms, goal: string): string {
  const words = new Set(goal.toLowerCase().match(/[\p{L}\p{N}]{3,}/gu)?.slice(0, 200) ?? [])
  const found = [...directory.capabilities().values()]
    .filter(({ id }) => mayHire(terms, id))
    .map((capability) => ({ capability, offers: sellersOf(directory, terms, capability.id), score: scoreOf(capability, words) }))
    .filter(({ offers }) => offers.length > 0)
    .sort((one, other) => other.score - one.score || (one.capability.id < other.capability.id ? -1 : 1))
  const lines: string[] = []
  let left = LIST_CHARACTERS
  for (const { capability, offers } of found.slice(0, CAPABILITIES_MAX)) {
    const prices = offers.map(({ offer }) => parseMoney(offer.list)).sort((one, other) => (one < other ? -1 : 1))
    const per = capability.per === undefined ? '' : `${capability.per} `
    const line = JSON.stringify({
      uses: capability.id,
      does: `${capability.title}. ${capability.description}`.slice(0, DESCRIPTION_MAX),
      price: `${formatMoney(prices[0]!)} to ${formatMoney(prices.at(-1)!)} for ${per}${capability.unit}`,
      sellers: offers.length,
      seconds: Math.min(...offers.map(({ offer }) => offer.latencyMs)) / 1_000,
      input: schemaSketch(capability.input),
      output: schemaSketch(capability.output),
    })
    if (line.length > left) continue
    left -= line.length + 1
    lines.push(line)
  }
  return lines.join('\n')
}

/** Live offers of a capability by those whom the policy does not deny. */
export function sellersOf(directory: Directory, terms: Pick<Terms, 'not'>, capability: string): ReturnType<Directory['offers']> {
  return directory.offers(capability).filter(({ participant }) => !terms.not.includes(participant))
}

/** Who serves the policy's model; null when the policy names none, so that anybody may. */
export function servingModel(directory: Directory, terms: Terms, capability: string): readonly Address[] | null {
  const { model } = terms
  if (model === null) return null
  return sellersOf(directory, terms, capability).filter(({ offer }) => offer.models?.includes(model)).map(({ participant }) => participant).slice(0, SELLERS_MAX)
}

function scoreOf(capability: Capability, words: ReadonlySet<string>): number {
  const text = `${capability.id} ${capability.title} ${capability.description}`.toLowerCase()
  let score = 0
  for (const word of words) if (text.includes(word)) score++
  return score
}
