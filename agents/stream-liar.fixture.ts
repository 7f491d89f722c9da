/** The stream of a provider that lies (`liar.fixture.ts`): a call that is paid piece by piece, honest but for its tricks. */
import { hashOf } from '../schemas/canonical.ts'
import type { CallOutcome, Delivery, DeliveryBody, Hash, Terms } from '../schemas/documents.gen.ts'
import { flowSubject, openFlowSender, type FlowSender, type PieceMeter } from '../runtime/identity/flow.ts'
import type { Sign } from '../runtime/identity/signed.ts'
import type { NodePorts } from '../runtime/node/node.ts'
import { deliveryHash, signDelivery } from '../runtime/payments/delivery.ts'
import { charge } from '../runtime/payments/meter.ts'
import { metered, unmetered, type Metered } from '../runtime/payments/stream.ts'

export interface StreamTricks {
  readonly words: readonly string[]
  /** Clause of the quote, by default three pieces and three units. */
  readonly terms?: { readonly every: number; readonly units: number }
  /** Units after the nth piece, by default n. */
  units?(n: number): number
  /** What is sent for the nth piece. */
  lines?(n: number, honest: { readonly piece: unknown; readonly meter: PieceMeter }): readonly { readonly piece: unknown; readonly meter?: PieceMeter }[]
  part?(body: DeliveryBody): DeliveryBody
  last?(body: DeliveryBody): DeliveryBody
  /** Whether it says nothing any more once a part is paid. */
  readonly vanishes?: true
  /** Whether it shows the part that was paid again and again. */
  readonly repeats?: true
  /** What it signs for when the payer gives up after so many. */
  stop?(body: DeliveryBody): DeliveryBody
}

export class LyingStream {
  readonly #sign: Sign
  readonly #terms: Terms
  readonly #tricks: StreamTricks
  readonly #call: { readonly agreement: Hash; readonly call: number; readonly inputHash: Hash }
  readonly #clock: NodePorts['clock']
  readonly #flow: Promise<FlowSender>
  readonly #counts: Metered[]
  #part: Delivery | null = null
  #paid = false

  constructor({ bus, random, clock }: Pick<NodePorts, 'bus' | 'random' | 'clock'>, sign: Sign, terms: Terms, tricks: StreamTricks, call: { agreement: Hash; call: number; inputHash: Hash; flow?: { secret: string } }) {
    this.#sign = sign
    this.#terms = terms
    this.#tricks = tricks
    this.#call = { agreement: call.agreement, call: call.call, inputHash: call.inputHash }
    this.#clock = clock
    this.#flow = openFlowSender(bus, random, flowSubject(call.agreement, call.call), Buffer.from(call.flow!.secret, 'base64url'))
    this.#counts = [unmetered(call.agreement, call.call)]
  }

  #body(at: Metered): DeliveryBody {
    const units = { [this.#terms.unit]: at.units }
    return { ...this.#call, outputHash: at.chain, units, amount: charge(this.#terms, units).toString(), at: this.#clock.now(), stream: { pieces: at.pieces, chain: at.chain, part: true } }
  }

  /** What the invoke is answered with now. */
  async next(): Promise<CallOutcome> {
    const { words, units = (n: number) => n, lines = (_n: number, honest: { piece: unknown; meter: PieceMeter }) => [honest], part = (body: DeliveryBody) => body, last = (body: DeliveryBody) => body, vanishes, repeats } = this.#tricks
    if (this.#part && (!this.#paid || repeats)) return { state: 'part', delivery: this.#part }
    if (this.#part && vanishes) return { state: 'pending' }
    const flow = await this.#flow
    const to = Math.min(words.length, this.#counts.length - 1 + this.#terms.stream!.every)
    for (let n = this.#counts.length; n <= to; n++) {
      const piece = { word: words[n - 1]! }
      const at = metered(this.#counts[n - 1]!, piece, units(n))
      this.#counts.push(at)
      for (const line of lines(n, { piece, meter: [at.units, at.chain] })) flow.send(line.piece, line.meter)
    }
    const body = this.#body(this.#counts.at(-1)!)
    if (to < words.length) {
      this.#part = signDelivery(part(body), this.#sign)
      this.#paid = false
      return { state: 'part', delivery: this.#part }
    }
    flow.end()
    const output = { words: [...words] }
    const { part: _part, ...whole } = body.stream!
    return { state: 'delivered', delivery: signDelivery(last({ ...body, outputHash: hashOf(output), stream: whole }), this.#sign), output }
  }

  paid(deliveries: readonly Hash[]): void {
    if (this.#part && deliveries.includes(deliveryHash(this.#part))) this.#paid = true
  }

  stop(pieces: number): CallOutcome {
    const { stop = (body: DeliveryBody) => body } = this.#tricks
    const at = this.#counts[Math.min(pieces, this.#counts.length - 1)]!
    return { state: 'delivered', delivery: signDelivery(stop(this.#body(at)), this.#sign), output: null as never }
  }
}
