/** A provider claims by what it last read of a lane; a claim that another has sent meanwhile is found, and counted once. */
import { afterEach, expect, it } from 'vitest'
import { virtualClock } from '../runtime/memory/clock.ts'
import type { TillContext } from '../runtime/payments/till.machine.ts'
import { toRail } from '../runtime/payments/voucher.ts'
import { hire } from './user/hire.ts'
import { keysOf, MemoryWorld, SHOUT, shouter } from './memory-network.fixture.ts'

let world: MemoryWorld
afterEach(() => world.close())

it('a watchtower that was faster costs the provider nothing: its till knows what was paid, and the run is settled', async () => {
  world = new MemoryWorld({ clock: virtualClock() })
  const provider = await world.drive(world.provider(shouter('p1', '0.01', 90)))
  const alice = await world.drive(world.user('alice'))
  const call = (key: string): Promise<unknown> => world.drive(hire(alice, { capability: SHOUT.id, input: { text: key }, maxPrice: '0.05', deadlineMs: 5_000, only: [keysOf('p1').participant], key }))
  await call('one')
  const tillOf = (): TillContext => [...provider.node.host.list('till')][0]!.snapshot.context as TillContext
  for (let waited = 0; tillOf().claimed !== '10000' && waited < 100; waited++) await world.drive(world.clock.sleep(500))
  expect(tillOf().claimed).toBe('10000')
  let others = 0
  // Between its reading of the lane, which it remembers, and its claim.
  const stop = provider.node.host.watch(({ kind, snapshot }) => {
    const { voucher } = snapshot.context as TillContext
    if (kind.name !== 'till' || voucher?.kind !== 'plain' || voucher.cumulative !== '20000' || others++ > 0) return
    void (async () => {
      const by = keysOf('anybody')
      const { bytes } = await world.rail.prepare({ kind: 'claim', claims: [{ voucher: toRail(voucher), signature: voucher.signature }] }, by.wallet, await world.rail.nonce(by.participant))
      await world.rail.broadcast(bytes)
    })()
  })
  await call('two')
  // Well before it would read the lane again by itself.
  for (let waited = 0; tillOf().claimed !== '20000' && waited < 40; waited++) await world.drive(world.clock.sleep(500))
  stop()
  expect([others > 0, tillOf().claimed, (await world.rail.lane(tillOf().lane))!.claimed]).toEqual([true, '20000', 20_000n])
  expect(await world.rail.balance(keysOf('p1').participant)).toBe(20_000n)
  expect(world.rail.imbalance()).toBe(0n)
})
