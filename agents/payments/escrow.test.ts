import { afterEach, describe, expect, it } from 'vitest'
import type { BillStep, EscrowVoucher } from '../../schemas/documents.gen.ts'
import { virtualClock } from '../../runtime/memory/clock.ts'
import type { TillContext } from '../../runtime/payments/till.machine.ts'
import type { PurseContext } from '../../runtime/payments/purse.machine.ts'
import { toRail } from '../../runtime/payments/voucher.ts'
import { verifyReceipt } from '../../runtime/payments/receipt.ts'
import { createAuthorisations } from '../../runtime/identity/authorisation.ts'
import { createVerifier } from '../../runtime/identity/signed.ts'
import { paidCalls, paymentsOf } from '../../pipelines/bill.ts'
import type { DisputeContext } from '../../pipelines/dispute.machine.ts'
import type { RunContext } from '../../pipelines/run.machine.ts'
import { openLiar, silence, type Tricks } from '../liar.fixture.ts'
import { keysOf, MemoryWorld, SHOUT, shouter } from '../memory-network.fixture.ts'
import { hire, type HireOptions } from '../user/hire.ts'
import { billNow, keyedRun } from '../user/run.ts'
import type { User } from '../user/user.ts'
import { available, type WalletContext } from '../user/wallet.machine.ts'

const seller = keysOf('p1').participant
const agent = keysOf('safe').participant
const call = { capability: SHOUT.id, input: { text: 'hi' }, maxPrice: '0.05', deadlineMs: 5_000, attempts: 1, settle: 'escrow' } satisfies HireOptions

