/**
 * The other side written by hand, for tests of threats: a provider that speaks the wire
 * with real keys and signatures, and lies where a test tells it to. Every piece it says passes
 * through a hook; without one it is honest. The payer of the kind is in `payer.fixture`.
 */
import { canonicalBytes, hashOf } from '../schemas/canonical.ts'
import type { AcceptRequest, CallForQuotesBody, CallOutcome, Capability, CardBody, DeliveryBody, EscrowVoucher, Hash, Hex32, LockedVoucher, PlainVoucher, Quote, QuoteRequest, SettleAnswer, Terms } from '../schemas/documents.gen.ts'
import { parseMoney } from '../schemas/money.ts'
import { validate } from '../schemas/validate.ts'
import type { SignedMessage } from '../runtime/identity/door.ts'
import type { Wire } from '../runtime/identity/wire.ts'
import { agreementId, signAgreement } from '../runtime/market/agreement.ts'
import { aliveSubject, cardSubject, signCard } from '../runtime/market/card.ts'
import { BEAT_MS } from '../runtime/market/liveness.ts'
import { marketSubject } from '../runtime/market/hire.ts'
import { deliveryHash, signDelivery } from '../runtime/payments/delivery.ts'
import { seal, sealedBy } from '../runtime/payments/seal.ts'
import { keysOf, SHOUT, type MemoryWorld } from './memory-network.fixture.ts'
import { wireOf } from './payer.fixture.ts'
import { LyingStream, type StreamTricks } from './stream-liar.fixture.ts'

const never = new Promise<never>(() => undefined)
/** For a hook that never answers. */
export const silence = (): Promise<never> => never

/** The key under which a lying provider seals. */
const keyOf = (agreement: Hash): Hex32 => `0x${agreement.slice('sha256-'.length)}`

/** What a lying provider changes of what an honest one would say. */
export interface Tricks {
  card?(body: CardBody): CardBody
  quote?(terms: Terms, call: CallForQuotesBody): Terms
  /** More messages in answer to a call for quotes, sent before the quote. */
  extra?(terms: Terms, wire: Wire): SignedMessage[]
  counter?(terms: Terms, asked: Terms): Terms
  accept?(body: AcceptRequest, honest: () => unknown): unknown
  /** What it sells instead of `text.shout@1`. */
  capability?: Capability
  /** Calls that are paid piece by piece. */
  stream?: StreamTricks
  output?: unknown
  /** What is sealed of a call that settles locked; the output signed for by default. */
  sealed?: unknown
  delivery?(body: DeliveryBody): DeliveryBody
  /** Signs deliveries in the provider's name. */
  signer?: Wire
  invoke?(honest: () => CallOutcome): unknown
  cancel?(honest: () => CallOutcome): unknown
  evidence?(honest: () => CallOutcome): unknown
  pay?(honest: () => unknown): unknown
  settle?(honest: () => SettleAnswer, lanes: readonly Hex32[]): unknown
}

export interface Liar {
  readonly wire: Wire
  /** How often each verb was asked. */
  readonly asked: Record<string, number>
  /** Plain ones, handed over by pay or with a prepaid invoke. */
  readonly vouchers: PlainVoucher[]
  /** Deliveries that those were said to pay. */
  readonly owed: Hash[]
  /** What was locked for keys, with these. */
  readonly locked: readonly { readonly voucher: LockedVoucher; readonly key: Hex32 }[]
  /** What secured the calls before they were worked on. */
  readonly escrows: EscrowVoucher[]
}

