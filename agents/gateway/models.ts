/**
 * The models that the network serves now, from the directory: what offers of text.chat@1 and
 * text.embed@1 name, and the capability's own id, which stands for whatever its provider takes.
 * Also what a call may cost at worst among those who could do it. Used by the gateway's routes.
 */
import type { Address, Capability, Offer } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { nearest } from '../../schemas/nearest.ts'
import type { Directory } from '../../runtime/market/directory.ts'
import { askedFor } from '../../runtime/market/asked.ts'

export const CHAT = 'text.chat@1'
export const EMBED = 'text.embed@1'
const SERVED = [CHAT, EMBED] as const
/** An offer dearer than so many times the cheapest is not considered: it would only raise what must be held. */
const DEARER_MAX = 3n

export interface Seller {
  readonly participant: Address
  readonly name: string
  readonly offer: Offer
}

export interface Model {
  readonly id: string
  readonly capability: string
  readonly sellers: readonly Seller[]
}

type Offers = Pick<Directory, 'offers'>

/** Every model with somebody live who serves it, by name. */
export function modelsOf(directory: Offers): Model[] {
  const found = new Map<string, { readonly capability: string; readonly sellers: Seller[] }>()
  for (const capability of SERVED) {
    for (const seller of directory.offers(capability)) {
      for (const id of [capability, ...(seller.offer.models ?? [])]) {
        const known = found.get(id) ?? { capability, sellers: [] }
        // A name that both a chat and an embedding provider use means the first.
        if (known.capability === capability) found.set(id, { ...known, sellers: [...known.sellers, seller] })
      }
    }
  }
  return [...found].map(([id, model]) => ({ id, ...model })).sort((one, other) => (one.id < other.id ? -1 : 1))
}

/** The model by name. Error `gateway.model`, with the one probably meant. */
export function modelNamed(directory: Offers, id: string, capability: string): Model {
  const models = modelsOf(directory).filter((one) => one.capability === capability)
  const model = models.find((one) => one.id === id)
  if (model) return model
  const meant = nearest(id, models.map((one) => one.id))
  throw new AigenError('gateway.model', `Found no ${JSON.stringify(id.slice(0, 100))}.${meant ? ` Did you mean ${meant}?` : ''}`, { path: 'model' })
}

/** What a call of `units` may cost at most, atomic, and who could do it for that. Error `market.no-provider` when nobody is left. */
export function worstOf(sellers: readonly Seller[], units: number): { readonly maxPrice: bigint; readonly only: Address[]; readonly latencyMs: number; readonly contract: Capability } {
  const priced = sellers.map((seller) => ({ seller, price: askedFor(seller.offer, units) }))
    .sort((one, other) => (one.price < other.price ? -1 : 1))
  const [cheapest] = priced
  if (!cheapest) throw new AigenError('market.no-provider')
  const near = priced.filter(({ price }) => price <= cheapest.price * DEARER_MAX)
  return {
    maxPrice: near.at(-1)!.price, only: near.map(({ seller }) => seller.participant),
    latencyMs: Math.max(...near.map(({ seller }) => seller.offer.latencyMs)), contract: cheapest.seller.offer.capability,
  }
}
