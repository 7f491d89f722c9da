/** With room for ten in memory all the usual things work, and what has ended is not there (D2, D3). */
import { afterEach, describe, expect, it } from 'vitest'
import type { Bill, Pipeline } from '../schemas/documents.gen.ts'
import { participantId } from '../schemas/id.ts'
import { paidCalls } from '../pipelines/bill.ts'
import type { RunContext } from '../pipelines/run.machine.ts'
import { stepId, type StepContext } from '../pipelines/step.ts'
import { virtualClock } from '../runtime/memory/clock.ts'
import type { Host } from '../runtime/actors/host.ts'
import { verifyReceipt } from '../runtime/payments/receipt.ts'
import { openDatabase } from './gateway/database.ts'
import { openGateway } from './gateway/gateway.ts'
import { billOfRun, cancelRun, ownRun, runState, startPipeline } from './gateway/runs.ts'
import { evaluateHere, keysOf, MemoryWorld, SHOUT, shouter } from './memory-network.fixture.ts'
import type { Provider } from './provider/provide.ts'
import { controlRun } from './user/control.ts'
import { followRun, type StepRow } from './user/follow.ts'
import { hire } from './user/hire.ts'
import { runReport } from './user/inspect.ts'
import { openAllowance } from './user/allowance.ts'
import { billNow, finishRun, keyedRun, listRuns, startRun } from './user/run.ts'
import type { User } from './user/user.ts'

const ROOM = 10
const RUNS = 6
/** Runs that come after, each a step and a call. */
const MORE = 14
/** Kinds of which a node has one each, or one a lane or an account: they stay. */
const STAYING = ['purse', 'wallet', 'experience', 'keyring', 'sender', 'settler', 'till']

const step = (text: string, more: object = {}): object => ({ uses: SHOUT.id, with: { text }, price: { max: '0.02' }, ...more })
/** An item each, a step that reads them, and one that reads both. */
const document = {
  name: 'shout', version: '1.0.0', input: { type: 'object', properties: { words: { type: 'array', items: { type: 'string' } } } },
  steps: {
    each: step('${item}', { forEach: '${input.words}', maxItems: 4 }),
    all: step('${steps.each.map(one, one.text)[1] + steps.each[0].text}'),
    last: step('${steps.all.text + steps.each[2].text}'),
  },
  output: '${steps.last.text}',
} as unknown as Pipeline

const endedIn = (host: Host): string[] => ['run', 'step', 'inquiry', 'call'].flatMap((kind) => [...host.list(kind)]).filter(({ snapshot }) => snapshot.status === 'done').map(({ id }) => id)
const passiveIn = (host: Host): number => host.stats().resident - STAYING.reduce((sum, kind) => sum + [...host.list(kind)].length, 0)

