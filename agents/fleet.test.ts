/** Several nodes of a provider and of a user: whichever dies or leaves, the work goes on at the others (D2, I1, I2). */
import { afterEach, describe, expect, it } from 'vitest'
import type { RunContext } from '../pipelines/run.machine.ts'
import { virtualClock } from '../runtime/memory/clock.ts'
import type { PurseContext } from '../runtime/payments/lane.ts'
import { FleetWorld, type Mortal } from './fleet.fixture.ts'
import { keysOf, SHOUT, shouter } from './memory-network.fixture.ts'
import { keyedRun, startRun } from './user/run.ts'
import type { User } from './user/user.ts'
import type { WalletContext } from './user/wallet.machine.ts'

const step = { uses: SHOUT.id, with: { text: 'hi' }, price: { max: '0.05' }, sla: { deadline: '20s', grace: '1s' }, retry: { attempts: 3, on: ['timeout', 'failed'] } }
const document = { name: 'thrice', version: '1.0.0', input: { type: 'object' }, budget: { max: '0.50' }, steps: { a: step, b: { ...step, needs: ['a'] }, c: { ...step, needs: ['b'] } }, output: '${steps.c.text}' }

let world: FleetWorld
afterEach(() => world.close())

const worked: string[] = []
const as = (who: string): Parameters<typeof shouter>[3] => ({ handler: async ({ text }: { text: string }) => (worked.push(who), { output: { text: text.toUpperCase(), quality: 90 }, units: { call: 1 } }) })
const pass = (ms: number): Promise<void> => world.drive(world.clock.sleep(ms), ms + 10_000)
const holderOf = <Node extends { readonly node: User['node'] }>(nodes: readonly Node[]): Node => nodes.find(({ node }) => node.host.partitions.length > 0)!

/** Starts the pipeline at `user` and lets it run to its end, as `ask` sees it. */
async function run(user: User, ask: User = user, key = `k${worked.length}.${Math.round(world.clock.now())}`): Promise<RunContext> {
  const id = await world.drive(startRun(user, { document, inputs: {}, key }))
  const actor = await world.drive(ask.node.host.until(`run/${id}`, ({ status }) => status === 'done', 200_000), 210_000)
  return actor.snapshot.context as RunContext
}

async function network(partitions = 1): Promise<{ readonly sellers: (Awaited<ReturnType<FleetWorld['seller']>>)[]; readonly users: (User & Mortal)[] }> {
  world = new FleetWorld({ clock: virtualClock() }, partitions)
  worked.length = 0
  const sellers = []
  for (const node of ['a', 'b']) sellers.push(await world.drive(world.seller(shouter('p1', '0.01', 90, as(node)), node)))
  const users = []
  for (const node of ['x', 'y']) users.push(await world.drive(world.payer('alice', node)))
  await pass(5_000)
  return { sellers, users }
}

