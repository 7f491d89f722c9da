/**
 * A seller on a production node, a payer that speaks by hand, and what each of them has lost in the
 * end: work that was not paid, money that bought no work. For the tables of threats
 * (reference/payments.md), whose rows say the worst loss of each side in steps and hold it to that.
 */
import { expect } from 'vitest'
import type { Delivery, Hex32, PlainVoucher } from '../schemas/documents.gen.ts'
import { virtualClock, type VirtualClock } from '../runtime/memory/clock.ts'
import { foldRef, NO_REF } from '../runtime/payments/fold.ts'
import { deliveryHash } from '../runtime/payments/delivery.ts'
import { signPlainVoucher } from '../runtime/payments/voucher.ts'
import type { TillContext } from '../runtime/payments/till.machine.ts'
import type { Claim, Voucher, WriteOutcome } from '../runtime/ports/rail.ts'
import type { NodePorts } from '../runtime/node/node.ts'
import type { ParticipantId } from '../schemas/id.ts'
import { Payer } from './payer.fixture.ts'
import { keysOf, MemoryWorld, shouter } from './memory-network.fixture.ts'
import type { ProviderDefinition } from './provider/define.ts'

/** Atomic; what every step costs. */
export const PRICE = 10_000n
/** Long enough for the settler to look for what is unclaimed, in ms. */
const SWEPT_MS = 130_000

/** In steps. */
export interface Losses {
  readonly payer: number
  readonly provider: number
}

export interface Row {
  readonly threat: string
  readonly loses: Losses
  readonly play: (stake: Stake) => Promise<void>
  readonly setting?: Setting
}

export interface Setting {
  /** What the seller's node is given, changed. */
  readonly ports?: (ports: NodePorts, stake: Stake) => NodePorts
  /** Past blocks that can be read. */
  readonly history?: number
}

/** The title of a row's test. @example 'a voucher replayed: the payer loses 0 steps, the provider 1' */
export const titled = (row: Row): [string, Row] => [`${row.threat}: the payer loses ${row.loses.payer} steps, the provider ${row.loses.provider}`, row]

export class Stake {
  readonly world: MemoryWorld
  readonly seller: ParticipantId
  readonly mallory: Payer
  /** Results that were handed out. */
  delivered = 0
  provider!: Awaited<ReturnType<MemoryWorld['provider']>>
  /** Where the payer's own lane stands. */
  #at: { readonly cumulative: string; readonly ref: Hex32 } = { cumulative: '0', ref: NO_REF }

  private constructor({ history = 0, ports: change = (ports) => ports }: Setting) {
    this.world = new MemoryWorld({ clock: virtualClock(), history })
    const { world } = this
    const ports = world.ports.bind(world)
    world.ports = (name, hooks) => (name === 'p1' ? { ...ports(name, hooks), ...change(ports(name, hooks), this) } : ports(name, hooks))
    this.seller = keysOf('p1').participant
    this.mallory = new Payer(this.world, 'mallory')
  }

  static async open(setting: Setting = {}): Promise<Stake> {
    const stake = new Stake(setting)
    await stake.start()
    return stake
  }

  get clock(): VirtualClock {
    return this.world.clock as VirtualClock
  }

  /** Starts the seller, again where it was stopped or killed. */
  async start(change: Partial<ProviderDefinition> = {}, hooks: Parameters<MemoryWorld['provider']>[1] = {}): Promise<void> {
    this.provider = await this.world.drive(this.world.provider(shouter('p1', '0.01', 90, change), hooks))
  }

  /** A lane with a delivery that waits for its voucher. */
  async owed(total = 100_000n, lane?: Hex32): Promise<{ readonly lane: Hex32; readonly delivery: Delivery; readonly due: PlainVoucher }> {
    const { mallory, seller, world } = this
    const own = lane ?? await mallory.reserve(seller, total)
    const made = await world.drive(mallory.quote(seller).then((quote) => mallory.accept(seller, quote, own)))
    const { delivery } = await world.drive(mallory.invoke(seller, made.id, 'hi'))
    if (!delivery) throw new Error('nothing was delivered')
    this.delivered += 1
    return { lane: own, delivery, due: mallory.voucher(own, delivery, this.#at) }
  }

  /** Pays what is owed as it should be, or with `voucher` in its place. */
  async pay({ lane, delivery, due }: { readonly lane: Hex32; readonly delivery: Delivery; readonly due: PlainVoucher }, voucher: unknown = due): Promise<any> {
    const answer = await this.world.drive(this.mallory.pay(this.seller, lane, voucher, delivery))
    if (voucher === due) this.#at = due
    return answer
  }

  /** A step from hire to voucher. */
  async step(lane?: Hex32): Promise<{ readonly lane: Hex32; readonly delivery: Delivery; readonly due: PlainVoucher }> {
    const owed = await this.owed(100_000n, lane)
    await this.pay(owed)
    return owed
  }

  /** Signs for the lane with the payer's voucher key, whatever it is. */
  voucher(lane: Hex32, cumulative: bigint, ref: Hex32 = NO_REF): PlainVoucher {
    return signPlainVoucher(this.world.rail, this.mallory.keys.voucher, lane, cumulative.toString(), ref)
  }

  fold(delivery: Delivery, previous: Hex32 = NO_REF): Hex32 {
    return foldRef(previous, deliveryHash(delivery), delivery.body.amount)
  }

  refused(promise: Promise<unknown>, code: string | RegExp): Promise<void> {
    return this.world.drive(expect(promise).rejects.toMatchObject(typeof code === 'string' ? { code } : { message: expect.stringMatching(code) }))
  }

  /** No further step is worked for while one is owed. */
  async stops(lane: Hex32, code = 'lane.unpaid'): Promise<void> {
    const { mallory, seller } = this
    await this.refused(mallory.quote(seller).then((quote) => mallory.accept(seller, quote, lane)), code)
  }

  till(lane: Hex32): TillContext {
    return this.provider.node.host.context<TillContext>(`till/${lane}`)!
  }

  /** A claim by somebody who has no part in it. */
  async claim(...claims: { readonly voucher: Voucher; readonly preimage?: Claim['preimage'] }[]): Promise<Extract<WriteOutcome, { state: 'done' }>> {
    const { rail } = this.world
    const { wallet } = keysOf('anybody')
    const write = { kind: 'claim', claims: claims.map(({ voucher, preimage }) => ({ voucher, signature: rail.signVoucher(voucher, this.mallory.keys.voucher), ...(preimage ? { preimage } : {}) })) } as const
    const { bytes, hash } = await rail.prepare(write, wallet, await rail.nonce(wallet.address))
    await rail.broadcast(bytes)
    const outcome = await rail.outcome(hash)
    if (outcome.state !== 'done') throw new Error(outcome.state)
    return outcome
  }

  async pass(ms: number): Promise<void> {
    await this.world.drive(this.clock.sleep(ms), ms * 2 + 1_000)
  }

  /** What the chain has given the seller, credit for it included. */
  async earned(account = this.seller): Promise<bigint> {
    return await this.world.rail.balance(account) + await this.world.rail.credit(account)
  }

  /** What each has lost once all is settled that can be. */
  async losses(): Promise<Losses> {
    await this.pass(SWEPT_MS)
    expect(this.world.rail.imbalance(), 'I2').toBe(0n)
    const left = BigInt(this.delivered) * PRICE - await this.earned()
    return { payer: left < 0n ? Number(-left) / Number(PRICE) : 0, provider: left > 0n ? Number(left) / Number(PRICE) : 0 }
  }
}
