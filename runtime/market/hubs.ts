/**
 * Which hub pays a provider: a payer's choice among the payment providers of the directory, like any
 * other capability: those that have not failed it first, of these the cheapest within the fee, ties by
 * reputation, then by address, so that the choice never depends on arrival. Pure.
 */
import type { Address } from '../../schemas/documents.gen.ts'
import { parseMoney } from '../../schemas/money.ts'
import { priceOf } from '../payments/meter.ts'
import type { Directory } from './directory.ts'
import { HUB_CAPABILITY } from './grant.ts'
import type { Reputation } from './reputation.ts'
import type { History } from './strategy.ts'

/** What a payer wants: a hub by name or anybody, and the most that its fee may be, atomic. */
export interface HubWish {
  readonly hub: Address | null
  readonly fee: string
}

export interface HubsKnown {
  readonly directory: Pick<Directory, 'offers'>
  readonly history: (hub: Address) => History
  readonly reputation?: Pick<Reputation, 'of'>
  readonly decimals: number
}

/** Hubs that may pay `amount` to `payee`, the best first. */
export function hubsFor({ hub, fee }: HubWish, amount: string, { payer, payee }: { readonly payer: Address; readonly payee: Address }, { directory, history, reputation, decimals }: HubsKnown): Address[] {
  const found = directory.offers(HUB_CAPABILITY).flatMap(({ participant, offer }) => {
    if (participant === payer || participant === payee || (hub !== null && participant !== hub)) return []
    const asked = priceOf({ unitPrice: parseMoney(offer.list, decimals).toString(), ...offer.capability }, Number(amount)) - BigInt(amount)
    if (asked < 0n || asked > BigInt(fee)) return []
    const { delivered, failed } = history(participant)
    return [{ participant, asked, failing: failed > delivered, success: reputation?.of(participant, HUB_CAPABILITY)?.success ?? 0 }]
  })
  return found
    .sort((one, other) => Number(one.failing) - Number(other.failing) || (one.asked < other.asked ? -1 : one.asked > other.asked ? 1 : other.success - one.success || (one.participant < other.participant ? -1 : 1)))
    .map(({ participant }) => participant)
}