describe('two nodes of a provider and two of a user', () => {
  it('share one card, which lists the keys of both, and one sign of life', async () => {
    const { sellers, users } = await network()
    const { participant } = keysOf('p1')
    const entry = (): ReturnType<User['node']['directory']['entry']> => users[0]!.node.directory.entry(participant)
    expect(entry()!.card.body.authorisations.map(({ node }) => node).sort()).toEqual(sellers.map(({ node }) => node.wire.node).sort())
    const before = entry()!.card.body.issuedAt
    await pass(10_000)
    expect(entry()!.card.body.issuedAt).toBe(before)
    await world.drive(sellers[0]!.leave())
    expect(entry()!.alive).toBe(true)
    await pass(620_000)
    expect(entry()!.card.body.issuedAt).toBeGreaterThan(before)
    expect(entry()!.card.body.authorisations.map(({ node }) => node).sort()).toEqual(sellers.map(({ node }) => node.wire.node).sort())
    await world.drive(sellers[1]!.leave())
    expect(entry()!.alive).toBe(false)
  })

  it('a run started and followed at any node is done, and paid, by the ones that hold the work', async () => {
    const { sellers, users } = await network()
    const holder = holderOf(sellers)
    for (const [one, other] of [[users[0]!, users[1]!], [users[1]!, users[0]!]] as const) {
      expect(await run(one, other)).toMatchObject({ error: null, output: 'HI', spent: '30000' })
    }
    expect(worked).toEqual(Array.from({ length: 6 }, () => (holder === sellers[0] ? 'a' : 'b')))
    expect(world.rail.imbalance()).toBe(0n)
  })

  it.each(['kill', 'leave'] as const)('a provider\'s node that holds the lane goes (%s) in the middle of a run: the other goes on', async (how) => {
    const { sellers, users } = await network()
    await run(users[0]!)
    const holder = holderOf(sellers)
    const id = await world.drive(startRun(users[0]!, { document, inputs: {}, key: 'second' }))
    await world.drive(holderOf(users).node.host.until(`step/${id}/a`, ({ status }) => status === 'done', 60_000), 70_000)
    if (how === 'kill') holder.kill()
    else await world.drive(holder.leave())
    const actor = await world.drive(users[1]!.node.host.until(`run/${id}`, ({ status }) => status === 'done', 200_000), 210_000)
    expect(actor.snapshot.context).toMatchObject({ error: null, spent: '30000', settled: '30000' })
    expect(await world.rail.balance(keysOf('p1').participant)).toBe(60_000n)
    expect(world.rail.imbalance()).toBe(0n)
  })

  it.each(['kill', 'leave'] as const)('a user\'s node that holds the run goes (%s) in the middle of it: the other finishes it', async (how) => {
    const { users } = await network()
    const holder = holderOf(users)
    const other = users.find((one) => one !== holder)!
    const id = await world.drive(startRun(other, { document, inputs: {}, key: 'first' }))
    expect(id).toBe(keyedRun('first'))
    await world.drive(holder.node.host.until(`step/${id}/a`, ({ status }) => status === 'done', 60_000), 70_000)
    if (how === 'kill') holder.kill()
    else await world.drive(holder.leave())
    const actor = await world.drive(other.node.host.until(`run/${id}`, ({ status }) => status === 'done', 200_000), 210_000)
    expect(actor.snapshot.context).toMatchObject({ error: null, spent: '30000', settled: '30000' })
    expect(await world.drive(startRun(other, { document, inputs: {}, key: 'first' }))).toBe(id)
    expect((await world.drive(other.node.host.load('wallet')))!.snapshot.context as WalletContext).toMatchObject({ holds: {}, spent: '30000' })
    expect(world.rail.imbalance()).toBe(0n)
  })
})

it('a provider that compares a lane hears of it whichever node of its payer it reaches', async () => {
  const { sellers, users } = await network(4)
  await Promise.all(['a', 'b', 'c', 'd'].map((key) => run(users[0]!, users[1]!, key)))
  const lanes = users.flatMap(({ node: { host } }) => [...host.list('purse')].flatMap(({ snapshot }) => Object.values((snapshot.context as PurseContext).lanes)))
  expect(lanes.length).toBeGreaterThan(1)
  const { wire } = sellers[0]!.node
  for (const { id, voucher } of lanes) {
    for (let nth = 0; nth < 6; nth++) {
      const asked = wire.call(keysOf('alice').participant, 'recall', { lane: id, voucher: null }, { callId: `r${id.slice(2, 10)}.${nth}`, timeoutMs: 5_000 })
      expect(await world.drive(asked)).toEqual({ voucher })
    }
  }
}, 60_000)

it.each(['kill', 'leave'] as const)('four partitions shared by two nodes each: runs at both, a node of each side goes (%s), every run ends and every book balances', async (how) => {
  const { sellers, users } = await network(4)
  expect([...sellers, ...users].every(({ node }) => node.host.partitions.length > 0)).toBe(true)
  const keys = Array.from({ length: 8 }, (_, at) => `run ${at}`)
  const started = keys.map((key, at) => startRun(users[at % 2]!, { document, inputs: {}, key }))
  const ids = await world.drive(Promise.all(started))
  await pass(1_000)
  for (const one of [sellers[0]!, users[0]!]) {
    if (how === 'kill') one.kill()
    else await world.drive(one.leave())
  }
  const done = await world.drive(Promise.all(ids.map((id) => users[1]!.node.host.until(`run/${id}`, ({ status }) => status === 'done', 300_000))), 310_000)
  const contexts = done.map(({ snapshot }) => snapshot.context as RunContext)
  expect(contexts.map(({ error, spent, settled }) => [error, settled === spent])).toEqual(keys.map(() => [null, true]))
  expect(new Set(worked)).toEqual(new Set(['a', 'b']))
  const spent = contexts.reduce((sum, one) => sum + BigInt(one.spent), 0n)
  expect((await world.drive(users[1]!.node.host.load('wallet')))!.snapshot.context).toMatchObject({ holds: {}, spent: spent.toString() })
  expect(await world.rail.balance(keysOf('p1').participant)).toBe(spent)
  expect(world.rail.imbalance()).toBe(0n)
}, 60_000)
