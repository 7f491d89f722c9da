import { afterEach, describe, expect, it } from 'vitest'
import type { RunContext } from '../pipelines/run.machine.ts'
import { virtualClock } from '../runtime/memory/clock.ts'
import type { BusMessage } from '../runtime/ports/bus.ts'
import { verifyReceipt } from '../runtime/payments/receipt.ts'
import { paidCalls } from '../pipelines/bill.ts'
import type { CardBody, Meter } from '../schemas/documents.gen.ts'
import { AigenError, type ErrorCode } from '../schemas/error.ts'
import { openLiar, silence, type Liar, type Tricks } from './liar.fixture.ts'
import { wireOf } from './payer.fixture.ts'
import { keysOf, MemoryWorld, SHOUT, shouter } from './memory-network.fixture.ts'
import { finishRun, startRun, type Finished } from './user/run.ts'
import type { User } from './user/user.ts'
import { available, type WalletContext } from './user/wallet.machine.ts'

const document = {
  name: 'shout',
  version: '1.0.0',
  input: { type: 'object', required: ['text'], properties: { text: { type: 'string' } } },
  budget: { max: '0.25' },
  steps: {
    only: {
      uses: SHOUT.id, with: { text: '${input.text}' }, price: { max: '0.05' }, sla: { deadline: '2s', grace: '1s' }, expect: '${output.quality > 80.0}',
      retry: { attempts: 2, on: ['expect', 'output', 'timeout', 'failed'], elsewhere: true },
    },
  },
  output: '${steps.only.text}',
}

