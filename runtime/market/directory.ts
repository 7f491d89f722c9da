/**
 * The directory: the cards of the network and who is alive (DESIGN, Wire). Built from the kept cards
 * and kept current by subscription; liveness comes from heartbeats. Used by hiring, by `aigen
 * providers` and by the checker's list of capabilities. Bounded: cards beyond the limit are refused.
 */
import type { Address, Capability, Card, Offer } from '../../schemas/documents.gen.ts'
import { asError, type AigenError } from '../../schemas/error.ts'
import { decodeJson } from '../../schemas/decode.ts'
import type { Verifier } from '../identity/signed.ts'
import type { Bus, BusMessage, Subscription } from '../ports/bus.ts'
import type { Clock } from '../ports/clock.ts'
import { admitCard } from './card.ts'
import { makeLiveness } from './liveness.ts'

const CARDS_MAX = 50_000
const CARD_BYTES_MAX = 512 * 1024

/** One participant as the directory knows it. */
export interface Entry {
  readonly card: Card
  readonly alive: boolean
}

export interface Directory {
  /** Everybody with a card. */
  entries(): Entry[]
  entry(participant: string): Entry | undefined
  /** The contract of a capability; the first card seen with it wins. */
  capability(id: string): Capability | undefined
  /** Live offers of a capability. */
  offers(capability: string): { readonly participant: Address; readonly name: string; readonly offer: Offer }[]
  /** Who offers it and is alive, or fell silent not long ago. */
  awaited(capability: string): Address[]
  /** When a participant was heard of last, by the monotonic clock; 0 when it never was. */
  heardAt(participant: string): number
  /** Every capability on a card, by id; the first card seen wins. */
  capabilities(): Map<string, Capability>
  close(): Promise<void>
}

export interface DirectoryOptions {
  readonly bus: Bus
  readonly clock: Clock
  readonly verifier: Verifier
  /** Told of each card that was refused. */
  readonly onRefused?: (participant: string, error: AigenError) => void
}

export async function openDirectory({ bus, clock, verifier, onRefused }: DirectoryOptions): Promise<Directory> {
  const cards = new Map<string, Card>()
  /** Capability → participant → offer, so that a step looks at those who offer it and not at all cards. */
  const offering = new Map<string, Map<string, Offer>>()
  const { hear, isAlive, mayReturn, heardAt } = makeLiveness(clock, CARDS_MAX)

  const put = (participant: string, card: Card | undefined, before: Card | undefined): void => {
    for (const { capability: { id } } of before?.body.offers ?? []) {
      if (card?.body.offers.some((offer) => offer.capability.id === id)) continue
      const others = offering.get(id)
      others?.delete(participant)
      if (others?.size === 0) offering.delete(id)
    }
    // the first of several for one capability counts
    for (const offer of [...(card?.body.offers ?? [])].reverse()) {
      const those = offering.get(offer.capability.id) ?? new Map<string, Offer>()
      offering.set(offer.capability.id, those.set(participant, offer))
    }
    if (card) cards.set(participant, card)
    else cards.delete(participant)
  }
  const take = (message: BusMessage): void => {
    const participant = message.subject.slice(message.subject.lastIndexOf('.') + 1)
    if (cards.size >= CARDS_MAX && !cards.has(participant)) return
    try {
      const card = admitCard(decodeJson(message.data, { bytesMax: CARD_BYTES_MAX }), participant, verifier, clock.now())
      const known = cards.get(participant)
      if (!known || known.body.issuedAt <= card.body.issuedAt) put(participant, card, known)
    } catch (error) {
      onRefused?.(participant, asError(error))
    }
  }
  const beat = ({ subject, data }: BusMessage): void => hear(subject.slice(subject.lastIndexOf('.') + 1), data)
  const subscriptions: Subscription[] = [await bus.subscribe('aigen.v1.card.*', take), await bus.subscribe('aigen.v1.alive.*', beat)]
  for await (const message of bus.kept('aigen.v1.card.*')) take(message)

  const current = function* (): Iterable<Card> {
    const now = clock.now()
    for (const [participant, card] of cards) {
      if (card.body.expiresAt > now) yield card
      else put(participant, undefined, card)
    }
  }
  /** Cards that stand and offer `capability`. */
  const sellers = function* (capability: string): Iterable<{ readonly card: Card; readonly offer: Offer }> {
    const now = clock.now()
    for (const [participant, offer] of offering.get(capability) ?? []) {
      const card = cards.get(participant)!
      if (card.body.expiresAt > now) yield { card, offer }
      else put(participant, undefined, card)
    }
  }
  return {
    entries: () => [...current()].map((card) => ({ card, alive: isAlive(card.body.participant) })),
    entry: (participant) => {
      const card = cards.get(participant)
      return card && card.body.expiresAt > clock.now() ? { card, alive: isAlive(participant) } : undefined
    },
    offers: (capability) => {
      const found = []
      for (const { card: { body }, offer } of sellers(capability)) {
        if (isAlive(body.participant)) found.push({ participant: body.participant, name: body.name, offer })
      }
      return found
    },
    heardAt,
    awaited: (capability) => [...sellers(capability)].map(({ card }) => card.body.participant).filter(mayReturn),
    capability: (id) => {
      for (const { offer } of sellers(id)) return offer.capability
      return undefined
    },
    capabilities: () => {
      const all = new Map<string, Capability>()
      for (const { body } of current()) for (const { capability } of body.offers) if (!all.has(capability.id)) all.set(capability.id, capability)
      return all
    },
    close: async () => {
      for (const subscription of subscriptions) await subscription.stop()
    },
  }
}
