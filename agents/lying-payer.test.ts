import { afterEach, describe, expect, it } from 'vitest'
import { hashOf } from '../schemas/canonical.ts'
import type { Hex32, PlainVoucher } from '../schemas/documents.gen.ts'
import { virtualClock, type VirtualClock } from '../runtime/memory/clock.ts'
import { memoryWallet } from '../runtime/memory/signer.ts'
import { CLOCKS_MS } from '../runtime/payments/delivery.ts'
import { signPlainVoucher } from '../runtime/payments/voucher.ts'
import type { TillContext } from '../runtime/payments/till.machine.ts'
import { openLiar } from './liar.fixture.ts'
import { Payer, type Made } from './payer.fixture.ts'
import { keysOf, MemoryWorld, SHOUT, shouter } from './memory-network.fixture.ts'

const provider = keysOf('p1').participant

describe('a payer that lies gets no work that it does not pay for', () => {
  let world: MemoryWorld
  let worked = 0
  afterEach(() => world.close())

  const open = async (change: Parameters<typeof shouter>[3] = {}): Promise<{ seller: Awaited<ReturnType<MemoryWorld['provider']>>; mallory: Payer }> => {
    worked = 0
    world = new MemoryWorld({ clock: virtualClock() })
    const seller = await world.drive(world.provider(shouter('p1', '0.01', 90, {
      price: { list: '0.01', floor: '0.008' },
      handler: async ({ text }: { text: string }) => (worked++, { output: { text: text.toUpperCase(), quality: 90 }, units: { call: 1 } }),
      ...change,
    })))
    return { seller, mallory: new Payer(world, 'mallory') }
  }
  const refused = (promise: Promise<unknown>, code: string): Promise<void> => world.drive(expect(promise).rejects.toMatchObject({ code }))
  const agreed = async (payer: Payer, total = 100_000n): Promise<Made & { lane: Hex32 }> => {
    const lane = await payer.reserve(provider, total)
    return world.drive(payer.quote(provider).then((quote) => payer.accept(provider, quote, lane)))
  }
  const tillOf = (seller: { node: { host: { context<C>(id: string): C | undefined } } }, lane: Hex32): TillContext => seller.node.host.context<TillContext>(`till/${lane}`)!

  it('the honest way works, so that what follows fails for its lie', async () => {
    const { seller, mallory } = await open()
    const { id, lane } = await agreed(mallory)
    const { state, delivery } = await world.drive(mallory.invoke(provider, id))
    expect(state).toBe('delivered')
    await expect(world.drive(mallory.pay(provider, lane, mallory.voucher(lane, delivery), delivery))).resolves.toEqual({ cumulative: '10000' })
    const { transactions } = await world.drive(mallory.call(provider, 'settle', { lanes: [lane] }))
    expect(transactions).toMatchObject([{ lane, claimed: '10000' }])
    expect(await world.rail.balance(provider)).toBe(10_000n)
    expect(tillOf(seller, lane)).toMatchObject({ cumulative: '10000', claimed: '10000', owed: null, open: null })
    expect(world.rail.imbalance()).toBe(0n)
  })

  describe('at the quote and the agreement', () => {
    it.each([
      ['a lower price', 'auth.forged', { unitPrice: '1', cap: '1' }],
      ['no acceptance of its own', 'auth.forged', { expect: 'output.quality > 99.0' }],
      ['a longer deadline', 'auth.forged', { deadlineMs: 3_000_000 }],
      ['another payee', 'auth.forged', { payee: keysOf('mallory').participant }],
    ])('accepts a quote it changed: %s', async (_what, code, change) => {
      const { mallory } = await open()
      const lane = await mallory.reserve(provider, 100_000n)
      const quote = await world.drive(mallory.quote(provider))
      await refused(mallory.accept(provider, quote, lane, { terms: { ...quote.terms, ...change } as typeof quote.terms }), code)
    })

    it('accepts a quote of its own making', async () => {
      const { mallory } = await open()
      const lane = await mallory.reserve(provider, 100_000n)
      const quote = await world.drive(mallory.quote(provider))
      const terms = { ...quote.terms, unitPrice: '1', cap: '1' }
      await refused(mallory.accept(provider, quote, lane, { terms, quote: mallory.wire.credentials.sign('quote', terms) }), 'auth.unauthorised')
    })

    it('accepts a friend\'s quote here, to be paid there', async () => {
      const { mallory } = await open()
      const friend = await world.drive(openLiar(world, 'friend', '0.01'))
      const lane = await mallory.reserve(friend.wire.participant, 100_000n)
      const quote = await world.drive(mallory.quote(friend.wire.participant))
      await refused(mallory.accept(provider, quote, lane), 'auth.unauthorised')
      expect(worked).toBe(0)
    })

    it('accepts a quote that has expired', async () => {
      const { mallory } = await open()
      const lane = await mallory.reserve(provider, 100_000n)
      const quote = await world.drive(mallory.quote(provider))
      await (world.clock as VirtualClock).advance(61_000)
      await refused(mallory.accept(provider, quote, lane), 'market.expired')
    })

    it('accepts another payer\'s quote', async () => {
      const { mallory } = await open()
      const bob = new Payer(world, 'bob')
      const quote = await world.drive(bob.quote(provider))
      const lane = await mallory.reserve(provider, 100_000n)
      await refused(mallory.accept(provider, quote, lane), 'auth.unauthorised')
    })

    it('signs with a key that is not its own', async () => {
      const { mallory } = await open()
      const bob = new Payer(world, 'bob')
      const lane = await mallory.reserve(provider, 100_000n)
      const quote = await world.drive(mallory.quote(provider))
      await refused(mallory.accept(provider, quote, lane, { payer: bob.wire.credentials.sign('agreement', { terms: quote.terms, lane }) }), 'auth.unauthorised')
      await refused(mallory.accept(provider, quote, lane, { payer: mallory.wire.credentials.sign('quote', { terms: quote.terms, lane }) }), 'auth.forged')
    })

    it('bargains below the floor, twice, and on a quote it changed', async () => {
      const { mallory } = await open()
      const quote = await world.drive(mallory.quote(provider))
      const answer = await world.drive(mallory.call(provider, 'quote', { quote, want: '1' }))
      expect(answer.terms).toMatchObject({ unitPrice: '8000', round: 1 })
      await refused(mallory.call(provider, 'quote', { quote: answer, want: '1' }), 'market.refused')
      await refused(mallory.call(provider, 'quote', { quote: { ...quote, terms: { ...quote.terms, unitPrice: '1', cap: '1' } }, want: '1' }), 'auth.forged')
    })
  })

  describe('about how much work it is', () => {
    const metered = { ...SHOUT, unit: 'char', per: 10, estimate: { expression: '1.0 * input.text.size()' } }
    const meter = { capability: metered, handler: async ({ text }: { text: string }) => (worked++, { output: { text: text.toUpperCase(), quality: 90 }, units: { char: text.length } }) }

    it.each([0, 1, 99])('agrees on %s units and sends an input that takes 100: nothing is worked, nothing owed', async (units) => {
      const { seller, mallory } = await open(meter)
      const lane = await mallory.reserve(provider, 1_000_000n)
      const { id } = await world.drive(mallory.quote(provider, { units }).then((quote) => mallory.accept(provider, quote, lane)))
      const answer = await world.drive(mallory.invoke(provider, id, 'x'.repeat(100)))
      expect([answer, worked]).toEqual([{ state: 'failed', error: expect.objectContaining({ code: 'market.refused' }) }, 0])
      expect(tillOf(seller, lane)).toMatchObject({ cumulative: '0', owed: null })
    })

    it('what it agreed on for is worked and owed in full', async () => {
      const { mallory } = await open(meter)
      const lane = await mallory.reserve(provider, 1_000_000n)
      const { id } = await world.drive(mallory.quote(provider, { units: 100 }).then((quote) => mallory.accept(provider, quote, lane)))
      expect(await world.drive(mallory.invoke(provider, id, 'x'.repeat(100)))).toMatchObject({ state: 'delivered', delivery: { body: { amount: '100000' } } })
    })
  })

  describe('at the market', () => {
    it.each<[string, Parameters<Payer['quote']>[1]]>([
      ['in the name of another', { payer: keysOf('bob').participant }],
      ['for another capability', { capability: 'text.whisper@1' }],
      ['for a deadline below the promised time', { deadlineMs: 99 }],
      ['for more than an hour', { deadlineMs: 3_600_000, graceMs: 1 }],
      ['for too many units', { units: 1_000_001 }],
      ['in a settlement mode that is not served', { settle: 'escrow' }],
      ['with an expression without a bound', { expect: Array(300).fill('output.quality > 1.0').join(' && ') }],
      ['with an expression that reads more than the output', { expect: 'input.text == "x"' }],
      ['with an expression that is none', { expect: 'output.quality >' }],
      ['that has expired', { expiresAt: 1_700_000_000_000 - 1 }],
      ['from the future', { issuedAt: 1_700_000_000_000 + 3_600_000, expiresAt: 1_700_000_000_000 + 7_200_000 }],
    ])('asks %s: nobody answers', async (_what, change) => {
      const { mallory } = await open()
      await refused(mallory.quote(provider, change), 'market.no-provider')
      await expect(world.drive(mallory.quote(provider))).resolves.toMatchObject({ terms: { unitPrice: '10000' } })
    })

    it('asks the same twice: one and the same quote', async () => {
      const { mallory } = await open()
      const same = { id: 'cfq_same', issuedAt: 1_700_000_000_000, expiresAt: 1_700_000_030_000 }
      const one = await world.drive(mallory.quote(provider, same))
      expect(await world.drive(mallory.quote(provider, same))).toEqual(one)
    })
  })

  describe('with its lane', () => {
    it('nothing is reserved on it', async () => {
      const { mallory } = await open()
      await mallory.reserve(provider, 100_000n)
      const lane = world.rail.laneId(world.rail.vaultId(mallory.vaultTerms()), provider, 5)
      const quote = await world.drive(mallory.quote(provider))
      await refused(mallory.accept(provider, quote, lane, { number: 5 }), 'voucher.over-reserve')
    })

    it('too little is reserved on it', async () => {
      const { mallory } = await open()
      const lane = await mallory.reserve(provider, 9_999n)
      const quote = await world.drive(mallory.quote(provider))
      await refused(mallory.accept(provider, quote, lane), 'voucher.over-reserve')
    })

    it('what is left on it does not cover another call', async () => {
      const { mallory } = await open()
      const { id, lane } = await agreed(mallory, 19_999n)
      const { delivery } = await world.drive(mallory.invoke(provider, id))
      await world.drive(mallory.pay(provider, lane, mallory.voucher(lane, delivery), delivery))
      const quote = await world.drive(mallory.quote(provider))
      await refused(mallory.accept(provider, quote, lane), 'voucher.over-reserve')
    })

    it('it is another payer\'s', async () => {
      const { mallory } = await open()
      const bob = new Payer(world, 'bob')
      const lane = await bob.reserve(provider, 100_000n)
      const quote = await world.drive(mallory.quote(provider))
      const proof = { vault: world.rail.vaultId(bob.vaultTerms()), number: 0, voucherKey: bob.keys.voucher.address.toLowerCase() as Hex32 }
      await refused(mallory.accept(provider, quote, lane, { proof }), 'auth.unauthorised')
      await refused(mallory.accept(provider, quote, lane), 'voucher.lane')
    })

    it('it is to another payee', async () => {
      const { mallory } = await open()
      const lane = await mallory.reserve(keysOf('bob').participant, 100_000n)
      const quote = await world.drive(mallory.quote(provider))
      await refused(mallory.accept(provider, quote, lane), 'voucher.lane')
    })

    it('its vouchers would be signed by another key than it says', async () => {
      const { mallory } = await open()
      const lane = await mallory.reserve(provider, 100_000n)
      const quote = await world.drive(mallory.quote(provider))
      const proof = { vault: world.rail.vaultId(mallory.vaultTerms()), number: 0, voucherKey: keysOf('bob').voucher.address.toLowerCase() as Hex32 }
      await refused(mallory.accept(provider, quote, lane, { proof }), 'voucher.key')
    })

    it.each(['exiting', 'closed'])('it is %s', async (state) => {
      const { mallory } = await open()
      const lane = await mallory.reserve(provider, 100_000n)
      await mallory.write({ kind: 'exit', lane })
      if (state === 'closed') {
        ;(world.clock as VirtualClock).skew(86_401_000)
        await mallory.write({ kind: 'finalize', lane })
      }
      const quote = await world.drive(mallory.quote(provider))
      await refused(mallory.accept(provider, quote, lane), 'lane.closed')
    })

    it('its vault closes before anybody could claim', async () => {
      const { mallory } = await open()
      const lane = await mallory.reserve(provider, 100_000n, { delay: 60 })
      const quote = await world.drive(mallory.quote(provider))
      await refused(mallory.accept(provider, quote, lane, { delay: 60 }), 'lane.unsafe')
    })

    it('it leaves with the lane after the work: the provider claims in time by itself', async () => {
      const { mallory } = await open()
      const { id, lane } = await agreed(mallory)
      const { delivery } = await world.drive(mallory.invoke(provider, id))
      await world.drive(mallory.pay(provider, lane, mallory.voucher(lane, delivery), delivery))
      await mallory.write({ kind: 'exit', lane })
      await world.drive(world.clock.sleep(70_000))
      expect(await world.rail.balance(provider)).toBe(10_000n)
      const quote = await world.drive(mallory.quote(provider))
      await refused(mallory.accept(provider, quote, lane), 'lane.closed')
    })
  })

  describe('with its calls', () => {
    it('invokes before it accepts', async () => {
      const { mallory } = await open()
      await refused(mallory.invoke(provider, `sha256-${'1'.repeat(64)}`), 'market.unknown-agreement')
      expect(worked).toBe(0)
    })

    it('invokes another call number of the agreement', async () => {
      const { mallory } = await open()
      const { id } = await agreed(mallory)
      await refused(mallory.invoke(provider, id, 'hi', { call: 1 }), 'market.unknown-agreement')
    })

    it('invokes another payer\'s agreement, and asks what became of it', async () => {
      const { mallory } = await open()
      const bob = new Payer(world, 'bob')
      const lane = await bob.reserve(provider, 100_000n)
      const made = await world.drive(bob.quote(provider).then((quote) => bob.accept(provider, quote, lane)))
      for (const verb of ['invoke', 'status', 'cancel']) {
        const body = { lane, agreement: made.id, call: 0, ...(verb === 'invoke' ? { input: { text: 'x' }, inputHash: hashOf({ text: 'x' }) } : {}) }
        await refused(mallory.call(provider, verb, body), 'auth.unauthorised')
      }
      await refused(mallory.call(provider, 'settle', { lanes: [lane] }), 'auth.unauthorised')
      expect(worked).toBe(0)
    })

    it('invokes a second time with another input, while it works and when it is done', async () => {
      const { mallory } = await open({ handler: async ({ text }: { text: string }) => { worked++; await world.clock.sleep(500); return { output: { text, quality: 90 }, units: { call: 1 } } } })
      const { id } = await agreed(mallory)
      const first = mallory.invoke(provider, id, 'one')
      await world.drive(world.clock.sleep(100))
      await refused(mallory.invoke(provider, id, 'two'), 'market.conflict')
      expect((await world.drive(first)).output.text).toBe('one')
      await refused(mallory.invoke(provider, id, 'two'), 'market.conflict')
      expect(worked).toBe(1)
    })

    it('invokes two times at once with two inputs: one is worked on', async () => {
      const { mallory } = await open()
      const { id } = await agreed(mallory)
      const both = await world.drive(Promise.allSettled([mallory.invoke(provider, id, 'one'), mallory.invoke(provider, id, 'two')]))
      expect(both.map((one) => one.status).toSorted()).toEqual(['fulfilled', 'rejected'])
      expect(worked).toBe(1)
    })

    it('invokes the same again: the same delivery, no more work', async () => {
      const { mallory } = await open()
      const { id } = await agreed(mallory)
      const first = await world.drive(mallory.invoke(provider, id))
      const again = await world.drive(mallory.invoke(provider, id))
      expect(again).toEqual(first)
      expect(worked).toBe(1)
    })

    it('replays an envelope it sent before: nobody answers, nothing is done', async () => {
      const { mallory } = await open()
      const { id } = await agreed(mallory)
      const seen: { subject: string; data: Uint8Array }[] = []
      const spy = await world.ports('p1').bus.subscribe(`aigen.v1.call.${provider}.*.invoke`, (message) => { seen.push({ subject: message.subject, data: message.data.slice() }) })
      await world.drive(mallory.invoke(provider, id))
      await spy.stop()
      expect(seen).toHaveLength(1)
      await refused(world.ports('mallory').bus.request(seen[0]!.subject, seen[0]!.data, { timeoutMs: 1_000 }), 'network.timeout')
      expect(worked).toBe(1)
    })

    it('says the hash of another input', async () => {
      const { mallory } = await open()
      const { id } = await agreed(mallory)
      await refused(mallory.invoke(provider, id, 'hi', { inputHash: hashOf({ text: 'ho' }) }), 'input.invalid')
      expect(worked).toBe(0)
    })

    it('sends an input that does not fit, and may send a fitting one after it', async () => {
      const { mallory } = await open()
      const { id, lane } = await agreed(mallory)
      const input = { text: 7 }
      await refused(mallory.call(provider, 'invoke', { lane, agreement: id, call: 0, input, inputHash: hashOf(input) }), 'step.input')
      expect((await world.drive(mallory.invoke(provider, id))).state).toBe('delivered')
    })

    it('sends it when it no longer waits, which a slow network may do for an honest one: nothing is done', async () => {
      const { mallory } = await open()
      const { id } = await agreed(mallory)
      await refused(mallory.invoke(provider, id, 'hi', { until: world.clock.now() - CLOCKS_MS - 1 }), 'step.timeout')
      expect(worked).toBe(0)
      expect((await world.drive(mallory.invoke(provider, id, 'hi', { until: world.clock.now() }))).state).toBe('delivered')
    })

    it('sends what is larger than a message', async () => {
      const { mallory } = await open()
      const { id } = await agreed(mallory)
      await refused(mallory.invoke(provider, id, 'x'.repeat(1_200_000)), 'input.too-large')
    })

    it('uses one call id for two bodies', async () => {
      const { mallory } = await open()
      const { id, lane } = await agreed(mallory)
      const one = mallory.call(provider, 'invoke', { lane, agreement: id, call: 0, input: { text: 'a' }, inputHash: hashOf({ text: 'a' }) }, 'same')
      await refused(mallory.call(provider, 'invoke', { lane, agreement: id, call: 0, input: { text: 'b' }, inputHash: hashOf({ text: 'b' }) }, 'same'), 'market.conflict')
      await world.drive(one)
    })

    it('wants the next step while the last is not paid', async () => {
      const { mallory } = await open()
      const { id, lane } = await agreed(mallory)
      await world.drive(mallory.invoke(provider, id))
      const quote = await world.drive(mallory.quote(provider))
      await refused(mallory.accept(provider, quote, lane), 'lane.unpaid')
      expect(worked).toBe(1)
    })

    it('takes outputs on one lane after the other and pays none: no more than its credit, and not the work of agreements it keeps in reserve', async () => {
      const { mallory } = await open({ credit: { amount: '0.035' } })
      const made: (Made & { lane: Hex32 })[] = []
      const next = async (): Promise<Made & { lane: Hex32 }> => {
        const lane = await mallory.reserve(provider, 100_000n, { number: made.length })
        return world.drive(mallory.quote(provider).then((quote) => mallory.accept(provider, quote, lane, { number: made.length })))
      }
      for (let lanes = 0; lanes < 3; lanes++) made.push(await next())
      await expect(next()).rejects.toMatchObject({ code: 'node.busy' })
      for (const { id } of made) await world.drive(mallory.invoke(provider, id))
      await expect(next()).rejects.toMatchObject({ code: 'node.busy' })
      expect(worked).toBe(3)
      // What it pays widens what it may owe.
      const { lane, id } = made[0]!
      const { delivery } = await world.drive(mallory.invoke(provider, id))
      await world.drive(mallory.pay(provider, lane, mallory.voucher(lane, delivery), delivery))
      made.push(await next())
      made.push(await next())
      await expect(next()).rejects.toMatchObject({ code: 'node.busy' })
    })

    it('accepts on many lanes in the same moment: no more than its credit', async () => {
      const { mallory } = await open({ credit: { calls: 2 } })
      const asked: (() => Promise<Made>)[] = []
      for (let number = 0; number < 5; number++) {
        const lane = await mallory.reserve(provider, 100_000n, { number })
        const quote = await world.drive(mallory.quote(provider))
        asked.push(() => mallory.accept(provider, quote, lane, { number }))
      }
      const accepted = await world.drive(Promise.allSettled(asked.map((accept) => accept())))
      expect(accepted.filter(({ status }) => status === 'fulfilled')).toHaveLength(2)
      expect(accepted.flatMap((one) => (one.status === 'rejected' ? [one.reason.code] : []))).toEqual(['node.busy', 'node.busy', 'node.busy'])
    })

    it('accepts two agreements on one lane and invokes both: the lane serves one', async () => {
      const { mallory } = await open()
      const { id, lane } = await agreed(mallory)
      const quote = await world.drive(mallory.quote(provider))
      const second = await world.drive(mallory.accept(provider, quote, lane))
      const both = await world.drive(Promise.allSettled([mallory.invoke(provider, id), mallory.invoke(provider, second.id)]))
      expect(both.filter((one) => one.status === 'fulfilled' && (one.value as { state: string }).state === 'delivered')).toHaveLength(1)
      expect(worked).toBe(1)
    })

    it('cancels after the delivery: it is delivered all the same', async () => {
      const { mallory } = await open()
      const { id, lane } = await agreed(mallory)
      await world.drive(mallory.invoke(provider, id))
      expect((await world.drive(mallory.call(provider, 'cancel', { lane, agreement: id, call: 0 }))).state).toBe('delivered')
    })
  })

  describe('with its voucher', () => {
    const other = memoryWallet('mallory other')
    const bad: [string, string, (voucher: PlainVoucher, lane: Hex32, payer: Payer) => unknown][] = [
      ['too low', 'voucher.too-low', (v, lane, { keys }) => signPlainVoucher(world.rail, keys.voucher, lane, '9999', v.ref)],
      ['of nothing', 'voucher.too-low', (v, lane, { keys }) => signPlainVoucher(world.rail, keys.voucher, lane, '0', v.ref)],
      ['for another lane', 'voucher.lane', (v, _lane, { keys }) => signPlainVoucher(world.rail, keys.voucher, `0x${'22'.repeat(32)}`, v.cumulative, v.ref)],
      ['from another key', 'voucher.key', (v, lane) => signPlainVoucher(world.rail, other, lane, v.cumulative, v.ref)],
      ['from the wallet, not the voucher key', 'voucher.key', (v, lane, { keys }) => signPlainVoucher(world.rail, keys.wallet, lane, v.cumulative, v.ref)],
      ['with another ref', 'voucher.ref', (v, lane, { keys }) => signPlainVoucher(world.rail, keys.voucher, lane, v.cumulative, `0x${'33'.repeat(32)}`)],
      ['above what is due', 'voucher.ref', (v, lane, { keys }) => signPlainVoucher(world.rail, keys.voucher, lane, '10001', v.ref)],
      ['over the reserve', 'voucher.ref', (v, lane, { keys }) => signPlainVoucher(world.rail, keys.voucher, lane, '100001', v.ref)],
      ['raised after it was signed', 'voucher.key', (v, lane, { keys }) => ({ ...signPlainVoucher(world.rail, keys.voucher, lane, '9999', v.ref), cumulative: v.cumulative })],
      ['with a broken signature', 'auth.forged', (v) => ({ ...v, signature: `0x${'00'.repeat(65)}` })],
      ['with half a signature', 'input.invalid', (v) => ({ ...v, signature: v.signature.slice(0, 80) })],
      ['of another kind', 'voucher.key', (v) => ({ kind: 'locked', lane: v.lane, cumulative: v.cumulative, lockAmount: v.cumulative, lockHash: `0x${'44'.repeat(32)}`, lockExpiry: 2_000_000_000, ref: v.ref, signature: v.signature })],
    ]
    it.each(bad)('%s: %s', async (_what, code, bend) => {
      const { seller, mallory } = await open()
      const { id, lane } = await agreed(mallory)
      const { delivery } = await world.drive(mallory.invoke(provider, id))
      const honest = mallory.voucher(lane, delivery)
      await refused(mallory.pay(provider, lane, bend(honest, lane, mallory), delivery), code)
      expect(tillOf(seller, lane)).toMatchObject({ cumulative: '0', voucher: null, owed: { amount: '10000' } })
      const quote = await world.drive(mallory.quote(provider))
      await refused(mallory.accept(provider, quote, lane), 'lane.unpaid')
      // The honest one is taken still.
      await world.drive(mallory.pay(provider, lane, honest, delivery))
      expect(tillOf(seller, lane)).toMatchObject({ cumulative: '10000', owed: null })
    })

    it('pays the same delivery twice: the second time changes nothing', async () => {
      const { seller, mallory } = await open()
      const { id, lane } = await agreed(mallory)
      const { delivery } = await world.drive(mallory.invoke(provider, id))
      const voucher = mallory.voucher(lane, delivery)
      await world.drive(mallory.pay(provider, lane, voucher, delivery))
      await expect(world.drive(mallory.pay(provider, lane, voucher, delivery))).resolves.toEqual({ cumulative: '10000' })
      await refused(mallory.pay(provider, lane, mallory.voucher(lane, delivery, voucher), delivery), 'voucher.ref')
      expect(tillOf(seller, lane).cumulative).toBe('10000')
    })

    it('pays the second step with the first step\'s voucher', async () => {
      const { seller, mallory } = await open()
      const { id, lane } = await agreed(mallory)
      const { delivery } = await world.drive(mallory.invoke(provider, id))
      const voucher = mallory.voucher(lane, delivery)
      await world.drive(mallory.pay(provider, lane, voucher, delivery))
      const second = await world.drive(mallory.quote(provider).then((quote) => mallory.accept(provider, quote, lane)))
      const next = await world.drive(mallory.invoke(provider, second.id, 'ho'))
      // The answer to a voucher known says what is held, not that the new step is paid.
      await expect(world.drive(mallory.pay(provider, lane, voucher, next.delivery))).resolves.toEqual({ cumulative: '10000' })
      expect(tillOf(seller, lane).owed).toMatchObject({ amount: '10000' })
      const quote = await world.drive(mallory.quote(provider))
      await refused(mallory.accept(provider, quote, lane), 'lane.unpaid')
    })

    it('pays on a lane nobody knows', async () => {
      const { mallory } = await open()
      const { id, lane } = await agreed(mallory)
      const { delivery } = await world.drive(mallory.invoke(provider, id))
      await refused(mallory.pay(provider, `0x${'55'.repeat(32)}`, mallory.voucher(lane, delivery), delivery), 'voucher.lane')
    })
  })
})
