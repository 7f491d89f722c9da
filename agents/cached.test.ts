/** What a card allows is used again across runs: paid once, whatever dies, its receipt good; and not when its provider has taken that back. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { paidCalls, receiptsOf } from '../pipelines/bill.ts'
import { openKnown } from '../pipelines/known.ts'
import { planOf } from '../pipelines/plan.ts'
import type { RunContext } from '../pipelines/run.machine.ts'
import { virtualClock } from '../runtime/memory/clock.ts'
import { verifyReceipt } from '../runtime/payments/receipt.ts'
import type { Bill, Capability, Pipeline } from '../schemas/documents.gen.ts'
import { dieAt, STRIDE } from './die-at.fixture.ts'
import { evaluateHere, MemoryWorld, SHOUT, shouter } from './memory-network.fixture.ts'
import type { ProviderDefinition } from './provider/define.ts'
import { foresee } from './user/foresee.ts'
import { forkRun, planFork } from './user/fork.ts'
import { hire } from './user/hire.ts'
import { finishRun, startRun, type Finished } from './user/run.ts'
import type { User, UserOptions } from './user/user.ts'
import { available, type WalletContext } from './user/wallet.machine.ts'

const PURE: Capability = { ...SHOUT, pure: true }
const HOUR = 3_600_000

let world: MemoryWorld
let user: User & { kill(): Promise<void> }
/** Texts that the provider has worked on. */
let worked: string[]
beforeEach(() => {
  world = new MemoryWorld({ clock: virtualClock() })
  worked = []
})
afterEach(() => world.close())

const seller = (change: Partial<ProviderDefinition> = {}): ProviderDefinition => shouter('p1', '0.01', 90, {
  capability: PURE, cacheMs: HOUR, handler: async ({ text }: { text: string }) => {
    worked.push(text)
    return { output: { text: text.toUpperCase(), quality: 90 }, units: { call: 1 } }
  }, ...change,
})
const open = async (options: Partial<UserOptions> = {}): Promise<void> => void (user = await world.drive(world.user('alice', options)))
const step = (text: string, more: object = {}): object => ({ uses: SHOUT.id, with: { text }, price: { max: '0.02' }, sla: { deadline: '30s', grace: '1s' }, ...more })
const pipeline = (more: object = {}): object => ({
  name: 'shout', version: '1.0.0', input: { type: 'object' }, budget: { max: '0.50' }, steps: { a: step('${input.text}', more), b: step('${steps.a.text + "b"}', more) }, output: '${steps.b.text}',
})
const runOnce = async (text = 'x', document = pipeline()): Promise<Finished> => world.drive(finishRun(user, await world.drive(startRun(user, { document, inputs: { text } })), 60_000))
const funds = (): bigint => available(user.node.host.context<WalletContext>('wallet')!)
const reusedIn = ({ steps }: Bill): string[] => steps.filter(({ reused }) => reused).map((one) => one.step)

it('names the receipt of the run that paid, which verifies, and holds until the card says', async () => {
  await world.drive(world.provider(seller()))
  await open()
  const first = await runOnce()
  const paid = await paidCalls(user.node.host, (await user.node.host.look<RunContext>(`run/${first.run}`))!, user.node.wire.credentials.verifier)
  const before = funds()
  const { output, bill } = await runOnce()
  expect([output, bill.spent, before - funds(), worked]).toEqual(['XB', '0', 0n, ['x', 'Xb']])
  expect(bill.steps.map(({ reused }) => reused)).toEqual(paid.map(({ receipt, delivery }) => ({ run: first.run, receipt: receipt.id, paid: '0.01', until: delivery.body.at + HOUR })))
  const behind = await receiptsOf(user.node.host, (await user.node.host.look<RunContext>(`run/${bill.run}`))!, user.node.wire.credentials.verifier)
  expect(behind).toEqual(paid.map(({ receipt }) => receipt))
  for (const receipt of behind) verifyReceipt(receipt, world.rail)
  expect(world.rail.imbalance()).toBe(0n)
})

it.each([1, 4])('with %i partitions it is found wherever it is kept', async (partitions) => {
  await world.drive(world.provider(seller()))
  await open({ partitions })
  for (const text of ['x', 'y', 'z', 'u', 'v']) await runOnce(text)
  worked = []
  for (const text of ['x', 'y', 'z', 'u', 'v']) expect(reusedIn((await runOnce(text)).bill)).toEqual(['a', 'b'])
  expect(worked).toEqual([])
})

it.each(['before', 'after'] as const)('killed %s any append of the run that pays, both runs together pay each call once', async (when) => {
  await world.drive(world.provider(seller()))
  await open()
  for (let nth = 1; ; nth += STRIDE) {
    await world.drive(user.close())
    const fault = dieAt(nth, when)
    const doomed = await world.drive(world.user('alice', {}, fault.hooks))
    const before = available(doomed.node.host.context<WalletContext>('wallet')!)
    const text = `t${nth}`
    worked = []
    const start = (by: User): Promise<string> => startRun(by, { document: pipeline(), inputs: { text }, key: text })
    fault.arm()
    const whole = (async () => finishRun(doomed, await start(doomed), 60_000))()
    whole.catch(() => undefined)
    const over = await world.drive(Promise.race([fault.died.then(() => 'died'), whole.then(() => 'done')]))
    if (over === 'died') {
      await doomed.kill()
      await open()
    } else {
      fault.disarm()
      user = doomed
    }
    await world.drive(finishRun(user, await world.drive(start(user)), 60_000))
    expect(reusedIn((await runOnce(text)).bill), `append ${nth}`).toEqual(['a', 'b'])
    expect([worked, before - funds()], `append ${nth}`).toEqual([[text, `T${nth}b`], 20_000n])
    if (over === 'done') return expect(nth).toBeGreaterThan(5)
  }
}, 60_000)

