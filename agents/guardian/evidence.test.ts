/** Evidence (D9): told by users that share it, counted once per payer and only when it is settled. */
import { afterEach, describe, expect, it, vi } from 'vitest'
import { canonicalBytes } from '../../schemas/canonical.ts'
import type { Evidence as Told, Receipt, ReputationFigures } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { virtualClock } from '../../runtime/memory/clock.ts'
import { makeReceipt } from '../../runtime/payments/receipt.ts'
import { toRail } from '../../runtime/payments/voucher.ts'
import { openLiar } from '../liar.fixture.ts'
import { keysOf, MemoryWorld, SHOUT, shouter } from '../memory-network.fixture.ts'
import { hire, type HireOptions } from '../user/hire.ts'
import type { User } from '../user/user.ts'
import type { UnlockContext } from '../../pipelines/unlock.machine.ts'
import { figuresOf } from './measure.ts'
import { EVIDENCE_BYTES_MAX, evidenceSubject, openEvidence, type Evidence, type Known } from './evidence.ts'
import type { ProbeBook } from './probe-book.ts'

const EPOCH_MS = 20_000
const NAMES = ['g0', 'g1', 'g2', 'g3']
const BOOK: ProbeBook = {
  [SHOUT.id]: { units: 1, make: () => ({ input: { text: 'probe' }, right: (output) => output.text === 'PROBE' }) },
}

