/**
 * What the payment of a streamed call is made of: input, context, events and the id of its actor, and how
 * each voucher is written down. The machine is in `stream.machine.ts`, its effects in `stream-call.ts`;
 * bills read contexts of this shape.
 */
import type { Agreement, Delivery, Folded, Hash, Hex32, PlainVoucher } from '../schemas/documents.gen.ts'
import type { ErrorBody } from '../schemas/error.ts'
import type { Lane } from '../runtime/market/negotiation.machine.ts'
import { sumOf } from '../runtime/payments/fold.ts'
import type { Metered } from '../runtime/payments/stream.ts'
import { negotiationId, type StepContext, type Verdict } from './step.ts'

export interface StreamInput {
  /** Actor id of the run. */
  readonly run: string
  /** Who holds the lane in the purse. */
  readonly holder: string
  readonly step: string
  readonly agreement: Agreement
  readonly id: Hash
  readonly lane: Lane
  readonly inputHash: Hash
  /** When the step's clock started, and when a delivery stops to count, in ms since the epoch. */
  readonly invokedAt: number
  readonly until: number
}

export interface StreamContext extends StreamInput {
  /** What a voucher is on its way for. */
  readonly paying: Delivery | null
  /** What was paid, in order: hash of each part, and what was paid with it. */
  readonly folded: readonly Folded[]
  /** The last that was paid, its voucher, and the lane's ref before the first. */
  readonly delivery: Delivery | null
  readonly voucher: PlainVoucher | null
  readonly previousRef: Hex32 | null
  readonly output: unknown
  readonly latencyMs: number
  /** Whether pieces that other steps take were lost. */
  readonly lost: boolean
  /** Whether the step was told that it has nothing. */
  readonly late: boolean
  /** The own count when it was given up. */
  readonly meter: Metered | null
}

export type StreamEvent = { at: number } & (
  | { type: 'part'; delivery: Delivery }
  | { type: 'paid'; delivery: Hash; amount: string; voucher: PlainVoucher; previousRef: Hex32 }
  | { type: 'handed'; delivery: Hash }
  | { type: 'stream.call.done'; delivery: Delivery; output: unknown; latencyMs: number; verdict: Verdict; streamed?: true; lost?: true }
  | { type: 'stream.call.declined' | 'stream.call.broken'; error: ErrorBody; streamed?: true }
  | { type: 'stream.call.failed'; error: ErrorBody }
  | { type: 'stream.count.done'; meter: Metered }
  | { type: 'stream.count.failed' }
  | { type: 'stream.cancel.done'; delivery?: Delivery; output?: unknown; verdict?: Verdict }
  | { type: 'stream.cancel.failed' }
  | { type: 'cancel' }
)

/** Actor id of the stream of what `negotiation` had agreed. */
export function streamId(negotiation: string): string {
  return `stream/${negotiation.slice('negotiation/'.length)}`
}

/** Atomic, of all parts so far. */
export function paidSoFar({ folded }: Pick<StreamContext, 'folded'>): bigint {
  return sumOf(folded)
}

/** The stream once a voucher for `paying` is signed; the same once more where the lane had to catch up and it was signed anew. */
export function foldedBy(context: StreamContext, { delivery, amount, voucher, previousRef }: Extract<StreamEvent, { type: 'paid' }>): Partial<StreamContext> {
  const known = context.folded.findIndex((one) => one.delivery === delivery)
  return {
    voucher, previousRef: known === 0 || context.folded.length === 0 ? previousRef : context.previousRef,
    ...(known < 0 && context.paying ? { folded: [...context.folded, { delivery, amount }], delivery: context.paying } : {}),
  }
}

/** The message that starts it. */
export function streamOf(context: StepContext): { readonly to: string; readonly event: object } {
  const { run, self, agreement, agreementId, lane, inputHash, invokedAt, until } = context
  const holder = negotiationId(context)
  const input: StreamInput = { run: `run/${run}`, holder, step: self, agreement: agreement!, id: agreementId as Hash, lane: lane!, inputHash: inputHash as Hash, invokedAt, until }
  return { to: streamId(holder), event: { type: 'start', input } }
}

