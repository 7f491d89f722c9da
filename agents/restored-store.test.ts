/**
 * A store that is older than the truth, put back on either side of a lane ("Payer state lost → the payee returns
 * the latest signed voucher; the payer checks its own signature", reference/payments.md). Whoever forgets
 * hears it from the other when it starts, or at the latest where they disagree, and nobody loses a step by it; a payee that lies to who has forgotten gains one.
 */
import { afterEach, describe, expect, it } from 'vitest'
import { virtualClock } from '../runtime/memory/clock.ts'
import type { LatestAnswer, PlainVoucher } from '../schemas/documents.gen.ts'
import { AigenError } from '../schemas/error.ts'
import { validate } from '../schemas/validate.ts'
import type { PurseContext } from '../runtime/payments/purse.machine.ts'
import type { TillContext } from '../runtime/payments/till.machine.ts'
import { openLiar } from './liar.fixture.ts'
import { keysOf, MemoryWorld, SHOUT, shouter } from './memory-network.fixture.ts'
import { finishRun, startRun } from './user/run.ts'

const document = {
  name: 'shout-once', version: '1.0.0', input: { type: 'object' }, budget: { max: '0.25' },
  steps: { only: { uses: SHOUT.id, with: { text: 'hi' }, price: { max: '0.05' }, sla: { deadline: '5s', grace: '1s' } } },
  output: '${steps.only.text}',
}
const PRICE = 10_000n

