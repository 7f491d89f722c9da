/** Bundles: sold at one price, their steps bought by their provider; what upstream, a crash, a ring or a bad price can do. */
import { afterEach, describe, expect, it } from 'vitest'
import type { Capability, Receipt } from '../../schemas/documents.gen.ts'
import { paidCalls } from '../../pipelines/bill.ts'
import type { RunContext } from '../../pipelines/run.machine.ts'
import { virtualClock } from '../../runtime/memory/clock.ts'
import type { MemoryJournalHooks } from '../../runtime/memory/journal.ts'
import { verifyReceipt } from '../../runtime/payments/receipt.ts'
import { Payer } from '../payer.fixture.ts'
import { evaluateHere, keysOf, MemoryWorld, SHOUT, shouter } from '../memory-network.fixture.ts'
import { hire, type HireOptions } from '../user/hire.ts'
import { listRuns } from '../user/run.ts'
import type { User } from '../user/user.ts'
import { available, type WalletContext } from '../user/wallet.machine.ts'
import { bundleDefinition, provideBundle, type BundleProvider } from './bundle.ts'
import { upstreamReceipts } from './upstream-receipts.ts'

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
/** The receipts of a run, as its payer has them. */
const receiptsOf = async ({ node: { host, wire } }: User, run: string): Promise<Receipt[]> =>
  (await paidCalls(host, (await host.look<RunContext>(`run/${run}`))!, wire.credentials.verifier)).map(({ receipt }) => receipt)
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
      call.catch(() => undefined).finally(() => (armed = false))
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
    expect(() => bundleDefinition(bundle({ price: { list: '0.04' } }), standard, user, evaluateHere)).toThrow(expect.objectContaining({ code: 'bundle.loss' }))
    expect(() => bundleDefinition(bundle({ price: { list: '0.06', floor: '0.04' } }), standard, user, evaluateHere)).toThrow(expect.objectContaining({ code: 'bundle.loss' }))
    const other = { ...SHOUT, id: 'text.ring@1' as const }
    const ring = (id: string, uses: string, list: string, max: string): unknown => bundle({
      capability: { id, title: 'Ring', description: 'Hires the other.' }, price: { list },
      pipeline: { ...bundle().pipeline, budget: { max: '1' }, steps: { first: { ...step('${input.text}', uses), price: { max } } }, output: { loud: '${steps.first.text}' } },
    })
    const known = new Map<string, Capability>([...standard, [other.id, other]])
    // A needs B for at most 0.02 and sells from 0.03; a B that hires A must let it cost 0.03, and so sells dearer than A pays.
    expect(bundleDefinition(ring('text.a@1', other.id, '0.03', '0.02'), known, user, evaluateHere).price.list).toBe('0.03')
    expect(() => bundleDefinition(ring('text.b@1', other.id, '0.02', '0.03'), known, user, evaluateHere)).toThrow(expect.objectContaining({ code: 'bundle.loss' }))
  })

  const margin = (change: object = {}): any => bundle({ price: { margin: '50%', max: '0.1', ...change } })

  it('asks a margin on what its steps cost now, and spends upstream only what that leaves', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    await world.drive(world.provider(shouter('p1', '0.004', 90)))
    const house = await sell(margin())
    const user = await world.drive(world.user('alice'))
    const { output, charged, bill } = await world.drive(hire(user, { ...echo, maxPrice: '0.1' }))
    // Two steps at 0.004 and half of that; the card says the most that is ever asked.
    expect([output, charged, bill.steps[0]!.list]).toEqual([{ loud: 'HI!' }, '0.012', '0.1'])
    const [run] = await listRuns(house.user)
    const context = (await house.node.host.look<RunContext>(`run/${run!.run}`))!
    expect(context.budget).toBe('8000')
    expect(BigInt(context.hold)).toBeLessThanOrEqual(8_000n)
    expect(Object.values(context.plan.steps).map(({ maxPrice }) => maxPrice)).toEqual(['4000', '4000'])
  })

  it('asks at least its min, and caps its steps by what that leaves and by their own prices', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    await world.drive(world.provider(shouter('p1', '0.004', 90)))
    const house = await sell(margin({ min: '0.09' }))
    const user = await world.drive(world.user('alice'))
    expect((await world.drive(hire(user, { ...echo, maxPrice: '0.1' }))).charged).toBe('0.09')
    const context = (await house.node.host.look<RunContext>(`run/${(await listRuns(house.user))[0]!.run}`))!
    expect(Object.values(context.plan.steps).map(({ maxPrice }) => maxPrice)).toEqual(['20000', '20000'])
  })

  it('asks what its formula says where that is more than the steps cost, and never less than they do', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    await world.drive(world.provider(shouter('p1', '0.004', 90)))
    await sell(bundle({ price: { formula: '${input.upstream * 2.0 + 0.001}', max: '0.1' } }))
    const user = await world.drive(world.user('alice'))
    expect((await world.drive(hire(user, { ...echo, maxPrice: '0.1' }))).charged).toBe('0.017')
    await world.drive(open.splice(0)[0]!.stop(0))
    await sell(bundle({ price: { formula: '${0.001}', max: '0.1' } }), 'other')
    expect((await world.drive(hire(user, { ...echo, maxPrice: '0.1' }))).charged).toBe('0.008001')
  })

  it.each([['dearer than it may ask', '0.02', '0.05'], ['not to be had within their prices', '0.03', '0.1']])('quotes nothing while its steps are %s', async (_what, asked, max) => {
    world = new MemoryWorld({ clock: virtualClock() })
    await world.drive(world.provider(shouter('p1', asked, 90)))
    const house = await sell(margin({ max }))
    const user = await world.drive(world.user('alice'))
    await expect(world.drive(hire(user, { ...echo, maxPrice: '0.1' }))).rejects.toMatchObject({ code: 'market.no-provider' })
    expect(await listRuns(house.user)).toEqual([])
  })

  it('refuses a call whose steps the market has made dearer since: its caller pays nothing, nor does it', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    // The bundle asks for its two steps; who asks after that hires.
    let asked = 0
    await world.drive(world.provider(shouter('p1', '0.02', 90, { quote: () => Promise.resolve(++asked > 2 ? '0.009' : '0.004') })))
    const house = await sell(margin())
    const user = await world.drive(world.user('alice'))
    await expect(world.drive(hire(user, { ...echo, maxPrice: '0.1' }))).rejects.toMatchObject({ code: 'step.failed', message: expect.stringContaining('steps.first') })
    expect([spentBy(user), spentBy(house)]).toEqual([0n, 0n])
  })

  it('two that hire each other quote each other nothing, and come to an end', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    const known = new Map<string, Capability>([...standard, ...['text.a@1', 'text.b@1'].map((id) => [id as string, { ...SHOUT, id } as Capability] as const)])
    const ring = (id: string, uses: string): unknown => bundle({
      name: id, price: { margin: '10%', max: '0.5' }, capability: { id, title: 'Ring', description: 'Hires the other.', output: SHOUT.output },
      pipeline: { ...bundle().pipeline, budget: { max: '1' }, steps: { first: { ...step('${input.text}', uses), price: { max: '0.5' }, sla: { deadline: '60s' } } }, output: '${steps.first}' }, latencyMs: 1_000,
    })
    const houses = [await sell(ring('text.a@1', 'text.b@1'), 'a', {}, known), await sell(ring('text.b@1', 'text.a@1'), 'b', {}, known)]
    const user = await world.drive(world.user('alice'))
    await expect(world.drive(hire(user, { ...echo, capability: 'text.a@1', maxPrice: '0.5' }))).rejects.toMatchObject({ code: 'market.no-provider' })
    for (const house of houses) expect([await listRuns(house.user), spentBy(house)]).toEqual([[], 0n])
    // What one of them buys from somebody else has a price.
    await world.drive(world.provider(shouter('plain', '0.01', 90, { capability: { ...SHOUT, id: 'text.a@1' } })))
    expect((await world.drive(hire(user, { ...echo, capability: 'text.b@1', maxPrice: '0.5' }))).charged).toBe('0.011')
  })

  it('shows the payer of a call, and nobody else, the receipts of what was bought for it', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    await world.drive(world.provider(shouter('p1', '0.004', 90)))
    const house = await sell(bundle({ receipts: 'listed' }))
    const user = await world.drive(world.user('alice'))
    const { bill } = await world.drive(hire(user, echo))
    const [receipt] = await receiptsOf(user, bill.run)
    const upstream = await world.drive(upstreamReceipts(user.node, receipt!))
    expect(upstream.map(({ agreement: { terms }, delivery }) => [terms.payer, terms.capability, delivery.body.amount])).toEqual(Array(2).fill([house.node.participant, SHOUT.id, '4000']))
    for (const one of upstream) expect(() => verifyReceipt(one)).not.toThrow()
    const other = await world.drive(world.user('bob'))
    await expect(world.drive(upstreamReceipts(other.node, receipt!))).rejects.toMatchObject({ code: 'auth.unauthorised' })
  })

  it('shows no receipts where its document does not say so', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    await world.drive(world.provider(shouter('p1', '0.004', 90)))
    await sell()
    const user = await world.drive(world.user('alice'))
    const { bill } = await world.drive(hire(user, echo))
    const [receipt] = await receiptsOf(user, bill.run)
    await expect(world.drive(upstreamReceipts(user.node, receipt!))).rejects.toMatchObject({ code: 'market.refused' })
  })

  it.each<[string, object, string]>([
    ['no price at all', {}, 'price.list'], ['two kinds of price', { list: '1', margin: '5%', max: '1' }, 'price.list'], ['a margin without a max', { margin: '5%' }, 'price.max'],
    ['a min above the max', { margin: '5%', min: '2', max: '1' }, 'price.min'], ['a min of a fixed price', { list: '1', min: '1' }, 'price.min'], ['a formula over a step', { formula: '${steps.first.text}', max: '1' }, 'price.formula'],
  ])('%s is refused', (_what, price, path) => {
    world = new MemoryWorld({ clock: virtualClock() })
    expect(() => bundleDefinition(bundle({ price }), standard, () => { throw new Error('nobody') }, evaluateHere)).toThrow(expect.objectContaining({ code: 'input.invalid', path }))
  })

  it.each([
    ['no bundle', { price: undefined }, 'input.invalid'], ['a pipeline with errors', { pipeline: { ...bundle().pipeline, output: '${steps.nobody.text}' } }, 'pipeline.invalid'],
  ])('%s is refused with what is wrong', (_what, change, code) => {
    world = new MemoryWorld({ clock: virtualClock() })
    expect(() => bundleDefinition(bundle(change), standard, () => { throw new Error('nobody') }, evaluateHere)).toThrow(expect.objectContaining({ code }))
  })
})