describe('a call settled in escrow', () => {
  let world: MemoryWorld
  afterEach(() => world.close())

  const open = async (change: Parameters<typeof shouter>[3] = {}) => {
    world = new MemoryWorld({ clock: virtualClock() })
    const safe = await world.drive(world.payments('safe', { fee: '0.001' }))
    const provider = await world.drive(world.provider(shouter('p1', '0.01', 90, change)))
    const alice = await world.drive(world.user('alice'))
    return { safe, provider, alice }
  }
  /** Every payment has a receipt that verifies by what the journal keeps, or is `lost`; every cent is accounted for (I2, I3). */
  const balanced = async (user: User, spent: bigint, lost = 0n): Promise<void> => {
    const verifier = createVerifier(createAuthorisations())
    const come = { paid: 0n, lost: 0n }
    expect(world.rail.imbalance()).toBe(0n)
    const wallet = user.node.host.context<WalletContext>('wallet')!
    expect(wallet.holds).toEqual({})
    expect(available(wallet)).toBe(10_000_000n - spent)
    for (const run of user.node.host.list('run')) {
      const context = run.snapshot.context as RunContext
      for (const { receipt, amount } of await paidCalls(user.node.host, context, verifier)) {
        verifyReceipt(receipt)
        come.paid += amount
      }
      for (const { amount } of (await paymentsOf(user.node.host, context, verifier)).lost) come.lost += amount
    }
    expect(come).toEqual({ paid: spent - lost, lost })
  }

  it('accepted: the provider is paid at once and once, the agent its fee, and both have receipts', async () => {
    const { alice, provider } = await open()
    const before = world.clock.now()
    const { output, charged, bill } = await world.drive(hire(alice, call))
    expect(output).toEqual({ text: 'HI', quality: 90 })
    expect(charged).toBe('0.011')
    expect(bill.settled).toBe('0.011')
    expect(bill.steps[0]!.escrow).toMatchObject({ agent, agentName: 'safe', fee: '0.001', state: 'accepted', paid: '0.01' })
    // Long before the challenge is over.
    expect(world.clock.now() - before).toBeLessThan(30_000)
    expect(await world.rail.balance(seller)).toBe(10_000n)
    expect(await world.rail.balance(agent)).toBe(1_000n)
    await balanced(alice, 11_000n)
    await world.drive(world.clock.sleep(200_000), 300_000)
    expect(await world.rail.balance(seller)).toBe(10_000n)
    const [till] = [...provider.node.host.list('till')].map((one) => one.snapshot.context as TillContext)
    expect(till).toMatchObject({ cumulative: '10000', claimed: '10000', escrow: null, owed: null, open: null })
    const lane = Object.values(alice.node.host.context<PurseContext>('purse/0')!.lanes).find((one) => one.provider === seller)
    expect(lane).toMatchObject({ use: null, payment: null, escrow: null, cumulative: '10000', ref: till!.ref })
  })

  /** A seller that delivers what fails the agreement, and anything else that a test wants of it. */
  const cheated = async (tricks: Tricks = { output: { text: 7 } }) => {
    world = new MemoryWorld({ clock: virtualClock() })
    const safe = await world.drive(world.payments('safe', { fee: '0.001' }))
    const liar = await world.drive(openLiar(world, 'p1', '0.01', tricks))
    const alice = await world.drive(world.user('alice'))
    return { safe, liar, alice }
  }
  /** Brings a voucher to the chain, as anybody may; what the vault said of it. */
  const claim = async (voucher: EscrowVoucher): Promise<string> => {
    const { bytes, hash } = await world.rail.prepare({ kind: 'claim', claims: [{ voucher: toRail(voucher), signature: voucher.signature }] }, keysOf('anybody').wallet, await world.rail.nonce(keysOf('anybody').participant))
    await world.rail.broadcast(bytes)
    const outcome = await world.rail.outcome(hash)
    return outcome.state === 'done' ? outcome.refused[0]?.reason ?? 'paid' : outcome.state
  }
  const disputes = (user: User): DisputeContext[] => [...user.node.host.list('dispute')].map((one) => one.snapshot.context as DisputeContext)
  const failed = async (user: User, options: Partial<HireOptions> = {}): Promise<BillStep> => {
    const key = `k${Math.floor(world.clock.now())}`
    await world.drive(expect(hire(user, { ...call, ...options, key })).rejects.toMatchObject({ code: expect.stringMatching(/^step\./) }), 600_000)
    return (await billNow(user, keyedRun(key))).steps[0]!
  }

  it('a bad output: the agent rules that nothing is due, the provider gets nothing, the lane goes on', async () => {
    const { alice, liar, safe } = await cheated()
    const before = world.clock.now()
    const step = await failed(alice)
    expect(step).toMatchObject({ charged: '0.001', escrow: { state: 'ruled', paid: '0', fee: '0.001', reason: expect.stringMatching(/^The output fails what was agreed/) } })
    expect(world.clock.now() - before).toBeLessThan(30_000)
    // The payer's evidence decides: the provider need not be asked.
    expect(liar.asked['evidence']).toBeUndefined()
    const [escrow] = liar.escrows
    expect(await claim(escrow!)).toBe('nothing-new')
    await world.drive(world.clock.sleep(200_000), 300_000)
    expect(await claim(escrow!)).toBe('nothing-new')
    expect(await world.rail.balance(seller)).toBe(0n)
    await balanced(alice, 1_000n)
    expect([...safe.user.node.host.list('case')].map((one) => one.snapshot.value)).toEqual(['ruled'])
    await failed(alice)
    const lanes = Object.values(alice.node.host.context<PurseContext>('purse/0')!.lanes).filter((one) => one.provider === seller)
    expect(lanes).toMatchObject([{ number: 0, cumulative: '0', use: null, escrow: null }])
  })

  it('a provider that takes the escrow and vanishes gets nothing', async () => {
    const { alice, liar } = await cheated({ invoke: silence, cancel: silence, evidence: silence })
    const step = await failed(alice)
    expect(step).toMatchObject({ charged: '0.001', escrow: { state: 'ruled', paid: '0', reason: expect.stringMatching(/does not answer/) } })
    expect(await claim(liar.escrows[0]!)).toBe('nothing-new')
    await balanced(alice, 1_000n)
  })

  it('a provider that says it failed, and keeps the escrow, gets nothing', async () => {
    const { alice, liar } = await cheated({ invoke: () => ({ state: 'failed', error: { code: 'step.failed', message: 'no' } }) })
    expect(await failed(alice)).toMatchObject({ charged: '0.001', escrow: { state: 'ruled', paid: '0', reason: 'The provider has delivered nothing.' } })
    expect(liar.asked['evidence']).toBe(1)
    expect(await claim(liar.escrows[0]!)).toBe('nothing-new')
    await balanced(alice, 1_000n)
  })

  it('a delivery that never reached the payer is paid, and the payer has it from the agent', async () => {
    let kept: (() => unknown) | undefined
    const { alice, liar } = await cheated({ invoke: (honest) => (kept = honest, honest(), silence()), cancel: silence })
    const step = await failed(alice)
    expect(kept).toBeDefined()
    expect(step).toMatchObject({ charged: '0.011', escrow: { state: 'ruled', paid: '0.01' }, attempts: [{ charged: '0.01', receipt: expect.any(String) }] })
    expect(disputes(alice)[0]!.said?.outcome?.output).toEqual({ text: 'HI', quality: 90 })
    expect(await claim(liar.escrows[0]!)).toBe('paid')
    expect(await world.rail.balance(seller)).toBe(10_000n)
    await balanced(alice, 11_000n)
  })

  it('a delivery after its time is not paid', async () => {
    const { alice, liar } = await cheated({ delivery: (body) => ({ ...body, at: body.at + 20_000 }) })
    expect(await failed(alice)).toMatchObject({ escrow: { state: 'ruled', paid: '0', reason: expect.stringMatching(/ms too late\.$/) } })
    expect(await claim(liar.escrows[0]!)).toBe('nothing-new')
  })

  /** A call of which the agent says nothing any more once it has begun. */
  const defaulted = async (tricks: Tricks): Promise<{ readonly alice: User; readonly step: BillStep }> => {
    const deaths: (() => Promise<unknown>)[] = []
    const { alice, liar, safe } = await cheated({ ...tricks, invoke: async (honest) => (await deaths[0]!(), tricks.invoke?.(honest) ?? honest()) })
    deaths.push(async () => (await safe.kill(), expect(await claim(liar.escrows[0]!)).toBe('too-early')))
    const step = await failed(alice)
    expect(await claim(liar.escrows[0]!)).toBe('paid')
    expect(await world.rail.balance(seller)).toBe(10_000n)
    return { alice, step }
  }

  it('a silent agent delays nobody for good: the provider is paid by default, and the payer loses that call', async () => {
    const { alice, step } = await defaulted({ output: { text: 7 } })
    expect(step).toMatchObject({ charged: '0.011', escrow: { state: 'default', paid: '0.01' }, attempts: [{ receipt: expect.any(String) }] })
    expect(step.escrow).not.toHaveProperty('lost')
    await balanced(alice, 11_000n)
  })

  it.each<[string, Tricks]>([
    ['a delivery at another price', { delivery: (body) => ({ ...body, amount: (BigInt(body.amount) * 2n).toString() }) }],
    ['a delivery for another input', { delivery: (body) => ({ ...body, inputHash: `sha256-${'1'.repeat(64)}` }) }],
    ['a delivery of another time', { delivery: (body) => ({ ...body, at: 1 }) }],
    ['no delivery', { invoke: () => ({ state: 'failed', error: { code: 'step.failed', message: 'no' } }) }],
  ])('%s that is paid by default: the money is lost, and has no receipt', async (_what, tricks) => {
    const { alice, step } = await defaulted(tricks)
    expect(step).toMatchObject({ charged: '0.011', escrow: { state: 'default', paid: '0.01', lost: '0.01' }, attempts: [{ charged: '0.01' }] })
    expect(step.attempts![0]).not.toHaveProperty('receipt')
    await balanced(alice, 11_000n, 10_000n)
  })

  it('without an agent nothing is hired and nothing spent', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    await world.drive(world.provider(shouter('p1', '0.01', 90)))
    const alice = await world.drive(world.user('alice'))
    await world.drive(expect(hire(alice, call)).rejects.toMatchObject({ code: 'escrow.no-agent' }))
    await balanced(alice, 0n)
    const dear = await world.drive(world.payments('safe', { fee: '0.02' }))
    await world.drive(expect(hire(alice, call)).rejects.toMatchObject({ code: 'escrow.no-agent' }))
    expect(await world.drive(hire(alice, { ...call, escrow: { agent: dear.user.node.participant, maxFee: '0.02' } }))).toMatchObject({ charged: '0.03' })
    await balanced(alice, 30_000n)
  })

  it('an agent that takes no case: nothing is at stake with it', async () => {
    const { alice, provider, safe } = await open()
    await safe.kill()
    await world.drive(expect(hire(alice, { ...call, deadlineMs: 1_000 })).rejects.toThrow(), 200_000)
    expect(await world.rail.balance(seller)).toBe(0n)
    expect([...provider.node.host.list('till')].every((one) => (one.snapshot.context as TillContext).escrow == null)).toBe(true)
    await balanced(alice, 0n)
  })

  it('elsewhere again: the first provider gets nothing, the second is paid', async () => {
    const { alice } = await cheated()
    await world.drive(world.provider(shouter('p2', '0.02', 90)))
    const { output, bill } = await world.drive(hire(alice, { ...call, attempts: 2 }), 300_000)
    expect(output).toEqual({ text: 'HI', quality: 90 })
    expect(bill.spent).toBe('0.022')
    expect(bill.settled).toBe('0.022')
    expect(bill.steps[0]!.attempts).toMatchObject([{ charged: '0', escrow: { state: 'ruled', paid: '0' } }, { charged: '0.02', escrow: { state: 'accepted' } }])
    expect(await world.rail.balance(seller)).toBe(0n)
    await balanced(alice, 22_000n)
  })
})
