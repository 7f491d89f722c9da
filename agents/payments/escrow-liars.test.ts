import { afterEach, describe, expect, it } from 'vitest'
import type { AcceptRequest, ComplainRequest, EscrowVoucher, Hex32, InvokeRequest } from '../../schemas/documents.gen.ts'
import { hashOf } from '../../schemas/canonical.ts'
import { virtualClock, type VirtualClock } from '../../runtime/memory/clock.ts'
import { escrowDigest } from '../../runtime/payments/escrow.ts'
import { foldRef, NO_REF } from '../../runtime/payments/fold.ts'
import { toRail } from '../../runtime/payments/voucher.ts'
import type { TillContext } from '../../runtime/payments/till.machine.ts'
import type { EscrowVoucher as RailEscrow } from '../../runtime/ports/rail.ts'
import { Payer, type Made } from '../payer.fixture.ts'
import { keysOf, MemoryWorld, SHOUT, shouter } from '../memory-network.fixture.ts'

const seller = keysOf('p1').participant
const agent = keysOf('safe').participant
const arbiter = keysOf('safe').voucher.address.toLowerCase() as Hex32
const clause = { agent, arbiter, challengeMs: 60_000, expiryMs: 86_400_000 }

describe('an escrow in which somebody lies', () => {
  let world: MemoryWorld
  afterEach(() => world.close())

  const open = async (change: Parameters<typeof shouter>[3] = {}) => {
    world = new MemoryWorld({ clock: virtualClock() })
    const safe = await world.drive(world.payments('safe'))
    const provider = await world.drive(world.provider(shouter('p1', '0.01', 90, change)))
    const mallory = new Payer(world, 'mallory')
    return { safe, provider, mallory }
  }
  const refused = (promise: Promise<unknown>, code: string): Promise<void> => world.drive(expect(promise).rejects.toMatchObject({ code }))
  const agreed = async (payer: Payer): Promise<Made & { lane: Hex32 }> => {
    const lane = await payer.reserve(seller, 100_000n)
    return world.drive(payer.quote(seller, { settle: 'escrow', escrow: clause }).then((quote) => payer.accept(seller, quote, lane)))
  }
  const invoke = (payer: Payer, made: Made, escrow: EscrowVoucher | undefined): Promise<any> =>
    world.drive(payer.invoke(seller, made.id, 'hi', { ...(escrow ? { escrow } : {}) } satisfies Partial<InvokeRequest>))
  const tillOf = (provider: { node: { host: { context<C>(id: string): C | undefined } } }, lane: Hex32): TillContext => provider.node.host.context<TillContext>(`till/${lane}`)!
  /** The case is taken, as if its fee had been paid. */
  const take = (safe: Awaited<ReturnType<typeof open>>['safe'], made: Made): Promise<unknown> =>
    world.drive(safe.provider.definitions[0]!.handler({ agreement: made.id, until: world.clock.now() + 500_000 }, {} as never))
  const complaint = (payer: Payer, made: Made, voucher: EscrowVoucher, change: Partial<ComplainRequest> = {}): ComplainRequest => ({
    agreement: { terms: made.terms, lane: made.lane, payer: payer.wire.credentials.sign('agreement', { terms: made.terms, lane: made.lane }), provider: (made.answer as { provider: AcceptRequest['payer'] }).provider },
    voucher, previousRef: NO_REF, capability: SHOUT, authorisations: [payer.wire.credentials.authorisation], reason: 'I do not like it.', ...change,
  })
  const pass = (ms: number): Promise<void> => world.drive(world.clock.sleep(ms), ms * 2)

  it('a payer that takes the work and is silent: the provider claims when the challenge is over, not before', async () => {
    const { provider, mallory } = await open()
    const made = await agreed(mallory)
    const escrow = mallory.stake(made)
    const { delivery } = await invoke(mallory, made, escrow)
    await refused(mallory.quote(seller).then((quote) => mallory.accept(seller, quote, made.lane)), 'lane.unpaid')
    await pass(escrow.challengeEnd * 1_000 - world.clock.now() - 1_500)
    expect(await world.rail.balance(seller)).toBe(0n)
    await pass(65_000)
    expect(await world.rail.balance(seller)).toBe(10_000n)
    expect(tillOf(provider, made.lane)).toMatchObject({ cumulative: '10000', claimed: '10000', escrow: null, owed: null })
    // Its acceptance comes after all: nothing is paid twice, and the lane goes on from there.
    const voucher = mallory.voucher(made.lane, delivery)
    await expect(world.drive(mallory.pay(seller, made.lane, voucher, delivery))).resolves.toEqual({ cumulative: '10000' })
    const next = await world.drive(mallory.quote(seller).then((quote) => mallory.accept(seller, quote, made.lane)))
    const second = await world.drive(mallory.invoke(seller, next.id))
    await world.drive(mallory.pay(seller, made.lane, mallory.voucher(made.lane, second.delivery, voucher), second.delivery))
    await world.drive(mallory.call(seller, 'settle', { lanes: [made.lane] }))
    expect(await world.rail.balance(seller)).toBe(20_000n)
    expect(world.rail.imbalance()).toBe(0n)
  })

  it('a payer that complains about a good output, with it and without it: the provider is paid in full', async () => {
    for (const shows of [true, false]) {
      const { safe, mallory } = await open()
      const made = await agreed(mallory)
      const escrow = mallory.stake(made)
      const { delivery, output } = await invoke(mallory, made, escrow)
      await take(safe, made)
      const answer = await world.drive(mallory.call(agent, 'complain', complaint(mallory, made, escrow, shows ? { delivery, output } : {})))
      expect(answer.payeeAmount).toBe('10000')
      await pass(70_000)
      // Ruled, so before the challenge is over, whatever the payer says.
      expect(await world.rail.ruling(escrowDigest(world.rail, escrow))).toBe(10_000n)
      await pass(60_000)
      expect(await world.rail.balance(seller)).toBe(10_000n)
      await world.close()
    }
  })

  it('a payer that shows another output than was delivered: the provider shows the true one', async () => {
    const { safe, mallory } = await open()
    const made = await agreed(mallory)
    const escrow = mallory.stake(made)
    const { delivery } = await invoke(mallory, made, escrow)
    await take(safe, made)
    const answer = await world.drive(mallory.call(agent, 'complain', complaint(mallory, made, escrow, { delivery, output: { text: 7 } })))
    expect(answer).toMatchObject({ payeeAmount: '10000', reason: expect.stringMatching(/provider shows/) })
  })

  it('an agent that rules that nothing is due, without a reason: the provider loses that call, and works on', async () => {
    const { provider, mallory } = await open()
    const made = await agreed(mallory)
    const escrow = mallory.stake(made)
    await invoke(mallory, made, escrow)
    const signature = world.rail.signRuling({ voucher: escrowDigest(world.rail, escrow), payeeAmount: 0n }, keysOf('safe').voucher)
    await mallory.write({ kind: 'rule', voucher: toRail(escrow) as RailEscrow, payeeAmount: 0n, signature })
    // The lane is free for the next call at once, before the provider's own next look.
    const next = await world.drive(mallory.quote(seller).then((quote) => mallory.accept(seller, quote, made.lane)))
    const { delivery } = await world.drive(mallory.invoke(seller, next.id))
    await world.drive(mallory.pay(seller, made.lane, mallory.voucher(made.lane, delivery), delivery))
    await pass(200_000)
    expect(await world.rail.balance(seller)).toBe(10_000n)
    expect(tillOf(provider, made.lane)).toMatchObject({ cumulative: '10000', claimed: '10000' })
  })

  it('an agent that splits: the provider claims its part, and the lane goes on from there', async () => {
    const { provider, mallory } = await open()
    const made = await agreed(mallory)
    const escrow = mallory.stake(made)
    await invoke(mallory, made, escrow)
    const signature = world.rail.signRuling({ voucher: escrowDigest(world.rail, escrow), payeeAmount: 4_000n }, keysOf('safe').voucher)
    await mallory.write({ kind: 'rule', voucher: toRail(escrow) as RailEscrow, payeeAmount: 4_000n, signature })
    await pass(70_000)
    expect(await world.rail.balance(seller)).toBe(4_000n)
    const next = await world.drive(mallory.quote(seller).then((quote) => mallory.accept(seller, quote, made.lane)))
    const { delivery } = await world.drive(mallory.invoke(seller, next.id))
    await world.drive(mallory.pay(seller, made.lane, mallory.voucher(made.lane, delivery, { cumulative: '4000', ref: escrow.ref }), delivery))
    await world.drive(mallory.call(seller, 'settle', { lanes: [made.lane] }))
    expect(await world.rail.balance(seller)).toBe(14_000n)
    expect(tillOf(provider, made.lane)).toMatchObject({ cumulative: '14000', claimed: '14000' })
  })

  it('a provider that comes back when its escrow has expired still has what was paid before', async () => {
    const { provider, mallory } = await open()
    const lane = await mallory.reserve(seller, 100_000n)
    const first = await world.drive(mallory.quote(seller).then((quote) => mallory.accept(seller, quote, lane)))
    const { delivery } = await world.drive(mallory.invoke(seller, first.id))
    const paid = mallory.voucher(lane, delivery)
    await world.drive(mallory.pay(seller, lane, paid, delivery))
    const made = await world.drive(mallory.quote(seller, { settle: 'escrow', escrow: clause }).then((quote) => mallory.accept(seller, quote, lane)))
    await invoke(mallory, made, mallory.stake(made, {}, paid))
    await provider.kill()
    ;(world.clock as VirtualClock).skew(2 * 86_400_000)
    const back = await world.drive(world.provider(shouter('p1', '0.01', 90)))
    await pass(300_000)
    expect(await world.rail.balance(seller)).toBe(10_000n)
    expect(tillOf(back, lane)).toMatchObject({ cumulative: '20000', claimed: '10000', voucher: { kind: 'plain' } })
  })

  describe('what a provider does not begin to work for', () => {
    const soon = (seconds: number) => (voucher: EscrowVoucher): Partial<EscrowVoucher> => ({ challengeEnd: voucher.challengeEnd + seconds })
    it.each<[string, string, (voucher: EscrowVoucher) => Partial<EscrowVoucher> | null]>([
      ['no voucher at all', 'voucher.escrow', () => null],
      ['a lower amount', 'voucher.too-low', () => ({ cumulative: '9999', amount: '9999' })],
      ['a part in escrow, the rest for nothing', 'voucher.escrow', () => ({ amount: '9999' })],
      ['another arbiter', 'voucher.escrow', () => ({ arbiter: keysOf('mallory').voucher.address.toLowerCase() as Hex32 })],
      ['a challenge that ends a day later', 'voucher.escrow', soon(86_400)],
      ['a challenge that is over already', 'voucher.escrow', soon(-71)],
      ['an expiry right after the challenge', 'voucher.escrow', ({ challengeEnd }) => ({ expiry: challengeEnd + 1 })],
      ['another lane', 'voucher.lane', () => ({ lane: `0x${'22'.repeat(32)}` })],
      ['another agreement', 'voucher.ref', () => ({ ref: foldRef(NO_REF, `sha256-${'1'.repeat(64)}`, '10000') })],
    ])('%s', async (_what, code, bend) => {
      let worked = 0
      const { mallory, provider } = await open({ handler: async () => (worked++, { output: { text: 'HI', quality: 90 }, units: { call: 1 } }) })
      const made = await agreed(mallory)
      const honest = mallory.stake(made)
      const change = bend(honest)
      await refused(mallory.invoke(seller, made.id, 'hi', change === null ? {} : { escrow: mallory.stake(made, change) }), code)
      expect(worked).toBe(0)
      expect(tillOf(provider, made.lane).escrow ?? null).toBeNull()
      expect((await invoke(mallory, made, honest)).state).toBe('delivered')
    })

    it('a voucher changed after it was signed, or signed by another key', async () => {
      const { mallory } = await open()
      const made = await agreed(mallory)
      const honest = mallory.stake(made)
      await refused(mallory.invoke(seller, made.id, 'hi', { escrow: { ...honest, expiry: honest.expiry + 1 } }), 'voucher.key')
      await refused(mallory.invoke(seller, made.id, 'hi', { escrow: new Payer(world, 'bob').stake(made) }), 'voucher.key')
    })

    it('an escrow voucher where none was agreed', async () => {
      const { mallory } = await open()
      const made = await agreed(mallory)
      const lane = await mallory.reserve(seller, 100_000n, { number: 1 })
      const plain = await world.drive(mallory.quote(seller).then((quote) => mallory.accept(seller, quote, lane, { number: 1 })))
      await refused(mallory.invoke(seller, plain.id, 'hi', { escrow: mallory.stake(made, { lane }) }), 'voucher.escrow')
    })

    it.each<[string, object]>([
      ['an agent without a card', { agent: keysOf('nobody').participant }],
      ['the payer itself as the agent', { agent: keysOf('mallory').participant }],
      ['the provider itself as the agent', { agent: seller }],
      ['another arbiter than on the card', { arbiter: keysOf('mallory').participant }],
      ['a longer challenge than on the card', { challengeMs: 60_001 }],
      ['no time to claim', { expiryMs: 60_001 }],
    ])('%s: nobody answers', async (_what, change) => {
      const { mallory } = await open()
      await refused(mallory.quote(seller, { settle: 'escrow', escrow: { ...clause, ...change } }), 'market.no-provider')
      await refused(mallory.quote(seller, { settle: 'postpaid', escrow: clause }), 'market.no-provider')
    })

    it('an agent that it does not trust', async () => {
      const { mallory } = await open({ arbiters: [keysOf('other').participant] })
      await refused(mallory.quote(seller, { settle: 'escrow', escrow: clause }), 'market.no-provider')
      await expect(world.drive(mallory.quote(seller))).resolves.toBeDefined()
    })

    it('a lane that could be closed before the escrow is claimed', async () => {
      const { mallory } = await open()
      const lane = await mallory.reserve(seller, 100_000n, { delay: 3_600 })
      const quote = await world.drive(mallory.quote(seller, { settle: 'escrow', escrow: clause, deadlineMs: 3_000_000 }))
      await refused(mallory.accept(seller, quote, lane, { delay: 3_600 }), 'lane.unsafe')
    })
  })

  describe('what an agent does not hear', () => {
    const bad: [string, string, (made: Made, escrow: EscrowVoucher, payer: Payer) => Partial<ComplainRequest>][] = [
      ['a voucher of another agreement', 'voucher.ref', (made, _escrow, payer) => ({ voucher: payer.stake(made, { ref: foldRef(NO_REF, `sha256-${'1'.repeat(64)}`, '10000') }) })],
      ['a voucher of another amount', 'voucher.escrow', (made, _escrow, payer) => ({ voucher: payer.stake(made, { amount: '1' }) })],
      ['a voucher of another lane', 'voucher.lane', (made, _escrow, payer) => ({ voucher: payer.stake(made, { lane: `0x${'22'.repeat(32)}` }) })],
      ['a voucher that nobody signed', 'voucher.key', (_made, escrow) => ({ voucher: { ...escrow, expiry: escrow.expiry + 1 } })],
      ['another contract, by which the output is bad', 'input.invalid', () => ({ capability: { ...SHOUT, output: { type: 'object', maxProperties: 0 } } })],
      ['an agreement with other clauses', 'auth.', (made, escrow, payer) => { const c = complaint(payer, made, escrow); return { agreement: { ...c.agreement, terms: { ...made.terms, expect: 'output.quality > 99.0' } } } }],
    ]
    it.each(bad)('%s', async (_what, code, bend) => {
      const { safe, mallory } = await open()
      const made = await agreed(mallory)
      const escrow = mallory.stake(made)
      const { delivery, output } = await invoke(mallory, made, escrow)
      await take(safe, made)
      const change = bend(made, escrow, mallory)
      if (change.agreement) await take(safe, { ...made, id: hashOf({ terms: change.agreement.terms, lane: made.lane }) })
      await world.drive(expect(mallory.call(agent, 'complain', complaint(mallory, made, escrow, { delivery, output, ...change }))).rejects.toMatchObject({ code: expect.stringContaining(code) }))
      expect(await world.rail.ruling(escrowDigest(world.rail, escrow))).toBeUndefined()
    })

    it('a case that was never opened, another\'s agreement, and whoever comes too late', async () => {
      const { safe, mallory } = await open()
      const made = await agreed(mallory)
      const escrow = mallory.stake(made)
      await invoke(mallory, made, escrow)
      await refused(mallory.call(agent, 'complain', complaint(mallory, made, escrow)), 'escrow.unknown-case')
      await take(safe, made)
      const bob = new Payer(world, 'bob')
      await refused(bob.call(agent, 'complain', complaint(mallory, made, escrow)), 'auth.unauthorised')
      await refused(bob.call(seller, 'evidence', { lane: made.lane, agreement: made.id, call: 0 }), 'auth.unauthorised')
      await pass(80_000)
      await refused(mallory.call(agent, 'complain', complaint(mallory, made, escrow)), 'escrow.too-late')
      await pass(60_000)
      expect(await world.rail.balance(seller)).toBe(10_000n)
    })
  })
})
