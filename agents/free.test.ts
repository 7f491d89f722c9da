/** Calls that cost nothing: no lane, no voucher, no claim, and a delivery that is judged like any other. */
import { afterEach, describe, expect, it } from 'vitest'
import { virtualClock } from '../runtime/memory/clock.ts'
import type { PurseContext } from '../runtime/payments/lane.ts'
import { dieAt } from './die-at.fixture.ts'
import { MemoryWorld, SHOUT, shouter } from './memory-network.fixture.ts'
import { hire } from './user/hire.ts'

let world: MemoryWorld
afterEach(() => world.close())

describe('a service that costs nothing', () => {
  it('is hired without a lane, and its delivery counts', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    const provider = await world.drive(world.provider(shouter('gift', '0', 90)))
    const user = await world.drive(world.user('ada'))
    const { output, bill } = await world.drive(hire(user, { capability: 'text.shout@1', input: { text: 'hi' }, maxPrice: '0.01' }))
    expect(output).toEqual({ text: 'HI', quality: 90 })
    expect(bill.steps[0]).toMatchObject({ state: 'done', charged: '0', providerName: 'gift', units: { call: 1 } })
    expect(bill).toMatchObject({ spent: '0', settled: '0', transactions: [] })
    expect(user.node.host.context<PurseContext>('purse/0')!.lanes).toEqual({})
    expect([...provider.node.host.list('till')]).toEqual([])
  })

  it('is not believed either: what fails a signed clause is no result', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    await world.drive(world.provider(shouter('gift', '0', 10)))
    const user = await world.drive(world.user('ada'))
    const hired = world.drive(hire(user, { capability: 'text.shout@1', input: { text: 'hi' }, maxPrice: '0.01', attempts: 1, expect: 'output.quality > 50' }))
    await expect(hired).rejects.toMatchObject({ code: 'step.expect' })
  })

  it('is done once, also where the user dies on the way', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    let worked = 0
    await world.drive(world.provider(shouter('gift', '0', 90, { handler: async ({ text }: { text: string }) => ({ output: { text: `${text}${++worked}`, quality: 90 }, units: { call: 1 } }) })))
    const fault = dieAt(4, 'after')
    const doomed = await world.drive(world.user('ada', {}, fault.hooks))
    fault.arm()
    const hiring = { capability: SHOUT.id, input: { text: 'hi' }, maxPrice: '0.01', key: 'once' }
    hire(doomed, hiring).catch(() => undefined)
    await world.drive(fault.died)
    await doomed.kill()
    const user = await world.drive(world.user('ada'))
    expect((await world.drive(hire(user, hiring))).output).toMatchObject({ text: 'hi1' })
    expect(worked).toBe(1)
  })
})
