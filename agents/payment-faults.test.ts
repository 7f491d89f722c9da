/**
 * "Faults that tests must cover" of reference/payments.md, a row a test: what each side loses at most,
 * measured on the chain when all is settled. Here is the side off the chain, on production nodes; what a
 * contract alone decides (reentrancy, fees, falsehoods of tokens) is in `Vault.t.sol` and `Faults.t.sol`,
 * what a real chain decides in the integration tests of `runtime/evm`.
 */
import { afterEach, describe, expect, it } from 'vitest'
import { createHash } from 'node:crypto'
import type { Hex32 } from '../schemas/documents.gen.ts'
import { provenRail } from '../runtime/light/proven-rail.ts'
import { railSigning } from '../runtime/evm/rail-signing.ts'
import { MemoryRail } from '../runtime/memory/rail.ts'
import { memoryWallet } from '../runtime/memory/signer.ts'
import { foldRef, NO_REF } from '../runtime/payments/fold.ts'
import { settlerActor } from '../runtime/payments/settler.machine.ts'
import { toRail } from '../runtime/payments/voucher.ts'
import type { LockedVoucher, Rail, RailWrite, WriteOutcome } from '../runtime/ports/rail.ts'
import { dieAt, STRIDE } from './die-at.fixture.ts'
import { Payer } from './payer.fixture.ts'
import { keysOf } from './memory-network.fixture.ts'
import { PRICE, Stake, titled, type Row } from './stake.fixture.ts'

const ORDER = 0xffff_ffff_ffff_ffff_ffff_ffff_ffff_fffe_baae_dce6_af48_a03b_bfd2_5e8c_d036_4141n
const never = new Promise<never>(() => undefined)
const none = { payer: 0, provider: 0 }
/** One step that was worked and is not paid: the worst that a payer can do to a provider. */
const one = { payer: 0, provider: 1 }
const sha256 = (hex: Hex32): Hex32 => `0x${createHash('sha256').update(Buffer.from(hex.slice(2), 'hex')).digest('hex')}`
const PREIMAGE: Hex32 = `0x${'5e'.repeat(32)}`

/** The second step of a lane, paid with something else than its voucher: refused, and nothing more is worked. */
const unpaid = (code: string, bend: (stake: Stake, owed: Awaited<ReturnType<Stake['owed']>>, before: Awaited<ReturnType<Stake['owed']>>) => unknown): Row['play'] => async (stake) => {
  const before = await stake.step()
  const owed = await stake.owed(100_000n, before.lane)
  await stake.refused(stake.mallory.pay(stake.seller, owed.lane, bend(stake, owed, before), owed.delivery), code)
  expect(stake.till(owed.lane)).toMatchObject({ cumulative: '10000', owed: { amount: '10000' } })
  await stake.stops(owed.lane)
}

