import { createHash } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import type { Bill, BillStep } from '../schemas/documents.gen.ts'
import { AigenError } from '../schemas/error.ts'
import { nodeId } from '../schemas/id.ts'
import { paidCalls } from '../pipelines/bill.ts'
import type { RunContext } from '../pipelines/run.machine.ts'
import { nodeSigner } from '../runtime/identity/ed25519.ts'
import { toText } from '../runtime/identity/text-bytes.ts'
import { virtualClock, type VirtualClock } from '../runtime/memory/clock.ts'
import type { PurseContext } from '../runtime/payments/purse.machine.ts'
import { verifyReceipt } from '../runtime/payments/receipt.ts'
import { openLiar } from './liar.fixture.ts'
import { keysOf, MemoryWorld, SHOUT, shouter } from './memory-network.fixture.ts'
import type { ProviderDefinition } from './provider/define.ts'
import { billNow, finishRun, startRun, type Finished } from './user/run.ts'
import type { User, UserOptions } from './user/user.ts'
import { available, type WalletContext } from './user/wallet.machine.ts'

const retry = { attempts: 2, on: ['expect', 'output', 'timeout', 'failed'], elsewhere: true }
const sla = { deadline: '2s', grace: '1s' }
const step = (text: string, change: object = {}): object => ({ uses: SHOUT.id, with: { text }, price: { max: '0.02' }, sla, ...change })
const pipeline = (steps: Record<string, object>, output: unknown, change: object = {}): object => ({
  name: 'unlucky', version: '1.0.0', input: { type: 'object', properties: { text: { type: 'string' }, words: { type: 'array', items: { type: 'string' } } } }, budget: { max: '1.00' }, steps, output, ...change,
})

