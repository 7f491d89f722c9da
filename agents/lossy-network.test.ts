import { afterEach, describe, expect, it } from 'vitest'
import { paidCalls } from '../pipelines/bill.ts'
import type { RunContext } from '../pipelines/run.machine.ts'
import { virtualClock } from '../runtime/memory/clock.ts'
import { seededRandom } from '../runtime/memory/random.ts'
import { verifyReceipt } from '../runtime/payments/receipt.ts'
import type { TillContext } from '../runtime/payments/till.machine.ts'
import { MemoryWorld, SHOUT, shouter } from './memory-network.fixture.ts'
import { finishRun, startRun } from './user/run.ts'
import { available, type WalletContext } from './user/wallet.machine.ts'

const retry = { attempts: 3, on: ['expect', 'output', 'timeout', 'failed'], elsewhere: true }
const step = (text: string, change: object = {}): object => ({ uses: SHOUT.id, with: { text }, price: { max: '0.02' }, sla: { deadline: '8s', grace: '2s' }, retry, ...change })
const document = {
  name: 'lossy', version: '1.0.0', input: { type: 'object', required: ['words'], properties: { words: { type: 'array', items: { type: 'string' } } } }, budget: { max: '2.00' },
  steps: { a: step('a'), b: step('${steps.a.text}'), all: step('${item}', { forEach: '${input.words}', maxItems: 4 }) },
  output: { b: '${steps.b.text}', all: '${steps.all.map(one, one.text)}' },
}

describe('a network that loses, repeats, delays and reorders (D10)', () => {
  let world: MemoryWorld
  afterEach(() => world.close())

  it.each(Array.from({ length: 12 }, (_, seed) => seed))('seed %i: the run ends, nothing is paid twice, all of it balances', async (seed) => {
    const random = seededRandom(`lossy ${seed}`)
    const clock = virtualClock()
    let faulty = false
    world = new MemoryWorld({ clock, network: { clock, deliver: (_hop, deliver) => {
      const luck = faulty ? random.fraction() : 1
      if (luck < 0.08) return
      if (luck < 0.16) queueMicrotask(deliver)
      if (luck < 0.4) clock.timer(clock.now() + 1 + Math.floor(random.fraction() * 900), deliver)
      else queueMicrotask(deliver)
    } } })
    const sellers = [
      await world.drive(world.provider(shouter('p1', '0.01', 90))),
      await world.drive(world.provider(shouter('p2', '0.011', 90))),
      await world.drive(world.provider(shouter('p3', '0.012', 90))),
    ]
    const user = await world.drive(world.user('alice'))
    faulty = true
    const id = await world.drive(startRun(user, { document, inputs: { words: ['x', 'y', 'z'] } }))
    const { output, error, bill } = await world.drive(finishRun(user, id, 200_000), 210_000)
    faulty = false
    const { host, wire } = user.node
    const run = host.context<RunContext>(`run/${id}`)!
    if (error === null) expect(output).toEqual({ b: 'A', all: ['X', 'Y', 'Z'] })
    expect(BigInt(run.spent)).toBeLessThanOrEqual(BigInt(run.hold))
    const paid = await paidCalls(host, run, wire.credentials.verifier)
    expect(paid.reduce((sum, one) => sum + BigInt(one.delivery.body.amount), 0n)).toBe(BigInt(run.spent))
    expect(new Set(paid.map(({ delivery }) => `${delivery.body.agreement} ${delivery.body.call}`)).size).toBe(paid.length)
    for (const { receipt } of paid) verifyReceipt(receipt, world.rail)
    expect(host.context<WalletContext>('wallet')!.holds).toEqual({})
    expect(available(host.context<WalletContext>('wallet')!)).toBe(10_000_000n - BigInt(run.spent))
    expect(world.rail.imbalance()).toBe(0n)
    // When the network is well again, every voucher arrives and is claimed.
    await world.drive(clock.sleep(200_000), 210_000)
    const held = sellers.flatMap((seller) => [...seller.node.host.list('till')]).map((actor) => actor.snapshot.context as TillContext)
    expect(held.reduce((sum, till) => sum + BigInt(till.cumulative), 0n)).toBe(BigInt(run.spent))
    expect(held.reduce((sum, till) => sum + BigInt(till.claimed), 0n)).toBe(BigInt(run.spent))
    expect(bill.run).toBe(id)
  }, 30_000)
})
