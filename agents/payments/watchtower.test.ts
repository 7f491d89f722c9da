import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { GuardAnswer, Hex32 } from '../../schemas/documents.gen.ts'
import { virtualClock, type VirtualClock } from '../../runtime/memory/clock.ts'
import { NO_REF } from '../../runtime/payments/fold.ts'
import { signPlainVoucher } from '../../runtime/payments/voucher.ts'
import { dieAt } from '../die-at.fixture.ts'
import { Payer } from '../liar.fixture.ts'
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