describe('bad luck costs nothing but what was delivered', () => {
  let world: MemoryWorld
  afterEach(() => world.close())

  const open = async (providers: ProviderDefinition[], options: Partial<UserOptions> = {}): Promise<User> => {
    world = new MemoryWorld({ clock: virtualClock() })
    for (const definition of providers) await world.drive(world.provider(definition))
    return world.drive(world.user('alice', options))
  }
  const start = (user: User, document: object, inputs: Record<string, unknown> = { text: 'hi' }, more: object = {}): Promise<string> => world.drive(startRun(user, { document, inputs, ...more }))
  const finish = (user: User, id: string): Promise<Finished> => world.drive(finishRun(user, id, 110_000))
  const run = async (user: User, document: object, inputs?: Record<string, unknown>): Promise<Finished> => finish(user, await start(user, document, inputs))
  const stepOf = (bill: Bill, name: string): BillStep => bill.steps.find((one) => one.step === name)!

  /** I2, I3, I4, and that the bill's lines add up. */
  const balanced = async (user: User, { run: id, bill }: Finished, deposit = 10_000_000n): Promise<void> => {
    const { host, wire } = user.node
    const context = host.context<RunContext>(`run/${id}`)!
    const wallet = host.context<WalletContext>('wallet')!
    expect(world.rail.imbalance()).toBe(0n)
    expect(wallet.holds).toEqual({})
    expect(available(wallet)).toBe(deposit - BigInt(wallet.spent))
    expect(context.doubts).toBe(0)
    expect(BigInt(context.spent)).toBeLessThanOrEqual(BigInt(context.hold))
    const paid = await paidCalls(host, context, wire.credentials.verifier)
    expect(paid.reduce((sum, one) => sum + BigInt(one.delivery.body.amount), 0n)).toBe(BigInt(context.spent))
    for (const { receipt } of paid) verifyReceipt(receipt, world.rail)
    const lines = bill.steps.reduce((sum, one) => sum + Math.round(Number(one.charged) * 1e6), 0)
    expect(lines).toBe(Number(context.spent))
  }

  describe('a provider', () => {
    it('that throws is not paid, and the step goes elsewhere', async () => {
      const user = await open([shouter('bad', '0.01', 90, { handler: async () => { throw new Error('out of memory') } }), shouter('good', '0.02', 90)])
      const finished = await run(user, pipeline({ only: step('${input.text}', { retry }) }, '${steps.only.text}'))
      expect(finished).toMatchObject({ error: null, output: 'HI', bill: { spent: '0.02' } })
      expect(stepOf(finished.bill, 'only').attempts).toMatchObject([{ providerName: 'bad', state: 'failed', charged: '0' }, { providerName: 'good', state: 'done' }])
      await balanced(user, finished)
    })

    it('that throws is the end where the document allows no second try', async () => {
      const user = await open([shouter('bad', '0.01', 90, { handler: async () => { throw new Error('out of memory') } }), shouter('good', '0.02', 90)])
      const finished = await run(user, pipeline({ only: step('${input.text}') }, '${steps.only.text}'))
      expect(finished).toMatchObject({ error: { code: 'step.failed', path: 'steps.only' }, output: null, bill: { spent: '0' } })
      await balanced(user, finished)
    })

    it('that hangs past its deadline is left: the step goes elsewhere, the late result is not paid', async () => {
      let late = 0
      const user = await open([
        shouter('slow', '0.01', 90, { handler: async () => { await world.clock.sleep(10_000); late++; return { output: { text: 'LATE', quality: 90 }, units: { call: 1 } } } }),
        shouter('good', '0.02', 90),
      ])
      const finished = await run(user, pipeline({ only: step('${input.text}', { retry }) }, '${steps.only.text}'))
      expect(finished).toMatchObject({ error: null, output: 'HI', bill: { spent: '0.02', settled: '0.02' } })
      expect(stepOf(finished.bill, 'only').attempts).toMatchObject([{ providerName: 'slow', state: 'timeout', charged: '0' }, { providerName: 'good' }])
      await world.drive(world.clock.sleep(15_000))
      expect(late).toBe(1)
      expect(await world.rail.balance(keysOf('slow').participant)).toBe(0n)
      await balanced(user, finished)
    })

    it('that had delivered when it was asked to cancel is paid, though the step has gone elsewhere (D6)', async () => {
      world = new MemoryWorld({ clock: virtualClock() })
      let work: (() => unknown) | undefined
      // It works in time, but its answer to invoke never arrives.
      const liar = await world.drive(openLiar(world, 'mute', '0.01', { invoke: (honest) => { work ??= honest; honest(); return new Promise<never>(() => undefined) } }))
      await world.drive(world.provider(shouter('good', '0.02', 90)))
      const user = await world.drive(world.user('alice'))
      const finished = await run(user, pipeline({ only: step('${input.text}', { retry }) }, '${steps.only.text}'))
      expect(finished).toMatchObject({ error: null, output: 'HI', bill: { spent: '0.03' } })
      expect(liar.vouchers).toHaveLength(1)
      expect(stepOf(finished.bill, 'only').attempts).toMatchObject([{ providerName: 'mute', state: 'timeout', charged: '0.01' }, { providerName: 'good', charged: '0.02' }])
      await balanced(user, finished)
    })

    it('that dies between delivery and payment is paid when it is back', async () => {
      world = new MemoryWorld({ clock: virtualClock() })
      const doomed = await world.drive(world.provider(shouter('p1', '0.01', 90)))
      const user = await world.drive(world.user('alice'))
      const stop = user.node.host.watch((actor) => {
        // Signed for, and on its way.
        if (actor.kind.name === 'purse' && Object.values((actor.snapshot.context as PurseContext).lanes).some(({ payment }) => payment !== null)) { stop(); void doomed.kill() }
      })
      const id = await start(user, pipeline({ only: step('${input.text}') }, '${steps.only.text}'))
      const finished = await finish(user, id)
      expect(finished).toMatchObject({ error: null, output: 'HI', bill: { spent: '0.01', settled: '0' } })
      await world.drive(world.provider(shouter('p1', '0.01', 90)))
      await world.drive(world.clock.sleep(110_000))
      expect(await world.rail.balance(keysOf('p1').participant)).toBe(10_000n)
      expect(Object.values(user.node.host.context<PurseContext>('purse/0')!.lanes)).toMatchObject([{ use: null, payment: null }])
      await balanced(user, finished)
    })

    it('that dies while it works is left for another', async () => {
      world = new MemoryWorld({ clock: virtualClock() })
      const doomed: { kill(): Promise<void> } = await world.drive(world.provider(shouter('bad', '0.01', 90, { handler: async () => { void doomed.kill(); return new Promise<never>(() => undefined) } })))
      await world.drive(world.provider(shouter('good', '0.02', 90)))
      const user = await world.drive(world.user('alice'))
      const finished = await run(user, pipeline({ only: step('${input.text}', { retry, sla: { deadline: '20s', grace: '1s' } }) }, '${steps.only.text}'))
      expect(finished).toMatchObject({ error: null, output: 'HI', bill: { spent: '0.02' } })
      await balanced(user, finished)
    })

    it('whose work must not be done twice does it once, also when it dies over it', async () => {
      world = new MemoryWorld({ clock: virtualClock() })
      let worked = 0
      const once = (): ProviderDefinition => shouter('bad', '0.01', 90, { idempotent: false, handler: () => { worked++; return new Promise<never>(() => undefined) } })
      const doomed = await world.drive(world.provider(once()))
      await world.drive(world.provider(shouter('good', '0.02', 90)))
      const user = await world.drive(world.user('alice'))
      const id = await start(user, pipeline({ only: step('${input.text}', { retry, sla: { deadline: '20s', grace: '1s' } }) }, '${steps.only.text}'))
      await world.drive(world.clock.sleep(2_000))
      expect(worked).toBe(1)
      await doomed.kill()
      await world.drive(world.provider(once()))
      const finished = await finish(user, id)
      expect(finished).toMatchObject({ error: null, output: 'HI', bill: { spent: '0.02' } })
      expect(worked).toBe(1)
      await balanced(user, finished)
    })

    it('that has other keys by now leaves receipts that verify, also after the payer was started again (I3)', async () => {
      world = new MemoryWorld({ clock: virtualClock() })
      const seller = await world.drive(world.provider(shouter('p1', '0.01', 90)))
      const first = await world.drive(world.user('alice'))
      const finished = await run(first, pipeline({ only: step('${input.text}') }, '${steps.only.text}'))
      await world.drive(first.close())
      await seller.kill()
      ;(world.clock as VirtualClock).skew(3 * 86_400_000)
      await world.drive(world.provider(shouter('p1', '0.01', 90)))
      const again = await world.drive(world.user('alice'))
      await balanced(again, { ...finished, bill: await billNow(again, finished.run) })
    })

    // Found by the simulator (seed 285): what one node of the payer had signed, another one went on with.
    it('hired by one node of the payer and paid by another leaves receipts that verify (I3)', async () => {
      world = new MemoryWorld({ clock: virtualClock() })
      await world.drive(world.provider(shouter('p1', '0.01', 90)))
      const first = await world.drive(world.user('alice'))
      const signed = new Promise<void>((resolve) => {
        first.node.host.watch((actor) => { if (actor.kind.name === 'negotiation' && actor.snapshot.value === 'accepting') resolve() })
      })
      const id = await start(first, pipeline({ only: step('${input.text}') }, '${steps.only.text}'))
      await world.drive(signed)
      await first.kill()
      const node = nodeSigner(createHash('sha256').update('another node of alice').digest())
      const again = await world.drive(world.user('alice', { keys: { ...keysOf('alice'), node, nodeId: nodeId(toText(node.publicKey)) } }))
      const finished = await finish(again, id)
      expect(finished).toMatchObject({ error: null, output: 'HI' })
      await balanced(again, finished)
    })

    it('that says its input cannot be read is believed: nobody else is asked, nothing is paid', async () => {
      let asked = 0
      const handler = async (): Promise<never> => { asked++; throw new AigenError('step.input', 'not an image', { path: 'image' }) }
      const user = await open([shouter('one', '0.01', 90, { handler }), shouter('two', '0.02', 90, { handler })])
      const finished = await run(user, pipeline({ only: step('${input.text}', { retry: { ...retry, attempts: 3 } }) }, '${steps.only.text}'))
      expect(finished).toMatchObject({ error: { code: 'step.input', path: 'steps.only' }, bill: { spent: '0' } })
      expect(asked).toBe(1)
      await balanced(user, finished)
    })

    it('none: nobody offers, nothing starts to cost', async () => {
      const user = await open([shouter('away', '0.01', 90)])
      const [away] = [...user.node.directory.entries()]
      expect(away!.alive).toBe(true)
      const dear = await run(user, pipeline({ only: step('${input.text}', { price: { max: '0.005' } }) }, '${steps.only.text}'))
      expect(dear).toMatchObject({ error: { code: 'market.no-provider' }, bill: { spent: '0' } })
      await balanced(user, dear)
    })

    it('all of them busy: the step waits for nobody and costs nothing', async () => {
      const hang = { concurrency: 1, queue: 0, handler: () => new Promise<never>(() => undefined) }
      const user = await open([shouter('one', '0.01', 90, hang), shouter('two', '0.01', 90, hang)])
      const first = await start(user, pipeline({ a: step('a', { sla: { deadline: '10s' } }), b: step('b', { sla: { deadline: '10s' } }) }, '${steps.a.text}'))
      await world.drive(world.clock.sleep(4_000))
      const finished = await run(user, pipeline({ only: step('${input.text}') }, '${steps.only.text}'))
      expect(finished.error?.code).toBe('market.no-provider')
      balanced2(finished)
      await balanced(user, await finish(user, first))
    })
    const balanced2 = ({ bill }: Finished): void => expect(bill.spent).toBe('0')
  })

  describe('money', () => {
    it('a budget below the worst case starts nothing', async () => {
      const user = await open([shouter('p1', '0.01', 90)])
      await expect(start(user, pipeline({ only: step('${input.text}') }, '${steps.only.text}'), undefined, { budget: 19_999n })).rejects.toMatchObject({ code: 'budget.too-small' })
      await expect(start(user, pipeline({ only: step('${input.text}', { retry }) }, '${steps.only.text}', { budget: { max: '0.03' } }))).rejects.toMatchObject({ code: 'budget.too-small' })
      expect([...user.node.host.list('run')]).toEqual([])
    })

    it('a wallet below the worst case starts no step', async () => {
      const user = await open([shouter('p1', '0.01', 90)], { deposit: 15_000n })
      const finished = await run(user, pipeline({ only: step('${input.text}') }, '${steps.only.text}'))
      expect(finished).toMatchObject({ error: { code: 'wallet.empty' }, bill: { spent: '0' } })
      expect([...user.node.host.list('step')]).toEqual([])
      await balanced(user, finished, 15_000n)
    })

    it('two runs at once that share funds for one: one gets its hold (I4), and the other may come later', async () => {
      const user = await open([shouter('p1', '0.01', 90)], { deposit: 30_000n })
      const document = pipeline({ only: step('${input.text}') }, '${steps.only.text}')
      const ids = await Promise.all([start(user, document), start(user, document)])
      const both = await Promise.all(ids.map((id) => finish(user, id)))
      expect(both.map((one) => one.error?.code ?? 'done').toSorted()).toEqual(['done', 'wallet.empty'])
      for (const one of both) await balanced(user, one, 30_000n)
      expect((await run(user, document)).error).toBeNull()
    })

    it('a vault that the lanes have used up refuses a lane, and the run ends', async () => {
      const user = await open([shouter('p1', '0.01', 90), shouter('p2', '0.011', 90)], { deposit: 20_000n })
      const finished = await run(user, pipeline({ only: step('${input.text}') }, '${steps.only.text}'))
      await balanced(user, finished, 20_000n)
      expect(finished.error).toBeNull()
    })
  })

  describe('forEach', () => {
    const each = (change: object = {}): object => pipeline({ all: step('${item}', { forEach: '${input.words}', maxItems: 8, ...change }) }, '${steps.all}')

    it.each([0, 1, 8])('%i items', async (count) => {
      const user = await open([shouter('p1', '0.01', 90)])
      const words = Array.from({ length: count }, (_, n) => `w${n}`)
      const finished = await run(user, each(), { words })
      expect(finished.error).toBeNull()
      expect(finished.output).toEqual(words.map((word) => ({ text: word.toUpperCase(), quality: 90 })))
      expect(Number(finished.bill.spent)).toBeCloseTo(count * 0.01)
      expect(finished.bill.settled).toBe(finished.bill.spent)
      await balanced(user, finished)
    })

    it('more items than it may have', async () => {
      const user = await open([shouter('p1', '0.01', 90)])
      const finished = await run(user, each(), { words: Array.from({ length: 9 }, () => 'x') })
      expect(finished).toMatchObject({ error: { code: 'step.expression' }, bill: { spent: '0' } })
      await balanced(user, finished)
    })

    it('one of many fails: what was delivered is paid, the rest is not begun', async () => {
      let begun = 0
      const handler = async ({ text }: { text: string }): Promise<any> => {
        begun++
        if (text === 'w2') throw new Error('cannot')
        return { output: { text, quality: 90 }, units: { call: 1 } }
      }
      const user = await open([shouter('p1', '0.01', 90, { handler })])
      const finished = await run(user, each({ parallel: 1 }), { words: ['w0', 'w1', 'w2', 'w3', 'w4'] })
      expect(finished).toMatchObject({ error: { code: 'step.failed', path: 'steps.all' }, bill: { spent: '0.02', settled: '0.02' } })
      expect(begun).toBe(3)
      await balanced(user, finished)
    })
  })

  describe('steps that depend on each other', () => {
    it('a false `if` skips the step and its dependents, but not one that tests it', async () => {
      const user = await open([shouter('p1', '0.01', 90)])
      const document = pipeline({
        a: step('${input.text}', { if: '${input.text == "go"}' }),
        b: step('${steps.a.text}'),
        c: step('${meta.a.state}', { needs: ['a'] }),
      }, { c: '${steps.c.text}', b: '${steps.b}' })
      const finished = await run(user, document)
      expect(finished).toMatchObject({ error: null, output: { c: 'SKIPPED', b: null }, bill: { spent: '0.01' } })
      expect(finished.bill.steps.map(({ step: name, state }) => [name, state])).toEqual(expect.arrayContaining([['a', 'skipped'], ['b', 'skipped'], ['c', 'done']]))
      await balanced(user, finished)
    })

    it('a failed step that another tests does not fail the run', async () => {
      let first = true
      const handler = async ({ text }: { text: string }): Promise<any> => {
        if (first) { first = false; throw new Error('cannot') }
        return { output: { text: text.toUpperCase(), quality: 90 }, units: { call: 1 } }
      }
      const user = await open([shouter('p1', '0.01', 90, { handler })])
      const finished = await run(user, pipeline({ a: step('x'), b: step('${meta.a.state}', { needs: ['a'], if: '${meta.a.state == "failed"}' }) }, '${steps.b.text}'))
      expect(finished).toMatchObject({ error: null, output: 'FAILED', bill: { spent: '0.01' } })
      await balanced(user, finished)
    })

    it('parallel steps to one provider each have their lane', async () => {
      let now = 0
      let most = 0
      const handler = async ({ text }: { text: string }): Promise<any> => {
        most = Math.max(most, ++now)
        await world.clock.sleep(300)
        now--
        return { output: { text, quality: 90 }, units: { call: 1 } }
      }
      const user = await open([shouter('p1', '0.01', 90, { handler, concurrency: 4 })])
      const finished = await run(user, pipeline({ a: step('a'), b: step('b'), c: step('c') }, ['${steps.a.text}', '${steps.b.text}', '${steps.c.text}']))
      expect(finished).toMatchObject({ error: null, output: ['a', 'b', 'c'], bill: { spent: '0.03', settled: '0.03' } })
      expect(most).toBe(3)
      expect(Object.keys(user.node.host.context<PurseContext>('purse/0')!.lanes)).toHaveLength(3)
      await balanced(user, finished)
    })
  })

  describe('a run that is cancelled', () => {
    const slow = { handler: async ({ text }: { text: string }): Promise<any> => { await world.clock.sleep(1_000); return { output: { text, quality: 90 }, units: { call: 1 } } } }
    const cancelAt = (user: User, kind: string, state: string): void => {
      const stop = user.node.host.watch((actor) => {
        if (actor.kind.name !== kind || actor.snapshot.value !== state) return
        stop()
        const [runActor] = [...user.node.host.list('run')]
        void user.node.host.send(runActor!.id, { type: 'cancel' })
      })
    }
    it.each([
      ['step', 'preparing', '0'], ['negotiation', 'asking', '0'], ['negotiation', 'bargaining', '0'], ['negotiation', 'securing', '0'], ['negotiation', 'signing', '0'],
      ['negotiation', 'accepting', '0'], ['step', 'invoking', '0'], ['run', 'settling', '0.02'],
    ])('while a %s is %s', async (kind, state, spent) => {
      // Nobody bargains over a firm price.
      const price = { list: '0.01', ...(state === 'bargaining' ? { floor: '0.005' } : {}) }
      const user = await open([shouter('p1', '0.01', 90, { ...slow, price })])
      cancelAt(user, kind, state)
      const finished = await run(user, pipeline({ a: step('a'), b: step('${steps.a.text}') }, '${steps.b.text}'))
      if (state === 'settling') expect(finished.error).toBeNull()
      else expect(finished.error?.code).toBe('step.cancelled')
      expect(finished.bill.spent).toBe(spent)
      expect(finished.bill.settled).toBe(spent)
      await balanced(user, finished)
      // Nothing it left behind is in the way of the next run.
      const next = await run(user, pipeline({ a: step('a') }, '${steps.a.text}'))
      expect(next.error).toBeNull()
      await balanced(user, next)
    })

    it('in the pause before the second try', async () => {
      const user = await open([shouter('bad', '0.01', 90, { handler: async () => { throw new Error('no') } })])
      cancelAt(user, 'step', 'pausing')
      const finished = await run(user, pipeline({ a: step('a', { retry: { ...retry, backoff: '5s' } }) }, '${steps.a.text}'))
      expect(finished).toMatchObject({ error: { code: 'step.cancelled' }, bill: { spent: '0' } })
      await balanced(user, finished)
    })

    it('with items of a forEach under way', async () => {
      const user = await open([shouter('p1', '0.01', 90, slow)])
      cancelAt(user, 'step', 'invoking')
      const finished = await run(user, pipeline({ all: step('${item}', { forEach: '${input.words}', maxItems: 6, parallel: 2 }) }, '${steps.all}'), { words: ['a', 'b', 'c', 'd', 'e', 'f'] })
      expect(finished.error?.code).toBe('step.cancelled')
      await balanced(user, finished)
    })
  })
})
