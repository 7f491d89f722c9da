import { afterEach, describe, expect, it } from 'vitest'
import { virtualClock } from '../../runtime/memory/clock.ts'
import { MemoryWorld, SHOUT, shouter } from '../memory-network.fixture.ts'
import type { ProbeBook } from './probe-book.ts'

const NAMES = ['g0', 'g1', 'g2', 'g3']
const EPOCH_MS = 20_000

/** Asks for a word in capitals. */
const BOOK: ProbeBook = {
  [SHOUT.id]: {
    units: 1,
    make: (chance) => {
      const text = `word ${chance.below(1_000_000)}`
      return { input: { text }, right: (output) => output.text === text.toUpperCase() }
    },
  },
}

describe('guardians', () => {
  let world: MemoryWorld
  afterEach(() => world.close())

  const pass = (ms: number): Promise<void> => world.drive(world.clock.sleep(ms), ms + 1_000)

  it('agree on what they measured', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    world.guardians = { names: NAMES, quorum: 3, epochMs: EPOCH_MS }
    const provider = await world.drive(world.provider(shouter('p1', '0.01', 90)))
    const guardians = await Promise.all(NAMES.map((name) => world.drive(world.guardian(name, { book: BOOK }))))
    await pass(2 * EPOCH_MS)
    for (const { node } of guardians) {
      const registry = node.reputation.registry()!
      expect(registry.entries).toMatchObject([{ provider: provider.node.participant, capability: SHOUT.id, figures: { uptime: 10_000, success: 10_000, errors: 0, breaches: 0, probes: 2 } }])
      expect(registry.header.reports.map(({ guardian }) => guardian)).toEqual(guardians.map((one) => one.node.participant).sort())
      expect([...node.host.list('epoch')].map(({ snapshot }) => snapshot.value)).toEqual(['closed', 'closed'])
    }
  })
})