describe('a provider that lies is not paid for it', () => {
  let world: MemoryWorld
  afterEach(() => world.close())

  const run = async (user: User, input = 'hi'): Promise<Finished> =>
    world.drive(startRun(user, { document, inputs: { text: input } }).then((id) => finishRun(user, id, 110_000)))

  /** I2, I3, I4 at the end of a run, whatever came of it. */
  const balanced = async (user: User, { run: id, bill }: Finished): Promise<void> => {
    const { host, wire } = user.node
    const context = host.context<RunContext>(`run/${id}`)!
    const wallet = host.context<WalletContext>('wallet')!
    expect(world.rail.imbalance()).toBe(0n)
    expect(wallet.holds).toEqual({})
    expect(available(wallet)).toBe(10_000_000n - BigInt(context.spent))
    expect(BigInt(context.spent)).toBeLessThanOrEqual(BigInt(context.budget))
    const paid = await paidCalls(host, context, wire.credentials.verifier)
    expect(paid.reduce((sum, one) => sum + BigInt(one.delivery.body.amount), 0n)).toBe(BigInt(context.spent))
    for (const { receipt } of paid) verifyReceipt(receipt, world.rail)
    expect(bill.run).toBe(id)
  }

  // The output has no rows, and a call is charged all the same.
  const METER: Meter = { by: 'items', of: [{ path: 'output.rows' }] }
  const metered = (body: CardBody): CardBody => ({ ...body, offers: body.offers.map((offer) => ({ ...offer, meter: METER })) })

  const cases: [string, ErrorCode, (world: MemoryWorld) => Tricks][] = [
    // at the market: such a quote is not an offer
    ['quotes above the cap', 'market.no-provider', () => ({ quote: (terms) => ({ ...terms, unitPrice: '60000', cap: '60000' }) })],
    ['quotes a cap above the cap', 'market.no-provider', () => ({ quote: (terms) => ({ ...terms, cap: '50001' }) })],
    ['quotes for another payer', 'market.no-provider', () => ({ quote: (terms) => ({ ...terms, payer: keysOf('bob').participant }) })],
    ['quotes in another asset', 'market.no-provider', () => ({ quote: (terms) => ({ ...terms, asset: `eip155:31337/erc20:0x${'11'.repeat(20)}` }) })],
    ['quotes on another vault contract', 'market.no-provider', () => ({ quote: (terms) => ({ ...terms, vault: `0x${'11'.repeat(20)}` }) })],
    ['quotes for another payee than its card', 'market.no-provider', () => ({ quote: (terms) => ({ ...terms, payee: keysOf('bob').participant }) })],
    ['quotes in the name of another', 'market.no-provider', () => ({ quote: (terms) => ({ ...terms, provider: keysOf('bob').participant }) })],
    ['quotes a longer deadline', 'market.no-provider', () => ({ quote: (terms) => ({ ...terms, deadlineMs: 60_000 }) })],
    ['quotes without the acceptance expression', 'market.no-provider', () => ({ quote: (terms) => ({ ...terms, expect: null }) })],
    ['quotes another contract of the capability', 'market.no-provider', () => ({ quote: (terms) => ({ ...terms, capabilityHash: `sha256-${'0'.repeat(64)}` }) })],
    ['quotes for another request', 'market.no-provider', () => ({ quote: (terms) => ({ ...terms, request: 'cfq_other' }) })],
    ['quotes for fewer units', 'market.no-provider', () => ({ quote: (terms) => ({ ...terms, units: 0 }) })],
    ['quotes another meter than its card', 'market.no-provider', () => ({ card: metered, quote: (terms) => ({ ...terms, meter: { by: 'seconds' } }) })],
    ['quotes without the meter of its card', 'market.no-provider', () => ({ card: metered })],
    ['quotes what has expired', 'market.no-provider', () => ({ quote: (terms) => ({ ...terms, expiresAt: terms.expiresAt - 120_000 }) })],
    // at the agreement
    ['never accepts', 'network.timeout', () => ({ accept: silence })],
    ['accepts with another\'s signature', 'auth.unauthorised', (w) => ({ accept: (body) => ({ provider: wireOf(w.ports('bob'), keysOf('bob')).credentials.sign('agreement', { terms: body.terms, lane: body.lane }) }) })],
    ['accepts something else', 'auth.forged', () => ({ accept: (_body, honest) => ({ provider: { ...(honest() as any).provider, sig: 'A'.repeat(86) } }) })],
    ['refuses to accept', 'market.refused', () => ({ accept: () => { throw new AigenError('market.refused') } })],
    // at the delivery
    ['delivers what fails its schema', 'step.output', () => ({ output: { text: 'HI' } })],
    ['delivers what fails the expression', 'step.expect', () => ({ output: { text: 'HI', quality: 80 } })],
    ['delivers what the expression cannot read', 'step.output', () => ({ output: { text: 'HI', quality: 'good' } })],
    ['delivers more than a record holds', 'step.output', () => ({ output: { text: 'x'.repeat(400_000), quality: 90 } })],
    ['has another sign its delivery', 'step.output', (w) => ({ signer: wireOf(w.ports('bob'), keysOf('bob')) })],
    ['delivers for another agreement', 'step.output', () => ({ delivery: (body) => ({ ...body, agreement: `sha256-${'1'.repeat(64)}` }) })],
    ['delivers for another call', 'step.output', () => ({ delivery: (body) => ({ ...body, call: 1 }) })],
    ['delivers for another input', 'step.output', () => ({ delivery: (body) => ({ ...body, inputHash: `sha256-${'1'.repeat(64)}` }) })],
    ['delivers another output than it signs', 'step.output', () => ({ delivery: (body) => ({ ...body, outputHash: `sha256-${'1'.repeat(64)}` }) })],
    ['charges more than agreed', 'step.output', () => ({ delivery: (body) => ({ ...body, amount: '50000' }) })],
    ['charges for more units than the cap holds', 'step.output', () => ({ delivery: (body) => ({ ...body, units: { call: 3 }, amount: '30000' }) })],
    ['meters in other units', 'step.output', () => ({ delivery: (body) => ({ ...body, units: { page: 1 } }) })],
    ['meters more than can be counted', 'step.output', () => ({ card: metered, quote: (terms) => ({ ...terms, meter: METER }) })],
    ['meters nonsense', 'step.output', () => ({ delivery: (body) => ({ ...body, units: { call: 1, page: 4 } }) })],
    ['delivers after the deadline', 'step.timeout', () => ({ delivery: (body) => ({ ...body, at: body.at + 60_000 }) })],
    ['dates its delivery before the call', 'step.output', () => ({ delivery: (body) => ({ ...body, at: body.at - 86_400_000 * 3 }) })],
    ['says pending without end', 'step.timeout', () => ({ invoke: () => ({ state: 'pending' }) })],
    ['says nothing at all', 'step.timeout', () => ({ invoke: silence, cancel: silence })],
    ['answers with garbage', 'step.output', () => ({ invoke: () => ({ state: 'delivered', delivery: 7 }) })],
    ['fails with a code that nobody knows', 'step.failed', () => ({ invoke: () => ({ state: 'failed', error: { code: 'no.such', message: 'ha' } }) })],
    ['blames the payer\'s wallet', 'step.failed', () => ({ invoke: () => ({ state: 'failed', error: { code: 'wallet.empty', message: 'send more' } }) })],
    ['cancels by itself', 'step.cancelled', () => ({ invoke: () => ({ state: 'failed', error: { code: 'step.cancelled', message: 'no' } }) })],
  ]

  it.each(cases)('%s: %s', async (_what, code, tricks) => {
    world = new MemoryWorld({ clock: virtualClock() })
    const liar = await world.drive(openLiar(world, 'liar', '0.01', tricks(world)))
    const user = await world.drive(world.user('alice'))
    const finished = await run(user)
    expect(finished.error?.code).toBe(code)
    expect(finished.bill.spent).toBe('0')
    expect(finished.bill.transactions).toEqual([])
    expect(liar.vouchers).toEqual([])
    expect(Math.max(0, ...Object.values(liar.asked)), 'asked in a circle').toBeLessThan(60)
    await balanced(user, finished)
  })

  it.each(cases.map(([what, , tricks]) => [what, tricks] as const))('%s: an honest one is hired instead', async (_what, tricks) => {
    world = new MemoryWorld({ clock: virtualClock() })
    const liar = await world.drive(openLiar(world, 'liar', '0.01', tricks(world)))
    await world.drive(world.provider(shouter('honest', '0.02', 90)))
    const user = await world.drive(world.user('alice'))
    const finished = await run(user)
    expect(finished.error).toBeNull()
    expect(finished.output).toBe('HI')
    expect(finished.bill.spent).toBe('0.02')
    expect(finished.bill.settled).toBe('0.02')
    expect(liar.vouchers).toEqual([])
    await balanced(user, finished)
  })

  const bargains: [string, NonNullable<Tricks['counter']>][] = [
    ['raises the price', (terms) => ({ ...terms, unitPrice: '20000', cap: '20000' })],
    ['raises the cap only', (terms) => ({ ...terms, cap: '20000' })],
    ['shortens the deadline', (terms) => ({ ...terms, deadlineMs: 1 })],
    ['drops the acceptance expression', (terms) => ({ ...terms, expect: null, unitPrice: '1', cap: '1' })],
    ['names another payee', (terms) => ({ ...terms, payee: keysOf('bob').participant, unitPrice: '1', cap: '1' })],
    ['names another provider', (terms) => ({ ...terms, provider: keysOf('bob').participant, unitPrice: '1', cap: '1' })],
    ['has expired', (terms) => ({ ...terms, unitPrice: '1', cap: '1', expiresAt: terms.expiresAt - 120_000 })],
  ]
  it.each(bargains)('a counter-offer that %s is not taken: the quote stands as it was', async (_what, counter) => {
    world = new MemoryWorld({ clock: virtualClock() })
    const liar = await world.drive(openLiar(world, 'liar', '0.01', { counter }))
    const user = await world.drive(world.user('alice'))
    const finished = await run(user)
    expect(liar.asked['quote']).toBe(1)
    expect(finished.error).toBeNull()
    expect(finished.bill.steps[0]).toMatchObject({ agreed: '0.01', charged: '0.01' })
    await balanced(user, finished)
  })

  it('one that answers a call for quotes a hundred times does not crowd the others out', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    await world.drive(openLiar(world, 'liar', '0.04', { extra: (terms, wire) => Array.from({ length: 50 }, (_, n) => wire.sign('quote', { ...terms, quote: `q_${n}` })) }))
    await world.drive(world.provider(shouter('honest', '0.02', 90)))
    const user = await world.drive(world.user('alice'))
    const finished = await run(user)
    expect(finished.bill.steps[0]).toMatchObject({ providerName: 'honest', charged: '0.02' })
    await balanced(user, finished)
  })

  const takers: [string, Tricks, (liar: Liar) => void][] = [
    ['refuses the voucher', { pay: () => { throw new AigenError('voucher.key') } }, (liar) => expect(liar.asked['pay']).toBe(1)],
    ['never answers pay', { pay: silence }, () => undefined],
    ['answers pay with garbage', { pay: () => ({ cumulative: -1 }) }, () => undefined],
    ['never answers settle', { settle: silence }, () => undefined],
    ['says it settled though it did not', { settle: (_honest, lanes) => ({ transactions: lanes.map((lane) => ({ lane, hash: `0x${'ab'.repeat(32)}`, claimed: '10000' })) }) }, () => undefined],
  ]
  it.each(takers)('one that %s has its voucher, is paid once, and the bill says what the chain says', async (_what, tricks, check) => {
    world = new MemoryWorld({ clock: virtualClock() })
    const liar = await world.drive(openLiar(world, 'liar', '0.01', tricks))
    const user = await world.drive(world.user('alice'))
    const finished = await run(user)
    expect(finished.error).toBeNull()
    expect(finished.bill).toMatchObject({ spent: '0.01', settled: '0', transactions: [] })
    expect(new Set(liar.vouchers.map((one) => one.cumulative))).toEqual(new Set(['10000']))
    check(liar)
    await balanced(user, finished)
    // The next run does not hang on the lane that is stuck.
    const again = await run(user, 'ho')
    expect(again.error).toBeNull()
    expect(again.output).toBe('HO')
    balanced2(user)
  })
  const balanced2 = (user: User): void => {
    expect(user.node.host.context<WalletContext>('wallet')).toMatchObject({ spent: '20000', holds: {} })
    expect(world.rail.imbalance()).toBe(0n)
  }

  it('everything twice: every message is delivered two times, and nothing is paid two times', async () => {
    world = new MemoryWorld({ clock: virtualClock(), network: { deliver: (_hop, deliver) => { queueMicrotask(deliver); queueMicrotask(deliver) } } })
    await world.drive(world.provider(shouter('honest', '0.01', 90)))
    const user = await world.drive(world.user('alice'))
    const finished = await run(user)
    expect(finished.error).toBeNull()
    expect(finished.bill).toMatchObject({ spent: '0.01', settled: '0.01' })
    await balanced(user, finished)
  })
})