const VOUCHERS: Row[] = [
  {
    threat: 'replayed', loses: one,
    play: async (stake) => {
      const before = await stake.step()
      const owed = await stake.owed(100_000n, before.lane)
      // The answer to a voucher that is known says what is held: it pays nothing.
      expect(await stake.pay(owed, before.due)).toEqual({ cumulative: '10000' })
      await stake.stops(owed.lane)
    },
  },
  { threat: 'lower', loses: one, play: unpaid('voucher.too-low', (stake, { lane, due }) => stake.voucher(lane, 19_999n, due.ref)) },
  { threat: 'equal, with another ref', loses: one, play: unpaid('voucher.too-low', (stake, { lane, due }) => stake.voucher(lane, 10_000n, due.ref)) },
  { threat: 'over the reserve', loses: one, play: unpaid('voucher.ref', (stake, { lane, due }) => stake.voucher(lane, 1_000_000n, due.ref)) },
  {
    threat: 'of a lane that holds too little for the next step', loses: none,
    play: async (stake) => {
      const owed = await stake.owed(PRICE)
      await stake.pay(owed)
      await stake.stops(owed.lane, 'voucher.over-reserve')
    },
  },
  { threat: 'of another chain', loses: one, play: unpaid('voucher.key', (stake, { due }) => ({ ...due, signature: railSigning({ ...stake.world.rail.terms, chainId: 1 }).signVoucher(toRail(due), stake.mallory.keys.voucher) })) },
  { threat: 'of another contract', loses: one, play: unpaid('voucher.key', (stake, { due }) => ({ ...due, signature: railSigning({ ...stake.world.rail.terms, contract: `0x${'cb'.repeat(20)}` }).signVoucher(toRail(due), stake.mallory.keys.voucher) })) },
  { threat: 'of another lane', loses: one, play: unpaid('voucher.lane', (stake, { due }) => stake.voucher(`0x${'22'.repeat(32)}`, 20_000n, due.ref)) },
  { threat: 'by another key', loses: one, play: unpaid('voucher.key', (stake, { due }) => ({ ...due, signature: stake.world.rail.signVoucher(toRail(due), memoryWallet('thief')) })) },
  {
    threat: 'with a high s', loses: one,
    play: unpaid('auth.forged', (_stake, { due }) => {
      const { signature } = due
      const s = ORDER - BigInt(`0x${signature.slice(66, 130)}`)
      return { ...due, signature: `0x${signature.slice(2, 66)}${s.toString(16).padStart(64, '0')}${signature.endsWith('1b') ? '1c' : '1b'}` }
    }),
  },
  { threat: 'truncated', loses: one, play: unpaid('input.invalid', (_stake, { due }) => ({ ...due, signature: due.signature.slice(0, -2) })) },
]

const exit = async (stake: Stake, lane: Hex32): Promise<number> => {
  await stake.mallory.write({ kind: 'exit', lane })
  return (await stake.world.rail.lane(lane))!.exitAt
}
/** Moves the clock to a second of the chain. */
const until = (stake: Stake, second: number): void => stake.clock.skew(second * 1_000 - stake.clock.now())

const RACES: Row[] = [
  {
    threat: 'claim against finalize in one block, the claim first', loses: none,
    play: async (stake) => {
      const { lane, due } = await stake.step()
      await stake.world.drive(stake.provider.stop(0))
      until(stake, await exit(stake, lane))
      expect((await stake.claim({ voucher: toRail(due) })).paid).toMatchObject([{ paid: PRICE }])
      await stake.mallory.write({ kind: 'finalize', lane })
    },
  },
  {
    threat: 'claim against finalize in one block, the finalize first, a provider away for the whole delay', loses: one,
    play: async (stake) => {
      const { lane, due } = await stake.step()
      await stake.world.drive(stake.provider.stop(0))
      until(stake, await exit(stake, lane))
      await stake.mallory.write({ kind: 'finalize', lane })
      expect((await stake.claim({ voucher: toRail(due) })).refused).toMatchObject([{ reason: 'closed' }])
      await stake.start()
    },
  },
  {
    threat: 'an exit while the provider is there: it claims long before the delay is over', loses: none,
    play: async (stake) => {
      const { lane } = await stake.step()
      await exit(stake, lane)
      await stake.pass(70_000)
      expect(await stake.earned()).toBe(PRICE)
      await stake.stops(lane, 'lane.closed')
    },
  },
  ...([[-1, none], [0, one]] as const).map(([late, loses]): Row => ({
    threat: `the delay is over ${late === 0 ? 'now' : 'in a second'}, and the provider comes back`, loses,
    play: async (stake) => {
      const { lane } = await stake.step()
      await stake.world.drive(stake.provider.stop(0))
      until(stake, await exit(stake, lane) + late)
      await (late === 0 ? stake.mallory.write({ kind: 'finalize', lane }) : stake.refused(stake.mallory.write({ kind: 'finalize', lane }), /NotYet/))
      await stake.start()
      // It is asked for what it has at once, so that the second is enough.
      await stake.world.drive(stake.mallory.call(stake.seller, 'settle', { lanes: [lane] }).catch(() => undefined))
    },
  })),
  {
    threat: 'a vault whose delay is a second too short', loses: none,
    play: async (stake) => {
      const { mallory, seller } = stake
      const lane = await mallory.reserve(seller, 100_000n, { delay: 3_599 })
      await stake.refused(mallory.quote(seller).then((quote) => mallory.accept(seller, quote, lane, { delay: 3_599 })), 'lane.unsafe')
    },
  },
  {
    threat: 'a top-up while the lane is released', loses: none,
    play: async (stake) => {
      const { lane } = await stake.step()
      await exit(stake, lane)
      await stake.refused(stake.mallory.reserve(stake.seller, 200_000n), /LaneIsExiting/)
      // What was seen of the lane before counts for a minute: a fraction of any delay that is worked for.
      await stake.pass(61_000)
      await stake.stops(lane, 'lane.closed')
    },
  },
]

