/**
 * What a step actor is made of: its input, its context, its events. The machine is in
 * `step.machine.ts`; bills, expressions and displays read contexts of this shape.
 */
import type { ErrorBody } from '../schemas/error.ts'
import type { Address, Agreement, Delivery, EscrowVoucher, Hash, Hex32, PlainVoucher } from '../schemas/documents.gen.ts'
import type { Agreed, Lane } from '../runtime/market/negotiation.machine.ts'
import type { Offer } from '../runtime/market/strategy.ts'
import type { StepPlan } from './plan.ts'

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
}

/** One hiring, as the bill lists it. */
export interface Attempt {
  readonly provider: Address
  readonly providerName: string
  readonly list: string
  readonly agreed: string
  readonly charged: string
  readonly state: 'done' | 'failed' | 'expect' | 'timeout' | 'cancelled' | 'refused'
  /** Why, for people. */
  readonly reason?: string
  readonly latencyMs?: number
}

export interface StepContext extends StepInput {
  readonly self: string
  readonly attempts: readonly Attempt[]
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
  readonly previousRef: Hex32 | null
  /** What secures the provider of the attempt under way, where it settles in escrow. */
  readonly staked: EscrowVoucher | null
  /** What escrow agents were paid so far, atomic. */
  readonly fees: string
  readonly error: ErrorBody | null
  readonly state: 'running' | 'done' | 'skipped' | 'failed' | 'cancelled'
  /** Of a forEach: its items as they were when it began, how many of them count, are started, have ended. */
  readonly list: readonly unknown[]
  readonly items: number
  readonly started: number
  readonly ended: number
  /** What the items cost, atomic. */
  readonly spent: string
  /** Whether the run is: then no further item begins. */
  readonly paused: boolean
}

/** How a delivery fared against the signed clauses. */
export type Verdict = { readonly ok: true } | { readonly ok: false; readonly error: ErrorBody }

export type StepEvent = { at: number } & (
  | { type: 'step.prepare.done'; skip?: true; items?: readonly unknown[]; input?: unknown; inputHash?: Hash; units?: number; inputBytes?: number }
  | { type: 'step.prepare.failed'; error: ErrorBody }
  | Agreed
  | { type: 'refused'; error: ErrorBody }
  | { type: 'call.invoke.done'; delivery: Delivery; output: unknown; latencyMs: number; verdict: Verdict; streamed?: true }
  | { type: 'call.invoke.declined'; error: ErrorBody; streamed?: true }
  | { type: 'call.invoke.failed'; error: ErrorBody; streamed?: true }
  | { type: 'staked'; voucher: EscrowVoucher; previousRef: Hex32 }
  | { type: 'paid'; voucher: PlainVoucher; previousRef: Hex32 }
  | { type: 'step.ended'; step: string; state: 'done' | 'skipped' | 'failed' | 'cancelled'; charged: string; error?: ErrorBody }
  | { type: 'cancel' }
  | { type: 'pause' }
  | { type: 'resume' }
)

/** Actor id of a step. @example stepId('r_1', 'rows', 3) // 'step/r_1/rows[3]' */
export function stepId(run: string, step: string, index: number | null): string {
  return `step/${run}/${step}${index === null ? '' : `[${index}]`}`
}
