/**
 * "Attacks and answers" of reference/payments.md, a row a test: who attacks, and what each side loses at
 * most, measured on the chain when all is settled. The side off the chain, on production nodes; the
 * contract's answers are in `Attacks.t.sol`, those of a real chain in the integration tests of `runtime/evm`.
 */
import { afterEach, describe, expect, it } from 'vitest'
import type { Hex32 } from '../schemas/documents.gen.ts'
import { virtualClock } from '../runtime/memory/clock.ts'
import { MemoryRail } from '../runtime/memory/rail.ts'
import { NO_REF } from '../runtime/payments/fold.ts'
import { signPlainVoucher, toRail } from '../runtime/payments/voucher.ts'
import { keysOf } from './memory-network.fixture.ts'
import { dieAt } from './die-at.fixture.ts'
import type { Payer } from './payer.fixture.ts'
import { PRICE, Stake, titled, type Row } from './stake.fixture.ts'

const none = { payer: 0, provider: 0 }
const one = { payer: 0, provider: 1 }
const stranger = keysOf('p2').participant

const PAYERS: Row[] = [
  {
    threat: 'the same funds promised to two providers', loses: none,
    play: async (stake) => {
      const { mallory, seller, world } = stake
      const lane = await mallory.reserve(seller, 10_000_000n)
      await stake.refused(mallory.reserve(stranger, 1n), /InsufficientFree/)
      // Nor may it take back what it has promised.
      await stake.refused(mallory.write({ kind: 'withdraw', vault: world.rail.vaultId(mallory.vaultTerms()), amount: 1n, to: mallory.keys.participant }), /InsufficientFree/)
      await stake.step(lane)
    },
  },
  {
    threat: 'a voucher key that is a contract wallet, whose signatures are nobody\'s (EIP-7702)', loses: one,
    play: async (stake) => {
      const { mallory, world } = stake
      const before = await stake.step()
      const owed = await stake.owed(100_000n, before.lane)
      // Its key signs for the account as ERC-1271 has it; only plain recovery counts.
      const signer = keysOf('inside').wallet
      world.rail.wallet(mallory.keys.voucher.address.toLowerCase() as Hex32, signer.address)
      await stake.refused(mallory.pay(stake.seller, owed.lane, { ...owed.due, signature: world.rail.signVoucher(toRail(owed.due), signer) }, owed.delivery), 'voucher.key')
      await stake.stops(owed.lane)
      // The key's own signatures still count, whatever code it bears: the first step is paid.
      expect(stake.till(owed.lane).cumulative).toBe('10000')
    },
  },
  {
    threat: 'a voucher of a fork of the chain', loses: one,
    play: async (stake) => {
      const { mallory, seller } = stake
      const fork = new MemoryRail({ clock: virtualClock(), chainId: 31_338 })
      const owed = await stake.owed()
      await stake.refused(mallory.pay(seller, owed.lane, signPlainVoucher(fork, mallory.keys.voucher, owed.lane, owed.due.cumulative, owed.due.ref), owed.delivery), 'voucher.key')
      await stake.stops(owed.lane)
    },
  },
  {
    threat: 'a reservation that another chain has', loses: none,
    play: async (stake) => {
      const { mallory, seller } = stake
      const fork = new MemoryRail({ clock: virtualClock(), chainId: 31_338 })
      const vault = fork.vaultId(mallory.vaultTerms())
      const proof = { vault, number: 0, voucherKey: mallory.keys.voucher.address.toLowerCase() as Hex32 }
      await stake.refused(mallory.quote(seller).then((quote) => mallory.accept(seller, quote, fork.laneId(vault, seller, 0), { proof })), 'voucher.over-reserve')
    },
  },
  {
    threat: 'an exit while the provider is offline, which comes back before the delay is over', loses: none,
    play: async (stake) => {
      const { lane } = await stake.step()
      await stake.world.drive(stake.provider.stop(0))
      await stake.mallory.write({ kind: 'exit', lane })
      stake.clock.skew(86_000_000)
      await stake.start()
      await stake.pass(1_000)
      expect(await stake.earned()).toBe(PRICE)
      stake.clock.skew(401_000)
      await stake.mallory.write({ kind: 'finalize', lane })
    },
  },
  {
    threat: 'an exit while the provider is offline, and anybody who has its voucher', loses: none,
    play: async (stake) => {
      const { lane, due } = await stake.step()
      await stake.world.drive(stake.provider.stop(0))
      await stake.mallory.write({ kind: 'exit', lane })
      expect((await stake.claim({ voucher: toRail(due) })).paid).toMatchObject([{ payee: stake.seller, paid: PRICE }])
      stake.clock.skew(86_401_000)
      await stake.mallory.write({ kind: 'finalize', lane })
      await stake.start()
    },
  },
  {
    threat: 'an exit while the provider is offline for the whole delay, and a watchtower that nobody gave a key', loses: none,
    play: async (stake) => {
      const { world, seller } = stake
      const tower = await world.drive(world.watchtower('tower'))
      await world.drive(stake.provider.stop(0))
      world.watchtowers = [tower.node.participant]
      const end = dieAt(1, 'before')
      await stake.start({}, end.hooks)
      const { lane } = await stake.step()
      await stake.pass(6_000)
      end.arm()
      await stake.provider.kill()
      await stake.mallory.write({ kind: 'exit', lane })
      await stake.pass(70_000)
      expect([await stake.earned(), await world.rail.balance(tower.node.participant)]).toEqual([PRICE, 0n])
      expect([await world.rail.nonce(seller), await world.rail.nonce(tower.node.participant)], 'the tower has paid for the gas').toEqual([0, 1])
      stake.clock.skew(86_401_000)
      await stake.mallory.write({ kind: 'finalize', lane })
      expect((await world.rail.lane(lane))?.claimed).toBe(await world.rail.balance(seller))
    },
  },
  {
    // The rest of the lane is the payer's again, and the step that only the dead provider knew of is lost.
    threat: 'the same, and the provider dies before it hands over', loses: one,
    play: async (stake) => {
      const { world } = stake
      const tower = await world.drive(world.watchtower('tower'))
      await world.drive(stake.provider.stop(0))
      world.watchtowers = [tower.node.participant]
      const end = dieAt(1, 'before')
      await stake.start({}, end.hooks)
      const { lane } = await stake.step()
      end.arm()
      await stake.provider.kill()
      await stake.mallory.write({ kind: 'exit', lane })
      await stake.pass(70_000)
      stake.clock.skew(86_401_000)
      await stake.mallory.write({ kind: 'finalize', lane })
    },
  },
]

