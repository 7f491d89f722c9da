/**
 * The pieces of a call that is paid piece by piece, on their way out: each carries its link of the hash
 * chain, and after as many as the terms say the work stands still until the part is paid. Work that is
 * begun anew says its pieces again, and goes on where it stood if they are the same. Keeps the provider's
 * worst loss at one part. Used by `work.ts`.
 */
import type { DeliveryBody, Terms } from '../../schemas/documents.gen.ts'
import { AigenError, asError } from '../../schemas/error.ts'
import type { Host } from '../../runtime/actors/host.ts'
import type { Sign } from '../../runtime/identity/signed.ts'
import type { FlowSender } from '../../runtime/identity/flow.ts'
import { signDelivery } from '../../runtime/payments/delivery.ts'
import { charge } from '../../runtime/payments/meter.ts'
import { checkMeter, isDue, metered, PARTS_MAX, unmetered, type Metered } from '../../runtime/payments/stream.ts'
import type { Clock } from '../../runtime/ports/clock.ts'
import type { CallContext } from './call.machine.ts'

/** How long the work stands still for a part that is not paid, in ms; a payer that was killed may be back by then. */
const PAY_MS = 30_000
/** Pieces that a handler may hand over without waiting for them to be sent. */
const QUEUE_MAX = 1_024

export interface Metering {
  /** Sends a piece that took `units`; resolves when it is sent, and paid where a part is due. Errors `step.failed`, `lane.unpaid`, and the signal's. */
  emit(piece: unknown, units: number): Promise<void>
  /** When all that was handed over is sent and paid as far as a part was due, what the delivery says of it. Errors as `emit`. */
  end(units: number): Promise<Pick<DeliveryBody, 'stream'>>
  /** Signs for what the caller had taken when it gave up; undefined where that is nothing more than was paid. */
  stopAt(pieces: number): DeliveryBody | undefined
}

export interface MeteringOptions {
  readonly host: Host
  readonly clock: Clock
  readonly sign: Sign
  readonly signal: AbortSignal
  readonly flow: FlowSender
}

/** Meters the work of call actor `actor`. */
export function openMetering(actor: string, call: CallContext, { host, clock, sign, signal, flow }: MeteringOptions): Metering {
  const { terms, agreement } = call
  const stream = terms.stream!
  const begun = unmetered(agreement, call.call)
  /** What was signed for before this work began, and what was paid of it. */
  const before = call.stream?.meter ?? begun
  let now = begun
  /** At the last part; and after each piece since. */
  let paid = begun
  let since: Metered[] = []
  let queued = 0
  let parts = call.stream?.parts ?? 0
  let sending: Promise<void> = Promise.resolve()

  const body = (at: Metered): DeliveryBody => ({
    agreement, call: call.call, inputHash: call.inputHash!, outputHash: at.chain, ...bill(terms, at.units), at: clock.now(), stream: { pieces: at.pieces, chain: at.chain, part: true },
  })
  const waitPaid = async (): Promise<void> => {
    try {
      const { snapshot } = await host.until(actor, ({ context, value }) => value !== 'working' || !(context as CallContext).part, PAY_MS, signal)
      if (snapshot.value !== 'working') throw new AigenError('step.cancelled')
    } catch (thrown) {
      throw asError(thrown).code === 'network.timeout' ? new AigenError('lane.unpaid', `the part of ${now.pieces} pieces`) : thrown
    }
    paid = now
    since = []
  }
  const part = async (): Promise<void> => {
    if (++parts > PARTS_MAX) throw new AigenError('step.failed', `${PARTS_MAX} parts are paid at most: the provider should have more pieces in each`)
    await host.send(actor, { type: 'part', delivery: signDelivery(body(now), sign) })
    await waitPaid()
  }

  /** What the payer would refuse is the handler's own fault. */
  const check = (units: number): void => {
    try {
      checkMeter(terms, paid, now, units)
    } catch (thrown) {
      throw new AigenError('step.failed', asError(thrown).message, { cause: thrown })
    }
  }
  const one = async (piece: unknown, units: number): Promise<void> => {
    signal.throwIfAborted()
    const sum = now.units + units
    const old = now.pieces < before.pieces
    if (!old && now.pieces > paid.pieces && sum - paid.units > stream.units) await part()
    const next = metered(now, piece, sum)
    if (!old) check(sum)
    if (next.pieces === before.pieces && next.chain !== before.chain) throw new AigenError('step.failed', 'begun anew, the work says other pieces than were signed for')
    flow.send(piece, [sum, next.chain])
    now = next
    if (!old) since.push(next)
    if (next.pieces === before.pieces) return waitPaid()
    if (!old && isDue(stream, paid, next)) await part()
  }

  return {
    emit: (piece, units) => {
      if (queued >= QUEUE_MAX) return Promise.reject(new AigenError('step.failed', `${QUEUE_MAX} pieces wait to be sent: the handler should wait for emit`))
      queued++
      const sent = sending.then(() => one(piece, units)).finally(() => queued--)
      sending = sent
      // Who does not wait for it hears of it at the end.
      sent.catch(() => undefined)
      return sent
    },
    end: async (units) => {
      await sending
      if (now.pieces < before.pieces) throw new AigenError('step.failed', 'begun anew, the work says fewer pieces than were signed for')
      check(units)
      return { stream: { pieces: now.pieces, chain: now.chain } }
    },
    stopAt: (pieces) => {
      const at = since.find((one) => one.pieces === pieces)
      return at && body(at)
    },
  }
}

/** Units, and what they cost. */
function bill(terms: Terms, count: number): Pick<DeliveryBody, 'units' | 'amount'> {
  const units = { [terms.unit]: count }
  return { units, amount: charge(terms, units).toString() }
}

