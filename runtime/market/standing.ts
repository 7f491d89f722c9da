/**
 * Standing agreements as their payer keeps them: which of them a call may be made under, what is under
 * way on each, what waits to be paid, and the effect that closes a group. Pure; used by the `standing` actor.
 */
import type { Address, Agreement, Folded, Hash } from '../../schemas/documents.gen.ts'
import type { ActorEvent } from '../actors/actor.ts'
import type { EffectKind } from '../actors/effects.ts'
import { isFree } from './free.ts'
import type { Lane, NegotiationInput } from './negotiation.machine.ts'
import type { Offer } from './strategy.ts'

/** Agreements of one partition; further calls are agreed one by one. */
export const AGREEMENTS_MAX = 64
/** Deliveries of one voucher. */
export const GROUP_MAX = 64

/** Calls that wait; further ones are agreed one by one. */
export const WAITING_MAX = 1_000
/** How long one waits before it is agreed by itself, in ms. */
export const PATIENCE_MS = 50

/** A call that waits until what was delivered before it is paid. */
export interface Wanting {
  readonly input: NegotiationInput
  readonly key: string
  readonly since: number
}

/** A delivery that waits for its voucher, and who waits for it. */
export interface Waiting extends Folded {
  readonly call: number
  readonly tell: string
}

export interface Standing {
  readonly id: Hash
  /** What a call must ask for to be one of it. */
  readonly key: string
  readonly agreement: Agreement
  readonly offer: Offer
  readonly lane: Lane
  /** The negotiation that made it, by which the purse knows who has the lane. */
  readonly holder: string
  /** Number of the next call. */
  readonly next: number
  /** Calls whose end is not known, by number. */
  readonly open: readonly number[]
  readonly due: readonly Waiting[]
  /** What is due is about to be paid, once all of the moment is there. */
  readonly closing?: true
  /** What is being signed for. */
  readonly paying: readonly Waiting[]
  /** How many are signed for and their voucher not heard to be taken: the provider counts them still. */
  readonly sent: number
  /** Unpaid calls that the provider has said it takes. */
  readonly window: number
  /** Reserved and not signed away, as last heard, atomic. */
  readonly left: string
  readonly widening: boolean
  /** No call is made under it any more. */
  readonly closed: boolean
  /** Its payee holds that it is owed what will not be paid: the lane stays out of use. */
  readonly contested: boolean
}

const closed = ({ agreement }: { agreement: Hash }): ActorEvent => ({ type: 'group.close.done', agreement })

/** The effect `group.close`: computed when all that came in the same moment is, so that one voucher pays it together. */
export const closeGroup: EffectKind = { mode: 'idempotent', instant: closed, run: async (params) => closed(params) }

/** What calls of one agreement have in common. */
export function keyOf({ capability, deadlineMs, graceMs, expect, choose }: Pick<NegotiationInput, 'capability' | 'deadlineMs' | 'graceMs' | 'expect' | 'choose'>): string {
  return JSON.stringify([capability, deadlineMs, graceMs, expect, choose ?? null])
}

/** What is unpaid, in calls. */
const unpaid = ({ open, due, paying, sent }: Standing): number => open.length + due.length + paying.length + sent

/** Whether the agreement is for such a call, asked for by `key` at `at`, be there room for it or not. */
export function fits(one: Standing, wanted: NegotiationInput, key: string, at: number): boolean {
  const { terms } = one.agreement
  const { calls, until } = terms.standing!
  const may = (provider: Address): boolean => (wanted.only?.includes(provider) ?? true) && !wanted.exclude.includes(provider)
  return !one.closed && one.next < calls && at < until && one.key === key && wanted.units <= terms.units && BigInt(terms.cap) <= BigInt(wanted.cap) && may(terms.provider)
}

/** Whether one more may be unpaid on it. */
export function hasRoom(one: Standing): boolean {
  const { terms } = one.agreement
  return isFree(terms) || (unpaid(one) < one.window && BigInt(terms.cap) * BigInt(unpaid(one) + 1) <= BigInt(one.left))
}

/** Whether there is room once what has been delivered is paid, which takes a moment; what is at work may take long. */
export function willHaveRoom(one: Standing): boolean {
  const { open, due, paying, window, left, agreement: { terms } } = one
  return open.length < window && BigInt(terms.cap) * BigInt(open.length + due.length + paying.length + 1) <= BigInt(left)
}

/** What should be reserved beyond what is signed away, where less than half of it is left; undefined where there is enough. */
export function toWiden(one: Standing): string | undefined {
  const { cap, standing } = one.agreement.terms
  if (isFree(one.agreement.terms) || one.closed || one.widening) return undefined
  const most = Math.max(1, standing!.calls - one.next + unpaid(one))
  const wanted = BigInt(cap) * BigInt(Math.min(2 * one.window, most))
  return BigInt(one.left) * 2n < wanted ? wanted.toString() : undefined
}

/** Whether nothing is under way on any of them. */
export function isQuiet({ agreements, seeking, waiting = [] }: { readonly agreements: Readonly<Record<string, Standing>>; readonly seeking: object; readonly waiting?: readonly Wanting[] }): boolean {
  return waiting.length === 0 && Object.keys(seeking).length === 0 && Object.values(agreements).every((one) => unpaid(one) === 0)
}

/** Whether it is over, and nothing of it is under way. */
export function isOver(one: Standing, at: number): boolean {
  const { calls, until } = one.agreement.terms.standing!
  return unpaid(one) === 0 && (one.closed || one.next >= calls || at >= until)
}
