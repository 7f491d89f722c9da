/**
 * What each honest participant of the simulated network lost, beside what the tables of
 * `runtime/payments/README.md` and `agents/payments/README.md` allow for the liars it met. What a seller
 * gave away is overheard on its wire, what it got is asked of the chain; what a payer paid stands in its
 * bills, what it got for that is known to who made it. Used by `books`.
 */
import { hashOf } from '../../schemas/canonical.ts'
import type { CallOutcome, Delivery, Hash } from '../../schemas/documents.gen.ts'
import { deliveryHash } from '../../runtime/payments/delivery.ts'
import type { PaidCall } from '../../pipelines/bill.ts'
import { broken, type Finding } from '../../runtime/simulation/invariants.ts'
import type { CallContext } from '../provider/call.machine.ts'
import type { Lie } from './lies.ts'

/** Calls that the simulated sellers leave unpaid at most. */
const WINDOW_MAX = 4n

interface Given {
  readonly seller: string
  readonly lane: string
  readonly amount: bigint
  /** Whether it settles in escrow. */
  readonly escrow: boolean
  /** Its number; there are others than 0 only under a standing agreement. */
  readonly call: number
  /** Of one that is paid piece by piece: what the newest part takes. */
  readonly part?: bigint
}

export class Losses {
  /** Quality of each output that was made, by its hash. */
  readonly #quality = new Map<Hash, number>()
  /** Outputs in the hands of payers, by agreement and call. */
  readonly #given = new Map<string, Given>()
  /** Sealed ones, by delivery. */
  readonly #sealed = new Map<Hash, Given & { readonly agreement: Hash }>()

  /** A seller has made an output. */
  made(output: { readonly quality: number }): void {
    this.#quality.set(hashOf(output), output.quality)
  }

  /** An honest seller has answered about a call; `known` is what it keeps of it. */
  answered(seller: string, verb: string, body: any, answer: any, known: Pick<CallContext, 'terms' | 'stream'> | undefined): void {
    const settle = known?.terms.settle
    if (verb === 'pay' && answer.key) {
      const { agreement, ...given } = this.#sealed.get(body.deliveries[0])!
      this.#given.set(`${agreement} 0`, given)
    }
    const { state, delivery } = answer as { readonly state?: CallOutcome['state']; readonly delivery?: Delivery }
    // Who gives a stream up says how much of it came: what was signed for beyond that was never had.
    const unheard = verb === 'cancel' && !delivery && settle === 'streamed' ? this.#given.get(`${body.agreement} ${body.call}`) : undefined
    if (unheard) this.#given.set(`${body.agreement} ${body.call}`, { ...unheard, amount: BigInt(known?.stream?.paid ?? 0) })
    if (!delivery) return
    const { agreement, call, amount } = delivery.body
    const id = `${agreement} ${call}`
    const given = { seller, lane: body.lane as string, amount: BigInt(amount), escrow: settle === 'escrow', call }
    const before = this.#given.get(id)
    // The same part may be answered again: the largest one counts.
    const part = given.amount - (before?.amount ?? 0n)
    if (state === 'delivered' || state === 'part') this.#given.set(id, settle === 'streamed' ? { ...given, part: before?.part && before.part > part ? before.part : part } : given)
    if (state === 'sealed') this.#sealed.set(deliveryHash(delivery), { ...given, agreement })
  }

  /** What sellers gave on each lane, beside what the chain has paid on it: where its payer lies at most one call, a part of it or a window of them, where it is honest nothing. Lanes that are `gone` are not looked at. */
  sellers(claimed: (lane: string) => bigint, lies: (lane: string) => boolean, gone: (lane: string) => boolean, arbiter: Lie | undefined): Finding {
    const lanes = new Map<string, { readonly given: Given; total: bigint; most: bigint; ruled: bigint; window: bigint }>()
    for (const given of this.#given.values()) {
      const lane = lanes.get(given.lane) ?? { given, total: 0n, most: 0n, ruled: 0n, window: 1n }
      lanes.set(given.lane, lane)
      lane.total += given.amount
      const once = given.part ?? given.amount
      if (once > lane.most) lane.most = once
      if (given.call > 0) lane.window = WINDOW_MAX
      if (arbiter === 'rules for the payer' && given.escrow) lane.ruled += given.amount
    }
    for (const [lane, { given, total, most, ruled, window }] of lanes) {
      if (gone(lane)) continue
      const lost = total - claimed(lane)
      const allowed = ruled + (lies(lane) ? most * window : 0n)
      if (lost > allowed) return broken('loss', `${given.seller} gave ${total} on lane ${lane} and was paid ${claimed(lane)}; ${allowed} may be lost to its payer`)
    }
    return undefined
  }

  /** What a hub has been paid on all of its lanes, beside what it has paid on: the keys that it pays for open its own locks. */
  hub(name: string, lanes: readonly { readonly owner: string; readonly payee: string; readonly claimed: bigint }[]): Finding {
    const sum = (of: typeof lanes): bigint => of.reduce((total, { claimed }) => total + claimed, 0n)
    const [got, gave] = [sum(lanes.filter(({ payee }) => payee === name)), sum(lanes.filter(({ owner }) => owner === name))]
    return gave > got ? broken('loss', `the hub was paid ${got} and has paid ${gave} on`) : undefined
  }

  /** What an honest payer paid for: an output that fails what was agreed only where the mode lets it. */
  payer(name: string, paid: readonly PaidCall[], arbiter: Lie | undefined): Finding {
    for (const { delivery, amount, receipt } of paid) {
      const { expect, settle } = receipt.agreement.terms
      const quality = this.#quality.get(delivery.body.outputHash)
      const wanted = /output\.quality > (\d+)/.exec(expect ?? '')?.[1]
      if (quality === undefined || wanted === undefined || quality > Number(wanted) || settle === 'prepaid' || settle === 'locked') continue
      if (settle === 'escrow' && (arbiter === 'is silent' || arbiter === 'rules for the provider')) continue
      return broken('loss', `${name} paid ${amount} in ${settle} for an output that fails ${expect}`)
    }
    return undefined
  }
}