/** Tills as after `count` paid steps, each on its own lane, without the calls. */
const tills = async (stake: Stake, count: number): Promise<Hex32[]> => {
  const { mallory, seller, world, provider } = stake
  const vault = world.rail.vaultId(mallory.vaultTerms())
  await mallory.reserve(seller, PRICE, { number: 1_000 })
  const numbers = Array.from({ length: count }, (_, at) => 1_000 + at)
  await mallory.write({ kind: 'reserve', vault, reserves: numbers.map((number) => ({ payee: seller, number, total: PRICE })) })
  const lanes = numbers.map((number) => world.rail.laneId(vault, seller, number))
  const { host } = provider.node
  await world.drive(Promise.all(lanes.map(async (lane, at) => {
    const agreement = `sha256-${at.toString(16).padStart(64, '0')}` as const
    const id = `till/${lane}`
    await host.start(id, { lane, payer: mallory.keys.participant, payee: seller, voucherKey: mallory.keys.voucher.address.toLowerCase() })
    await host.send(id, { type: 'take', agreement, cap: `${PRICE}` })
    await host.send(id, { type: 'invoked', agreement, call: `call/${lane}/none` })
    await host.send(id, { type: 'owe', owed: { agreement, delivery: agreement, amount: `${PRICE}` } })
    const voucher = stake.voucher(lane, PRICE, foldRef(NO_REF, agreement, `${PRICE}`))
    await host.send(id, { type: 'pay', voucher, call: `call/${lane}/none` })
    stake.delivered += 1
  })))
  return lanes
}

const batches = (stake: Stake): number => (stake.provider.node.host.context<{ batches: number }>(settlerActor(0)))!.batches

const BATCHES: Row[] = [
  {
    threat: 'a bad row in a batch of claims holds up no other', loses: one,
    play: async (stake) => {
      const lanes = await tills(stake, 10)
      // One lane was closed behind the provider's back.
      until(stake, await exit(stake, lanes[4]!))
      await stake.mallory.write({ kind: 'finalize', lane: lanes[4]! })
      await stake.pass(70_000)
      expect(await stake.earned()).toBe(9n * PRICE)
    },
  },
  {
    threat: 'a lane asked for many times over in one batch and the next', loses: none,
    play: async (stake) => {
      const [lane] = await tills(stake, 1)
      const { host } = stake.provider.node
      await stake.world.drive(Promise.all([[lane, lane], [lane], [lane, lane, lane]].map((lanes) => host.send(settlerActor(0), { type: 'settle', lanes }))))
    },
  },
  {
    threat: 'a batch of 1 row', loses: none,
    play: async (stake) => {
      await tills(stake, 1)
      await stake.pass(70_000)
      expect([batches(stake), await stake.earned()]).toEqual([1, PRICE])
    },
  },
  {
    threat: 'batches of 200 rows in all', loses: none,
    play: async (stake) => {
      await tills(stake, 200)
      await stake.pass(130_000)
      expect([batches(stake), await stake.earned()]).toEqual([2, 200n * PRICE])
    },
  },
]

