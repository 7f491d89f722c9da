/** What a provider takes in, when it is unwell, and how it ends: admission, health, drain, several capabilities. */
import { afterEach, describe, expect, it } from 'vitest'
import { AigenError } from '../../schemas/error.ts'
import type { SettlerContext } from '../../runtime/payments/settler.machine.ts'
import { virtualClock } from '../../runtime/memory/clock.ts'
import { MemoryWorld, SHOUT, shouter } from '../memory-network.fixture.ts'
import { hire, type HireOptions } from '../user/hire.ts'
import type { User } from '../user/user.ts'
import type { ProviderDefinition } from './define.ts'
import { provide } from './provide.ts'

describe('a provider', () => {
  let world: MemoryWorld
  afterEach(() => world.close())
  const call = (user: User, change: Partial<HireOptions> = {}): Promise<string> =>
    hire(user, { capability: SHOUT.id, input: { text: 'hi' }, maxPrice: '0.02', attempts: 1, ...change }).then(({ provider }) => provider, (error) => error.code)
  /** Works until it is let go. */
  function slow(name: string, change: Partial<ProviderDefinition> = {}): { definition: ProviderDefinition; most: () => number; at: () => number; go: () => void } {
    const waiting: (() => void)[] = []
    let at = 0
    let most = 0
    let free = false
    const definition = shouter(name, '0.01', 90, { handler: async ({ text }) => {
      most = Math.max(most, ++at)
      if (!free) await new Promise<void>((resolve) => waiting.push(resolve))
      at--
      return { output: { text, quality: 90 }, units: { call: 1 } }
    }, ...change })
    return { definition, most: () => most, at: () => at, go: () => { free = true; for (const one of waiting.splice(0)) one() } }
  }

  it('works on as many at once as it said, and has no more wait than it said; others go elsewhere', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    const busy = slow('busy', { concurrency: 2, queue: 1 })
    const provider = await world.drive(world.provider(busy.definition))
    await world.drive(world.provider(shouter('dear', '0.015', 90)))
    const user = await world.drive(world.user('alice'))
    const calls = Array.from({ length: 3 }, () => call(user))
    await world.drive((async () => { while (provider.stats().working < 3) await world.clock.sleep(50) })())
    expect(busy.at()).toBe(2)
    expect(await world.drive(call(user))).toBe('dear')
    busy.go()
    expect(await world.drive(Promise.all(calls))).toEqual(['busy', 'busy', 'busy'])
    expect(busy.most()).toBe(2)
  })

  it('a burst of agreements at one moment gets no more places than there are', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    const busy = slow('busy', { concurrency: 1, queue: 1 })
    const provider = await world.drive(world.provider(busy.definition))
    const users: User[] = []
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) users.push(await world.drive(world.user(name)))
    const calls = users.map((user) => call(user))
    let most = 0
    await world.drive((async () => { for (let look = 0; look < 100; look++) { most = Math.max(most, provider.stats().working); await world.clock.sleep(50) } })())
    busy.go()
    const answers = await world.drive(Promise.all(calls))
    expect([most, answers.filter((answer) => answer === 'busy').length]).toEqual([2, 2])
  })

  it('keeps to its rate, in all and by caller', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    await world.drive(world.provider(shouter('p1', '0.01', 90, { rate: { perMinute: 3, perCaller: 2 } })))
    const [alice, bob] = [await world.drive(world.user('alice')), await world.drive(world.user('bob'))]
    const answers: string[] = []
    for (const user of [alice, alice, alice, bob, bob]) answers.push(await world.drive(call(user)))
    expect(answers).toEqual(['p1', 'p1', 'market.no-provider', 'p1', 'market.no-provider'])
    await world.drive(world.clock.sleep(60_000))
    expect(await world.drive(call(alice))).toBe('p1')
  })

  it('that is unwell is not asked, and comes back by itself', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    let well = true
    await world.drive(world.provider(shouter('p1', '0.01', 90, { health: async () => {
      if (!well) throw new Error('the model is gone')
      return true
    } })))
    const user = await world.drive(world.user('alice'))
    expect(await world.drive(call(user))).toBe('p1')
    well = false
    await world.drive(world.clock.sleep(16_000))
    expect(user.node.directory.offers(SHOUT.id)).toEqual([])
    expect(await world.drive(call(user))).toBe('market.no-provider')
    well = true
    await world.drive(world.clock.sleep(16_000))
    expect(await world.drive(call(user))).toBe('p1')
  })

  it('sells several capabilities on one card', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    const whisper = { ...SHOUT, id: 'text.whisper@1' as const }
    const ports = world.ports('both')
    const { keysOf, evaluateHere } = await import('../memory-network.fixture.ts')
    const both = [shouter('both', '0.01', 90), shouter('both', '0.012', 90, { capability: whisper, models: ['small'], handler: async ({ text }) => ({ output: { text: text.toLowerCase(), quality: 90 }, units: { call: 1 } }) })]
    const provider = await world.drive(provide(both, { ports, keys: keysOf('both') }, evaluateHere))
    const user = await world.drive(world.user('alice'))
    expect(user.node.directory.entry(provider.node.participant)?.card.body.offers.map(({ capability, models }) => [capability.id, models])).toEqual([[SHOUT.id, undefined], [whisper.id, ['small']]])
    const [loud, quiet] = await world.drive(Promise.all([SHOUT.id, whisper.id].map((capability) => hire(user, { capability, input: { text: 'Hi' }, maxPrice: '0.02' }))))
    expect([loud!.output, loud!.charged, quiet!.output, quiet!.charged]).toEqual([{ text: 'HI', quality: 90 }, '0.01', { text: 'hi', quality: 90 }, '0.012'])
    await world.drive(provider.stop(0))
    await expect(provide([both[0]!, both[0]!], { ports, keys: keysOf('both') }, evaluateHere)).rejects.toMatchObject({ code: 'input.invalid' })
    await expect(provide([both[0]!, { ...both[1]!, idempotent: false }], { ports, keys: keysOf('both') }, evaluateHere)).rejects.toMatchObject({ code: 'input.invalid' })
  })

  it('stopped at work, it takes no more, delivers, is paid and claims before it ends', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    const one = slow('p1')
    const provider = await world.drive(world.provider(one.definition))
    const user = await world.drive(world.user('alice'))
    const working = call(user)
    await world.drive((async () => { while (one.at() < 1) await world.clock.sleep(50) })())
    const stopped = provider.stop(10_000)
    expect(await world.drive(call(user))).toBe('market.no-provider')
    one.go()
    expect(await world.drive(working)).toBe('p1')
    await world.drive(stopped)
    const { claims } = provider.node.host.context<SettlerContext>('settler/0')!
    expect(Object.values(claims)).toMatchObject([{ claimed: '10000' }])
  })

  it('stopped while the chain is away for a moment, it claims when it is back', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    const { rail, clock } = world
    let back = 0
    const provider = await world.drive(world.provider(shouter('p1', '0.01', 90, { handler: async ({ text }) => {
      back = Number.POSITIVE_INFINITY
      return { output: { text, quality: 90 }, units: { call: 1 } }
    } })))
    const user = await world.drive(world.user('alice'))
    const lane = rail.lane.bind(rail)
    rail.lane = async (...asked) => {
      if (clock.now() < back) throw new AigenError('chain.unreachable')
      return lane(...asked)
    }
    expect(await world.drive(call(user))).toBe('p1')
    const claims = (): object[] => Object.values(provider.node.host.context<SettlerContext>('settler/0')!.claims)
    expect(claims()).toEqual([])
    back = clock.now() + 6_000
    await world.drive(provider.stop(10_000))
    expect(claims()).toMatchObject([{ claimed: '10000' }])
  })
})
