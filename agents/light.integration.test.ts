/** A light node on a real NATS server and a real EVM node: no journal account, no RPC, every word proven. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { SHOUT, shouter } from './memory-network.fixture.ts'
import { RealWorld } from './real-network.fixture.ts'
import { hire } from './user/hire.ts'

let world: RealWorld
beforeAll(async () => { world = await RealWorld.open() })
afterAll(() => world?.close())

it('deposits, hires, pays and settles through two relays, and reads of the chain what the chain says', async () => {
  const provider = await world.provider(shouter('p1', '0.01', 90))
  const relay = await world.relay('long-wave')
  await world.relay('short-wave')
  const user = await world.lightUser('alice')
  const { output, charged, bill } = await hire(user, { capability: SHOUT.id, input: { text: 'hi' }, maxPrice: '0.02' })
  expect([output, charged, bill.settled]).toEqual([{ text: 'HI', quality: 90 }, '0.01', '0.01'])

  const { rail } = user.node
  const vault = rail.vaultId({ owner: user.node.participant, voucherKey: user.node.keys.voucher.address.toLowerCase() as `0x${string}`, delay: 86_400, number: 0 })
  const lane = rail.laneId(vault, provider.node.participant, 0)
  expect(await rail.vault(vault)).toEqual(await relay.rail.vault(vault))
  expect(await rail.lane(lane)).toEqual(await relay.rail.lane(lane))
  expect(await rail.lane(lane)).toMatchObject({ claimed: 10_000n })
  expect(await rail.lane(rail.laneId(vault, provider.node.participant, 77))).toBeUndefined()
  expect(await rail.balance(provider.node.participant)).toBe(10_000n)
  expect(await rail.credit(provider.node.participant)).toBe(0n)
  expect((await rail.head()).block).toBe((await relay.rail.head()).block)
  // Its own account has never sent anything.
  expect(await relay.rail.nonce(user.node.participant)).toBe(0)
}, 60_000)
