import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Pipeline } from '../../schemas/documents.gen.ts'
import { virtualClock } from '../../runtime/memory/clock.ts'
import type { MemoryJournalHooks } from '../../runtime/memory/journal.ts'
import { evaluateHere, MemoryWorld, SHOUT, shouter } from '../memory-network.fixture.ts'
import { keyedRun } from '../user/run.ts'
import type { User } from '../user/user.ts'
import { openDatabase, type GatewayDatabase } from './database.ts'
import { embedder } from './gateway.fixture.ts'
import { openGateway, type Gateway } from './gateway.ts'
import { EMBED, modelNamed } from './models.ts'
import { perform, type Order } from './perform.ts'
import { HOUSE } from './postings.ts'
import { startPipeline } from './runs.ts'

vi.setConfig({ testTimeout: 60_000 })

const pipeline = { name: 'shout', version: '1.0.0', steps: { call: { uses: SHOUT.id, with: { text: 'hi' }, price: { max: '0.02' } } }, output: '${steps.call}' } as unknown as Pipeline

const never = new Promise<never>(() => undefined)

describe('a gateway that dies', () => {
  let world: MemoryWorld
  let database: GatewayDatabase
  let worked = 0
  let killed: (User & { kill(): Promise<void> })[] = []
  afterEach(async () => {
    await world.close()
    await database.close()
    killed = []
  })

  async function begin(): Promise<void> {
    worked = 0
    world = new MemoryWorld({ clock: virtualClock() })
    database = await openDatabase({ file: ':memory:' })
    await world.drive(world.provider(embedder('near', '0.001', { handler: async ({ texts }) => {
      worked++
      return { output: { vectors: texts.map(() => Array(512).fill(0)), model: 'none' }, units: { text: texts.length } }
    } })))
    await world.drive(world.provider(shouter('p1', '0.01', 90)))
  }

  async function open(hooks: MemoryJournalHooks = {}): Promise<Gateway> {
    const user = await world.drive(world.user('front-door', {}, hooks))
    killed.push(user)
    return world.drive(openGateway({ user, database, evaluate: evaluateHere, pipelines: new Map([['shout', pipeline]]) }))
  }

  async function account(gateway: Gateway): Promise<{ customer: string; key: string }> {
    await gateway.ledger.enrol('ann', 'pay-as-you-go')
    await gateway.ledger.credit('ann', 1_000_000n, 'gift')
    await gateway.ledger.addKey('ann', 'k', 'test', {})
    return { customer: 'ann', key: 'k' }
  }

  /** As the operating system would: nothing more is said, written or heard by the old process. */
  async function kill(gateway: Gateway): Promise<void> {
    await world.drive(Promise.all([gateway.close(), killed.at(-1)!.kill()]))
  }

  const order = (gateway: Gateway, caller: { customer: string; key: string }, call: string): Order => ({
    caller, call, route: EMBED, capability: EMBED, input: { texts: ['a'] }, sellers: modelNamed(gateway.user.node.directory, EMBED, EMBED).sellers, tokens: 0, tokensOf: () => 0,
  })

  async function expectBalanced(gateway: Gateway, network: bigint): Promise<void> {
    const { sum, wrong, balances } = await gateway.ledger.audit()
    expect([sum, wrong, balances[HOUSE.network] ?? 0n, await gateway.ledger.open()]).toEqual([0n, [], network, []])
    expect(gateway.user.node.host.context<any>('wallet')).toMatchObject({ spent: network.toString(), holds: {} })
  }

  it('between the reservation and the hire: what was held is given back', async () => {
    await begin()
    const gateway = await open()
    const caller = await account(gateway)
    await gateway.ledger.reserve({ call: 'c.0', ...caller, route: EMBED, worst: 1_000n, tokens: 0, run: keyedRun('c.0') })
    await kill(gateway)
    const again = await open()
    expect(again.reconciled).toEqual({ settled: 0, released: 1, running: 0 })
    expect(await again.ledger.customer('ann')).toMatchObject({ balance: 1_000_000n, held: 0n })
    // the client comes back with the same name: another attempt does it
    await world.drive(perform(again, order(again, caller, 'c')))
    expect(worked).toBe(1)
    await expectBalanced(again, 1_000n)
  })

  it('between the end of the run and the settlement: it is settled from the bill, and answered again', async () => {
    await begin()
    const gateway = await open()
    const caller = await account(gateway)
    const settle = gateway.ledger.settle
    Object.assign(gateway.ledger, { settle: () => new Promise(() => {}) })
    void perform(gateway, order(gateway, caller, 'c')).catch(() => undefined)
    await world.drive(gateway.user.node.host.until('wallet', ({ context }) => context.spent === '1000', 60_000))
    await kill(gateway)
    Object.assign(gateway.ledger, { settle })
    const again = await open()
    expect(again.reconciled).toEqual({ settled: 1, released: 0, running: 0 })
    expect(await world.drive(perform(again, order(again, caller, 'c')))).toMatchObject({ charged: '0.001', fee: '0.00005', provider: 'near' })
    expect(worked).toBe(1)
    await expectBalanced(again, 1_000n)
  })

  it.each(['before', 'after'] as const)('anywhere in between, %s each append of its journal: served once, paid once, the ledger balances', async (when) => {
    for (let at = 1; at <= 40; at++) {
      await begin()
      let appends = 0
      let counting = false
      let died = (): void => {}
      const dead = new Promise<void>((resolve) => (died = resolve))
      // The append never ends: for this process it is as if the machine had stopped.
      const hook = (): Promise<void> | void => {
        if (!counting || ++appends < at) return
        died()
        return never
      }
      const gateway = await open(when === 'before' ? { beforeAppend: hook } : { afterAppend: hook })
      const caller = await account(gateway)
      counting = true
      const doing = perform(gateway, order(gateway, caller, 'c')).then(() => 'done' as const, () => 'failed' as const)
      const ended = await world.drive(Promise.race([doing, dead.then(() => 'dead' as const)]))
      if (ended === 'done') {
        expect(at).toBeGreaterThan(3)
        return
      }
      await kill(gateway)
      const again = await open()
      const performed = await world.drive(perform(again, order(again, caller, 'c')))
      expect(performed, `killed at append ${at}`).toMatchObject({ charged: '0.001' })
      for (const { call } of await again.ledger.open()) again.follow(call)
      await world.drive((async () => {
        while ((await again.ledger.open()).length > 0) await world.clock.sleep(100)
      })())
      expect(worked, `killed at append ${at}`).toBe(1)
      await expectBalanced(again, 1_000n)
      await world.close()
      await database.close()
    }
    throw new Error('the call took more than 40 appends')
  }, 60_000)

  it('while a pipeline runs: the run goes on, and its account is charged what it cost', async () => {
    await begin()
    const gateway = await open()
    const caller = await account(gateway)
    const run = await world.drive(startPipeline(gateway, caller, 'p', { pipeline: 'shout', inputs: {} }))
    expect(await gateway.ledger.customer('ann')).toMatchObject({ held: 21_000n })
    await kill(gateway)
    const again = await open()
    expect(again.reconciled).toEqual({ settled: 0, released: 0, running: 1 })
    await world.drive(again.user.node.host.until(`run/${run}`, ({ status }) => status === 'done', 120_000))
    await world.drive((async () => {
      while ((await again.ledger.open()).length > 0) await world.clock.sleep(100)
    })())
    expect(await again.ledger.holdOfRun('ann', run)).toMatchObject({ state: 'settled', cost: 10_000n, fee: 500n })
    expect(await again.ledger.holdOfRun('bob', run)).toBeUndefined()
    await expectBalanced(again, 10_000n)
  })
})
