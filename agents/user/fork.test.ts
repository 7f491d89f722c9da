/** Forks: what an earlier run paid for is not paid again, what is done anew is, and the difference is said before. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Bill } from '../../schemas/documents.gen.ts'
import { virtualClock } from '../../runtime/memory/clock.ts'
import { dieAt, STRIDE } from '../die-at.fixture.ts'
import { MemoryWorld, SHOUT, shouter } from '../memory-network.fixture.ts'
import { forkRun, planFork, type ForkOptions } from './fork.ts'
import { finishRun, startRun, type Finished } from './run.ts'
import type { User } from './user.ts'
import { available, type WalletContext } from './wallet.machine.ts'

let world: MemoryWorld
let user: User
/** Texts that the provider has worked on. */
let worked: string[]
beforeEach(async () => {
  world = new MemoryWorld({ clock: virtualClock() })
  worked = []
  await world.drive(world.provider(shouter('p1', '0.01', 90, { handler: async ({ text }: { text: string }) => {
    worked.push(text)
    return { output: { text: text.toUpperCase(), quality: 90 }, units: { call: 1 } }
  } })))
  user = await world.drive(world.user('alice'))
})
afterEach(() => world.close())

const step = (text: string, more: object = {}): object => ({ uses: SHOUT.id, with: { text }, price: { max: '0.02' }, sla: { deadline: '30s', grace: '1s' }, ...more })
const input = { type: 'object', properties: { text: { type: 'string' }, list: { type: 'array', items: { type: 'string' } } } }
const pipeline = (steps: object, output: unknown): object => ({ name: 'shout', version: '1.0.0', input, budget: { max: '0.50' }, steps, output })
const chain = (more: object = {}): object => pipeline({ a: step('${input.text}'), b: step('${steps.a.text + "b"}', more), c: step('${steps.b.text + "c"}'), side: step('side') }, '${steps.c.text}')

const finish = (run: string): Promise<Finished> => world.drive(finishRun(user, run, 60_000))
async function first(document: object, inputs: Record<string, unknown> = { text: 'x' }): Promise<string> {
  const run = await world.drive(startRun(user, { document, inputs }))
  expect((await finish(run)).error).toBeNull()
  worked = []
  return run
}
/** What was said of the fork, and what came of it. */
async function fork(run: string, options: ForkOptions = {}) {
  const plan = await world.drive(planFork(user, run, options))
  const before = available(user.node.host.context<WalletContext>('wallet')!)
  const ended = await finish(await world.drive(forkRun(user, run, options)))
  const cost = before - available(user.node.host.context<WalletContext>('wallet')!)
  expect(cost).toBeLessThanOrEqual(BigInt(Math.round(Number(plan.worst) * 1e6)))
  expect(user.node.host.context<WalletContext>('wallet')!.holds).toEqual({})
  return { plan, ...ended, cost }
}
const reusedIn = ({ steps }: Bill): string[] => steps.filter(({ reused }) => reused).map((one) => one.step)

it('unchanged it hires nobody, and its bill names the receipts of the run before', async () => {
  const run = await first(chain())
  const old = (await finish(run)).bill
  const { plan, output, bill, cost } = await fork(run)
  expect([output, cost, worked]).toEqual(['XBC', 0n, []])
  expect(plan).toMatchObject({ anew: [], worst: '0', whole: '0.08', saved: '0.04' })
  expect(bill.steps.map(({ charged, provider, reused }) => ({ charged, provider, reused }))).toEqual(
    old.steps.map(({ receipt, provider, charged }) => ({ charged: '0', provider, reused: { run, receipt, paid: charged } })))
})

it('from a step on, that and what depends on it is done and paid again, the rest is taken over', async () => {
  const run = await first(chain())
  const { plan, output, bill, cost } = await fork(run, { from: 'b' })
  expect([output, cost, worked]).toEqual(['XBC', 20_000n, ['Xb', 'XBc']])
  expect(reusedIn(bill)).toEqual(['a', 'side'])
  expect(plan).toMatchObject({ anew: [{ step: 'b', worst: '0.02' }, { step: 'c', worst: '0.02' }], worst: '0.04', saved: '0.02' })
})

it('with another input, what it changes is done anew', async () => {
  const run = await first(chain())
  const { plan, output, bill } = await fork(run, { inputs: { text: 'y' } })
  expect([output, worked, reusedIn(bill)]).toEqual(['YBC', ['y', 'Yb', 'YBc'], ['side']])
  expect(plan.worst).toBe('0.06')
})