const PAYEES: Row[] = [
  {
    threat: 'a payee that claims late: its lane waits for it, and nobody is paid twice', loses: none,
    play: async (stake) => {
      const { lane, due } = await stake.step()
      await stake.world.drive(stake.provider.stop(0))
      stake.clock.skew(30 * 86_400_000)
      await stake.start()
      await stake.pass(70_000)
      expect((await stake.claim({ voucher: toRail(due) })).refused).toMatchObject([{ lane, reason: 'nothing-new' }])
    },
  },
  {
    threat: 'a payee that withholds the preimage until the lock is over: it has handed out no key', loses: none,
    play: async (stake) => {
      const { mallory, seller, clock } = stake
      const lane = await mallory.reserve(seller, 100_000n)
      const lockExpiry = Math.floor(clock.now() / 1_000) + 100
      clock.skew(100_000)
      const voucher = { kind: 'locked', lane, cumulative: PRICE, lockAmount: PRICE, lockHash: NO_REF, lockExpiry, ref: NO_REF } as const
      expect((await stake.claim({ voucher, preimage: `0x${'5e'.repeat(32)}` })).refused).toMatchObject([{ reason: 'expired' }])
    },
  },
  {
    threat: 'a payee that claims more than was signed', loses: none,
    play: async (stake) => {
      const { lane, due } = await stake.step()
      const { rail } = stake.world
      const { wallet } = keysOf('p1')
      const more = { ...toRail(due), cumulative: 50_000n } as const
      const { bytes, hash } = await rail.prepare({ kind: 'claim', claims: [{ voucher: more, signature: due.signature }] }, wallet, await rail.nonce(wallet.address))
      await rail.broadcast(bytes)
      expect(await rail.outcome(hash)).toMatchObject({ refused: [{ lane, reason: 'signature' }] })
    },
  },
]

