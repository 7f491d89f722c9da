/**
 * Calls that are paid piece by piece, between two nodes: what came is paid as it comes, whoever gives up,
 * dies or lies loses at most one part. Ends that are known: run, lanes, chain and receipts (I1–I4).
 */
import { afterEach, describe, expect, it } from 'vitest'
import type { BillStep, Capability } from '../schemas/documents.gen.ts'
import { virtualClock } from '../runtime/memory/clock.ts'
import type { PurseContext } from '../runtime/payments/lane.ts'
import { verifyReceipt } from '../runtime/payments/receipt.ts'
import type { TillContext } from '../runtime/payments/till.machine.ts'
import { paidCalls } from '../pipelines/bill.ts'
import type { RunContext } from '../pipelines/run.machine.ts'
import { dieAt } from './die-at.fixture.ts'
import { keysOf, MemoryWorld } from './memory-network.fixture.ts'
import type { ProviderDefinition } from './provider/define.ts'
import { followRun } from './user/follow.ts'
import { hire, type HireOptions } from './user/hire.ts'
import { billNow, keyedRun } from './user/run.ts'
import type { User } from './user/user.ts'
import { available, type WalletContext } from './user/wallet.machine.ts'

const TELL: Capability = {
  id: 'text.tell@1', title: 'Tell', description: 'Tells a story word by word.', unit: 'word',
  estimate: { expression: '1.0 * input.words.size()' },
  input: { type: 'object', required: ['words'], properties: { words: { type: 'array', items: { type: 'string' } } } },
  output: { type: 'object', required: ['words'], properties: { words: { type: 'array' } } },
  chunk: { type: 'object', additionalProperties: false, required: ['word'], properties: { word: { type: 'string' } } },
}
const STORY = ['once', 'upon', 'a', 'time', 'there', 'was', 'an', 'end']
const EVERY = 3
const LONG = process.env['AIGEN_LONG'] !== undefined
const seller = keysOf('p1').participant
const call = { capability: TELL.id, input: { words: STORY }, maxPrice: '0.10', deadlineMs: 60_000, attempts: 1, settle: 'streamed', key: 'one' } satisfies HireOptions

