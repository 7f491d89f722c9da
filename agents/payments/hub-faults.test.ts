/** Who loses at most when a payment through a hub goes wrong, a row each: README.md, "Hub". */
import { afterEach, describe, expect, it } from 'vitest'
import type { LockedVoucher } from '../../schemas/documents.gen.ts'
import { virtualClock } from '../../runtime/memory/clock.ts'
import type { Room } from '../../runtime/node/node.ts'
import type { PurseContext } from '../../runtime/payments/lane.ts'
import { HUB_MARGIN_MS, verifyForwarded } from '../../runtime/payments/seal.ts'
import type { TillContext } from '../../runtime/payments/till.machine.ts'
import { toRail } from '../../runtime/payments/voucher.ts'
import type { CallContext } from '../provider/call.machine.ts'
import { dieAt } from '../die-at.fixture.ts'
import { openLiar, silence, type Tricks } from '../liar.fixture.ts'
import { keysOf, MemoryWorld, SHOUT, shouter } from '../memory-network.fixture.ts'
import { hire, type HireOptions } from '../user/hire.ts'
import { available, type WalletContext } from '../user/wallet.machine.ts'
import type { User } from '../user/user.ts'

const LONG = process.env['AIGEN_LONG'] !== undefined
/** How far apart the appends tried are. */
const STRIDE = LONG ? 1 : 20
const LONG_MS = 2_000_000
const hub = keysOf('safe').participant
const seller = keysOf('p1').participant
const call = { capability: SHOUT.id, input: { text: 'hi' }, maxPrice: '0.05', deadlineMs: 5_000, attempts: 1, settle: 'locked', through: {}, key: 'one', timeoutMs: LONG_MS } satisfies HireOptions

let world: MemoryWorld
afterEach(() => world.close())

/** What the hub got less what its lanes paid, as the chain has it, atomic. */
const gain = async (user: User): Promise<bigint> => {
  let paid = 0n
  for (const { id } of Object.values(user.node.host.context<PurseContext>('purse/0')!.lanes)) paid += (await world.rail.lane(id))?.claimed ?? 0n
  return await world.rail.balance(hub) - paid
}
const until = async (holds: () => Promise<boolean> | boolean, forMs = 300_000): Promise<void> => {
  const end = world.clock.monotonic() + forMs
  while (!(await holds())) {
    if (world.clock.monotonic() > end) throw new Error('it never came to that')
    await world.drive(world.clock.sleep(500))
  }
}
const spent = (user: User): bigint => 10_000_000n - available(user.node.host.context<WalletContext>('wallet')!)
const isQuiet = (user: User): boolean => Object.keys(user.node.host.context<WalletContext>('wallet')!.holds).length === 0

describe('a hub that dies between the hops', () => {
  it.each(['before', 'after'] as const)('%s each append: the call is paid once on both, and the hub has its fee', async (when) => {
    for (let nth = 1; ; nth += STRIDE) {
      world = new MemoryWorld({ clock: virtualClock() })
      const death = dieAt(nth, when)
      const safe = await world.drive(world.payments('safe', {}, death.hooks))
      await world.drive(world.provider(shouter('p1', '0.01', 90)))
      const alice = await world.drive(world.user('alice'))
      death.arm()
      const hired = hire(alice, call)
      const over = await world.drive(Promise.race([death.died.then(() => 'died' as const), hired.then(() => 'done' as const, () => 'done' as const)]), LONG_MS)
      if (over === 'done') {
        death.disarm()
        await world.close()
        break
      }
      await safe.kill()
      const again = await world.drive(world.payments('safe'))
      // Where it was away for too long the step has failed; its money is back or was paid for a key.
      const came = await world.drive(hired.then(() => true, () => false), LONG_MS)
      await until(() => isQuiet(alice), LONG_MS)
      const where = `killed ${when} append ${nth}, ${came ? 'done' : 'failed'}`
      if (came) await until(async () => (await world.rail.balance(hub)) >= 10_050n && (await world.rail.balance(seller)) >= 10_000n)
      expect(spent(alice), where).toBe(came ? 10_050n : (await world.rail.balance(hub)))
      expect(await gain(again.user), where).toBeGreaterThanOrEqual(0n)
      expect(await world.rail.balance(seller), where).toBe(came ? 10_000n : (await world.rail.balance(hub)) > 0n ? 10_000n : 0n)
      expect(world.rail.imbalance(), where).toBe(0n)
      await world.close()
      expect(nth).toBeLessThan(120)
    }
  }, 600_000)
})

