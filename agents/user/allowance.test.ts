import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { virtualClock } from '../../runtime/memory/clock.ts'
import { MemoryWorld, SHOUT, shouter } from '../memory-network.fixture.ts'
import { openAllowance } from './allowance.ts'
import { available, type WalletContext } from './wallet.machine.ts'
import type { User } from './user.ts'

describe('an allowance', () => {
  let world: MemoryWorld
  beforeEach(() => void (world = new MemoryWorld({ clock: virtualClock() })))
  afterEach(() => world.close())

  const ask = { capability: SHOUT.id, input: { text: 'hi' }, maxPrice: '0.01', attempts: 1 }
  const spentOf = (user: User): bigint => 10_000_000n - available(user.node.host.context<WalletContext>('wallet')!)

  it('fifty calls at once never spend more than it (I4), and what they set aside comes back', async () => {
    await world.drive(world.provider(shouter('p1', '0.004', 90, { concurrency: 64, queue: 64 })))
    const user = await world.drive(world.user('alice'))
    const allowance = await openAllowance(user, { limit: '0.1' })
    // A hundredth each at worst: ten fit, though fifty of what they cost in the end would cost two tenths.
    let most = 0
    const calls = Array.from({ length: 50 }, () => allowance.hire(ask).then(() => 'served', (error) => error.code as string))
    most = Math.max(most, Number(allowance.state().reserved))
    const outcomes = await world.drive(Promise.all(calls))
    expect(outcomes.filter((one) => one === 'served')).toHaveLength(10)
    expect(new Set(outcomes)).toEqual(new Set(['served', 'budget.exhausted']))
    expect(most).toBe(0.1)
    expect(allowance.state()).toEqual({ limit: '0.1', spent: '0.04', reserved: '0', left: '0.06' })
    expect(spentOf(user)).toBe(40_000n)
    // One after the other, calls go on until the worst case of the next one is not covered.
    let served = 10
    while (await world.drive(allowance.hire(ask).then(() => true, () => false))) served++
    expect(served).toBe(23)
    expect(allowance.state()).toEqual({ limit: '0.1', spent: '0.092', reserved: '0', left: '0.008' })
    expect(spentOf(user)).toBe(92_000n)
  })

  it('counts every attempt that may stay owed', async () => {
    await world.drive(world.provider(shouter('p1', '0.004', 90)))
    const user = await world.drive(world.user('alice'))
    const allowance = await openAllowance(user, { limit: '0.02' })
    await expect(world.drive(allowance.hire({ ...ask, attempts: 3 }))).rejects.toMatchObject({ code: 'budget.exhausted', message: expect.stringContaining('0.03') })
    await world.drive(allowance.hire({ ...ask, attempts: 2 }))
    expect(allowance.state().spent).toBe('0.004')
  })

  it('a call that failed or never started costs nothing', async () => {
    await world.drive(world.provider(shouter('p1', '0.004', 90, { handler: async () => { throw new Error('down') } })))
    const user = await world.drive(world.user('alice'))
    const allowance = await openAllowance(user, { limit: '0.02', name: 'a' })
    await expect(world.drive(allowance.hire(ask))).rejects.toMatchObject({ code: 'step.failed' })
    await expect(world.drive(allowance.hire({ ...ask, input: {} }))).rejects.toMatchObject({ code: 'pipeline.invalid' })
    expect(allowance.state()).toEqual({ limit: '0.02', spent: '0', reserved: '0', left: '0.02' })
  })

  it('a call that is not waited for any longer stays set aside until it is known what it cost', async () => {
    await world.drive(world.provider(shouter('p1', '0.004', 90, { handler: async (_input, { signal }) => {
      await world.clock.sleep(3_000, signal)
      return { output: { text: 'HI', quality: 90 }, units: { call: 1 } }
    } })))
    const user = await world.drive(world.user('alice'))
    const allowance = await openAllowance(user, { limit: '0.02' })
    await expect(world.drive(allowance.hire({ ...ask, timeoutMs: 1_000 }))).rejects.toMatchObject({ code: 'network.timeout' })
    expect(allowance.state()).toMatchObject({ spent: '0', reserved: '0.01' })
    const [run] = user.node.host.list('run')
    await world.drive(user.node.host.until(run!.id, ({ status }) => status === 'done', 60_000))
    expect(allowance.state()).toMatchObject({ spent: '0.004', reserved: '0' })
  })

  it('with a name it outlives a killed process: what was under way is counted, nothing twice', async () => {
    let hold = true
    await world.drive(world.provider(shouter('p1', '0.004', 90, { handler: async ({ text }, { signal }) => {
      while (hold && text === 'slow') await world.clock.sleep(100, signal)
      return { output: { text, quality: 90 }, units: { call: 1 } }
    } })))
    const user = await world.drive(world.user('alice'))
    const first = await openAllowance(user, { limit: '0.05', name: 'research' })
    expect((await openAllowance(user, { limit: '0.05', name: 'research' })).state()).toEqual(first.state())
    await world.drive(first.hire(ask))
    void first.hire({ ...ask, input: { text: 'slow' } }).catch(() => undefined)
    await world.drive(world.clock.sleep(500))
    expect(first.state()).toMatchObject({ spent: '0.004', reserved: '0.01' })
    await user.kill()

    const again = await world.drive(world.user('alice'))
    const second = await openAllowance(again, { limit: '0.05', name: 'research' })
    expect(second.state()).toMatchObject({ spent: '0.004', reserved: '0.01', left: '0.036' })
    expect((await openAllowance(again, { limit: '0.05', name: 'other' })).state().left).toBe('0.05')
    hold = false
    await world.drive(world.clock.sleep(10_000))
    expect(second.state()).toMatchObject({ spent: '0.008', reserved: '0', left: '0.042' })
    // The next call takes a number of its own.
    await world.drive(second.hire(ask))
    expect(second.state().spent).toBe('0.012')
    expect(spentOf(again)).toBe(12_000n)
  })
})