describe('a network that keeps ten actors in memory', () => {
  let world: MemoryWorld
  let worked = 0
  let user: User
  let provider: Provider
  afterEach(() => world.close())

  const open = async (): Promise<void> => {
    worked = 0
    world = new MemoryWorld({ clock: virtualClock(), limits: { resident: ROOM, tailRecords: 40, retain: 0 } })
    provider = await world.drive(world.provider(shouter('p1', '0.01', 90, {
      concurrency: 8,
      handler: async ({ text }: { text: string }) => (worked++, { output: { text: text.toUpperCase(), quality: 90 }, units: { call: 1 } }),
    })))
    user = await world.drive(world.user('alice'))
  }
  const start = (key: string): Promise<string> => world.drive(startRun(user, { document, inputs: { words: ['a', 'b', 'c'] }, key }))
  /** Runs that end, so that those before them leave memory. */
  const more = async (): Promise<void> => {
    for (let at = 0; at < MORE; at++) await world.drive(hire(user, { capability: SHOUT.id, input: { text: `more ${at}` }, maxPrice: '0.02' }))
  }

  it('runs, shows, bills and follows, also what is long over and after a restart', async () => {
    await open()
    const bills = new Map<string, Bill>()
    const reports = new Map<string, object>()
    for (let at = 0; at < RUNS; at++) {
      const run = await start(`k${at}`)
      const rows: StepRow[] = []
      const followed = await followRun(user.node.host, run, (row) => void rows.push(row))
      const { output, bill } = await world.drive(finishRun(user, run, 60_000))
      followed.stop()
      expect([output, bill.spent, bill.settled]).toEqual(['BAC', '0.05', '0.05'])
      expect(rows.filter(({ state }) => state === 'done').map(({ step: name }) => name)).toEqual(['each', 'all', 'last'])
      expect(followed.rows().map(({ state, items }) => [state, items?.ended])).toEqual([['done', 3], ['done', undefined], ['done', undefined]])
      bills.set(run, bill)
      reports.set(run, await runReport(user.node.host, run))
    }
    const looked = async (who: User): Promise<void> => {
      const { host, wire } = who.node
      expect((await listRuns(who)).map(({ run, state }) => [run, state])).toEqual([...bills.keys()].map((run) => [run, 'done']))
      for (const [run, bill] of bills) {
        expect(await billNow(who, run)).toEqual(bill)
        expect(await runReport(host, run)).toEqual(reports.get(run))
        const paid = await paidCalls(host, (await host.look<RunContext>(`run/${run}`))!, wire.credentials.verifier)
        expect(paid.length).toBe(5)
        for (const { receipt } of paid) verifyReceipt(receipt, world.rail)
        const rows: StepRow[] = []
        ;(await followRun(host, run, (row) => void rows.push(row))).stop()
        expect(rows.map(({ state }) => state)).toEqual(['done', 'done', 'done'])
        expect((await world.drive(finishRun(who, run, 1_000))).bill).toEqual(bill)
      }
    }
    await looked(user)
    expect(worked).toBe(RUNS * 5)
    await more()
    const [first] = bills.keys()
    expect(user.node.host.peek(`run/${first}`)?.id).toBeUndefined()
    expect(user.node.host.peek(stepId(first!, 'all', null))?.id).toBeUndefined()
    for (const host of [user.node.host, provider.node.host]) {
      expect(passiveIn(host)).toBeLessThanOrEqual(ROOM + 8)
      expect(endedIn(host).length).toBeLessThanOrEqual(ROOM + 8)
    }
    expect(provider.node.host.stats().actors).toBeGreaterThan(RUNS * 5)
    // Asked for again it is what it was, and the owner's word finds it ended.
    expect(await start('k0')).toBe(first)
    await expect(controlRun(user, { run: first!, want: 'pause' })).rejects.toMatchObject({ code: 'run.ended' })
    await world.drive(user.close())
    const again = await world.drive(world.user('alice'))
    expect(again.node.host.peek(`run/${first}`)?.id).toBeUndefined()
    for (const [run, bill] of bills) expect([await billNow(again, run), await runReport(again.node.host, run)]).toEqual([bill, reports.get(run)])
    expect((await listRuns(again)).length).toBe(RUNS + MORE)
    user = again
    expect(await start('k0')).toBe(first)
    expect(worked).toBe(RUNS * 5 + MORE)
  }, 60_000)

  it('a repeated invoke, status and cancel are answered from the stored call, and a repeated hire from its run', async () => {
    await open()
    const ask = { capability: SHOUT.id, input: { text: 'once' }, maxPrice: '0.02', key: 'once' }
    const hired = await world.drive(hire(user, ask))
    const { agreementId: agreement, input, inputHash, lane } = (await user.node.host.look<StepContext>(stepId(keyedRun('once'), 'call', null)))!
    await more()
    expect(provider.node.host.peek(`call/${lane!.id}/${agreement}/0`)?.id).toBeUndefined()
    const before = worked
    const say = (verb: string, body: object) => world.drive(user.node.wire.call<any>(participantId(keysOf('p1').participant), verb, { agreement, lane: lane!.id, call: 0, ...body }, { callId: `again-${verb}`, timeoutMs: 5_000, validate: (value) => value as any }))
    for (const [verb, body] of [['status', {}], ['invoke', { input, inputHash }], ['cancel', {}], ['status', {}]] as const) {
      expect(await say(verb, body).catch((error) => error), verb).toMatchObject({ state: 'delivered', output: { text: 'ONCE' } })
    }
    expect(await world.drive(hire(user, ask))).toEqual(hired)
    expect(worked).toBe(before)
  }, 60_000)

  it('an allowance with a name finds what its calls cost', async () => {
    await open()
    const ask = { capability: SHOUT.id, input: { text: 'hi' }, maxPrice: '0.02' }
    const first = await openAllowance(user, { limit: '0.5', name: 'research' })
    for (let at = 0; at < 4; at++) await world.drive(first.hire(ask))
    await more()
    await world.drive(user.close())
    const again = await openAllowance(await world.drive(world.user('alice')), { limit: '0.5', name: 'research' })
    expect(again.state()).toEqual({ limit: '0.5', spent: '0.04', reserved: '0', left: '0.46' })
  }, 60_000)

  it('a gateway answers for an old run, and closes it in its ledger once', async () => {
    await open()
    const database = await openDatabase({ file: ':memory:' })
    const gateway = await world.drive(openGateway({ user, database, evaluate: evaluateHere, pipelines: new Map([['shout', document]]) }))
    const caller = { customer: 'ann', key: 'k' }
    await gateway.ledger.enrol('ann', 'pay-as-you-go')
    await gateway.ledger.credit('ann', 2_000_000n, 'gift')
    await gateway.ledger.addKey('ann', 'k', 'test', {})
    const request = { pipeline: 'shout', inputs: { words: ['a', 'b', 'c'] } }
    const run = await world.drive(startPipeline(gateway, caller, 'c', request))
    await world.drive(finishRun(user, run, 60_000))
    await more()
    expect(user.node.host.peek(`run/${run}`)?.id).toBeUndefined()
    const hold = await ownRun(gateway, 'ann', run)
    expect(await runState(gateway, run)).toMatchObject({ state: 'done', output: 'BAC', steps: [{ step: 'each', charged: '0.03' }, { step: 'all', charged: '0.01' }, { step: 'last', charged: '0.01' }] })
    expect(await billOfRun(gateway, hold)).toMatchObject({ spent: '0.05', account: { state: 'settled', network: '0.05' } })
    expect(await world.drive(startPipeline(gateway, caller, 'c', request))).toBe(run)
    await cancelRun(gateway, run)
    expect(await gateway.ledger.open()).toEqual([])
    await world.drive(gateway.close())
    await database.close()
  }, 60_000)
})