describe('a payer that dies while it pays through a hub', () => {
  it.each(['before', 'after'] as const)('%s each append: when it is back it has the output and has paid once, or nobody has paid for nothing', async (when) => {
    for (let nth = 1; ; nth += LONG ? 3 : 9) {
      world = new MemoryWorld({ clock: virtualClock() })
      const death = dieAt(nth, when)
      const safe = await world.drive(world.payments('safe'))
      await world.drive(world.provider(shouter('p1', '0.01', 90)))
      const alice = await world.drive(world.user('alice', {}, death.hooks))
      death.arm()
      const hired = hire(alice, call)
      const over = await world.drive(Promise.race([death.died.then(() => 'died' as const), hired.then(() => 'done' as const, () => 'done' as const)]), LONG_MS)
      death.disarm()
      if (over === 'done') {
        await world.close()
        break
      }
      await alice.kill()
      const again = await world.drive(world.user('alice'))
      const output = await world.drive(hire(again, call).then((hiring) => hiring.output, (error: { code?: string }) => error.code), LONG_MS)
      await until(() => isQuiet(again), LONG_MS)
      const where = `killed ${when} append ${nth}, ${JSON.stringify(output)}`
      if (typeof output === 'object') {
        expect(output, where).toMatchObject({ text: 'HI' })
        await until(async () => (await world.rail.balance(hub)) >= 10_050n && (await world.rail.balance(seller)) >= 10_000n)
      }
      // Its worst loss is that call: a key that came while it was away was paid for.
      expect([0n, 10_050n], where).toContain(spent(again))
      if (typeof output === 'object') expect(spent(again), where).toBe(10_050n)
      expect(await gain(safe.user), where).toBeGreaterThanOrEqual(0n)
      expect(world.rail.imbalance(), where).toBe(0n)
      await world.close()
      expect(nth).toBeLessThan(150)
    }
  }, 600_000)
})

