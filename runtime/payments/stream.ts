/**
 * The meter of a call that is paid piece by piece (`streamed`): how many pieces there were, the units
 * they took, and a hash chain over both, which provider and payer count each for themselves. What the
 * provider signs for of it is a part: a delivery of so many pieces, which a voucher pays before any
 * further piece is sent. Either side loses at most what one part may be, by the terms. Pure.
 */
import { createHash } from 'node:crypto'
import { hashOf } from '../../schemas/canonical.ts'
import type { Delivery, Hash, StreamTerms, Terms } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'

/** Pieces of a part where a provider names no other number. */
export const EVERY = 16
/** Parts of one call: its receipt names them all. */
export const PARTS_MAX = 1_024

export interface Metered {
  readonly pieces: number
  /** Taken by all of them. */
  readonly units: number
  /** Link of the last one. */
  readonly chain: Hash
}

/** The meter of a call before its first piece. */
export function unmetered(agreement: Hash, call: number): Metered {
  return { pieces: 0, units: 0, chain: hashOf(['aigen/v1/stream', agreement, call]) }
}

/** The meter after one more piece: its link is SHA-256 over the link before, the piece's hash and the units so far as a double. */
export function metered(before: Metered, piece: unknown, units: number): Metered {
  const bytes = Buffer.alloc(72)
  bytes.write(before.chain.slice('sha256-'.length), 0, 'hex')
  bytes.write(hashOf(piece ?? null).slice('sha256-'.length), 32, 'hex')
  bytes.writeDoubleBE(units, 64)
  return { pieces: before.pieces + 1, units, chain: `sha256-${createHash('sha256').update(bytes).digest('hex')}` }
}

/** The clause of a call that is paid piece by piece; a piece takes one unit at most where nothing is said. */
export function streamTerms({ every = EVERY, units = every }: Partial<StreamTerms> = {}): StreamTerms {
  return { every, units }
}

/** Whether a part is due: as many pieces since `paid` as the terms say, or more units than one more piece may be sent on. */
export function isDue({ every, units }: StreamTerms, paid: Metered, now: Metered): boolean {
  return now.pieces - paid.pieces >= every || now.units - paid.units >= units
}

/** What the pieces since `paid` may come to. Error `step.output` for a meter that runs back, or too fast. */
export function checkMeter({ unit, stream }: Pick<Terms, 'unit' | 'stream'>, paid: Pick<Metered, 'pieces' | 'units'>, before: Pick<Metered, 'units'>, units: number): void {
  if (!Number.isFinite(units) || units < before.units) throw new AigenError('step.output', `the meter says ${units} ${unit} after ${before.units}`)
  if (stream && units - paid.units > stream.units) throw new AigenError('step.output', `the meter says ${units - paid.units} ${unit} in one part, ${stream.units} were agreed`)
}

/**
 * Holds what a provider signs of a stream against the own count, `own` at the same piece. Error `step.output`.
 * That it is the provider's, and its price the agreed one, is for `verifyStatement`.
 */
export function verifyStreamed({ body }: Delivery, terms: Pick<Terms, 'unit'>, own: Metered): void {
  const { stream, units, outputHash } = body
  if (!stream) throw new AigenError('step.output', 'the delivery says nothing of its pieces')
  if (stream.pieces !== own.pieces) throw new AigenError('step.output', `${stream.pieces} pieces are signed for, ${own.pieces} came`)
  if (stream.chain !== own.chain) throw new AigenError('step.output', 'other pieces are signed for than came')
  const count = units[terms.unit] ?? NaN
  if (stream.part ? count !== own.units || outputHash !== stream.chain : !(count >= own.units)) throw new AigenError('step.output', `${count} ${terms.unit} are signed for, the pieces took ${own.units}`)
}