const OTHERS: Row[] = [
  {
    // Five steps are reserved for the payee: the thief can give them to it, and nothing to itself.
    threat: 'a stolen voucher key, used for the payee it serves: what is reserved, and not a unit of the rest', loses: { payer: 4, provider: 0 },
    play: async (stake) => {
      const { mallory, seller, world } = stake
      const { lane } = await stake.owed(5n * PRICE)
      const thief = { wallet: keysOf('thief').wallet, voucher: mallory.keys.voucher }
      const vault = world.rail.vaultId(mallory.vaultTerms())
      const write = async (what: Parameters<Payer['write']>[0]): Promise<void> => void await world.rail.prepare(what, thief.wallet, await world.rail.nonce(thief.wallet.address))
      await stake.refused(write({ kind: 'reserve', vault, reserves: [{ payee: stranger, number: 0, total: 1n }] }), /NotOwner/)
      await stake.refused(write({ kind: 'withdraw', vault, amount: 1n, to: stranger }), /NotOwner/)
      expect((await stake.claim({ voucher: toRail(stake.voucher(lane, 6n * PRICE)) })).refused).toMatchObject([{ reason: 'over-reserve' }])
      expect((await stake.claim({ voucher: toRail(stake.voucher(lane, 5n * PRICE)) })).paid).toMatchObject([{ payee: seller, paid: 5n * PRICE }])
    },
  },
  {
    threat: 'a deposit by authorisation that somebody sends first: it can only do what was signed', loses: none,
    play: async (stake) => {
      const { mallory, world, clock } = stake
      const { rail } = world
      await mallory.write({ kind: 'mint', to: mallory.keys.participant, amount: 5_000n })
      const from = mallory.keys.participant
      const authorisation = { vault: mallory.vaultTerms(), from, amount: 5_000n, validAfter: 0, validBefore: Math.floor(clock.now() / 1_000) + 600, salt: NO_REF }
      const signature = await rail.signDeposit(authorisation, mallory.keys.wallet)
      const thief = keysOf('thief')
      const send = async (change: Partial<typeof authorisation>): Promise<void> => {
        const { bytes } = await rail.prepare({ kind: 'open-authorised', authorisation: { ...authorisation, ...change }, signature }, thief.wallet, await rail.nonce(thief.participant))
        await rail.broadcast(bytes)
      }
      await stake.refused(send({ vault: { ...authorisation.vault, owner: thief.participant } }), /ERC3009InvalidSignature/)
      await send({})
      expect((await rail.vault(rail.vaultId(mallory.vaultTerms())))?.free).toBe(5_000n)
      await stake.refused(send({}), /ERC3009UsedAuthorization/)
    },
  },
  {
    threat: 'a token that blacklists the payee: the money waits for it', loses: none,
    play: async (stake) => {
      const { lane } = await stake.step()
      stake.world.rail.bar(stake.seller)
      await stake.pass(70_000)
      expect(await stake.world.rail.credit(stake.seller)).toBe(PRICE)
      // And holds up nobody: the lane goes on.
      await stake.step(lane)
    },
  },
  {
    threat: 'a worthless token in a vault of the same contract', loses: none,
    play: async (stake) => {
      const { mallory, seller, world } = stake
      await stake.step()
      const other = new MemoryRail({ clock: world.clock, token: `0x${'ee'.repeat(20)}` })
      const vault = other.vaultId(mallory.vaultTerms())
      const proof = { vault, number: 0, voucherKey: mallory.keys.voucher.address.toLowerCase() as Hex32 }
      await stake.refused(mallory.quote(seller).then((quote) => mallory.accept(seller, quote, other.laneId(vault, seller, 0), { proof })), 'voucher.over-reserve')
    },
  },
]

describe('attacks, and what they cost at most', () => {
  let stake: Stake
  afterEach(() => stake.world.close())

  describe.each([['by payers', PAYERS], ['by payees', PAYEES], ['by others', OTHERS]] as const)('%s', (_name, rows) => {
    it.each(rows.map(titled))('%s', async (_title, { loses, play, setting }) => {
      stake = await Stake.open(setting)
      await play(stake)
      expect(await stake.losses()).toEqual(loses)
    }, 30_000)
  })
})