it('takes over what comes out the same after all, though nobody could say so before', async () => {
  // The provider shouts: x and X give the same text.
  const run = await first(chain())
  const { plan, output, bill } = await fork(run, { inputs: { text: 'X' } })
  expect([plan.worst, output, worked, reusedIn(bill)]).toEqual(['0.06', 'XBC', ['X'], ['side', 'b', 'c']])
})

it('takes nothing over that the step would not accept, or that is of somebody whom it does not ask', async () => {
  const run = await first(chain())
  const strict = await fork(run, { document: chain({ expect: '${output.text == "nothing"}' }) })
  expect([strict.error?.code, worked, reusedIn(strict.bill)]).toEqual(['step.expect', ['Xb'], ['a', 'side']])
  worked = []
  const { provider } = strict.bill.steps[0]!
  const picky = await fork(run, { document: chain({ providers: { not: [provider!] } }) })
  expect([picky.error?.code, worked]).toEqual(['market.no-provider', []])
})

it('of a list only the items that are new are done', async () => {
  const each = pipeline({ all: step('${item}', { forEach: '${input.list}', maxItems: 5, parallel: 2 }) }, '${steps.all.map(one, one.text)}')
  const run = await first(each, { list: ['a', 'b', 'c'] })
  const { plan, output, bill } = await fork(run, { inputs: { list: ['c', 'new', 'a'] } })
  expect([output, worked, reusedIn(bill)]).toEqual([['C', 'NEW', 'A'], ['new'], ['all[0]', 'all[2]']])
  expect(plan).toMatchObject({ anew: [{ step: 'all', worst: '0.02' }], worst: '0.02', whole: '0.1', saved: '0.02' })
})

it('a fork of a fork names the receipt of whom it was first paid to', async () => {
  const run = await first(chain())
  const again = await world.drive(forkRun(user, run))
  await finish(again)
  const { bill, cost } = await fork(again)
  expect([cost, bill.steps.map(({ reused }) => reused?.run)]).toEqual([0n, Array(4).fill(run)])
})

it('what has a compensation is done anew: a run that failed has undone it', async () => {
  const undo = pipeline({ a: step('${input.text}', { compensate: { uses: SHOUT.id, with: { text: 'undo' }, price: { max: '0.02' } } }) }, '${steps.a.text}')
  const run = await first(undo)
  const { plan, bill } = await fork(run)
  expect([plan.reused, worked, reusedIn(bill)]).toEqual([[], ['x'], []])
})

it.each(['before', 'after'] as const)('killed %s any append of the fork, it takes over and pays the same on its return', async (when) => {
  const run = await first(chain())
  for (let nth = 1; ; nth += STRIDE) {
    await world.drive(user.close())
    const fault = dieAt(nth, when)
    const doomed = await world.drive(world.user('alice', {}, fault.hooks))
    const before = available(doomed.node.host.context<WalletContext>('wallet')!)
    worked = []
    const fork = async (by: User): Promise<string> => forkRun(by, run, { from: 'c', key: `fork ${nth}` })
    fault.arm()
    const whole = (async () => finishRun(doomed, await fork(doomed), 60_000))()
    whole.catch(() => undefined)
    const over = await world.drive(Promise.race([fault.died.then(() => 'died'), whole.then(() => 'done')]))
    if (over === 'died') await doomed.kill()
    user = over === 'died' ? await world.drive(world.user('alice')) : doomed
    const { output, bill } = await finish(await world.drive(fork(user)))
    expect([output, worked, reusedIn(bill)], `append ${nth}`).toEqual(['XBC', ['XBc'], ['a', 'side', 'b']])
    expect(before - available(user.node.host.context<WalletContext>('wallet')!), `append ${nth}`).toBe(10_000n)
    if (over === 'done') return expect(nth).toBeGreaterThan(5)
  }
}, 60_000)

it('a run that has not ended is not forked, nor from a step that is not there', async () => {
  const open = await world.drive(startRun(user, { document: chain(), inputs: { text: 'x' } }))
  await expect(forkRun(user, open)).rejects.toMatchObject({ code: 'input.invalid', path: 'run' })
  await finish(open)
  await expect(forkRun(user, open, { from: 'sid' })).rejects.toMatchObject({ code: 'input.invalid', path: 'from', message: expect.stringContaining('Did you mean side?') })
  await expect(forkRun(user, 'run_0123')).rejects.toMatchObject({ code: 'run.unknown' })
})