describe('a card that lies is not listed (I8)', () => {
  let world: MemoryWorld
  afterEach(() => world.close())

  const cards: [string, ErrorCode, Tricks][] = [
    ['is of another participant', 'auth.unauthorised', { card: (body) => ({ ...body, participant: keysOf('bob').participant }) }],
    ['holds another wallet\'s authorisation', 'auth.unauthorised', { card: (body) => ({ ...body, authorisations: [{ ...body.authorisations[0]!, wallet: keysOf('bob').participant }] }) }],
    ['has expired', 'auth.expired', { card: (body) => ({ ...body, expiresAt: body.issuedAt - 1 }) }],
    ['is from the future', 'auth.expired', { card: (body) => ({ ...body, issuedAt: body.issuedAt + 600_000 }) }],
    ['has no authorisation', 'input.invalid', { card: (body) => ({ ...body, authorisations: [] }) }],
    ['asks for no price', 'input.invalid', { card: (body) => ({ ...body, offers: [{ ...body.offers[0]!, list: '-1' }] }) }],
  ]
  it.each(cards)('that %s', async (_what, code, tricks) => {
    world = new MemoryWorld({ clock: virtualClock() })
    await world.drive(openLiar(world, 'liar', '0.01', tricks))
    const refused: string[] = []
    const user = await world.drive(world.user('alice', { onRefusedCard: (_participant, error) => refused.push(error.code) }))
    expect(refused).toEqual([code])
    expect(user.node.directory.entries()).toEqual([])
    await expect(world.drive(startRun(user, { document, inputs: { text: 'x' } }))).rejects.toMatchObject({ code: 'pipeline.invalid' })
  })

  it('that is forged after it was signed', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    const liar = await world.drive(openLiar(world, 'liar', '0.01'))
    const { bus } = world.ports('liar')
    let kept: BusMessage | undefined
    for await (const message of bus.kept(`aigen.v1.card.${liar.wire.participant}`)) kept = message
    const text = Buffer.from(kept!.data).toString()
    await bus.keep(kept!.subject, Buffer.from(text.replace('"list":"0.01"', '"list":"0.001"')))
    const refused: string[] = []
    const user = await world.drive(world.user('alice', { onRefusedCard: (_participant, error) => refused.push(error.code) }))
    expect(refused).toEqual(['auth.forged'])
    expect(user.node.directory.entries()).toEqual([])
  })
})