/** A provider of `text.shout@1` at `list` whose work is instant, with `tricks`. */
export async function openLiar(world: MemoryWorld, name: string, list: string, tricks: Tricks = {}): Promise<Liar> {
  const ports = world.ports(name)
  const { bus, clock, rail } = ports
  const wire = wireOf(ports, keysOf(name))
  const asked: Record<string, number> = {}
  const vouchers: PlainVoucher[] = []
  const owed: Hash[] = []
  const escrows: EscrowVoucher[] = []
  const locked: { voucher: LockedVoucher; key: Hex32 }[] = []
  const keys = new Map<Hash, Hex32>()
  const agreements = new Map<Hash, Terms>()
  const deliveries = new Map<Hash, CallOutcome>()
  const count = (verb: string): void => { asked[verb] = (asked[verb] ?? 0) + 1 }
  const sold = tricks.capability ?? SHOUT
  const streams = new Map<Hash, LyingStream>()
  const price = parseMoney(list, rail.terms.decimals)
  const subject = marketSubject(sold.id)

  await bus.subscribe(subject, async ({ data, reply }) => {
    count('market')
    const { body: call } = JSON.parse(Buffer.from(data).toString()) as { body: CallForQuotesBody }
    const honest: Terms = {
      quote: `q_${name}`, request: call.id, provider: wire.participant, payer: call.payer, payee: wire.participant, capability: sold.id,
      capabilityHash: hashOf(sold), outputSchemaHash: hashOf(sold.output), expect: call.expect, unit: sold.unit, unitPrice: price.toString(), units: call.units,
      cap: (price * BigInt(call.units)).toString(), deadlineMs: call.deadlineMs, graceMs: call.graceMs, settle: call.settle, ...(call.escrow ? { escrow: call.escrow } : {}), ...(call.settle === 'streamed' ? { stream: tricks.stream?.terms ?? { every: 3, units: 3 } } : {}),
      asset: rail.terms.asset, vault: rail.terms.contract, expiresAt: clock.now() + 60_000, round: 0,
    }
    for (const message of tricks.extra?.(honest, wire) ?? []) bus.publish(reply!, canonicalBytes(message))
    return { data: canonicalBytes(wire.sign('quote', tricks.quote?.(honest, call) ?? honest)) }
  })
  wire.serve('quote', (body) => validate('QuoteRequest', body), async ({ quote }: QuoteRequest): Promise<Quote> => {
    count('quote')
    const terms = tricks.counter?.({ ...quote.terms, round: 1 }, quote.terms) ?? { ...quote.terms, round: 1 }
    return { terms, signature: wire.credentials.sign('quote', terms) }
  })
  wire.serve('accept', (body) => validate('AcceptRequest', body), async (body: AcceptRequest) => {
    count('accept')
    agreements.set(agreementId(body), body.terms)
    const honest = (): unknown => ({ provider: signAgreement(body, wire.credentials.sign) })
    return tricks.accept ? tricks.accept(body, honest) : honest()
  })
  wire.serve('invoke', (body) => validate('InvokeRequest', body), async ({ agreement, call, input, inputHash, escrow, prepaid, flow }) => {
    count('invoke')
    if (escrow) escrows.push(escrow)
    if (prepaid) vouchers.push(prepaid)
    const honest = (): CallOutcome => {
      const output = 'output' in tricks ? tricks.output : { text: String(input['text']).toUpperCase(), quality: 90 }
      const body: DeliveryBody = { agreement, call, inputHash, outputHash: hashOf(output), units: { call: 1 }, amount: agreements.get(agreement)!.unitPrice, at: clock.now() }
      const key = agreements.get(agreement)!.settle === 'locked' ? keyOf(agreement) : undefined
      const content = { output: 'sealed' in tricks ? tricks.sealed : output, parcels: [] }
      const said: DeliveryBody = key ? { ...body, sealed: sealedBy(content, key) } : body
      const delivery = signDelivery(tricks.delivery?.(said) ?? said, (tricks.signer ?? wire).credentials.sign)
      if (key) keys.set(deliveryHash(delivery), key)
      const outcome = (key ? { state: 'sealed', delivery, sealed: seal(content, key) } : { state: 'delivered', delivery, output }) as CallOutcome
      deliveries.set(agreement, outcome)
      return outcome
    }
    if (tricks.stream && flow) {
      const known = streams.get(agreement) ?? new LyingStream(ports, wire.credentials.sign, agreements.get(agreement)!, tricks.stream, { agreement, call, inputHash, flow })
      streams.set(agreement, known)
      return known.next()
    }
    return tricks.invoke ? tricks.invoke(honest) : honest()
  })
  wire.serve('cancel', (body) => validate('CancelRequest', body), async ({ agreement, pieces = 0 }) => {
    count('cancel')
    if (streams.has(agreement)) return streams.get(agreement)!.stop(pieces)
    const honest = (): CallOutcome => deliveries.get(agreement) ?? { state: 'cancelled' }
    return tricks.cancel ? tricks.cancel(honest) : honest()
  })
  wire.serve('evidence', (body) => validate('EvidenceRequest', body), async ({ agreement }) => {
    count('evidence')
    const honest = (): CallOutcome => deliveries.get(agreement) ?? { state: 'unknown' }
    return tricks.evidence ? tricks.evidence(honest) : honest()
  })
  wire.serve('pay', (body) => validate('PayRequest', body), async ({ voucher, deliveries: paid }) => {
    count('pay')
    const key = voucher.kind === 'locked' ? keys.get(paid[0]!) : undefined
    if (voucher.kind === 'locked') locked.push({ voucher, key: key! })
    else vouchers.push(voucher as PlainVoucher)
    owed.push(...paid)
    for (const stream of streams.values()) stream.paid(paid)
    const honest = (): unknown => ({ cumulative: voucher.cumulative, ...(key ? { key } : {}) })
    return tricks.pay ? tricks.pay(honest) : honest()
  })
  wire.serve('settle', (body) => validate('SettleRequest', body), async ({ lanes }) => {
    count('settle')
    const honest = (): SettleAnswer => ({ transactions: [] })
    return tricks.settle ? tricks.settle(honest, lanes) : honest()
  })
  await wire.start()
  const card: CardBody = {
    participant: wire.participant, name, roles: ['service-provider'], payee: wire.participant, authorisations: [wire.credentials.authorisation],
    offers: [{ capability: sold, list, latencyMs: 100, concurrency: 2 }], asset: rail.terms.asset, issuedAt: clock.now(), expiresAt: clock.now() + 3_600_000,
  }
  await bus.keep(cardSubject(wire.participant), canonicalBytes(signCard(tricks.card?.(card) ?? card, wire.credentials)))
  const beat = (): void => {
    bus.publish(aliveSubject(wire.participant), canonicalBytes({ node: wire.node, partitions: ['p0'] }))
    clock.timer(clock.now() + BEAT_MS, beat)
  }
  beat()
  return { wire, asked, vouchers, owed, locked, escrows }
}
