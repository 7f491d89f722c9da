/**
 * Whom a step, or an inquiry after it, tells what becomes of its call: the purse, whose lane it has to itself,
 * or under a standing agreement that agreement, which has the lane and pays for several. Pure; used by
 * their machines.
 */
import type { Agreement, Delivery, Hash } from '../schemas/documents.gen.ts'
import type { Lane } from '../runtime/market/negotiation.machine.ts'
import { deliveryHash } from '../runtime/payments/delivery.ts'
import { negotiationId, type StepContext } from './step.ts'

export interface Paying {
  /** Who holds the lane in the purse. */
  readonly holder: string
  /** Who hears of the voucher. */
  readonly tell: string
  readonly agreement: Agreement
  readonly id: Hash
  readonly lane: Lane
  readonly call?: number | undefined
}

/** As a step that was hired for has it. */
export function payingOf(context: StepContext): Paying {
  const { self, agreement, agreementId, lane, call } = context
  return { holder: negotiationId(context), tell: self, agreement: agreement!, id: agreementId!, lane: lane!, call }
}

type Message = { readonly to: string; readonly event: object }

/** What pays for `delivery`. */
export function payFor({ holder, tell, id, lane, call }: Paying, delivery: Delivery): Message {
  const what = { tell, delivery: deliveryHash(delivery), amount: delivery.body.amount }
  return call === undefined ? { to: 'purse', event: { type: 'pay', lane: lane.key, for: holder, ...what } } : { to: 'standing', event: { type: 'pay', agreement: id, call, ...what } }
}

/** What gives the lane back where nothing is owed; `failed` when the provider is to blame, `contested` when it holds that it is owed. */
export function giveBack({ holder, id, lane, call }: Pick<Paying, 'holder' | 'id' | 'lane' | 'call'>, how: 'spare' | 'failed' | 'contested'): readonly Message[] {
  if (call !== undefined) return [{ to: 'standing', event: { type: 'return', agreement: id, call, how } }]
  // One that is contested stays out of use, since its payee counts on it.
  return how === 'contested' ? [] : [{ to: lane?.from ?? 'purse', event: { type: 'release', for: holder } }]
}
