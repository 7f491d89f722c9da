import { afterEach, describe, expect, it } from 'vitest'
import { virtualClock } from '../../runtime/memory/clock.ts'
import { keysOf, MemoryWorld, SHOUT, shouter } from '../memory-network.fixture.ts'
import { hire } from './hire.ts'
import { finishRun } from './run.ts'
import { available, type WalletContext } from './wallet.machine.ts'

describe('hiring one call', () => {
  let world: MemoryWorld
  afterEach(() => world.close())

  it('gives the output, pays once and gives the rest of the hold back', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    await world.drive(world.provider(shouter('p1', '0.01', 90)))
    const user = await world.drive(world.user('alice'))
    const hired = await world.drive(hire(user, { capability: SHOUT.id, input: { text: 'hi' }, maxPrice: '0.02' }))
    expect(hired).toMatchObject({ output: { text: 'HI', quality: 90 }, charged: '0.01', provider: 'p1' })
    expect(hired.bill.settled).toBe('0.01')
    expect(available(user.node.host.context<WalletContext>('wallet')!)).toBe(10_000_000n - 10_000n)
  })

  it('answers before the chain does, where that is not waited for: what it cost is known, and settled when the run is closed', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    await world.drive(world.provider(shouter('p1', '0.01', 90)))
    const user = await world.drive(world.user('alice'))
    const asked = { capability: SHOUT.id, input: { text: 'hi' }, maxPrice: '0.02', settled: false }
    const first = await world.drive(hire(user, asked))
    expect(first).toMatchObject({ output: { text: 'HI', quality: 90 }, charged: '0.01', bill: { spent: '0.01', settled: '0' } })
    // What it held and did not spend is free again, and the next call need not wait for it.
    const wallet = (): WalletContext => user.node.host.context<WalletContext>('wallet')!
    expect([wallet().holds, available(wallet())]).toEqual([{}, 10_000_000n - 10_000n])
    const second = await world.drive(hire(user, asked))
    for (const { bill } of [first, second]) expect((await world.drive(finishRun(user, bill.run, 60_000))).bill).toMatchObject({ spent: '0.01', settled: '0.01' })
    expect([wallet().holds, available(wallet())]).toEqual([{}, 10_000_000n - 20_000n])
    expect(await world.rail.balance(keysOf('p1').participant)).toBe(20_000n)
  })

  it('an input that looks like an expression stands for itself', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    await world.drive(world.provider(shouter('p1', '0.01', 90)))
    const user = await world.drive(world.user('alice'))
    const { output } = await world.drive(hire(user, { capability: SHOUT.id, input: { text: 'a ${input.secret} $${b} ${' }, maxPrice: '0.02' }))
    expect(output).toMatchObject({ text: 'A ${INPUT.SECRET} $${B} ${' })
  })

  it('goes elsewhere when the acceptance expression fails, and says so when nobody passes', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    await world.drive(world.provider(shouter('poor', '0.01', 50)))
    const user = await world.drive(world.user('alice'))
    const options = { capability: SHOUT.id, input: { text: 'hi' }, maxPrice: '0.03', expect: 'output.quality > 80.0' }
    await expect(world.drive(hire(user, options))).rejects.toMatchObject({ code: 'step.expect' })
    await world.drive(world.provider(shouter('good', '0.02', 95)))
    expect(await world.drive(hire(user, options))).toMatchObject({ provider: 'good', charged: '0.02' })
    expect(available(user.node.host.context<WalletContext>('wallet')!)).toBe(10_000_000n - 20_000n)
  })

  it('a capability that nobody offers, or an input that does not fit, starts nothing', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    await world.drive(world.provider(shouter('p1', '0.01', 90)))
    const user = await world.drive(world.user('alice'))
    await expect(world.drive(hire(user, { capability: 'text.shuot@1', input: {}, maxPrice: '0.02' }))).rejects.toMatchObject({ code: 'pipeline.invalid', issues: expect.arrayContaining([expect.objectContaining({ path: 'steps.call.uses', hint: expect.stringContaining('Did you mean text.shout@1') })]) })
    await expect(world.drive(hire(user, { capability: SHOUT.id, input: { txt: 'hi' }, maxPrice: '0.02' }))).rejects.toMatchObject({ code: 'pipeline.invalid' })
    expect([...user.node.host.list('run')]).toEqual([])
  })

  it('the same key is the same call: done once, paid once, answered again; another input is refused', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    let worked = 0
    await world.drive(world.provider(shouter('p1', '0.01', 90, { handler: async ({ text }) => ({ output: { text: `${text} ${++worked}`, quality: 90 }, units: { call: 1 } }) })))
    const user = await world.drive(world.user('alice'))
    const options = { capability: SHOUT.id, input: { text: 'hi' }, maxPrice: '0.02', key: 'k1' }
    const [one, other] = await world.drive(Promise.all([hire(user, options), hire(user, options)]))
    expect([one.output, other.output, worked]).toEqual([{ text: 'hi 1', quality: 90 }, { text: 'hi 1', quality: 90 }, 1])
    await user.kill()
    const again = await world.drive(world.user('alice'))
    expect(await world.drive(hire(again, options))).toMatchObject({ output: { text: 'hi 1' } })
    expect(available(again.node.host.context<WalletContext>('wallet')!)).toBe(10_000_000n - 10_000n)
    await expect(world.drive(hire(again, { ...options, input: { text: 'ho' } }))).rejects.toMatchObject({ code: 'run.conflict' })
  })

  it('two that use one key at once for two things get one thing and a refusal', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    await world.drive(world.provider(shouter('p1', '0.01', 90)))
    const user = await world.drive(world.user('alice'))
    const options = { capability: SHOUT.id, maxPrice: '0.02', key: 'k1' }
    const answers = await world.drive(Promise.all(['one', 'other'].map((text) => hire(user, { ...options, input: { text } }).then(({ output }) => output, (error) => error.code))))
    expect(answers).toEqual([{ text: 'ONE', quality: 90 }, 'run.conflict'])
    expect([...user.node.host.list('run')]).toHaveLength(1)
  })

  it('goes to nobody but those named', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    await world.drive(world.provider(shouter('cheap', '0.01', 90)))
    const dear = await world.drive(world.provider(shouter('dear', '0.015', 90)))
    const user = await world.drive(world.user('alice'))
    const options = { capability: SHOUT.id, input: { text: 'hi' }, maxPrice: '0.02' }
    expect(await world.drive(hire(user, { ...options, only: [dear.node.participant] }))).toMatchObject({ provider: 'dear' })
    await expect(world.drive(hire(user, { ...options, only: [user.node.participant] }))).rejects.toMatchObject({ code: 'market.no-provider' })
  })

  it('prefers whom it was told to prefer, in real hiring', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    await world.drive(world.provider(shouter('cheap', '0.01', 90, { latencyMs: 9_000 })))
    await world.drive(world.provider(shouter('fast', '0.015', 90, { latencyMs: 50 })))
    const user = await world.drive(world.user('alice'))
    const options = { capability: SHOUT.id, input: { text: 'hi' }, maxPrice: '0.02' }
    expect(await world.drive(hire(user, options))).toMatchObject({ provider: 'cheap' })
    expect(await world.drive(hire(user, { ...options, choose: 'cheapest' }))).toMatchObject({ provider: 'cheap' })
    expect(await world.drive(hire(user, { ...options, choose: 'fastest' }))).toMatchObject({ provider: 'fast' })
    expect(await world.drive(hire(user, { ...options, choose: { latency: 5, price: 1 } }))).toMatchObject({ provider: 'fast' })
    expect(await world.drive(hire(user, { ...options, choose: { price: 50, latency: 1 } }))).toMatchObject({ provider: 'cheap' })
  })

  it('a price for a thousand units is charged by the unit, rounded up once', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    const capability = { ...SHOUT, unit: 'token', per: 1000, estimate: { expression: '10.0 * input.text.size()' } }
    await world.drive(world.provider(shouter('p1', '0.0015', 90, { capability, handler: async () => ({ output: { text: 'x', quality: 90 }, units: { token: 7 } }) })))
    const user = await world.drive(world.user('alice'))
    // 7 of 1,000 at 0.0015 are 10.5 millionths
    expect(await world.drive(hire(user, { capability: SHOUT.id, input: { text: 'hello' }, maxPrice: '0.01' }))).toMatchObject({ charged: '0.000011' })
  })
})
