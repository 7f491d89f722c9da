/** Bundles: sold at one price, their steps bought by their provider; what upstream, a crash, a ring or a bad price can do. */
import { afterEach, describe, expect, it } from 'vitest'
import type { Capability } from '../../schemas/documents.gen.ts'
import { virtualClock } from '../../runtime/memory/clock.ts'
import type { MemoryJournalHooks } from '../../runtime/memory/journal.ts'
import { Payer } from '../liar.fixture.ts'
import { evaluateHere, keysOf, MemoryWorld, SHOUT, shouter } from '../memory-network.fixture.ts'
import { hire, type HireOptions } from '../user/hire.ts'
import { listRuns } from '../user/run.ts'
import { available, type WalletContext } from '../user/wallet.machine.ts'
import { bundleDefinition, provideBundle, type BundleProvider } from './bundle.ts'

const step = (text: string, uses = SHOUT.id): object => ({ uses, with: { text }, price: { max: '0.02' }, sla: { deadline: '5s', grace: '1s' }, retry: { attempts: 1 } })
const bundle = (change: object = {}): any => ({
  name: 'echo-house',
  capability: { id: 'text.echo@1', title: 'Echo', description: 'Shouts it twice.' },
  price: { list: '0.06', floor: '0.05' },
  pipeline: {
    name: 'echo', version: '1.0.0',
    input: { type: 'object', required: ['text'], properties: { text: { type: 'string' } } },
    budget: { max: '0.04' },
    steps: { first: step('${input.text}'), second: step('${steps.first.text + "!"}') },
    output: { loud: '${steps.second.text}' },
  },
  ...change,
})
const standard = new Map<string, Capability>([[SHOUT.id, SHOUT]])