const locked = (stake: Stake, lane: Hex32, change: Partial<LockedVoucher> = {}): LockedVoucher =>
  ({ kind: 'locked', lane, cumulative: PRICE, lockAmount: PRICE, lockHash: sha256(PREIMAGE), lockExpiry: Math.floor(stake.clock.now() / 1_000) + 100, ref: NO_REF, ...change })
/** A key that was handed out for a locked voucher is a step delivered. */
const lockedLane = async (stake: Stake): Promise<Hex32> => {
  stake.delivered += 1
  return stake.mallory.reserve(stake.seller, 100_000n)
}

const LOCKS: Row[] = [
  {
    threat: 'a wrong preimage', loses: one,
    play: async (stake) => {
      const voucher = locked(stake, await lockedLane(stake))
      for (const preimage of [undefined, `0x${'5f'.repeat(32)}`] as const) expect((await stake.claim({ voucher, ...(preimage ? { preimage } : {}) })).refused).toMatchObject([{ reason: 'preimage' }])
    },
  },
  ...([[-1, none, 'paid'], [0, one, 'expired']] as const).map(([late, loses, what]): Row => ({
    threat: `a lock claimed ${late === 0 ? 'at its expiry' : 'a second before its expiry'}`, loses,
    play: async (stake) => {
      const voucher = locked(stake, await lockedLane(stake))
      until(stake, voucher.lockExpiry + late)
      const { paid, refused } = await stake.claim({ voucher, preimage: PREIMAGE })
      expect(paid.length === 1 ? 'paid' : refused[0]?.reason).toBe(what)
    },
  })),
  {
    threat: 'revealed but not folded: the key is out, and the payer signs nothing more', loses: none,
    play: async (stake) => {
      const voucher = locked(stake, await lockedLane(stake))
      expect((await stake.claim({ voucher, preimage: PREIMAGE })).paid).toMatchObject([{ paid: PRICE }])
      // It folds late: nothing moves twice.
      expect((await stake.claim({ voucher: toRail(stake.voucher(voucher.lane, PRICE)) })).refused).toMatchObject([{ reason: 'nothing-new' }])
    },
  },
  ...([[0, 0], [3_600, 1]] as const).map(([away, lost]): Row => ({
    threat: `a hub that crashes between the hops and is away ${away === 0 ? 'until the provider has claimed' : 'beyond the upstream expiry: the hub loses the step, nobody else'}`, loses: none,
    play: async (stake) => {
      const { mallory, seller, world, clock } = stake
      const hub = new Payer(world, 'hub')
      const expiry = Math.floor(clock.now() / 1_000) + 1_000
      const upstream = locked(stake, await mallory.reserve(hub.keys.participant, 100_000n, { number: 7 }), { lockExpiry: expiry + 1_000 })
      const downstream = locked(stake, await hub.reserve(seller, 100_000n), { lockExpiry: expiry })
      stake.delivered += 1
      const send = async (preimage: Hex32): Promise<WriteOutcome> => {
        const { bytes, hash } = await world.rail.prepare({ kind: 'claim', claims: [{ voucher: downstream, signature: world.rail.signVoucher(downstream, hub.keys.voucher), preimage }] }, keysOf('p1').wallet, await world.rail.nonce(seller))
        await world.rail.broadcast(bytes)
        return world.rail.outcome(hash)
      }
      expect(await send(PREIMAGE)).toMatchObject({ paid: [{ paid: PRICE }] })
      clock.skew(away * 1_000)
      const { paid } = await stake.claim({ voucher: upstream, preimage: PREIMAGE })
      expect(1 - paid.length).toBe(lost)
    },
  })),
  { threat: 'a locked voucher in place of the plain one that is due', loses: one, play: unpaid('voucher.key', (_stake, { due }) => ({ kind: 'locked', lane: due.lane, cumulative: due.cumulative, lockAmount: due.cumulative, lockHash: `0x${'44'.repeat(32)}`, lockExpiry: 2_000_000_000, ref: due.ref, signature: due.signature })) },
]

