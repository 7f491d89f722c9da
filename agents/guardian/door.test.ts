/** The guardian's door over HTTP: what it answers proves itself, and what is not there is a 404. */
import { afterEach, describe, expect, it } from 'vitest'
import { virtualClock } from '../../runtime/memory/clock.ts'
import { verifyEntry, verifyRegistry } from '../../runtime/market/registry.ts'
import type { OpenDoor } from '../http/door.ts'
import { keysOf, MemoryWorld, SHOUT, shouter } from '../memory-network.fixture.ts'
import { openReputationDoor } from './door.ts'

const EPOCH_MS = 20_000
/** Epoch in which virtual time begins. */
const FIRST = 85_000_000

describe('the door of a guardian', () => {
  const world = new MemoryWorld({ clock: virtualClock() })
  world.guardians = { names: ['g0', 'g1', 'g2', 'g3'], quorum: 3, epochMs: EPOCH_MS }
  const set = world.guardianSet()
  let door: OpenDoor | undefined
  afterEach(async () => {
    await door?.close()
    await world.close()
  })

  it('gives registries and entries that verify, and refuses what it does not know', async () => {
    const provider = await world.drive(world.provider(shouter('p1', '0.01', 90)))
    const [first] = await world.drive(Promise.all(world.guardians!.names.map((name) => world.guardian(name, { book: {} }))))
    door = await openReputationDoor(first!.node, set)
    const get = async (path: string): Promise<{ status: number; body: any }> => {
      const answer = await fetch(`${door!.url}${path}`, { headers: { connection: 'close' } })
      return { status: answer.status, body: await answer.json() }
    }
    const refused = { status: 404, body: { error: { code: 'reputation.unknown', hint: expect.any(String) } } }
    expect(await get('/reputation')).toMatchObject(refused)

    await world.drive(world.clock.sleep(2 * EPOCH_MS + EPOCH_MS / 2))
    const latest = await get('/reputation')
    expect(latest.status).toBe(200)
    expect(verifyRegistry(latest.body, set).header.epoch).toBe(FIRST + 1)

    const { participant } = provider.node
    const one = await get(`/reputation/${participant.toUpperCase().replace('0X', '0x')}`)
    expect(one).toMatchObject({ status: 200, body: { epoch: FIRST + 1 } })
    expect(one.body.entries.map((entry: unknown) => verifyEntry(entry, set))).toMatchObject([{ provider: participant, capability: SHOUT.id }])
    one.body.entries[0].entry.figures.uptime = 1
    expect(() => verifyEntry(one.body.entries[0], set)).toThrow(expect.objectContaining({ code: 'auth.forged' }))

    const older = await get(`/epochs/${FIRST}`)
    expect(verifyRegistry(older.body, set).header.epoch).toBe(FIRST)

    expect(await get(`/reputation/${keysOf('nobody').participant}`)).toMatchObject(refused)
    expect(await get(`/epochs/${FIRST + 1_000}`)).toMatchObject(refused)
    expect(await get('/epochs/last')).toMatchObject({ status: 400, body: { error: { code: 'usage.invalid' } } })
    expect(await get('/nothing')).toMatchObject({ status: 404, body: { error: { code: 'usage.invalid' } } })
  })
})
