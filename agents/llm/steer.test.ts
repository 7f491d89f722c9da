/** The owner's word from another process reaches the node that hosts the agents; a stranger's does not. */
import { createHash } from 'node:crypto'
import { afterEach, expect, it } from 'vitest'
import { authoriseNode } from '../../runtime/identity/authorisation.ts'
import { nodeSigner } from '../../runtime/identity/ed25519.ts'
import { createWire, type Wire } from '../../runtime/identity/wire.ts'
import { virtualClock } from '../../runtime/memory/clock.ts'
import { participantId } from '../../schemas/id.ts'
import { evaluateHere, keysOf, MemoryWorld } from '../memory-network.fixture.ts'
import { agentRooms } from './agent-effects.ts'
import { isAsking, scriptedModel, shop, shoutPlan, YES } from './agent.fixture.ts'
import { agentReport, finishAgent, startAgent } from './pursue.ts'
import { serveSteering, steerFrom } from './steer.ts'

let world: MemoryWorld
afterEach(() => world.close())

/** Another process of `name`, with a node key of its own. */
function elsewhere(name: string): Wire {
  const { bus, clock, random } = world.ports(name)
  const node = nodeSigner(createHash('sha256').update(`${name} asker`).digest())
  const authorisation = authoriseNode(keysOf(name).wallet, node.publicKey, { notBefore: clock.now() - 1_000, notAfter: clock.now() + 86_400_000 })
  return createWire({ bus, clock, random, node, authorisation })
}

it('is heard from the same participant only', async () => {
  world = new MemoryWorld({ clock: virtualClock() })
  await world.drive(world.provider(scriptedModel('m1', ({ judge }) => (judge ? YES : shoutPlan('hi')))))
  await world.drive(world.provider(shop()))
  const user = await world.drive(world.user('alice', { rooms: agentRooms({ evaluate: evaluateHere }), prepare: serveSteering }))
  const id = await world.drive(startAgent(user, { goal: 'Say hi', budget: '0.50' }))
  await world.drive(user.node.host.until(`agent/${id}`, isAsking, 60_000))

  const mallory = elsewhere('mallory')
  const stolen = mallory.call(participantId(user.node.participant), 'steer', { id, want: 'approve' }, { callId: 's-1', timeoutMs: 5_000, validate: (value) => value })
  await expect(world.drive(stolen)).rejects.toMatchObject({ code: 'auth.unauthorised' })
  expect(await agentReport(user, id)).toMatchObject({ state: 'asking', attempts: [] })

  const alice = elsewhere('alice')
  await expect(world.drive(steerFrom(alice, { id, want: 'approve', question: 7 }, new Uint8Array([1])))).rejects.toMatchObject({ code: 'agent.moved-on' })
  await expect(world.drive(steerFrom(alice, { id: 'agent_x', want: 'cancel' }, new Uint8Array([2])))).rejects.toMatchObject({ code: 'agent.unknown' })
  await expect(world.drive(steerFrom(alice, { id: 'watcher_x', want: 'stop' }, new Uint8Array([3])))).rejects.toMatchObject({ code: 'watcher.unknown' })
  expect(await world.drive(steerFrom(alice, { id, want: 'approve', question: 1 }, new Uint8Array([4])))).toBe('running')
  expect(await world.drive(finishAgent(user, id, 60_000))).toMatchObject({ state: 'done', spent: '0.012' })
})