const PROCESS: Row[] = [
  {
    threat: 'messages that come twice and in another order', loses: none,
    play: async (stake) => {
      const first = await stake.step()
      const second = await stake.owed(100_000n, first.lane)
      await stake.pay(second)
      const { mallory, seller, world } = stake
      for (const { lane, due, delivery } of [first, second, first]) await world.drive(mallory.pay(seller, lane, due, delivery).catch(() => undefined))
      expect(stake.till(first.lane)).toMatchObject({ cumulative: '20000', owed: null })
    },
  },
  {
    threat: 'two nodes of the payer on one lane: it serves one call', loses: one,
    play: async (stake) => {
      const { mallory, seller, world } = stake
      const lane = await mallory.reserve(seller, 100_000n)
      const twin = new Payer(world, 'mallory')
      // So that the twins ask for two calls, not for one twice.
      await world.drive(twin.quote(seller))
      const made = await Promise.all([mallory, twin].map(async (payer) => world.drive(payer.quote(seller).then((quote) => payer.accept(seller, quote, lane))).then((agreed) => ({ payer, agreed }), () => undefined)))
      const answers = await Promise.all(made.flatMap((each) => (each ? [world.drive(each.payer.invoke(seller, each.agreed.id)).catch(() => undefined)] : [])))
      const outcomes = answers.filter((answer) => answer?.state === 'delivered')
      expect(outcomes).toHaveLength(1)
      stake.delivered += outcomes.length
    },
  },
  ...(['before', 'after'] as const).map((when): Row => ({
    threat: `the provider is killed ${when} any of its appends, the payer says everything again`, loses: none,
    play: async (stake) => {
      const { mallory, seller, world } = stake
      const lane = await mallory.reserve(seller, 1_000_000n)
      let at = { cumulative: '0', ref: NO_REF }
      for (let nth = 1; ; nth += STRIDE) {
        await world.drive(stake.provider.stop(0))
        const fault = dieAt(nth, when)
        await stake.start({}, fault.hooks)
        const quote = await world.drive(mallory.quote(seller))
        let given = true
        /** What the payer says, from the start; it says nothing more once it has given up. */
        const hire = async (still: () => boolean): Promise<void> => {
          const made = await mallory.accept(seller, quote, lane)
          if (!still()) return never
          const { delivery } = await mallory.invoke(seller, made.id)
          if (!still()) return never
          const due = mallory.voucher(lane, delivery, at)
          await mallory.pay(seller, lane, due, delivery)
          if (!still()) return never
          at = due
          stake.delivered += 1
        }
        fault.arm()
        const over = await world.drive(Promise.race([fault.died.then(() => 'died' as const), hire(() => given).then(() => 'done' as const)]))
        given = over === 'done'
        await stake.provider.kill()
        await stake.start()
        if (given) break
        await world.drive(hire(() => true))
        expect(nth, 'it has an end').toBeLessThan(60)
      }
      expect(stake.delivered).toBeGreaterThan(2)
    },
  })),
  {
    threat: 'a restart with a clock that is an hour behind', loses: none,
    play: async (stake) => {
      const { lane } = await stake.step()
      await stake.world.drive(stake.provider.stop(0))
      stake.clock.skew(-3_600_000)
      await stake.start()
      await stake.pass(70_000)
      expect(await stake.earned()).toBe(PRICE)
      await stake.step(lane)
    },
  },
]