describe('a call that is paid piece by piece', () => {
  let world: MemoryWorld
  afterEach(() => world.close())

  /** A word costs 0.01. */
  const teller = (change: Partial<ProviderDefinition> & { words?: (turn: number) => readonly string[]; pauseMs?: number } = {}): ProviderDefinition => {
    const { words: says, pauseMs = 0, ...rest } = change
    let turns = 0
    return {
      name: 'p1', capability: TELL, price: { list: '0.01' }, latencyMs: 1_000, stream: { every: EVERY },
      handler: async ({ words }: { words: string[] }, { emit, signal }) => {
        const told = says?.(turns++) ?? words
        for (const word of told) {
          if (pauseMs > 0) await world.clock.sleep(pauseMs, signal)
          await emit({ word }, 1)
        }
        return { output: { words: told }, units: { word: told.length } }
      },
      ...rest,
    }
  }
  const tillOf = (node: User['node']): TillContext => [...node.host.list('till')][0]!.snapshot.context as TillContext
  const laneOf = (user: User) => Object.values(user.node.host.context<PurseContext>('purse/0')!.lanes).find((one) => one.provider === seller)!
  /** I2, I3 at the payer: what is not spent is available again, the chain balances, every receipt verifies, and they come to what was spent. */
  const balanced = async (user: User, spent: bigint, where = ''): Promise<void> => {
    const { host, wire } = user.node
    const wallet = host.context<WalletContext>('wallet')!
    expect(wallet.holds, where).toEqual({})
    expect(available(wallet), where).toBe(10_000_000n - spent)
    expect(world.rail.imbalance(), where).toBe(0n)
    let paid = 0n
    for (const run of host.list('run')) {
      for (const { receipt, amount } of await paidCalls(host, run.snapshot.context as RunContext, wire.credentials.verifier)) {
        verifyReceipt(receipt)
        paid += amount
      }
    }
    expect(paid, where).toBe(spent)
  }
  const open = async (definition: ProviderDefinition = teller()) => {
    world = new MemoryWorld({ clock: virtualClock() })
    const provider = await world.drive(world.provider(definition))
    return { provider, user: await world.drive(world.user('alice')) }
  }
  const stepOf = async (user: User): Promise<BillStep> => (await billNow(user, keyedRun('one'))).steps[0]!

  it('is paid in parts as it comes; the last one with its output; and the lane goes on', async () => {
    const { provider, user } = await open()
    for (const [nth, key] of ['one', 'two'].entries()) {
      const heard: any[] = []
      const paid: string[] = []
      const stop = user.node.host.watch((actor) => {
        if (actor.kind.name !== 'purse') return
        const { cumulative } = laneOf(user)
        if (paid.at(-1) !== cumulative) paid.push(cumulative)
      })
      const { output, charged, bill } = await world.drive(hire(user, { ...call, key, onChunk: (chunk) => heard.push(chunk) }))
      stop()
      expect([output, charged, bill.settled]).toEqual([{ words: STORY }, '0.08', '0.08'])
      expect(bill.steps[0]).toMatchObject({ units: { word: 8 }, stream: { pieces: 8, vouchers: 3 } })
      expect(heard.map(({ word }) => word)).toEqual(STORY)
      const base = nth * 80_000
      expect(paid.map(Number)).toEqual([base, base + 30_000, base + 60_000, base + 80_000])
      const { ref, ...lane } = laneOf(user)
      expect(lane).toMatchObject({ cumulative: `${base + 80_000}`, use: null, payment: null })
      expect(tillOf(provider.node)).toMatchObject({ cumulative: `${base + 80_000}`, ref, owed: null, open: null })
    }
    await balanced(user, 160_000n)
  })

  it('given up at any piece: what came until then is paid, nothing else, and the lane goes on', async () => {
    for (const at of LONG ? [1, 2, 3, 4, 5, 6, 7] : [1, 3, 5]) {
      const { provider, user } = await open(teller({ pauseMs: 200 }))
      const gone = new AbortController()
      const heard: unknown[] = []
      const outcome = await world.drive(hire(user, { ...call, signal: gone.signal, onChunk: (chunk) => {
        heard.push(chunk)
        if (heard.length === at) gone.abort()
      } }).catch((error) => error))
      expect(outcome.code, `at ${at}`).toBe('step.cancelled')
      expect(await stepOf(user)).toMatchObject({ state: 'cancelled', charged: `0.0${at}`, stream: { pieces: at, vouchers: Math.ceil(at / EVERY) } })
      await balanced(user, BigInt(at) * 10_000n, `at ${at}`)
      await world.drive(world.clock.sleep(5_000))
      const { ref, ...lane } = laneOf(user)
      expect(lane, `at ${at}`).toMatchObject({ cumulative: `${at}0000`, use: null, payment: null })
      expect(tillOf(provider.node), `at ${at}`).toMatchObject({ cumulative: `${at}0000`, ref, owed: null, open: null })
      expect(await world.rail.balance(seller)).toBe(BigInt(at) * 10_000n)
      expect(await world.drive(hire(user, { ...call, key: 'two', input: { words: ['x'] } }))).toMatchObject({ charged: '0.01' })
      await world.close()
    }
  })

  it('whoever follows the run sees what it has cost so far', async () => {
    const { user } = await open(teller({ pauseMs: 200 }))
    const costs: (string | undefined)[] = []
    let followed: Promise<unknown> | undefined
    await world.drive(hire(user, { ...call, onChunk: () => {
      followed ??= followRun(user.node.host, keyedRun('one'), ({ state, charged }) => costs.push(`${state} ${charged ?? 0}`))
    } }))
    expect([...new Set(costs)]).toEqual(['working 0', 'working 0.03', 'working 0.06', 'working 0.08', 'done 0.08'])
  })

  it('a part is not paid for pieces that came after it was given up, though they were sent', async () => {
    // Three words leave at once, and a part is signed for all of them; the caller has enough after the first.
    const { user } = await open()
    const gone = new AbortController()
    const outcome = await world.drive(hire(user, { ...call, signal: gone.signal, onChunk: () => gone.abort() }).catch((error) => error))
    expect(outcome.code).toBe('step.cancelled')
    const { charged } = await stepOf(user)
    expect(Number(charged)).toBeLessThanOrEqual(0.03)
    await balanced(user, BigInt(Math.round(Number(charged) * 1e6)))
    expect(laneOf(user)).toMatchObject({ use: null, payment: null })
  })

  it('fails after some parts: what came is paid with a receipt, what was not is not, and nobody else begins anew', async () => {
    const { user } = await open(teller({ handler: async ({ words }: { words: string[] }, { emit }) => {
      for (const word of words.slice(0, 5)) await emit({ word }, 1)
      throw new Error('broken off')
    } }))
    await world.drive(world.provider(teller({ name: 'p2', price: { list: '0.011' } })))
    const heard: unknown[] = []
    await world.drive(expect(hire(user, { ...call, attempts: 2, onChunk: (chunk) => heard.push(chunk) })).rejects.toMatchObject({ code: 'step.failed' }))
    expect(heard).toHaveLength(5)
    // The two after the last part: the provider's loss, within one part.
    expect(await stepOf(user)).toMatchObject({ state: 'failed', charged: '0.03', attempts: [{ charged: '0.03', receipt: expect.any(String) }] })
    await balanced(user, 30_000n)
    expect(laneOf(user)).toMatchObject({ cumulative: '30000', use: null, payment: null })
  })

  it.each([['output.words.size() > 100', 'step.expect']])('a whole that fails %s: the parts that came are paid, the last one is not', async (expression, code) => {
    const { user } = await open()
    await world.drive(expect(hire(user, { ...call, expect: expression })).rejects.toMatchObject({ code }))
    expect(await stepOf(user)).toMatchObject({ state: 'failed', charged: '0.06' })
    await balanced(user, 60_000n)
  })

  it('a provider that begins anew says the same pieces again, and is paid once; other pieces end it', async () => {
    for (const [says, spent] of [[() => STORY, 80_000n], [(turn: number) => (turn === 0 ? STORY : [...STORY].reverse()), 30_000n]] as const) {
      world = new MemoryWorld({ clock: virtualClock() })
      const definition = teller({ pauseMs: 300, words: says })
      const provider = await world.drive(world.provider(definition))
      const user = await world.drive(world.user('alice'))
      const heard: any[] = []
      const hired = hire(user, { ...call, onChunk: (chunk) => heard.push(chunk) }).then(({ output }) => output, (error) => error.code)
      await world.drive((async () => { while (heard.length < 4) await world.clock.sleep(50) })())
      await provider.kill()
      await world.drive(world.provider(definition))
      expect(await world.drive(hired)).toEqual(spent === 80_000n ? { words: STORY } : 'step.failed')
      await balanced(user, spent)
      await world.close()
    }
  })

  describe('whoever dies at whichever append: paid once, the output there, both sides count alike (I1, I2)', () => {
    it.each<['payer' | 'provider', 'before' | 'after']>([['payer', 'before'], ['payer', 'after'], ['provider', 'before'], ['provider', 'after']])('the %s, %s', async (who, when) => {
      let nth = LONG ? 1 : 9
      for (; ; nth += LONG ? 1 : 17) {
        world = new MemoryWorld({ clock: virtualClock() })
        const fault = dieAt(nth, when)
        const sell = (hooks = {}) => world.drive(world.provider(teller(), hooks))
        let provider = await sell(who === 'provider' ? fault.hooks : {})
        let user = await world.drive(world.user('alice', {}, who === 'payer' ? fault.hooks : {}))
        fault.arm()
        const hired = hire(user, call)
        hired.catch(() => undefined)
        const over = await world.drive(Promise.race([fault.died.then(() => 'died' as const), hired.then(() => 'done' as const)]))
        if (over === 'done') break
        const where = `${who} killed ${when} append ${nth}`
        let result: Promise<unknown> = hired
        if (who === 'payer') {
          await user.kill()
          user = await world.drive(world.user('alice'))
          result = hire(user, call)
        } else {
          await provider.kill()
          provider = await sell()
        }
        expect(await world.drive(result.catch((error) => error), 400_000), where).toMatchObject({ output: { words: STORY }, charged: '0.08' })
        for (let waited = 0; waited < 200_000 && (await world.rail.balance(seller)) !== 80_000n; waited += 5_000) await world.drive(world.clock.sleep(5_000))
        expect(await world.rail.balance(seller), where).toBe(80_000n)
        await balanced(user, 80_000n, where)
        const { ref, ...lane } = laneOf(user)
        expect(lane, where).toMatchObject({ cumulative: '80000', use: null, payment: null })
        expect(tillOf(provider.node), where).toMatchObject({ cumulative: '80000', ref, owed: null })
        await world.close()
        expect(nth, 'it has an end').toBeLessThan(120)
      }
      expect(nth).toBeGreaterThan(10)
    }, 120_000)

    it.each<['payer' | 'provider', 'before' | 'after']>([['payer', 'before'], ['payer', 'after'], ['provider', 'before'], ['provider', 'after']])('given up after four pieces, the %s, %s: no more than those is paid, and both count alike', async (who, when) => {
      let nth = 1
      for (; ; nth += LONG ? 1 : 15) {
        world = new MemoryWorld({ clock: virtualClock() })
        const fault = dieAt(nth, when)
        const sell = (hooks = {}) => world.drive(world.provider(teller({ pauseMs: 100 }), hooks))
        let provider = await sell(who === 'provider' ? fault.hooks : {})
        let user = await world.drive(world.user('alice', {}, who === 'payer' ? fault.hooks : {}))
        const gone = new AbortController()
        let heard = 0
        const hired = hire(user, { ...call, signal: gone.signal, onChunk: () => {
          if (++heard !== 4) return
          fault.arm()
          gone.abort()
        } })
        hired.catch(() => undefined)
        const over = await world.drive(Promise.race([fault.died.then(() => 'died' as const), hired.then(() => 'done' as const, () => 'done' as const)]))
        if (over === 'done') fault.disarm()
        const where = `${who} killed ${when} append ${nth}`
        if (over === 'died' && who === 'payer') {
          await user.kill()
          user = await world.drive(world.user('alice'))
          await world.drive(hire(user, call).catch(() => undefined), 400_000)
        } else if (over === 'died') {
          await provider.kill()
          provider = await sell()
          await world.drive(hired.catch(() => undefined), 400_000)
        }
        await world.drive(world.clock.sleep(130_000), 200_000)
        const wallet = user.node.host.context<WalletContext>('wallet')!
        const spent = 10_000_000n - available(wallet)
        // Its death may have undone that it gave up: then all of it came, and was paid for.
        expect([30_000n, 40_000n, ...(who === 'payer' ? [80_000n] : [])], where).toContain(spent)
        await balanced(user, spent, where)
        expect(tillOf(provider.node), where).toMatchObject({ cumulative: laneOf(user).cumulative, claimed: String(spent) })
        expect(laneOf(user), where).toMatchObject({ cumulative: String(spent), payment: null })
        await world.close()
        if (over === 'done') break
        expect(nth, 'it has an end').toBeLessThan(60)
      }
      expect(nth).toBeGreaterThan(3)
    }, 120_000)
  })
})
