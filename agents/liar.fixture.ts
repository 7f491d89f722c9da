/**
 * The other side written by hand, for tests of threats: a provider and a payer that speak the wire
 * with real keys and signatures, and lie where a test tells them to. Every piece they say passes
 * through a hook; without one they are honest.
 */
import { canonicalBytes, hashOf } from '../schemas/canonical.ts'
import type {
  AcceptRequest, CallForQuotesBody, CallOutcome, Capability, CardBody, Delivery, DeliveryBody, EscrowVoucher, Hash, Hex32, LockedVoucher, PlainVoucher, Quote, QuoteRequest, SettleAnswer, Terms,
} from '../schemas/documents.gen.ts'
import { AigenError } from '../schemas/error.ts'
import type { ParticipantId } from '../schemas/id.ts'
import { parseMoney } from '../schemas/money.ts'
import { validate } from '../schemas/validate.ts'
import { authoriseNode } from '../runtime/identity/authorisation.ts'
import type { Keys } from '../runtime/identity/keys.ts'
import type { SignedMessage } from '../runtime/identity/door.ts'
import { createWire, type Wire } from '../runtime/identity/wire.ts'
import { agreementId, signAgreement } from '../runtime/market/agreement.ts'
import { aliveSubject, cardSubject, signCard } from '../runtime/market/card.ts'
import { BEAT_MS } from '../runtime/market/liveness.ts'
import { marketSubject } from '../runtime/market/hire.ts'
import type { NodePorts } from '../runtime/node/node.ts'
import { deliveryHash, signDelivery } from '../runtime/payments/delivery.ts'
import { signEscrowVoucher, stakeOf } from '../runtime/payments/escrow.ts'
import { foldRef, NO_REF } from '../runtime/payments/fold.ts'
import { LOCK_MS, seal, sealedBy, signLockedVoucher } from '../runtime/payments/seal.ts'
import { staked } from '../runtime/payments/stake.ts'
import { signPlainVoucher } from '../runtime/payments/voucher.ts'
import type { RailWrite } from '../runtime/ports/rail.ts'
import type { WalletSigner } from '../runtime/ports/signer.ts'
import { keysOf, SHOUT, type MemoryWorld } from './memory-network.fixture.ts'
import { LyingStream, type StreamTricks } from './stream-liar.fixture.ts'

const DAY_MS = 86_400_000
const never = new Promise<never>(() => undefined)
/** For a hook that never answers. */
export const silence = (): Promise<never> => never

/** The key under which a lying provider seals. */
const keyOf = (agreement: Hash): Hex32 => `0x${agreement.slice('sha256-'.length)}`

export type LocalKeys = Keys & { readonly wallet: WalletSigner }

export function wireOf(ports: NodePorts, keys: LocalKeys): Wire {
  const now = ports.clock.now()
  const authorisation = authoriseNode(keys.wallet, keys.node.publicKey, { notBefore: now - DAY_MS, notAfter: now + 30 * DAY_MS })
  return createWire({ bus: ports.bus, clock: ports.clock, random: ports.random, node: keys.node, authorisation })
}

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

/** An agreement as a payer made it. */
export interface Made {
  readonly id: Hash
  readonly terms: Terms
  readonly lane: Hex32
  readonly answer: unknown
}

/** A payer that speaks by hand; each call can be bent with `change`. */
export class Payer {
  readonly wire: Wire
  readonly keys: LocalKeys
  readonly #ports: NodePorts
  #calls = 0
  /** By agreement. */
  readonly #lanes = new Map<string, Hex32>()

