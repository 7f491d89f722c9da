/**
 * A call that is paid piece by piece, as its provider's actor keeps it: one part at a time is signed for
 * and owed, the call goes on when it is paid. Pure; used by the call machine.
 */
import type { Delivery, Hash, Terms } from '../../schemas/documents.gen.ts'
import { deliveryHash } from '../../runtime/payments/delivery.ts'
import type { Owed } from '../../runtime/payments/till.machine.ts'
import type { Metered } from '../../runtime/payments/stream.ts'

export interface Stream {
  /** Of the last part that was signed. */
  readonly meter: Metered
  readonly parts: number
  /** Atomic, paid. */
  readonly paid: string
}

/** What of a call its parts are made of. */
export interface PartedCall {
  readonly agreement: Hash
  readonly terms: Terms
  readonly delivery: Delivery | null
  /** The part that it waits for. */
  readonly part?: Delivery | null
  /** What was signed for and paid so far. */
  readonly stream?: Stream
  /** How many pieces the caller had taken when it gave up. */
  readonly stopAt?: number
}

/** What the till is told is owed: of a stream, what was not paid with earlier parts. */
export function owedOf({ agreement, terms, part, delivery, stream }: PartedCall): Owed {
  const last = delivery ?? part!
  const amount = BigInt(last.body.amount) - BigInt(stream?.paid ?? 0)
  return { agreement, delivery: deliveryHash(last), amount: amount.toString(), ...(delivery === null && terms.settle === 'streamed' ? { part: true as const } : {}) }
}

/** The call once `delivery` was signed for a part of it. */
export function parted({ terms, stream }: PartedCall, delivery: Delivery): Pick<PartedCall, 'part' | 'stream'> {
  const { pieces, chain } = delivery.body.stream!
  return { part: delivery, stream: { meter: { pieces, chain, units: delivery.body.units[terms.unit] ?? 0 }, parts: (stream?.parts ?? 0) + 1, paid: stream?.paid ?? '0' } }
}

/** The call once the part that it waited for is paid. */
export function partPaid({ part, stream }: PartedCall): Pick<PartedCall, 'part' | 'stream'> {
  return part && stream ? { part: null, stream: { ...stream, paid: part.body.amount } } : {}
}

/** Whether a caller that gave up has taken all pieces of the part that is owed. */
export function wantsPart({ part, stopAt }: PartedCall): boolean {
  return !!part && (stopAt ?? 0) >= part.body.stream!.pieces
}

/** Whether something is owed for `delivery` after the caller gave up: the last part of a stream may come to nothing more than was paid. */
export function takesPart({ stream }: PartedCall, { body }: Delivery): boolean {
  return body.stream?.part !== true || BigInt(body.amount) > BigInt(stream?.paid ?? 0)
}