describe('evidence', () => {
  let world: MemoryWorld
  afterEach(() => world.close())
  const pass = (ms: number): Promise<void> => world.drive(world.clock.sleep(ms), ms + 1_000)
  const begin = (): void => void (world = new MemoryWorld({ clock: virtualClock() }))
  const buy = (user: User, change: Partial<HireOptions> = {}): Promise<unknown> =>
    world.drive(hire(user, { capability: SHOUT.id, input: { text: 'hi' }, maxPrice: '0.02', attempts: 1, ...change }))

  /** Guardians that heard two payers, one of them twice and with a complaint; the registry they closed. */
  const closed = async (book: ProbeBook): Promise<ReputationFigures> => {
    begin()
    world.guardians = { names: NAMES, quorum: 3, epochMs: EPOCH_MS }
    const provider = await world.drive(world.provider(shouter('p1', '0.01', 90)))
    const guardians = await world.drive(Promise.all(NAMES.map((name) => world.guardian(name, { book }))))
    const [alice, bob, carol] = await world.drive(Promise.all([world.user('alice', { shareEvidence: true }), world.user('bob', { shareEvidence: true }), world.user('carol')]))
    for (const user of [alice, alice, bob, carol]) await buy(user)
    await expect(buy(alice, { expect: 'output.quality > 95' })).rejects.toMatchObject({ code: 'step.expect' })
    await pass(EPOCH_MS + EPOCH_MS / 2)
    const figures = guardians.map(({ node }) => node.reputation.of(provider.node.participant, SHOUT.id))
    for (const one of figures) expect(one).toEqual(figures[0])
    return figures[0]!
  }

  it('counts payers, not receipts, and speaks where nobody probed', async () => {
    expect(await closed({})).toMatchObject({ probes: 0, receipts: 2, complaints: 1, success: 6_666, errors: 3_333 })
  })

  it('never overrides a probe', async () => {
    const figures = await closed(BOOK)
    expect(figures).toMatchObject({ receipts: 2, complaints: 1, success: 10_000, errors: 0 })
    expect(figures.probes).toBeGreaterThan(0)
  })

  /** Somebody who listens, and a provider that claims nothing by itself. */
  const listen = async () => {
    begin()
    const liar = await openLiar(world, 'p1', '0.01')
    const refused: string[] = []
    const told: Told[] = []
    const observer = await world.drive(world.user('observer'))
    const evidence: Evidence = await openEvidence(observer.node, (_by, { code }) => void refused.push(code))
    await observer.node.bus.subscribe(evidenceSubject('*'), async ({ data }) => void told.push(JSON.parse(Buffer.from(data).toString()) as Told))
    const alice = await world.drive(world.user('alice', { shareEvidence: true }))
    const of = (from = 0): Known => evidence.of(liar.wire.participant, SHOUT.id, from)
    const say = async (user: User, what: unknown): Promise<void> => {
      user.node.bus.publish(evidenceSubject(user.node.participant), what instanceof Uint8Array ? what : canonicalBytes(what as Told))
      await pass(100)
    }
    /** The provider claims what it was paid last. */
    const claim = async (): Promise<void> => {
      const { wallet, participant } = keysOf('p1')
      const voucher = liar.vouchers.at(-1)!
      const { bytes } = await world.rail.prepare({ kind: 'claim', claims: [{ voucher: toRail(voucher), signature: voucher.signature }] }, wallet, await world.rail.nonce(participant))
      await world.rail.broadcast(bytes)
    }
    return { liar, refused, told, evidence, alice, of, say, claim }
  }

  it('of a lane that is not settled counts nothing until the chain has paid it, and then once', async () => {
    const { alice, told, refused, of, say, claim, evidence } = await listen()
    await buy(alice)
    await pass(1_000)
    expect(told).toHaveLength(1)
    await evidence.settle()
    expect(of()).toEqual({ receipts: 0, complaints: 0, frauds: 0 })
    await claim()
    expect(of().receipts).toBe(0)
    await evidence.settle()
    expect(of().receipts).toBe(1)
    await say(alice, told[0])
    await buy(alice)
    await claim()
    await pass(1_000)
    await evidence.settle()
    expect(told).toHaveLength(3)
    expect(of()).toEqual({ receipts: 1, complaints: 0, frauds: 0 })
    expect(refused).toEqual([])
  })

  it('of a wrong content proves itself: guardians open it, count a breach, and refuse a false accusation as a whole', async () => {
    begin()
    const liar = await openLiar(world, 'p1', '0.01', { sealed: { text: 'nonsense', quality: 1 } })
    await world.drive(world.provider(shouter('p2', '0.01', 90)))
    const [alice, bob, observer] = await world.drive(Promise.all([world.user('alice', { shareEvidence: true }), world.user('bob'), world.user('observer')]))
    const refused: [string, string | undefined][] = []
    const told: Told[] = []
    const evidence = await openEvidence(observer.node, (_by, { code, path }) => void refused.push([code, path]))
    await observer.node.bus.subscribe(evidenceSubject('*'), async ({ data }) => void told.push(JSON.parse(Buffer.from(data).toString()) as Told))
    const sealedCall = (only: string): Partial<HireOptions> => ({ settle: 'locked', only: [only], deadlineMs: 5_000, timeoutMs: 1_500_000 }) as Partial<HireOptions>
    await world.drive(expect(hire(alice, { capability: SHOUT.id, input: { text: 'hi' }, maxPrice: '0.02', attempts: 1, ...sealedCall(liar.wire.participant) })).rejects.toMatchObject({ code: 'step.output' }), 1_500_000)
    await pass(2_000)
    const of = (provider: string): Known => evidence.of(provider, SHOUT.id, 0)
    expect(of(liar.wire.participant)).toMatchObject({ complaints: 1, frauds: 1 })
    const shown = told.find(({ complaint }) => complaint?.body.proof)!.complaint!
    expect(figuresOf({ samples: [], heard: { up: 1, due: 1, times: [] } as never, evidence: of(liar.wire.participant) })).toMatchObject({ breaches: 1, complaints: 1 })

    // The same by whoever was served well, or of whom the provider never signed the like.
    await world.drive(hire(bob, { capability: SHOUT.id, input: { text: 'hi' }, maxPrice: '0.02', attempts: 1, ...sealedCall(keysOf('p2').participant) }), 100_000)
    const [honest] = [...bob.node.host.list('unlock')].map(({ snapshot }) => snapshot.context as UnlockContext)
    const { agreement, delivery, sealed, key } = honest!
    const { sign, auth, authorisation, verifier } = bob.node.wire.credentials
    const accuse = async (proof: object): Promise<void> => {
      const body = { agreement, fault: 'step.output', at: world.clock.now(), proof }
      const authorisations = [authorisation, ...[agreement.provider.auth, delivery.signature.auth].flatMap((hash) => verifier.authorisations.get(hash) ?? [])].filter((one, at, all) => all.indexOf(one) === at)
      bob.node.bus.publish(evidenceSubject(bob.node.participant), canonicalBytes({ complaint: { body, signature: sign('complaint', body), authorisations } } as never))
      await pass(100)
    }
    expect(auth).toBeDefined()
    await accuse({ delivery, sealed, key })
    await accuse({ delivery, sealed: Buffer.from('other').toString('base64'), key })
    await accuse({ delivery, sealed, key: `0x${'77'.repeat(32)}` })
    await accuse(shown.body.proof!)
    await accuse({ delivery: { ...delivery, body: { ...delivery.body, outputHash: `sha256-${'1'.repeat(64)}` } }, sealed, key })
    expect(refused).toEqual([['input.invalid', 'proof'], ['input.invalid', 'proof.sealed'], ['input.invalid', 'proof.key'], ['input.invalid', 'proof.delivery'], ['auth.forged', undefined]])
    expect(of(keysOf('p2').participant)).toEqual({ receipts: 0, complaints: 0, frauds: 0 })
    await evidence.stop()
  })

  it('that comes while the chain does not answer is looked at again', async () => {
    const { alice, told, refused, of, say, claim, evidence } = await listen()
    await buy(alice)
    await claim()
    await pass(1_000)
    const [first] = told
    const stranger = await world.drive(openEvidence(alice.node, (_by, { code }) => void refused.push(code)))
    const down = vi.spyOn(world.rail, 'lane').mockRejectedValue(new AigenError('chain.unreachable'))
    await say(alice, first)
    await stranger.settle()
    expect(down).toHaveBeenCalled()
    down.mockRestore()
    const seen = (): number => stranger.of(first!.receipt!.agreement.terms.provider, SHOUT.id, 0).receipts
    expect(seen()).toBe(0)
    await stranger.settle()
    expect(seen()).toBe(1)
    await evidence.settle()
    expect(of().receipts).toBe(1)
    expect(refused).toEqual([])
    await stranger.stop()
  })

  it('that is forged, of another payer, too large or no evidence counts nothing', async () => {
    const { alice, told, refused, of, say, claim } = await listen()
    const bob = await world.drive(world.user('bob'))
    await buy(alice)
    await claim()
    await pass(1_000)
    const { receipt } = told[0]! as { receipt: Receipt }
    const forge = (change: (one: any) => void): Told => {
      const forged = structuredClone(receipt)
      change(forged)
      return { receipt: makeReceipt(forged) }
    }
    const expectRefused = async (user: User, what: unknown, code: string): Promise<void> => {
      await say(user, what)
      expect(refused.splice(0)).toEqual([code])
    }
    await expectRefused(bob, told[0], 'auth.unauthorised')
    await expectRefused(bob, forge((one) => (one.agreement.terms.payer = bob.node.participant)), 'auth.unauthorised')
    await expectRefused(alice, forge((one) => (one.agreement.terms.capability = 'text.other@1')), 'auth.forged')
    await expectRefused(alice, forge((one) => (one.delivery.body.at += 1)), 'auth.forged')
    await expectRefused(alice, forge((one) => (one.voucher.cumulative = '20000')), 'voucher.too-low')
    await expectRefused(alice, forge((one) => (one.voucherKey = bob.node.keys.voucher.address.toLowerCase())), 'voucher.key')
    await expectRefused(alice, { receipt: { ...receipt, id: `rcpt_${'0'.repeat(32)}` } }, 'auth.forged')
    await expectRefused(alice, new Uint8Array(EVIDENCE_BYTES_MAX + 1).fill(0x20), 'input.too-large')
    await expectRefused(alice, new TextEncoder().encode('{"receipt":'), 'input.unparsable')
    expect(of().receipts).toBeLessThanOrEqual(1)
    // The honest one, told again, still counts.
    await say(alice, told[0])
    expect(of()).toEqual({ receipts: 1, complaints: 0, frauds: 0 })
  })

  it('that is told again later is as old as it was', async () => {
    const { alice, told, of, say, claim, liar } = await listen()
    await buy(alice)
    await claim()
    await expect(buy(alice, { expect: 'output.quality > 95' })).rejects.toMatchObject({ code: 'step.expect' })
    await pass(1_000)
    await say(alice, told.find(({ receipt }) => receipt))
    expect(of()).toEqual({ receipts: 1, complaints: 1, frauds: 0 })
    const complaint = structuredClone(told.find((one) => one.complaint)!.complaint!)
    await pass(600_000)
    const later = world.clock.now() - 60_000
    const receipts = told.filter(({ receipt }) => receipt)
    await say(alice, receipts[0])
    await say(alice, { complaint })
    // Signed anew with today's date: the agreement is as old as before.
    const body = { ...complaint.body, at: world.clock.now() }
    await say(alice, { complaint: { ...complaint, body, signature: alice.node.wire.credentials.sign('complaint', body) } })
    expect(liar.asked['invoke']).toBe(2)
    expect(of()).toEqual({ receipts: 1, complaints: 1, frauds: 0 })
    expect(of(later)).toEqual({ receipts: 0, complaints: 0, frauds: 0 })
  })

  it('is no complaint when another than the payer signed it, or nobody agreed to the call', async () => {
    const { alice, told, refused, of, say } = await listen()
    const bob = await world.drive(world.user('bob'))
    await expect(buy(alice, { expect: 'output.quality > 95' })).rejects.toMatchObject({ code: 'step.expect' })
    await pass(1_000)
    const complaint = told.find((one) => one.complaint)!.complaint!
    expect(of().complaints).toBe(1)
    const sign = (user: User, body: typeof complaint.body): Told => ({ complaint: { body, signature: user.node.wire.credentials.sign('complaint', body), authorisations: [...complaint.authorisations, user.node.wire.credentials.authorisation] } })
    await say(bob, { complaint })
    await say(alice, sign(bob, complaint.body))
    const { agreement } = complaint.body
    await say(bob, sign(bob, { ...complaint.body, agreement: { ...agreement, terms: { ...agreement.terms, payer: bob.node.participant } } }))
    await say(alice, sign(alice, { ...complaint.body, agreement: { ...agreement, terms: { ...agreement.terms, capability: 'text.other@1' } } }))
    expect(refused).toEqual(['auth.unauthorised', 'auth.unauthorised', 'auth.unauthorised', 'auth.forged'])
    expect(of().complaints).toBe(1)
  })
})
