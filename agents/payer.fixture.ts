/**
 * A payer whose every message a test writes, under the keys of a real one: for tests of threats, and of
 * what is said by whom. The provider of the kind is in `liar.fixture`.
 */
import { hashOf } from '../schemas/canonical.ts'
import type { AcceptRequest, CallForQuotesBody, Delivery, EscrowVoucher, Hash, Hex32, LockedVoucher, PlainVoucher, Quote, Terms } from '../schemas/documents.gen.ts'
import { AigenError } from '../schemas/error.ts'
import type { ParticipantId } from '../schemas/id.ts'
import { validate } from '../schemas/validate.ts'
import { authoriseNode } from '../runtime/identity/authorisation.ts'
import type { Keys } from '../runtime/identity/keys.ts'
import { createWire, type Wire } from '../runtime/identity/wire.ts'
import { agreementId, signAgreement } from '../runtime/market/agreement.ts'
import { marketSubject } from '../runtime/market/hire.ts'
import type { NodePorts } from '../runtime/node/node.ts'
import { deliveryHash } from '../runtime/payments/delivery.ts'
import { signEscrowVoucher, stakeOf } from '../runtime/payments/escrow.ts'
import { foldRef, NO_REF } from '../runtime/payments/fold.ts'
import { LOCK_MS, signLockedVoucher } from '../runtime/payments/seal.ts'
import { staked } from '../runtime/payments/stake.ts'
import { signPlainVoucher } from '../runtime/payments/voucher.ts'
import type { RailWrite } from '../runtime/ports/rail.ts'
import type { WalletSigner } from '../runtime/ports/signer.ts'
import { keysOf, SHOUT, type MemoryWorld } from './memory-network.fixture.ts'

const DAY_MS = 86_400_000

export type LocalKeys = Keys & { readonly wallet: WalletSigner }

export function wireOf(ports: NodePorts, keys: LocalKeys): Wire {
  const now = ports.clock.now()
  const authorisation = authoriseNode(keys.wallet, keys.node.publicKey, { notBefore: now - DAY_MS, notAfter: now + 30 * DAY_MS })
  return createWire({ bus: ports.bus, clock: ports.clock, random: ports.random, node: keys.node, authorisation })
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