describe('a bundle', () => {
  let world: MemoryWorld
  const open: BundleProvider[] = []
  afterEach(async () => {
    await world.drive(Promise.all(open.splice(0).map((one) => one.stop(0).catch(() => undefined))))
    await world.close()
  })
  async function sell(document: unknown = bundle(), name = 'house', hooks: MemoryJournalHooks = {}, known = standard): Promise<BundleProvider & { kill(): void }> {
    const ports = world.ports(name, hooks)
    const one = await world.drive(provideBundle(document, { ports, keys: keysOf(name), evaluate: evaluateHere, deposit: 10_000_000n, faucet: true, standard: known }))
    open.push(one)
    return { ...one, kill: () => {
      open.splice(open.indexOf(one), 1)
      void ports.bus.close()
    } }
  }
  const spentBy = (user: { node: BundleProvider['node'] }): bigint => 10_000_000n - available(user.node.host.context<WalletContext>('wallet')!)
  const echo: HireOptions = { capability: 'text.echo@1', input: { text: 'hi' }, maxPrice: '0.06', deadlineMs: 60_000, attempts: 1 }

  it('is one capability to who hires it, and pays its steps itself', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    await world.drive(world.provider(shouter('p1', '0.01', 90)))
    const house = await sell()
    const user = await world.drive(world.user('alice'))
    const { output, charged, provider } = await world.drive(hire(user, echo))
    expect([output, provider]).toEqual([{ loud: 'HI!' }, 'echo-house'])
    expect([spentBy(user), spentBy(house)]).toEqual([BigInt(Number(charged) * 1e6), 20_000n])
    expect(world.rail.imbalance()).toBe(0n)
  })

  it('an upstream that fails is a clean refusal: its caller pays nothing, what was bought is the bundle\'s loss', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    await world.drive(world.provider(shouter('p1', '0.01', 90, { handler: async ({ text }) => {
      if (text.endsWith('!')) throw new Error('no')
      return { output: { text: text.toUpperCase(), quality: 90 }, units: { call: 1 } }
    } })))
    const house = await sell()
    const user = await world.drive(world.user('alice'))
    await expect(world.drive(hire(user, echo))).rejects.toMatchObject({ code: 'step.failed', message: expect.stringContaining('steps.second') })
    expect([spentBy(user), spentBy(house)]).toEqual([0n, 10_000n])
  })

  it('killed at an append of its run, it finishes the call on its return, each step bought once', async () => {
    let worked = 0
    for (const nth of [1, 3, 6, 10, 15, 21, 28]) {
      world = new MemoryWorld({ clock: virtualClock() })
      worked = 0
      await world.drive(world.provider(shouter('p1', '0.01', 90, { handler: async ({ text }) => (worked++, { output: { text: text.toUpperCase(), quality: 90 }, units: { call: 1 } }) })))
      let armed = false
      let count = 0
      let die!: () => void
      const died = new Promise<void>((resolve) => { die = resolve })
      const doomed = await sell(bundle(), 'house', { afterAppend: () => {
        if (!armed || ++count < nth) return
        die()
        return new Promise<never>(() => undefined)
      } })
      const user = await world.drive(world.user('alice'))
      armed = true
      const call = hire(user, echo)
      call.catch(() => undefined)
      const over = await world.drive(Promise.race([died.then(() => 'died'), call.then(() => 'done')]))
      if (over === 'died') {
        doomed.kill()
        await sell()
      }
      expect((await world.drive(call)).output, `append ${nth}`).toEqual({ loud: 'HI!' })
      expect(worked, `append ${nth}`).toBe(2)
      expect(spentBy(open.at(-1)!), `append ${nth}`).toBe(20_000n)
      if (over === 'done') break
      await world.drive(Promise.all(open.splice(0).map((one) => one.stop(0))))
      await world.close()
    }
  }, 60_000)

  it('stopped in order in the middle of a call, it goes on with it on its return', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    let worked = 0
    await world.drive(world.provider(shouter('p1', '0.01', 90, { handler: async ({ text }: { text: string }) => {
      worked++
      await world.clock.sleep(1_500)
      return { output: { text: text.toUpperCase(), quality: 90 }, units: { call: 1 } }
    } })))
    const house = await sell()
    const user = await world.drive(world.user('alice'))
    const call = hire(user, echo)
    call.catch(() => undefined)
    await world.drive((async () => { while ((await listRuns(house.user))[0]?.state !== 'running' || worked === 0) await world.clock.sleep(50) })())
    await world.drive(house.stop(0))
    open.splice(open.indexOf(house), 1)
    const again = await sell()
    expect(await world.drive(call)).toMatchObject({ output: { loud: 'HI!' } })
    expect([worked, spentBy(again)]).toEqual([2, 20_000n])
  })

  it('given up by its caller, it stops what it had begun', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    await world.drive(world.provider(shouter('p1', '0.01', 90, { handler: (_input, { signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('stopped')))) })))
    const house = await sell()
    const user = await world.drive(world.user('alice'))
    const gone = new AbortController()
    const call = hire(user, { ...echo, signal: gone.signal }).catch((error) => error.code)
    await world.drive((async () => { while ((await listRuns(house.user)).length === 0) await world.clock.sleep(50) })())
    gone.abort()
    expect(await world.drive(call)).toBe('step.cancelled')
    await world.drive((async () => { while ((await listRuns(house.user))[0]!.state !== 'cancelled') await world.clock.sleep(50) })())
    expect([spentBy(user), spentBy(house)]).toEqual([0n, 0n])
  })

  it('works for nobody who asks for no units: their agreement pays nothing, so no step is bought', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    const loud: Capability = { ...SHOUT, id: 'text.loud@1' }
    await world.drive(world.provider(shouter('p1', '0.01', 90, { capability: loud })))
    const resold = bundle({ capability: { id: SHOUT.id, title: 'Shout', description: 'Resold.', output: SHOUT.output } })
    const house = await sell({ ...resold, latencyMs: 1_000, pipeline: { ...resold.pipeline, steps: { first: step('${input.text}', loud.id) }, output: { text: '${steps.first.text}', quality: '${steps.first.quality}' } } }, 'house', {}, new Map([[loud.id, loud]]))
    const mallory = new Payer(world, 'mallory')
    await world.drive(mallory.wire.start())
    const to = house.node.participant
    const lane = await world.drive(mallory.reserve(to, 100n))
    const quote = await world.drive(mallory.quote(to, { units: 0, deadlineMs: 60_000 }))
    const made = await world.drive(mallory.accept(to, quote, lane))
    expect(await world.drive(mallory.invoke(to, made.id))).toMatchObject({ state: 'failed', error: { code: 'market.refused' } })
    expect([await listRuns(house.user), spentBy(house)]).toEqual([[], 0n])
    await world.drive(mallory.wire.stop())
  })

  it('is not sold at a loss, nor in a ring: each would have to be cheaper than itself', () => {
    world = new MemoryWorld({ clock: virtualClock() })
    const user = (): never => { throw new Error('nobody') }
    expect(() => bundleDefinition(bundle({ price: { list: '0.04' } }), standard, user)).toThrow(expect.objectContaining({ code: 'bundle.loss' }))
    expect(() => bundleDefinition(bundle({ price: { list: '0.06', floor: '0.04' } }), standard, user)).toThrow(expect.objectContaining({ code: 'bundle.loss' }))
    const other = { ...SHOUT, id: 'text.ring@1' as const }
    const ring = (id: string, uses: string, list: string, max: string): unknown => bundle({
      capability: { id, title: 'Ring', description: 'Hires the other.' }, price: { list },
      pipeline: { ...bundle().pipeline, budget: { max: '1' }, steps: { first: { ...step('${input.text}', uses), price: { max } } }, output: { loud: '${steps.first.text}' } },
    })
    const known = new Map<string, Capability>([...standard, [other.id, other]])
    // A needs B for at most 0.02 and sells from 0.03; a B that hires A must let it cost 0.03, and so sells dearer than A pays.
    expect(bundleDefinition(ring('text.a@1', other.id, '0.03', '0.02'), known, user).price.list).toBe('0.03')
    expect(() => bundleDefinition(ring('text.b@1', other.id, '0.02', '0.03'), known, user)).toThrow(expect.objectContaining({ code: 'bundle.loss' }))
  })

  it.each([
    ['no bundle', { price: undefined }, 'input.invalid'], ['a pipeline with errors', { pipeline: { ...bundle().pipeline, output: '${steps.nobody.text}' } }, 'pipeline.invalid'],
  ])('%s is refused with what is wrong', (_what, change, code) => {
    world = new MemoryWorld({ clock: virtualClock() })
    expect(() => bundleDefinition(bundle(change), standard, () => { throw new Error('nobody') })).toThrow(expect.objectContaining({ code }))
  })
})
