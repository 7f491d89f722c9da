import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { GuardAnswer, Hex32 } from '../../schemas/documents.gen.ts'
import { virtualClock, type VirtualClock } from '../../runtime/memory/clock.ts'
import { signEscrowVoucher } from '../../runtime/payments/escrow.ts'
import { NO_REF } from '../../runtime/payments/fold.ts'
import { lockHashOf, signLockedVoucher } from '../../runtime/payments/seal.ts'
import { signPlainVoucher } from '../../runtime/payments/voucher.ts'
import { dieAt } from '../die-at.fixture.ts'
import { Payer } from '../payer.fixture.ts'
import { keysOf, MemoryWorld } from '../memory-network.fixture.ts'
import { wardActor, type WardContext } from './ward.machine.ts'

const payee = keysOf('p1').participant
const DAY_MS = 86_400_000

describe('a watchtower', () => {
  let world: MemoryWorld
  let tower: Awaited<ReturnType<MemoryWorld['watchtower']>>
  let alice: Payer
  let bob: Payer
  let lane: Hex32
  beforeEach(async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    tower = await world.drive(world.watchtower('tower'))
    alice = new Payer(world, 'alice')
    bob = new Payer(world, 'p1')
    lane = await alice.reserve(payee, 100n)
  })
  afterEach(() => world.close())

  const voucher = (cumulative: bigint, of = lane, signer = keysOf('alice').voucher): object => signPlainVoucher(world.rail, signer, of, `${cumulative}`, NO_REF)
  const guard = (...vouchers: object[]): Promise<GuardAnswer> => world.drive(bob.call(tower.node.participant, 'guard', { vouchers }))
  const pass = (ms: number): Promise<void> => world.drive(world.clock.sleep(ms), ms * 2)
  const earned = (): Promise<bigint> => world.rail.balance(payee)

  it('does nothing while the payer stays, claims the highest voucher when it leaves, and forgets the lane when it is closed', async () => {
    expect(await guard(voucher(40n))).toEqual({ held: [{ lane, cumulative: '40' }], refused: [] })
    expect(await guard(voucher(70n))).toEqual({ held: [{ lane, cumulative: '70' }], refused: [] })
    // An older one, from whoever replays it, takes nothing away.
    expect(await guard(voucher(50n))).toEqual({ held: [{ lane, cumulative: '70' }], refused: [] })
    await pass(300_000)
    expect(await earned()).toBe(0n)
    await alice.write({ kind: 'exit', lane })
    await pass(65_000)
    expect(await earned()).toBe(70n)
    // Paid once more on the way out.
    await guard(voucher(90n))
    await pass(2_000)
    expect(await earned()).toBe(90n)
    ;(world.clock as VirtualClock).skew(DAY_MS + 1_000)
    await alice.write({ kind: 'finalize', lane })
    await pass(65_000)
    expect(tower.node.host.context<WardContext>(wardActor(lane)) && [...tower.node.host.list('ward')].filter(({ snapshot }) => snapshot.status === 'active')).toEqual([])
    expect(world.rail.imbalance()).toBe(0n)
  })

  it('takes no voucher that could not be claimed', async () => {
    const closed = await alice.reserve(payee, 10n, { number: 1 })
    await alice.write({ kind: 'exit', lane: closed })
    ;(world.clock as VirtualClock).skew(DAY_MS + 1_000)
    await alice.write({ kind: 'finalize', lane: closed })
    const other = `0x${'77'.repeat(32)}` as const
    const { held, refused } = await guard(voucher(40n, lane, keysOf('mallory').voucher), voucher(101n), voucher(0n), voucher(5n, closed), voucher(5n, other))
    expect([held, refused.map(({ code }) => code)]).toEqual([[], ['voucher.key', 'voucher.over-reserve', 'voucher.too-low', 'lane.closed', 'voucher.lane']])
  })

  it('whoever claims first, nothing is paid twice', async () => {
    await guard(voucher(40n))
    await alice.write({ kind: 'exit', lane })
    const { bytes } = await world.rail.prepare({ kind: 'claim', claims: [{ voucher: { kind: 'plain', lane, cumulative: 40n, ref: NO_REF }, signature: (voucher(40n) as { signature: Hex32 }).signature }] }, keysOf('p1').wallet, await world.rail.nonce(payee))
    await world.rail.broadcast(bytes)
    await pass(65_000)
    expect([await earned(), await world.rail.nonce(tower.node.participant)]).toEqual([40n, 0])
  })

  it('an exit that the chain has lost is waited for again', async () => {
    await guard(voucher(40n))
    const mark = world.rail.mark()
    await alice.write({ kind: 'exit', lane })
    await pass(65_000)
    world.rail.rewind(mark)
    await guard(voucher(60n))
    await pass(300_000)
    await alice.write({ kind: 'exit', lane })
    await pass(130_000)
    expect(await earned()).toBe(60n)
  })

  it('claims what hangs on a lock when its payee sleeps through it or its payer leaves, and nothing where it was folded', async () => {
    const key = `0x${'0a'.repeat(32)}` as const
    const seconds = (): number => Math.floor(world.clock.now() / 1_000)
    const locked = async (of: Hex32): Promise<object> => ({
      voucher: signLockedVoucher(world.rail, keysOf('alice').voucher, of, { cumulative: '50', ref: `0x${'01'.repeat(32)}` }, { kind: 'locked', delivery: `sha256-${'1'.repeat(64)}`, amount: '30', lockHash: lockHashOf(key), lockExpiry: seconds() + 900 } as never), key,
    })
    const hang = (one: object): Promise<GuardAnswer> => world.drive(bob.call(tower.node.participant, 'guard', { vouchers: [], conditional: [one] }))
    await guard(voucher(20n))
    expect(await hang(await locked(lane))).toEqual({ held: [{ lane, cumulative: '50' }], refused: [] })
    await pass(500_000)
    expect(await earned()).toBe(0n)
    await pass(180_000)
    expect(await earned()).toBe(50n)

    const left = await alice.reserve(payee, 100n, { number: 1 })
    await hang(await locked(left))
    await alice.write({ kind: 'exit', lane: left })
    await pass(65_000)
    expect(await earned()).toBe(100n)

    const folded = await alice.reserve(payee, 100n, { number: 2 })
    await hang(await locked(folded))
    await guard(voucher(50n, folded))
    await pass(1_000_000)
    expect(await earned()).toBe(100n)
    // Without the key, or with another, it is worth nothing.
    const { voucher: bare } = await locked(folded) as { voucher: object }
    expect((await hang({ voucher: bare })).refused).toMatchObject([{ code: 'voucher.locked' }])
    expect((await hang({ voucher: bare, key: `0x${'0b'.repeat(32)}` })).refused).toMatchObject([{ code: 'voucher.locked' }])
  })

  it('claims an escrow by default when its payee lets half of the time go by, and never before the challenge ends', async () => {
    const start = Math.floor(world.clock.now() / 1_000)
    const escrow = signEscrowVoucher(world.rail, keysOf('alice').voucher, lane, { cumulative: '60', ref: `0x${'02'.repeat(32)}` }, { agreement: `sha256-${'1'.repeat(64)}`, amount: '60', arbiter: keysOf('mallory').participant, challengeEnd: start + 300, expiry: start + 900 } as never)
    await world.drive(bob.call(tower.node.participant, 'guard', { vouchers: [], conditional: [{ voucher: escrow }] }))
    await alice.write({ kind: 'exit', lane })
    await pass(280_000)
    expect(await earned()).toBe(0n)
    await pass(120_000)
    expect(await earned()).toBe(60n)
  })

  it('looks a lane up once, whoever repeats its vouchers, and nobody makes it look up more than so many', async () => {
    const read = vi.spyOn(world.rail, 'lane')
    for (let cumulative = 1n; cumulative <= 40n; cumulative += 1n) await guard(voucher(cumulative), voucher(cumulative))
    const looks = read.mock.calls.length
    expect(looks).toBeLessThanOrEqual(2)
    const made = (n: number): object => voucher(5n, `0x${n.toString(16).padStart(64, '0')}`)
    for (let batch = 0; batch < 5; batch += 1) {
      const { refused } = await guard(...Array.from({ length: 100 }, (_, i) => made(batch * 100 + i + 1)))
      expect(refused.at(-1)!.code).toBe(batch < 1 ? 'voucher.lane' : 'node.busy')
    }
    expect(read.mock.calls.length - looks).toBeLessThan(220)
    // Asked again at once, what is not there is not looked up again; a lane of ours is heard all the same.
    await guard(...Array.from({ length: 100 }, (_, i) => made(i + 1)))
    expect(read.mock.calls.length - looks).toBeLessThan(220)
    expect((await guard(voucher(90n))).held).toEqual([{ lane, cumulative: '90' }])
    read.mockRestore()
  })

  it('leaves a lane alone whose vouchers are all paid, until there is one more', async () => {
    await guard(voucher(40n))
    await bob.write({ kind: 'claim', claims: [{ voucher: { kind: 'plain', lane, cumulative: 40n, ref: NO_REF }, signature: (voucher(40n) as { signature: Hex32 }).signature }] })
    await pass(700_000)
    const read = vi.spyOn(world.rail, 'lane')
    await pass(600_000)
    expect(read).not.toHaveBeenCalled()
    read.mockRestore()
    await guard(voucher(70n))
    await alice.write({ kind: 'exit', lane })
    await pass(65_000)
    expect(await earned()).toBe(70n)
  })

  it.each(['before', 'after'] as const)('killed %s any of its appends, it claims all the same', async (when) => {
    for (let nth = 1; ; nth++) {
      const own = await alice.reserve(payee, 100n, { number: 100 + nth })
      const before = await earned()
      await world.drive(tower.node.close())
      const fault = dieAt(nth, when)
      tower = await world.drive(world.watchtower('tower', fault.hooks))
      fault.arm()
      const play = async (): Promise<void> => {
        // Said again until it is heard, as who hands over does.
        while (!(await bob.call(tower.node.participant, 'guard', { vouchers: [voucher(40n, own)] }).catch(() => undefined))?.held[0]) await world.clock.sleep(500)
        await alice.write({ kind: 'exit', lane: own })
        while (await earned() === before) await world.clock.sleep(1_000)
      }
      const played = play()
      const over = await world.drive(Promise.race([fault.died.then(() => 'died' as const), played.then(() => 'done' as const)]), 400_000)
      await tower.kill()
      tower = await world.drive(world.watchtower('tower'))
      await world.drive(played, 400_000)
      expect(await earned() - before, `killed ${when} append ${nth}`).toBe(40n)
      if (over === 'done') break
      expect(nth, 'it has an end').toBeLessThan(30)
    }
  }, 60_000)
})
