import { afterEach, describe, expect, it } from 'vitest'
import { virtualClock } from '../../runtime/memory/clock.ts'
import { reputationSubject } from '../../runtime/market/registry.ts'
import type { ReputationEntry } from '../../schemas/documents.gen.ts'
import { keysOf, MemoryWorld, SHOUT, shouter } from '../memory-network.fixture.ts'
import { hire } from '../user/hire.ts'
import type { EpochContext } from './epoch.ts'
import type { Guardian } from './guardian.ts'
import type { ProbeBook } from './probe-book.ts'
import { makePuppet, type Puppet } from './puppet.fixture.ts'

const NAMES = ['g0', 'g1', 'g2', 'g3']
const EPOCH_MS = 20_000
/** Epoch in which virtual time begins; guardian g0 is the first to propose in it. */
const FIRST = 85_000_000

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

  const begin = (): void => {
    world = new MemoryWorld({ clock: virtualClock() })
    world.guardians = { names: NAMES, quorum: 3, epochMs: EPOCH_MS }
  }
  const pass = (ms: number): Promise<void> => world.drive(world.clock.sleep(ms), ms + 1_000)
  const open = (names: readonly string[]): Promise<Guardian[]> => world.drive(Promise.all(names.map((name) => world.guardian(name, { book: BOOK }))))
  const figuresOf = (guardian: Guardian, provider: { node: { participant: string } }): ReputationEntry['figures'] | undefined => guardian.node.reputation.of(provider.node.participant, SHOUT.id)
  const puppet = async (name: string): Promise<Puppet> => {
    const opened: { puppet?: Puppet } = {}
    await world.drive(world.user(name, { prepare: (node) => void (opened.puppet = makePuppet({ node }, world.guardianSet())) }))
    return opened.puppet!
  }

  it('agree on what they measured, all the same, and each registry is kept', async () => {
    begin()
    const provider = await world.drive(world.provider(shouter('p1', '0.01', 90)))
    const guardians = await open(NAMES)
    await pass(2 * EPOCH_MS)
    for (const { node } of guardians) {
      const registry = node.reputation.registry()!
      expect(registry.entries).toMatchObject([{ provider: provider.node.participant, capability: SHOUT.id, figures: { uptime: 10_000, success: 10_000, errors: 0, breaches: 0, probes: 2 } }])
      expect(registry.header.reports.map(({ guardian }) => guardian)).toEqual(guardians.map((one) => one.node.participant).sort())
      expect([...node.host.list('epoch')].map(({ snapshot }) => snapshot.value)).toEqual(['closed', 'closed'])
    }
    const roots = new Set(guardians.map(({ node }) => node.reputation.registry()!.header.root))
    expect(roots.size).toBe(1)
  })

  it('see a provider turn slow and then wrong: within two epochs its reputation falls and a rival is hired, whatever one of them lies', async () => {
    begin()
    let mood: 'good' | 'slow' | 'wrong' = 'good'
    const provider = await world.drive(world.provider(shouter('cheap', '0.01', 90, {
      handler: async ({ text }: { text: string }) => {
        if (mood !== 'good') await world.clock.sleep(2_000)
        return { output: { text: mood === 'wrong' ? 'no' : text.toUpperCase(), quality: 90 }, units: { call: 1 } }
      },
    })))
    const rival = await world.drive(world.provider(shouter('dear', '0.015', 90)))
    // The last one calls the cheap one perfect and the rival hopeless, whatever it saw.
    const lie = (entries: ReputationEntry[]): ReputationEntry[] => entries.map((entry) => ({
      ...entry, figures: { ...entry.figures, ...(entry.provider === provider.node.participant ? { uptime: 10_000, success: 10_000, errors: 0, p50Ms: 0, p95Ms: 0, breaches: 0 } : { uptime: 0, success: 0, errors: 10_000, p95Ms: 60_000 }) },
    }))
    const guardians = await world.drive(Promise.all(NAMES.map((name) => world.guardian(name, { book: BOOK, ...(name === 'g3' ? { report: lie } : {}) }))))
    const user = await world.drive(world.user('alice'))
    const buy = async (): Promise<string> => (await world.drive(hire(user, { capability: SHOUT.id, input: { text: 'hi' }, maxPrice: '0.02' }))).provider
    await pass(EPOCH_MS + 8_000)
    expect(figuresOf(guardians[0]!, provider)).toMatchObject({ success: 10_000, breaches: 0 })
    expect(await buy()).toBe('cheap')

    mood = 'slow'
    await pass(2 * EPOCH_MS)
    const slow = user.node.reputation.of(provider.node.participant, SHOUT.id)!
    expect(slow.breaches).toBeGreaterThan(0)
    expect(slow.p95Ms).toBeGreaterThanOrEqual(2_000)
    mood = 'wrong'
    await pass(2 * EPOCH_MS)
    const fallen = user.node.reputation.of(provider.node.participant, SHOUT.id)!
    // The epoch in which it turned still holds answers from before.
    expect(fallen.success).toBeLessThanOrEqual(5_000)
    expect(user.node.reputation.of(rival.node.participant, SHOUT.id)).toMatchObject({ success: 10_000, uptime: 10_000, errors: 0 })
    expect(await buy()).toBe('dear')
    expect(world.rail.imbalance()).toBe(0n)
  })

  it('close an epoch with one of them down', async () => {
    begin()
    const provider = await world.drive(world.provider(shouter('p1', '0.01', 90)))
    const guardians = await open(NAMES.slice(1))
    await pass(2 * EPOCH_MS + EPOCH_MS / 2)
    for (const guardian of guardians) {
      expect(guardian.node.reputation.registry()!.header).toMatchObject({ epoch: FIRST + 1, entries: 1 })
      expect(guardian.node.reputation.registry()!.header.reports).toHaveLength(3)
      expect(figuresOf(guardian, provider)).toMatchObject({ success: 10_000 })
    }
  })

  it('pass over a proposer that shows different lists, and sign one list each', async () => {
    begin()
    await world.drive(world.provider(shouter('p1', '0.01', 90)))
    const liar = await puppet('g0')
    const guardians = await open(NAMES.slice(1))
    const [g1, g2, g3] = guardians.map(({ node }) => node.participant)
    await pass(EPOCH_MS - 100)
    // Two reports, a commitment to one for some and to the other for others, and a list for each side.
    const [one, other] = [liar.report(FIRST, []), liar.report(FIRST, [])]
    const scheme = async (): Promise<void> => {
      await world.clock.sleep(150)
      await liar.say([g1!], liar.commit(one))
      await liar.say([g2!, g3!], liar.commit(other))
      while (liar.reports(FIRST).length < 3) await world.clock.sleep(50)
      await liar.say([g1!], { kind: 'report', report: one })
      await liar.say([g2!, g3!], { kind: 'report', report: other })
      await liar.say([g1!], liar.proposal(0, [one, ...liar.reports(FIRST)]))
      await liar.say([g2!, g3!], liar.proposal(0, [other, ...liar.reports(FIRST)]))
    }
    await world.drive(scheme())
    await pass(EPOCH_MS)
    const roots = new Set(guardians.map(({ node }) => node.reputation.registry(FIRST)?.header.root))
    expect(roots.size).toBe(1)
    expect([...roots][0]).toBeDefined()
    for (const { node } of guardians) expect(node.host.context<EpochContext>(`epoch/${FIRST}`)!.round).toBeGreaterThan(0)
    expect([...liar.signed(FIRST).values()].map((headers) => headers.size)).toEqual([1, 1, 1])
  })

  it('pass over a proposer that leaves a report out', async () => {
    begin()
    await world.drive(world.provider(shouter('p1', '0.01', 90)))
    const liar = await puppet('g0')
    const guardians = await open(NAMES.slice(1))
    const honest = guardians.map(({ node }) => node.participant)
    await pass(EPOCH_MS - 100)
    const own = liar.report(FIRST, [])
    const scheme = async (): Promise<void> => {
      await world.clock.sleep(150)
      await liar.say(honest, liar.commit(own))
      while (liar.reports(FIRST).length < 3) await world.clock.sleep(50)
      await liar.say(honest, { kind: 'report', report: own })
      await liar.say(honest, liar.proposal(0, [own, ...liar.reports(FIRST).filter(({ signature }) => signature.by !== honest[0])]))
    }
    await world.drive(scheme())
    await pass(EPOCH_MS)
    const registry = guardians[0]!.node.reputation.registry(FIRST)!
    expect(registry.header.reports.map(({ guardian }) => guardian)).toEqual([keysOf('g0').participant, ...honest].sort())
  })

  it('put a registry back that one of them has overwritten', async () => {
    begin()
    await world.drive(world.provider(shouter('p1', '0.01', 90)))
    const guardians = await open(NAMES)
    await pass(EPOCH_MS + EPOCH_MS / 2)
    const { node } = guardians[0]!
    await node.bus.keep(reputationSubject(FIRST), new TextEncoder().encode('{"header":"mine"}'))
    await pass(500)
    const late = await world.drive(world.user('late'))
    expect(late.node.reputation.registry(FIRST)?.header.root).toBe(node.reputation.registry(FIRST)!.header.root)
  })

  it.each(['before', 'after'] as const)('killed %s any append of an epoch and started again, sign one list and pay each probe once', async (when) => {
    // Every third append: each of them is another place between measuring, committing, echoing, signing and publishing.
    let kills = 0
    for (let nth = 1; nth <= 25; nth += 3) {
      begin()
      const spy = await puppet('g0')
      await open(['g1', 'g2'])
      let armed = false
      let count = 0
      let die: () => void = () => undefined
      const died = new Promise<void>((resolve) => (die = resolve))
      const hook = (): Promise<void> | void => {
        if (!armed || ++count < nth) return
        die()
        return new Promise<never>(() => undefined)
      }
      const doomed = await world.drive(world.guardian('g3', { book: BOOK }, when === 'before' ? { beforeAppend: hook } : { afterAppend: hook }))
      await pass(EPOCH_MS - (world.clock.now() % EPOCH_MS) - 10)
      armed = true
      const over = await world.drive(Promise.race([died.then(() => true), world.clock.sleep(EPOCH_MS / 2).then(() => false)]))
      if (!over) break
      kills++
      await doomed.kill()
      const again = await world.drive(world.guardian('g3', { book: BOOK }))
      await pass(EPOCH_MS)
      const [epoch] = [...again.node.host.list('epoch')].map(({ snapshot }) => (snapshot.context as EpochContext).epoch)
      expect(again.node.reputation.registry(epoch)?.header.reports, `killed ${when} append ${nth}`).toHaveLength(3)
      for (const headers of spy.signed(epoch!).values()) expect(headers.size).toBe(1)
      expect(world.rail.imbalance()).toBe(0n)
      await world.close()
    }
    expect(kills).toBeGreaterThanOrEqual(4)
  }, 120_000)
})