  constructor(world: MemoryWorld, name: string) {
    this.keys = keysOf(name)
    this.#ports = world.ports(name)
    this.wire = wireOf(this.#ports, this.keys)
  }

  vaultTerms(delay = 86_400): Extract<RailWrite, { kind: 'open' }>['vault'] {
    return { owner: this.keys.participant, voucherKey: this.keys.voucher.address.toLowerCase() as Hex32, delay, number: 0 }
  }

  /** One chain write, mined at once. */
  async write(write: RailWrite): Promise<void> {
    const { rail } = this.#ports
    const { bytes, hash } = await rail.prepare(write, this.keys.wallet, await rail.nonce(this.keys.participant))
    await rail.broadcast(bytes)
    const outcome = await rail.outcome(hash)
    if (outcome.state !== 'done' || !outcome.ok) throw new Error(`the write failed: ${JSON.stringify(outcome)}`)
  }

  /** A vault with money and lane 0 to `payee` with `total` reserved. */
  async reserve(payee: ParticipantId, total: bigint, { delay = 86_400, number = 0 } = {}): Promise<Hex32> {
    const { rail } = this.#ports
    const vault = this.vaultTerms(delay)
    const id = rail.vaultId(vault)
    if (!(await rail.vault(id))) {
      await this.write({ kind: 'mint', to: this.keys.participant, amount: 10_000_000n })
      await this.write({ kind: 'approve', amount: 10_000_000n })
      await this.write({ kind: 'open', vault, amount: 10_000_000n })
    }
    await this.write({ kind: 'reserve', vault: id, reserves: [{ payee, number, total }] })
    return rail.laneId(id, payee, number)
  }

  async quote(provider: ParticipantId, change: Partial<CallForQuotesBody> = {}): Promise<Quote> {
    const now = this.#ports.clock.now()
    const body: CallForQuotesBody = {
      id: `cfq_${this.keys.participant.slice(2, 10)}_${this.#calls++}`, payer: this.wire.participant, capability: SHOUT.id, units: 1, inputBytes: 10, deadlineMs: 5_000, graceMs: 1_000,
      expect: null, settle: 'postpaid', issuedAt: now, expiresAt: now + 30_000, ...change,
    }
    const answers = this.wire.gatherSigned(marketSubject(body.capability), this.wire.sign('call-for-quotes', body), {
      answerKind: 'quote', validate: (value) => validate('Terms', value), max: 8, timeoutMs: 500,
    })
    let found: Quote | undefined
    for await (const { body: terms, signature } of answers) if (terms.provider === provider) found = { terms, signature }
    if (!found) throw new AigenError('market.no-provider')
    return found
  }

  call(to: ParticipantId, verb: string, body: unknown, callId = `m-${verb}-${this.#calls++}`): Promise<any> {
    return this.wire.call(to, verb, body, { callId, timeoutMs: 4_000 })
  }

  /** Accepts `quote` on `lane`; `change` bends what is sent after it is signed. */
  async accept(to: ParticipantId, quote: Quote, lane: Hex32, { delay = 86_400, number = 0, ...change }: { delay?: number; number?: number } & Partial<AcceptRequest> = {}): Promise<Made> {
    const agreed = { terms: change.terms ?? quote.terms, lane }
    const proof = { vault: this.#ports.rail.vaultId(this.vaultTerms(delay)), number, voucherKey: this.keys.voucher.address.toLowerCase() as `0x${string}` }
    const body = { ...agreed, payer: signAgreement(agreed, this.wire.credentials.sign), quote: quote.signature, proof, authorisation: this.wire.credentials.authorisation, ...change }
    this.#lanes.set(agreementId(agreed), lane)
    return { id: agreementId(agreed), ...agreed, answer: await this.call(to, 'accept', body) }
  }

  invoke(to: ParticipantId, agreement: Hash, text = 'hi', change: object = {}): Promise<any> {
    const input = { text }
    return this.call(to, 'invoke', { lane: this.#lanes.get(agreement) ?? NO_REF, agreement, call: 0, input, inputHash: hashOf(input), ...change })
  }

  /** The voucher due for `delivery` as the first payment of `lane`, before `change` bends it. */
  voucher(lane: Hex32, delivery: Delivery, previous: { cumulative?: string; ref?: Hex32 } = {}): PlainVoucher {
    const { amount } = delivery.body
    const cumulative = (BigInt(previous.cumulative ?? '0') + BigInt(amount)).toString()
    return signPlainVoucher(this.#ports.rail, this.keys.voucher, lane, cumulative, foldRef(previous.ref ?? NO_REF, deliveryHash(delivery), amount))
  }

  /** The voucher that stakes `made` on its lane, as the first of the lane, before `change` bends it and it is signed. */
  stake({ id, terms, lane }: Made, change: Partial<EscrowVoucher> = {}, at: { cumulative: string; ref: Hex32 } = { cumulative: '0', ref: NO_REF }): EscrowVoucher {
    const { clock, rail } = this.#ports
    const { amount, arbiter, challengeEnd, expiry } = stakeOf(terms, id, clock.now() + terms.deadlineMs + terms.graceMs)
    const { lane: where = lane, cumulative, ref, ...stake } = { ...staked(at, { agreement: id, amount }), ...change }
    return signEscrowVoucher(rail, this.keys.voucher, where, { cumulative, ref }, { agreement: id, amount, arbiter, challengeEnd, expiry, ...stake })
  }

  /** The voucher that prepays `made` on its lane, as the first of the lane, before `change` bends it and it is signed. */
  prepay({ id, terms, lane }: Made, change: Partial<Omit<PlainVoucher, 'kind' | 'signature'>> = {}, at: { cumulative: string; ref: Hex32 } = { cumulative: '0', ref: NO_REF }): PlainVoucher {
    const { lane: where, cumulative, ref } = { lane, ...staked(at, { agreement: id, amount: terms.cap }), ...change }
    return signPlainVoucher(this.#ports.rail, this.keys.voucher, where, cumulative, ref)
  }

  /** The voucher that locks the price of `delivery`, as the first of its lane, before `change` bends it and it is signed. */
  lock(lane: Hex32, delivery: Delivery, change: { lane?: Hex32; amount?: string; lockHash?: Hex32; lockMs?: number } = {}): LockedVoucher {
    const { clock, rail } = this.#ports
    const { amount = delivery.body.amount, lockHash = delivery.body.sealed!.lockHash, lockMs = LOCK_MS } = change
    const hash = deliveryHash(delivery)
    const stake = { kind: 'locked', delivery: hash, amount, lockHash, lockExpiry: Math.ceil((clock.now() + lockMs) / 1_000) } as const
    return signLockedVoucher(rail, this.keys.voucher, change.lane ?? lane, staked({ cumulative: '0', ref: NO_REF }, { delivery: hash, amount: delivery.body.amount }), stake)
  }

  pay(to: ParticipantId, lane: Hex32, voucher: unknown, delivery: Delivery, callId?: string): Promise<any> {
    return this.call(to, 'pay', { lane, voucher, deliveries: [deliveryHash(delivery)] }, callId)
  }
}