describe('an old store is restored', () => {
  let world: MemoryWorld
  afterEach(() => world.close())

  const earned = (): Promise<bigint> => world.rail.balance(keysOf('p1').participant)
  const lanes = (user: Awaited<ReturnType<MemoryWorld['user']>>): string[] => Object.values(user.node.host.context<PurseContext>('purse/0')!.lanes).map(({ cumulative }) => cumulative)
  const run = async (user: Awaited<ReturnType<MemoryWorld['user']>>): Promise<void> => {
    const id = await world.drive(startRun(user, { document, inputs: {} }))
    const { error } = await world.drive(finishRun(user, id, 100_000), 200_000)
    expect(error).toBeNull()
  }
  const open = async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    return { provider: await world.drive(world.provider(shouter('p1', '0.01', 90))), user: await world.drive(world.user('alice')) }
  }

  it.each([1, 2, 5])('at the payer, %i steps old: the payee shows the payer its own signature, and neither loses anything', async (steps) => {
    const { provider, user } = await open()
    await run(user)
    const restore = world.keepStore('alice')
    for (let step = 0; step < steps; step += 1) await run(user)
    await world.drive(user.close())
    restore()
    const again = await world.drive(world.user('alice'))
    expect(lanes(again)).toEqual([`${PRICE}`])
    await run(again)
    await run(again)
    await world.drive(world.clock.sleep(130_000), 300_000)
    const total = PRICE * BigInt(steps + 3)
    expect([lanes(again), await earned(), world.rail.imbalance()]).toEqual([[`${total}`], total, 0n])
    expect([...provider.node.host.list('till')].map(({ snapshot }) => (snapshot.context as TillContext).owed)).toEqual([null])
  })

  it('at the payer, as it was after any record of its first deposit: it comes up all the same, and pays', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    await world.drive(world.provider(shouter('p1', '0.01', 90)))
    const restores: (() => void)[] = []
    const first = await world.drive(world.user('alice', {}, { afterAppend: () => void restores.push(world.keepStore('alice')) }))
    const deposit = [...restores]
    await run(first)
    await world.drive(first.close())
    for (const restore of deposit) {
      restore()
      const again = await world.drive(world.user('alice'))
      await run(again)
      await world.drive(again.close())
    }
    expect(deposit.length).toBeGreaterThan(10)
    expect(world.rail.imbalance()).toBe(0n)
  })

  it.each([1, 2, 5])('at the payee, %i steps old: the payer shows it the voucher that it forgot, and neither loses anything', async (steps) => {
    const { provider, user } = await open()
    await run(user)
    const restore = world.keepStore('p1')
    for (let step = 0; step < steps; step += 1) await run(user)
    await world.drive(provider.stop(0))
    restore()
    const again = await world.drive(world.provider(shouter('p1', '0.01', 90)))
    const tills = (): string[] => [...again.node.host.list('till')].map(({ snapshot }) => (snapshot.context as TillContext).cumulative)
    expect(tills()).toEqual([`${PRICE}`])
    await run(user)
    await run(user)
    await world.drive(world.clock.sleep(130_000), 300_000)
    const total = PRICE * BigInt(steps + 3)
    expect([tills(), lanes(user), await earned(), world.rail.imbalance()]).toEqual([[`${total}`], [`${total}`], total, 0n])
  })

  const prepaid = { ...document, steps: { only: { ...document.steps.only, settle: 'prepaid' } } }
  const prepay = async (user: Awaited<ReturnType<MemoryWorld['user']>>): Promise<void> => {
    const id = await world.drive(startRun(user, { document: prepaid, inputs: {} }))
    expect((await world.drive(finishRun(user, id, 100_000), 200_000)).error).toBeNull()
  }
  const tillsOf = (provider: Awaited<ReturnType<MemoryWorld['provider']>>): string[] => [...provider.node.host.list('till')].map(({ snapshot }) => (snapshot.context as TillContext).cumulative)

  it.each([['payer', 1], ['payer', 3], ['payee', 1], ['payee', 3]] as const)('at the %s, %i prepaid calls old: the ends compare their lanes at its start, and the next one is served', async (who, calls) => {
    const { provider, user } = await open()
    await prepay(user)
    const restore = world.keepStore(who === 'payer' ? 'alice' : 'p1')
    for (let call = 0; call < calls; call += 1) await prepay(user)
    await world.drive(who === 'payer' ? user.close() : provider.stop(0))
    restore()
    const [selling, buying] = who === 'payer' ? [provider, await world.drive(world.user('alice'))] : [await world.drive(world.provider(shouter('p1', '0.01', 90))), user]
    await world.drive(world.clock.sleep(1_000))
    const known = `${PRICE * BigInt(calls + 1)}`
    // Before anything is bought, whoever has forgotten knows.
    expect([lanes(buying), tillsOf(selling)]).toEqual([[known], [known]])
    await prepay(buying)
    await world.drive(world.clock.sleep(130_000), 300_000)
    const total = PRICE * BigInt(calls + 2)
    expect([lanes(buying), tillsOf(selling), await earned(), world.rail.imbalance()]).toEqual([[`${total}`], [`${total}`], total, 0n])
  })

  it.each(['payer', 'payee'] as const)('at the %s, from the middle of a prepaid call: it costs that call once more at most, and the lane goes on', async (who) => {
    world = new MemoryWorld({ clock: virtualClock() })
    const kept: (() => void)[] = []
    const selling = () => shouter('p1', '0.01', 90, { handler: async ({ text }: { text: string }) => {
      kept.push(world.keepStore(who === 'payer' ? 'alice' : 'p1'))
      return { output: { text: text.toUpperCase(), quality: 90 }, units: { call: 1 } }
    } })
    let provider = await world.drive(world.provider(selling()))
    let user = await world.drive(world.user('alice'))
    await prepay(user)
    await prepay(user)
    await prepay(user)
    if (who === 'payer') {
      await world.drive(user.close())
      kept[1]!()
      user = await world.drive(world.user('alice'))
    } else {
      await world.drive(provider.stop(0))
      kept[1]!()
      provider = await world.drive(world.provider(selling()))
    }
    await world.drive(world.clock.sleep(30_000), 60_000)
    await prepay(user)
    await world.drive(world.clock.sleep(130_000), 300_000)
    const [paid] = lanes(user)
    expect([tillsOf(provider), await earned(), world.rail.imbalance()]).toEqual([[paid], BigInt(paid!), 0n])
    expect(BigInt(paid!) - 4n * PRICE).toBeLessThanOrEqual(PRICE)
    expect(BigInt(paid!)).toBeGreaterThanOrEqual(4n * PRICE)
    expect([...provider.node.host.list('till')].map(({ snapshot }) => (snapshot.context as TillContext).owed)).toEqual([null])
  })

  it('at both ends, behind what the chain has paid: the lane is left alone, another is opened, and nobody loses by it', async () => {
    const { provider, user } = await open()
    await run(user)
    const [mine, theirs] = [world.keepStore('alice'), world.keepStore('p1')]
    await run(user)
    await run(user)
    await world.drive(world.clock.sleep(130_000), 300_000)
    expect(await earned()).toBe(3n * PRICE)
    await world.drive(user.close())
    await world.drive(provider.stop(0))
    mine()
    theirs()
    await world.drive(world.provider(shouter('p1', '0.01', 90)))
    const again = await world.drive(world.user('alice'))
    await world.drive(world.clock.sleep(1_000))
    await run(again)
    await run(again)
    await world.drive(world.clock.sleep(130_000), 300_000)
    expect(lanes(again)).toEqual([`${PRICE}`, `${2n * PRICE}`])
    expect([await earned(), world.rail.imbalance()]).toEqual([5n * PRICE, 0n])
  })

  it('nobody has forgotten, and the payee says it has: it is signed for once, whatever it shows and says it is owed', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    let asked = 0
    const refuse = (): never => { throw new AigenError('voucher.ref', 'I know of nothing') }
    const liar = await world.drive(openLiar(world, 'p1', '0.01', { pay: refuse }))
    liar.wire.serve('latest', (body) => validate('LatestRequest', body), async (): Promise<LatestAnswer> => {
      asked += 1
      // What it was given, raised: the payer's signature is not under it.
      const last = liar.vouchers.at(-1)!
      return { voucher: asked % 2 === 0 ? { ...last, cumulative: '90000' } : null, owed: `sha256-${'1'.repeat(64)}` }
    })
    const user = await world.drive(world.user('alice'))
    await world.drive(startRun(user, { document, inputs: {} }))
    await world.drive(world.clock.sleep(60_000), 100_000)
    expect([asked > 0, new Set(liar.vouchers.map(({ cumulative }) => cumulative)), lanes(user)]).toEqual([true, new Set([`${PRICE}`]), [`${PRICE}`]])
  })

  it('the payer has forgotten, and the payee says that a paid delivery is owed still: it gains that step and no more', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    const shown: PlainVoucher[] = []
    let forgotten = false
    const liar = await world.drive(openLiar(world, 'p1', '0.01', { pay: (honest) => { if (forgotten) throw new AigenError('voucher.too-low'); return honest() } }))
    liar.wire.serve('latest', (body) => validate('LatestRequest', body), async (): Promise<LatestAnswer> => {
      // Each voucher it was ever given, from the highest: whatever makes the payer sign once more.
      const best = liar.vouchers.toSorted((one, other) => Number(BigInt(other.cumulative) - BigInt(one.cumulative)))[0]!
      shown.push(best)
      return { voucher: best, owed: liar.owed.at(-1)! }
    })
    const first = await world.drive(world.user('alice'))
    await run(first)
    const restore = world.keepStore('alice')
    await run(first)
    await run(first)
    await world.drive(first.close())
    restore()
    forgotten = true
    const again = await world.drive(world.user('alice'))
    await world.drive(startRun(again, { document, inputs: {} }))
    await world.drive(world.clock.sleep(120_000), 200_000)
    // Four steps were worked; three of them were paid when it forgot.
    const most = liar.vouchers.map(({ cumulative }) => BigInt(cumulative)).reduce((one, other) => (one > other ? one : other))
    expect([most, shown.length > 0]).toEqual([4n * PRICE, true])
  })
})