const TOKENS: Row[] = [
  {
    threat: 'a blacklisted payee', loses: none,
    play: async (stake) => {
      stake.world.rail.bar(stake.seller)
      await stake.step()
      await stake.pass(70_000)
      expect([await stake.world.rail.balance(stake.seller), await stake.world.rail.credit(stake.seller)]).toEqual([0n, PRICE])
    },
  },
  {
    threat: 'a token that is paused while the claim is made, and fetched after', loses: none,
    play: async (stake) => {
      stake.world.rail.bar(stake.seller)
      await stake.step()
      await stake.pass(70_000)
      stake.world.rail.bar(stake.seller, false)
      const { wallet } = keysOf('p1')
      const { bytes } = await stake.world.rail.prepare({ kind: 'collect', to: stake.seller }, wallet, await stake.world.rail.nonce(stake.seller))
      await stake.world.rail.broadcast(bytes)
      expect(await stake.world.rail.balance(stake.seller)).toBe(PRICE)
    },
  },
  ...['returns false', 'keeps a fee', 'calls back', 'is worth nothing'].map((what): Row => ({
    threat: `a vault of another token, one that ${what}`, loses: none,
    play: async (stake) => {
      const { mallory, seller, world } = stake
      await mallory.reserve(seller, 100_000n)
      // Its lanes are of other ids, and of the agreed token there is nothing on them.
      const other = railSigning({ ...world.rail.terms, token: `0x${createHash('sha256').update(what).digest('hex').slice(0, 40)}` })
      const vault = other.vaultId(mallory.vaultTerms())
      const lane = other.laneId(vault, seller, 0)
      const proof = { vault, number: 0, voucherKey: mallory.keys.voucher.address.toLowerCase() as Hex32 }
      await stake.refused(mallory.quote(seller).then((quote) => mallory.accept(seller, quote, lane, { proof })), 'voucher.over-reserve')
    },
  })),
]

/** Chains of which each tells a lie of its own: of the same contract, with proofs that hold under headers of their own. */
const forks = new WeakMap<object, MemoryRail>()
/** The world's rail, as an RPC address tells it that answers every read from a chain of its own. */
const invented = (world: Stake['world']): Rail => {
  const fork = new MemoryRail({ clock: world.clock })
  forks.set(world, fork)
  const lies: Partial<Rail> = { lane: (id) => fork.lane(id), vault: (id) => fork.vault(id), proofs: fork.proofs }
  return new Proxy(world.rail as Rail, {
    get: (target, name) => {
      const value: unknown = name in lies ? lies[name as keyof Rail] : Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) as unknown : value
    },
  })
}
/** Reserves where only the liar can see it. */
const invent = async ({ world, mallory, seller }: Stake): Promise<Hex32> => {
  const fork = forks.get(world)!
  const vault = mallory.vaultTerms()
  const writes: RailWrite[] = [
    { kind: 'mint', to: mallory.keys.participant, amount: 1_000_000n }, { kind: 'approve', amount: 1_000_000n }, { kind: 'open', vault, amount: 1_000_000n },
    { kind: 'reserve', vault: fork.vaultId(vault), reserves: [{ payee: seller, number: 0, total: 100_000n }] },
  ]
  for (const write of writes) await fork.broadcast((await fork.prepare(write, mallory.keys.wallet, await fork.nonce(mallory.keys.participant))).bytes)
  return fork.laneId(fork.vaultId(vault), seller, 0)
}