it.each(['before', 'after'] as const)('killed %s any append of the run that uses it, that run pays nothing', async (when) => {
  await world.drive(world.provider(seller()))
  await open()
  await runOnce()
  worked = []
  const funded = funds()
  for (let nth = 1; ; nth += STRIDE) {
    await world.drive(user.close())
    const fault = dieAt(nth, when)
    const doomed = await world.drive(world.user('alice', {}, fault.hooks))
    const start = (by: User): Promise<string> => startRun(by, { document: pipeline(), inputs: { text: 'x' }, key: `use ${nth}` })
    fault.arm()
    const whole = (async () => finishRun(doomed, await start(doomed), 60_000))()
    whole.catch(() => undefined)
    const over = await world.drive(Promise.race([fault.died.then(() => 'died'), whole.then(() => 'done')]))
    if (over === 'died') {
      await doomed.kill()
      await open()
    } else {
      fault.disarm()
      user = doomed
    }
    const { output, bill } = await world.drive(finishRun(user, await world.drive(start(user)), 60_000))
    expect([output, reusedIn(bill), worked, funds()], `append ${nth}`).toEqual(['XB', ['a', 'b'], [], funded])
    if (over === 'done') return expect(nth).toBeGreaterThan(3)
  }
}, 60_000)

it('a provider that takes its word back is heard; one that is gone has said what it said', async () => {
  const provider = await world.drive(world.provider(seller()))
  await open()
  await runOnce()
  await world.drive(provider.stop(0))
  expect(reusedIn((await runOnce()).bill)).toEqual(['a', 'b'])
  const { cacheMs: _taken, ...without } = seller()
  await world.drive(world.provider(without))
  worked = []
  expect([reusedIn((await runOnce()).bill), worked]).toEqual([[], ['x', 'Xb']])
})

it('what a fork does anew is hired, and what it need not hire is said before', async () => {
  await world.drive(world.provider(seller()))
  await open()
  await runOnce('y')
  const { run } = await runOnce()
  worked = []
  expect(await world.drive(planFork(user, run, { inputs: { text: 'y' } }))).toMatchObject({ anew: [], worst: '0', saved: '0.02' })
  const plan = await world.drive(planFork(user, run, { from: 'b' }))
  const { bill } = await world.drive(finishRun(user, await world.drive(forkRun(user, run, { from: 'b' })), 60_000))
  expect([plan.worst, reusedIn(bill), worked]).toEqual(['0.02', ['a'], ['Xb']])
})

it('what a run would use again is said before it starts, and nothing is started for that', async () => {
  await world.drive(world.provider(seller()))
  await open()
  await runOnce()
  const capabilities = user.capabilities()
  const find = openKnown({ ...user.node, host: () => user.node.host, evaluate: evaluateHere, capability: (id) => capabilities.get(id) })
  const plan = planOf(pipeline() as Pipeline)
  const outlook = (text: string) => world.drive(foresee(plan, { inputs: { text }, evaluate: evaluateHere, find }))
  expect(await outlook('x')).toEqual({ reused: ['a', 'b'].map((one) => ({ step: one, providerName: 'p1', paid: '0.01' })), anew: [], worst: '0', saved: '0.02' })
  expect(await outlook('y')).toEqual({ reused: [], anew: ['a', 'b'].map((one) => ({ step: one, worst: '0.02' })), worst: '0.04', saved: '0' })
  expect(worked).toEqual(['x', 'Xb'])
})

it('a program may hire anew', async () => {
  await world.drive(world.provider(seller()))
  await open()
  const call = { capability: PURE.id, input: { text: 'x' }, maxPrice: '0.02' }
  const charges: string[] = []
  for (const fresh of [false, false, true, false]) charges.push((await world.drive(hire(user, { ...call, fresh }))).charged)
  expect([charges, worked]).toEqual([['0.01', '0', '0.01', '0'], ['x', 'x']])
})

it('where the large value of an output is gone from the shelf it is hired', async () => {
  const blob: Capability = { ...PURE, id: 'text.paint@1', output: { type: 'object', required: ['image'], properties: { image: { $ref: 'aigen:blob' } } } }
  await world.drive(world.provider(seller({ capability: blob, handler: async ({ text }: { text: string }, { store }) => {
    worked.push(text)
    return { output: { image: await store(Buffer.from(text), 'text/plain') }, units: { call: 1 } }
  } })))
  await open()
  const call = { capability: blob.id, input: { text: 'x' }, maxPrice: '0.02' }
  const { output } = await world.drive(hire(user, call))
  expect((await world.drive(hire(user, call))).charged).toBe('0')
  await user.node.blobs.drop((output as { image: { $blob: string } }).image.$blob)
  expect([(await world.drive(hire(user, call))).charged, worked]).toEqual(['0.01', ['x', 'x']])
})

it('what may be another the next time, or comes in pieces, is not sold as such', async () => {
  await expect(world.provider(seller({ capability: SHOUT }))).rejects.toMatchObject({ code: 'input.invalid', path: 'cacheMs' })
  await expect(world.provider(seller({ capability: { ...PURE, chunk: { type: 'object' } } }))).rejects.toMatchObject({ code: 'input.invalid', path: 'cacheMs' })
  await expect(world.provider(seller({ cacheMs: -1 }))).rejects.toMatchObject({ code: 'input.invalid' })
})
