/**
 * What a step actor is made of: its input, its context, its events, and the ids of whatever does a
 * step of the document. The machine is in `step.machine.ts`; bills, expressions and displays read
 * contexts of this shape.
 */
import type { ErrorBody } from '../schemas/error.ts'
import type { Address, Agreement, Delivery, EscrowVoucher, Folded, Hash, Hex32, Hop, NodeAuthorisation, PlainVoucher } from '../schemas/documents.gen.ts'
import type { Agreed, Lane } from '../runtime/market/negotiation.machine.ts'
import type { Offer } from '../runtime/market/strategy.ts'
import type { Growing } from './growing.ts'
import type { StepPlan, Work } from './plan.ts'
import type { Known, Reused } from './reused.ts'

export interface StepInput {
  readonly run: string
  readonly parent: string
  readonly plan: StepPlan
  /** Place in a forEach, or null. */
  readonly index: number | null
  /** The item at that place. */
  readonly item: unknown
  /** W3C traceparent of the run, so that every call of the step stays in its trace. */
  readonly trace: string | null
  /** Place among the providers of a race or a quorum: it hires when it is told to. */
  readonly member?: number
  /** Of a compensation: what it undoes. */
  readonly of?: { readonly step: string; readonly index: number | null; readonly late?: string }
}

/** One hiring, as the bill lists it. */
export interface Attempt {
  readonly provider: Address
  readonly providerName: string
  readonly list: string
  readonly agreed: string
  readonly charged: string
  readonly state: 'done' | 'failed' | 'expect' | 'timeout' | 'cancelled' | 'refused'
  /** Whether it stood in for those that failed. */
  readonly fallback?: true
  /** How often nobody took the step before it was hired; absent for never. */
  readonly refusals?: number
  /** Why, for people. */
  readonly reason?: string
  readonly latencyMs?: number
}

export interface StepContext extends StepInput {
  readonly self: string
  readonly attempts: readonly Attempt[]
  /** How often nobody took it, and it asked again; absent for never. */
  readonly refusals?: number
  readonly input: unknown
  readonly inputHash: Hash | null
  readonly units: number
  readonly inputBytes: number
  readonly agreement: Agreement | null
  readonly agreementId: Hash | null
  readonly offer: Offer | null
  readonly asked: number
  readonly lane: Lane | null
  /** When the step's clock started, and when a delivery stops to count, in ms since the epoch. */
  readonly invokedAt: number
  readonly until: number
  readonly output: unknown
  readonly delivery: Delivery | null
  readonly latencyMs: number
  readonly voucher: PlainVoucher | null
  /** Through a hub: the sealed output until its key is there, the authorisations behind the agreement, what the hub paid its provider. */
  readonly sealed?: string | null
  readonly authorisations?: readonly NodeAuthorisation[]
  readonly hop?: Hop | null
  readonly previousRef: Hex32 | null
  /** Of a call that was paid piece by piece: what was paid before its delivery. */
  readonly parts?: readonly Folded[]
  /** What the voucher folds after the delivery, where it pays several: `foldedText`. */
  readonly after?: string
  /** Number of the call under a standing agreement; absent where the agreement is for one. */
  readonly call?: number | undefined
  /** What secures the provider of the attempt under way in escrow, or pays it beforehand. */
  readonly staked: EscrowVoucher | PlainVoucher | null
  /** What escrow agents were paid so far, atomic. */
  readonly fees: string
  readonly error: ErrorBody | null
  readonly state: 'running' | 'done' | 'skipped' | 'failed' | 'cancelled'
  /** The case of a switch that counts. */
  readonly choice: number | null
  /** Whether the fallback stands in. */
  readonly fallback: boolean
  /** Providers that do the same work for others of the race or the quorum. */
  readonly avoid: readonly Address[]
  /** Providers of the steps that it must differ from. */
  readonly apart?: readonly Address[]
  /** Actors that take the pieces of its output as they come, and the pieces so far. */
  readonly listeners: readonly string[]
  readonly pieces: Growing<unknown>
  /** Whether two attempts at the work were heard to differ, or pieces were lost. */
  readonly torn: boolean
  /** What an earlier run had paid for, where that was taken over: nobody was hired. */
  readonly reused?: Reused
}

/** How a delivery fared against the signed clauses. */
export type Verdict = { readonly ok: true } | { readonly ok: false; readonly error: ErrorBody }

