/**
 * A standing agreement as its payee keeps it beside the lane: which calls are at work, which are owed, and
 * how many may be unpaid at once. That window starts small, grows by each call that is paid in time, and is
 * one again after one that was not; the sum of what is in it is what the payee can lose. Pure; used by
 * the till, and by the provider before it takes a call.
 */
import type { Folded, Hash, Hex32, Terms } from '../../schemas/documents.gen.ts'
import { foldAll, sumOf } from './fold.ts'

/** How far a payer is trusted: of one agreement, and `most` and `amount` over all it has with the payee. */
export interface CreditLine {
  /** Calls that may be unpaid at first. */
  readonly first: number
  /** Calls that may ever be. */
  readonly most: number
  /** What unpaid calls may cost together, atomic; one call may always be unpaid. */
  readonly amount: string
}

export interface Due extends Folded {
  readonly call: number
  /** When it was delivered, in ms since the epoch. */
  readonly since: number
}

export interface Tab {
  readonly agreement: Hash
  readonly terms: Terms
  readonly credit: CreditLine
  readonly window: number
  /** Numbers of the calls that are worked on. */
  readonly atWork: readonly number[]
  readonly owed: readonly Due[]
}

/** A delivery that is not paid after this, in ms, is a failure to pay: payers pay as soon as they have judged it. */
const OVERDUE_MS = 30_000
/** A call may be invoked this long after the agreement's end, since clocks differ. */
const SKEW_MS = 5_000

/** The tab of an agreement; what `before` had earned on the lane is kept. */
export function openTab(agreement: Hash, terms: Terms, credit: CreditLine, before?: Tab | null): Tab {
  return { agreement, terms, credit, window: Math.min(credit.most, Math.max(credit.first, before?.window ?? 1)), atWork: [], owed: [] }
}

export function isIdle(tab: Tab | null | undefined): boolean {
  return !tab || (tab.atWork.length === 0 && tab.owed.length === 0)
}

/** Calls that are unpaid, and what they cost at most, atomic. */
export function exposureOf({ atWork, owed, terms }: Tab): { readonly calls: number; readonly amount: bigint } {
  return { calls: atWork.length + owed.length, amount: sumOf(owed) + BigInt(terms.cap) * BigInt(atWork.length) }
}

/** Why call number `call` is not begun at `at`; undefined when it may be. */
export function refusal(tab: Tab, call: number, at: number): 'quota' | 'over' | 'window' | undefined {
  const { calls: quota, until } = tab.terms.standing!
  if (call >= quota) return 'quota'
  if (at > until + SKEW_MS) return 'over'
  const calls = tab.atWork.length + tab.owed.length
  const overdue = tab.owed.some(({ since }) => at - since > OVERDUE_MS)
  if (calls >= (overdue ? 1 : tab.window)) return 'window'
  const [cap, most] = [BigInt(tab.terms.cap), BigInt(tab.credit.amount)]
  // None is owed more than the cap: only where that would be too much, what they are owed is added up.
  if (calls === 0 || cap * BigInt(calls + 1) <= most) return undefined
  return exposureOf(tab).amount + cap > most ? 'window' : undefined
}

/** A call that tells of its begin, by the actor that lives it. */
export interface Begin {
  readonly agreement: Hash
  readonly call: string
  readonly number?: number
  readonly at?: number
}

/** Each is counted where its agreement has the lane and there is room for one more; the others have lost it. */
export function beginEach(before: Tab | null | undefined, begins: readonly Begin[]): { readonly tab: Tab | null | undefined; readonly lost: readonly string[] } {
  let tab = before
  const lost: string[] = []
  for (const { agreement, call, number, at = 0 } of begins) {
    if (tab?.agreement === agreement && number !== undefined && refusal(tab, number, at) === undefined) tab = { ...tab, atWork: [...tab.atWork, number] }
    else lost.push(call)
  }
  return { tab, lost }
}

export function ended(tab: Tab, call: number): Tab {
  return { ...tab, atWork: tab.atWork.filter((one) => one !== call) }
}

/** What a call at work tells of its delivery. */
export interface Owes {
  readonly owed: Folded & { readonly agreement: Hash }
  readonly number?: number
  readonly at?: number
}

/** Each that is at work is owed what its delivery says, at most the agreed cap. */
export function oweEach(before: Tab, deliveries: readonly Owes[]): Tab {
  return deliveries.reduce((tab, { owed: { agreement, delivery, amount }, number, at: since = 0 }) => {
    if (number === undefined || tab.agreement !== agreement || !tab.atWork.includes(number) || BigInt(amount) > BigInt(tab.terms.cap)) return tab
    return { ...ended(tab, number), owed: [...tab.owed, { call: number, delivery, amount, since }] }
  }, before)
}

/** What these deliveries are owed, in the order given; undefined unless each is owed, and named once. */
export function owedFor({ owed }: Tab, deliveries: readonly Hash[]): readonly Due[] | undefined {
  if (deliveries.length === 0 || new Set(deliveries).size !== deliveries.length) return undefined
  const dues = deliveries.map((delivery) => owed.find((one) => one.delivery === delivery))
  return dues.every((one) => one !== undefined) ? dues : undefined
}

/** Cumulative and ref of the voucher that pays `dues` on a lane which stands at these. */
export function dueFor({ cumulative, ref }: { readonly cumulative: string; readonly ref: Hex32 }, dues: readonly Folded[]): { readonly cumulative: string; readonly ref: Hex32 } {
  return { cumulative: (BigInt(cumulative) + sumOf(dues)).toString(), ref: foldAll(ref, dues) }
}

/** The tab once `dues` are paid, at `at`: each in time widens the window by one, any late one narrows it to one. */
export function settled(tab: Tab, dues: readonly Due[], at: number): Tab {
  const late = dues.some(({ since }) => at - since > OVERDUE_MS)
  return { ...tab, window: late ? 1 : Math.min(tab.credit.most, tab.window + dues.length), owed: tab.owed.filter((one) => !dues.includes(one)) }
}