const CHAIN: Row[] = [
  {
    threat: 'a reorganisation takes a claim', loses: none,
    play: async (stake) => {
      const { lane } = await stake.step()
      const mark = stake.world.rail.mark()
      await stake.world.drive(stake.mallory.call(stake.seller, 'settle', { lanes: [lane] }))
      expect(await stake.earned()).toBe(PRICE)
      stake.world.rail.rewind(mark)
      expect(await stake.earned()).toBe(0n)
    },
  },
  ...(['reservation', 'deposit'] as const).map((what): Row => ({
    threat: `a reorganisation takes a ${what}, and the payer does not make it again`, loses: one,
    play: async (stake) => {
      if (what === 'reservation') await stake.mallory.reserve(keysOf('bob').participant, 1n)
      const mark = stake.world.rail.mark()
      const { lane } = await stake.owed()
      stake.world.rail.rewind(mark)
      await stake.pass(61_000)
      await stake.stops(lane, 'voucher.over-reserve')
    },
  })),
  {
    threat: 'a reorganisation takes a reservation that was not yet deep enough to count', loses: none, setting: { history: 12, ports: (ports) => ({ ...ports, confirmations: 3 }) },
    play: async (stake) => {
      const { mallory, seller, world } = stake
      await mallory.reserve(keysOf('bob').participant, 1n)
      const mark = world.rail.mark()
      const lane = await mallory.reserve(seller, 100_000n)
      await stake.stops(lane, 'lane.unconfirmed')
      world.rail.rewind(mark)
      await stake.stops(lane, 'voucher.over-reserve')
    },
  },
  {
    threat: 'a reorganisation that is less deep than what counts', loses: none, setting: { history: 12, ports: (ports) => ({ ...ports, confirmations: 3 }) },
    play: async (stake) => {
      const { mallory, seller, world } = stake
      const lane = await mallory.reserve(seller, 100_000n)
      const mark = world.rail.mark()
      for (let blocks = 0; blocks < 3; blocks += 1) await mallory.write({ kind: 'mint', to: mallory.keys.participant, amount: 1n })
      const owed = await stake.owed(100_000n, lane)
      world.rail.rewind(mark)
      await stake.pay(owed)
    },
  },
  {
    threat: 'an RPC address that invents a reservation, and is the only one asked', loses: one, setting: { ports: (ports, { world }) => ({ ...ports, rail: invented(world) }) },
    play: async (stake) => {
      await invent(stake)
      const owed = await stake.owed(100_000n, stake.world.rail.laneId(stake.world.rail.vaultId(stake.mallory.vaultTerms()), stake.seller, 0))
      await stake.pay(owed)
    },
  },
  {
    threat: 'an RPC address that invents a reservation, and another one that is honest', loses: none,
    setting: { ports: (ports, { world }) => ({ ...ports, rail: provenRail(invented(world), { witnesses: [world.rail.proofs], clock: world.clock }) }) },
    play: async (stake) => {
      const lane = await invent(stake)
      await stake.stops(lane, 'chain.unproven')
    },
  },
  {
    threat: 'two honest RPC addresses', loses: none,
    setting: { ports: (ports, { world }) => ({ ...ports, rail: provenRail(world.rail, { witnesses: [world.rail.proofs], clock: world.clock }) }) },
    play: async (stake) => {
      const { lane } = await stake.step()
      await stake.step(lane)
    },
  },
  {
    threat: 'a stuck nonce, since the chain forgets what it took', loses: none,
    play: async (stake) => {
      const { rail } = stake.world
      const broadcast = rail.broadcast.bind(rail)
      const { lane } = await stake.step()
      let lost = 0
      // Bytes that a node takes and forgets: the nonce is stuck until they come again.
      rail.broadcast = async (bytes) => (lost++ < 3 ? `0x${'00'.repeat(32)}` : broadcast(bytes))
      await stake.pass(130_000)
      expect(lost).toBeGreaterThan(3)
      expect(stake.till(lane).claimed).toBe('10000')
    },
  },
]

describe('faults, and what they cost at most', () => {
  let stake: Stake
  afterEach(() => stake.world.close())

  describe.each([
    ['vouchers', VOUCHERS], ['exit races', RACES], ['batches', BATCHES], ['locks', LOCKS], ['the process', PROCESS], ['tokens', TOKENS], ['the chain', CHAIN],
  ] as const)('%s', (_name, rows) => {
    it.each(rows.map(titled))('%s', async (_title, { loses, play, setting }) => {
      stake = await Stake.open(setting)
      await play(stake)
      expect(await stake.losses()).toEqual(loses)
    }, 60_000)
  })
})