describe('a payment through a hub', () => {
  const open = async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    const safe = await world.drive(world.payments('safe'))
    return { safe, alice: await world.drive(world.user('alice')) }
  }
  const claim = async ({ voucher, key }: { voucher: LockedVoucher; key: `0x${string}` }): Promise<string> => {
    const { bytes, hash } = await world.rail.prepare({ kind: 'claim', claims: [{ voucher: toRail(voucher), signature: voucher.signature, preimage: key }] }, keysOf('anybody').wallet, await world.rail.nonce(keysOf('anybody').participant))
    await world.rail.broadcast(bytes)
    const outcome = await world.rail.outcome(hash)
    return outcome.state === 'done' ? outcome.refused[0]?.reason ?? 'paid' : outcome.state
  }
  const lies = async (tricks: Tricks) => {
    const opened = await open()
    return { ...opened, liar: await world.drive(openLiar(world, 'p1', '0.01', tricks)) }
  }

  it('whose provider claims at the last moment and says nothing: the hub reads the key on the chain, and claims with it', async () => {
    const { safe, alice, liar } = await lies({ pay: silence })
    // Half a minute before the hub's own lock expires.
    let claimed = Promise.resolve('')
    world.clock.timer(world.clock.now() + 875_000, () => {
      const left = liar.locked[0]!.voucher.lockExpiry * 1_000 - world.clock.now()
      expect(left).toBeGreaterThan(0)
      expect(left).toBeLessThan(60_000)
      claimed = claim(liar.locked[0]!)
    })
    await world.drive(expect(hire(alice, call)).rejects.toMatchObject({ code: 'step.output' }), LONG_MS)
    expect(await claimed).toBe('paid')
    await until(async () => (await world.rail.balance(hub)) === 10_050n, LONG_MS)
    await until(() => isQuiet(alice), LONG_MS)
    expect(await gain(safe.user)).toBe(50n)
    // Worst loss of the payer: that call. It has the output, late.
    expect(spent(alice)).toBe(10_050n)
    expect(world.rail.imbalance()).toBe(0n)
  }, 60_000)

  it.each<[string, (answer: { readonly cumulative: string }) => object]>([
    ['keeps the key', ({ cumulative }) => ({ cumulative })],
    ['gives another', (answer) => ({ ...answer, key: `0x${'77'.repeat(32)}` })],
  ])('whose hub %s: the provider is paid, and the payer reads what the hub claims with', async (_what, bend) => {
    world = new MemoryWorld({ clock: virtualClock() })
    const liar: Room = ({ wire }) => {
      const { serve } = wire
      wire.serve = (verb, read, handler, options) => serve(verb, read, async (body, about) => {
        const answer = await handler(body, about)
        return (verb === 'pay' ? bend(answer as { readonly cumulative: string }) : answer) as typeof answer
      }, options)
      return { actors: [], effects: {} }
    }
    const safe = await world.drive(world.payments('safe', { rooms: [liar] }))
    await world.drive(world.provider(shouter('p1', '0.01', 90)))
    const alice = await world.drive(world.user('alice'))
    await world.drive(expect(hire(alice, call)).rejects.toMatchObject({ code: 'step.output' }), LONG_MS)
    await until(() => isQuiet(alice), LONG_MS)
    await until(async () => (await world.rail.balance(hub)) === 10_050n && (await world.rail.balance(seller)) === 10_000n, LONG_MS)
    expect(await gain(safe.user)).toBe(50n)
    // Worst loss of the payer: that call. Its lane goes on.
    expect(spent(alice)).toBe(10_050n)
    expect(Object.values(alice.node.host.context<PurseContext>('purse/0')!.lanes)).toMatchObject([{ cumulative: '10050', use: null, escrow: null }])
    expect(world.rail.imbalance()).toBe(0n)
  }, 60_000)

  it.runIf(LONG)('whose provider keeps the key: nobody pays, and both lanes go on', async () => {
    const { safe, alice, liar } = await lies({ pay: silence })
    await world.drive(expect(hire(alice, call)).rejects.toMatchObject({ code: 'step.output' }), LONG_MS)
    await until(() => isQuiet(alice), LONG_MS)
    expect(await claim(liar.locked[0]!)).toBe('expired')
    expect([spent(alice), await gain(safe.user), await world.rail.balance(seller)]).toEqual([0n, 0n, 0n])
    for (const user of [alice, safe.user]) expect(Object.values(user.node.host.context<PurseContext>('purse/0')!.lanes)).toMatchObject([{ cumulative: '0', use: null, escrow: null }])
    await until(() => [...safe.user.node.host.list('till')].every(({ snapshot }) => (snapshot.context as TillContext).voucher === null))
  }, 60_000)

  it.runIf(LONG)('whose hub is gone once it has the voucher: the money is back, the provider has worked for nothing', async () => {
    const { safe, alice } = await open()
    const provider = await world.drive(world.provider(shouter('p1', '0.01', 90)))
    const hired = hire(alice, call).then(() => 'done', (error) => error.code)
    // Its last word is that it has journaled the payer's lock.
    await new Promise<void>((resolve) => {
      const stop = safe.user.node.host.watch(({ id, snapshot }) => {
        if (!id.startsWith('till/') || (snapshot.context as TillContext).voucher?.kind !== 'locked') return
        stop()
        void safe.kill().then(resolve)
      })
      void world.drive(hired, LONG_MS).catch(() => undefined)
    })
    expect(await world.drive(hired, LONG_MS)).toMatch(/^(step|network)\./)
    await until(() => isQuiet(alice), LONG_MS)
    expect(spent(alice)).toBe(0n)
    expect(await world.rail.balance(seller)).toBe(0n)
    await until(() => [...provider.node.host.list('till')].every(({ snapshot }) => (snapshot.context as TillContext).owed === null))
    expect(world.rail.imbalance()).toBe(0n)
  }, 60_000)

  it('whose payer takes the delivery and is gone: the provider lets the lane go after two minutes, and the hub uses it again', async () => {
    const { safe, alice } = await open()
    const provider = await world.drive(world.provider(shouter('p1', '0.01', 90)))
    const lent = new Promise<void>((resolve) => {
      const stop = provider.node.host.watch(({ id, snapshot }) => {
        if (!id.startsWith('call/') || (snapshot.context as CallContext).delivery === null) return
        stop()
        void alice.kill().then(resolve)
      })
    })
    void hire(alice, call).catch(() => undefined)
    await world.drive(lent)
    await until(() => [...provider.node.host.list('till')].every(({ snapshot }) => (snapshot.context as TillContext).owed === null))
    await until(() => Object.values(safe.user.node.host.context<PurseContext>('purse/0')!.lanes).every(({ use }) => use === null), 600_000)
    const bob = await world.drive(world.user('bob'))
    expect(await world.drive(hire(bob, call))).toMatchObject({ output: { text: 'HI', quality: 90 } })
    expect(Object.keys(safe.user.node.host.context<PurseContext>('purse/0')!.lanes)).toHaveLength(1)
    await until(async () => (await world.rail.balance(hub)) === 10_050n && (await world.rail.balance(seller)) === 10_000n)
    expect(await gain(safe.user)).toBe(50n)
  }, 60_000)

  it('whose payer is gone once it has the key: the hub claims with it', async () => {
    const { safe, alice } = await open()
    await world.drive(world.provider(shouter('p1', '0.01', 90)))
    const keyed = new Promise<void>((resolve) => {
      const stop = safe.user.node.host.watch(({ id, snapshot }) => {
        if (!id.startsWith('till/') || !(snapshot.context as TillContext).lock?.key) return
        stop()
        void alice.kill().then(resolve)
      })
    })
    void hire(alice, call).catch(() => undefined)
    await world.drive(keyed)
    await until(async () => (await world.rail.balance(hub)) === 10_050n && (await world.rail.balance(seller)) === 10_000n)
    expect(await gain(safe.user)).toBe(50n)
  }, 60_000)

  it.each<[string, number, object, string | undefined]>([
    ['the margin and the time to claim, to the second', 1_200, {}, undefined],
    ['a second less than that', 1_199, {}, 'voucher.locked'],
    ['half of the delay', 1_800, {}, undefined],
    ['a second more than that', 1_801, {}, 'voucher.locked'],
    ['a lane that its payer is leaving', 1_500, { exitAt: 9 }, 'lane.closed'],
    ['a closed lane', 1_500, { closed: true }, 'lane.closed'],
    ['more than is reserved', 1_500, { reserved: 9n }, 'voucher.over-reserve'],
  ])('is locked for by the hub only where it can claim in turn: %s', (_what, leftS, change, code) => {
    world = new MemoryWorld({ clock: virtualClock() })
    const lane = { payee: seller, number: 0, reserved: 10n, claimed: 0n, exitAt: 0, exitAmount: 0n, closed: false, owner: hub, voucherKey: hub, delay: 3_600, ...change }
    const take = (): void => verifyForwarded({ cumulative: '10', lockExpiry: 5_000 + leftS } as LockedVoucher, lane as never, 5_000_000)
    if (code === undefined) take()
    else expect(take).toThrow(expect.objectContaining({ code }))
    expect(HUB_MARGIN_MS).toBe(600_000)
  })
})