export type StepEvent = { at: number } & (
  | { type: 'step.prepare.done'; skip?: true; choice?: number; value?: unknown; input?: unknown; inputHash?: Hash; units?: number; inputBytes?: number; known?: Known; apart?: readonly Address[] }
  | { type: 'step.prepare.failed'; error: ErrorBody }
  | Agreed
  | { type: 'refused'; error: ErrorBody }
  | { type: 'turn'; avoid: readonly Address[] }
  | { type: 'call.invoke.done'; delivery: Delivery; output: unknown; sealed?: string; authorisations?: readonly NodeAuthorisation[]; latencyMs: number; verdict: Verdict; streamed?: true; lost?: true }
  | { type: 'call.invoke.declined'; error: ErrorBody; streamed?: true }
  | { type: 'call.invoke.failed'; error: ErrorBody; streamed?: true }
  | { type: 'piece'; number: number; chunk: unknown }
  | { type: 'listen'; to: string }
  | { type: 'staked'; voucher: EscrowVoucher | PlainVoucher; previousRef: Hex32 }
  | { type: 'paid'; voucher: PlainVoucher; previousRef: Hex32; after?: string }
  | { type: 'opened'; output: unknown; voucher: PlainVoucher; previousRef: Hex32 }
  | { type: 'unopened'; error: ErrorBody }
  | { type: 'streamed'; delivery: Delivery; output: unknown; voucher: PlainVoucher; previousRef: Hex32; parts: readonly Folded[]; latencyMs: number; lost?: true }
  | { type: 'unstreamed'; error: ErrorBody; streamed?: true }
  | StepEnded
  | { type: 'hub.open.done'; output: unknown; verdict: Verdict; hop: Hop | null }
  | { type: 'hub.open.failed'; error: ErrorBody }
  | { type: 'over' }
  | { type: 'cancel' }
)

/** What whoever started a step is told, by whatever did it. */
export interface StepEnded {
  readonly type: 'step.ended'
  readonly step: string
  readonly index: number | null
  readonly member?: number
  readonly state: 'done' | 'skipped' | 'failed' | 'cancelled'
  readonly charged: string
  readonly attempts?: number
  /** Items that are done, in the order they were, where each has to be undone when the run fails. */
  readonly done?: readonly (number | null)[]
  readonly error?: ErrorBody
}

/** A step, an item of it, or one of its providers, as bills and actors name it. @example unitName('rows', 3, 0) // 'rows[3]#0' */
export function unitName(step: string, index: number | null, member?: number): string {
  return `${step}${index === null ? '' : `[${index}]`}${member === undefined ? '' : `#${member}`}`
}

/** Actor id of what hires for a step. @example stepId('r_1', 'rows', 3) // 'step/r_1/rows[3]' */
export function stepId(run: string, step: string, index: number | null, member?: number): string {
  return `step/${run}/${unitName(step, index, member)}`
}

/**
 * Actor id of what does a step of the document, or with `index` an item of it: `step` hires, `fan`
 * has several do it, `gate` waits, `nest` runs a sub-pipeline.
 */
export function actorOf(run: string, plan: Pick<StepPlan, 'name' | 'forEach' | 'many' | 'nested' | 'wait' | 'approve'>, index: number | null): string {
  const kind = (index === null && plan.forEach !== null) || plan.many ? 'fan' : plan.nested ? 'nest' : plan.wait || plan.approve ? 'gate' : 'step'
  return `${kind}/${run}/${unitName(plan.name, index)}`
}

/**
 * Actor id of the hiring of an attempt: its number among all hirings, those that nobody took included.
 * The fallback's has a name of its own, for one that nobody took is no attempt.
 */
export function negotiationId({ self, attempts, refusals, fallback }: Pick<StepContext, 'self' | 'attempts' | 'refusals' | 'fallback'>, attempt: number = attempts.length): string {
  const past = attempts[attempt]
  const standsIn = past ? past.fallback === true : fallback
  return `negotiation/${self.slice('step/'.length)}/${standsIn ? 'fallback' : attempt + ((past ? past.refusals : refusals) ?? 0)}`
}

/** Every hiring of a step that there may be, by the attempt it was for. */
export function hiringsOf(step: Pick<StepContext, 'self' | 'attempts' | 'refusals' | 'fallback'>): { readonly attempt: number; readonly negotiation: string }[] {
  const ids = Array.from({ length: step.attempts.length + 1 }, (_, attempt) => negotiationId(step, attempt))
  return ids.flatMap((negotiation, attempt) => (ids.indexOf(negotiation) === attempt ? [{ attempt, negotiation }] : []))
}

/** What a step does now: its own work, a case of its switch, or its fallback. */
export function workOf({ plan, choice, fallback }: Pick<StepContext, 'plan' | 'choice' | 'fallback'>): Work {
  return fallback ? plan.fallback! : choice === null ? plan : plan.cases![choice]!
}
