/**
 * Calls that are paid piece by piece, with a peer that lies: each trick with what it wins, which is one part
 * at most, and with what is left of lanes, chain and receipts (I1–I4).
 */
import { afterEach, describe, expect, it } from 'vitest'
import { hashOf } from '../schemas/canonical.ts'
import type { BillStep, Capability, Delivery, PlainVoucher } from '../schemas/documents.gen.ts'
import { virtualClock } from '../runtime/memory/clock.ts'
import { deliveryHash } from '../runtime/payments/delivery.ts'
import type { PurseContext } from '../runtime/payments/lane.ts'
import { verifyReceipt } from '../runtime/payments/receipt.ts'
import type { TillContext } from '../runtime/payments/till.machine.ts'
import { paidCalls } from '../pipelines/bill.ts'
import type { RunContext } from '../pipelines/run.machine.ts'
import { openLiar } from './liar.fixture.ts'
import { Payer } from './payer.fixture.ts'
import { keysOf, MemoryWorld } from './memory-network.fixture.ts'
import type { StreamTricks } from './stream-liar.fixture.ts'
import { hire } from './user/hire.ts'
import { billNow, keyedRun } from './user/run.ts'
import { available, type WalletContext } from './user/wallet.machine.ts'

const TELL: Capability = {
  id: 'text.tell@1', title: 'Tell', description: 'Tells a story word by word.', unit: 'word', estimate: { expression: '8.0' },
  input: { type: 'object', required: ['text'], properties: { text: { type: 'string' } } }, output: { type: 'object', required: ['words'], properties: { words: { type: 'array' } } },
  chunk: { type: 'object', additionalProperties: false, required: ['word'], properties: { word: { type: 'string' } } },
}
const WORDS = ['once', 'upon', 'a', 'time', 'there', 'was', 'an', 'end']
const seller = keysOf('p1').participant
const OTHER = `sha256-${'1'.repeat(64)}` as const

describe('a stream from a provider that lies: the payer pays for no piece that did not come as it was signed for', () => {
  let world: MemoryWorld
  afterEach(() => world.close())

  const play = async (tricks: Omit<StreamTricks, 'words'>) => {
    world = new MemoryWorld({ clock: virtualClock() })
    const liar = await world.drive(openLiar(world, 'p1', '0.01', { capability: TELL, stream: { words: WORDS, ...tricks } }))
    const alice = await world.drive(world.user('alice'))
    const heard: unknown[] = []
    const ended = await world.drive(hire(alice, { capability: TELL.id, input: { text: 'hi' }, maxPrice: '0.10', deadlineMs: 20_000, attempts: 1, settle: 'streamed', key: 'one', onChunk: (chunk) => heard.push(chunk) })
      .then(({ charged }) => charged, (error) => error.code as string), 400_000)
    const step: BillStep = (await billNow(alice, keyedRun('one'))).steps[0]!
    const { host, wire } = alice.node
    // What its receipts come to is what left the wallet, and what the vouchers were for.
    let paid = 0n
    for (const run of host.list('run')) {
      for (const { receipt, amount } of await paidCalls(host, run.snapshot.context as RunContext, wire.credentials.verifier)) {
        verifyReceipt(receipt)
        paid += amount
      }
    }
    const wallet = host.context<WalletContext>('wallet')!
    expect([wallet.holds, 10_000_000n - available(wallet), world.rail.imbalance()]).toEqual([{}, paid, 0n])
    expect(BigInt(liar.vouchers.reduce((most, { cumulative }) => (BigInt(cumulative) > BigInt(most) ? cumulative : most), '0'))).toBe(paid)
    return { ended, heard: heard.length, charged: step.charged, vouchers: liar.vouchers.length, lane: Object.values(host.context<PurseContext>('purse/0')!.lanes)[0]! }
  }

  it('without a trick it is paid for all, in three vouchers', async () => {
    expect(await play({})).toMatchObject({ ended: '0.08', heard: 8, charged: '0.08', vouchers: 3, lane: { cumulative: '80000', use: null } })
  })

  type Lie = [string, Omit<StreamTricks, 'words'>, { heard: number; charged: string }]
  const from = (n: number, change: Required<Pick<StreamTricks, 'lines'>>['lines']): StreamTricks['lines'] => (at, honest) => (at === n ? change(at, honest) : [honest])
  it.each<Lie>([
    ['sends a link that the piece does not make', { lines: from(5, (_n, { piece, meter }) => [{ piece, meter: [meter[0], OTHER] }]) }, { heard: 4, charged: '0.04' }],
    ['sends a piece without its meter', { lines: from(5, (_n, { piece }) => [{ piece }]) }, { heard: 4, charged: '0.04' }],
    ['sends another piece than it signs for', { lines: from(5, (_n, { meter }) => [{ piece: { word: 'lie' }, meter }]) }, { heard: 4, charged: '0.04' }],
    ['says a piece twice', { lines: from(5, (_n, honest) => [honest, honest]) }, { heard: 5, charged: '0.05' }],
    ['leaves one out', { lines: from(5, () => []) }, { heard: 4, charged: '0.04' }],
    ['sends a piece outside of the contract', { lines: from(2, (_n, { meter }) => [{ piece: { wrod: 'x' }, meter }]) }, { heard: 1, charged: '0.01' }],
    ['counts more units than were agreed for one part', { units: (n) => (n < 5 ? n : n + 2) }, { heard: 4, charged: '0.04' }],
    ['lets its meter run back', { units: (n) => (n === 5 ? 3.5 : n) }, { heard: 4, charged: '0.04' }],
  ])('one that %s is stopped at that piece', async (_what, tricks, seen) => {
    const { ended, lane, ...rest } = await play(tricks)
    expect(ended).toBe('step.output')
    expect(rest).toMatchObject(seen)
    expect(lane).toMatchObject({ use: null, payment: null })
  })

  it.each<Lie>([
    ['more pieces than it sent', { part: (body) => ({ ...body, stream: { ...body.stream!, pieces: body.stream!.pieces + 1 } }) }, { heard: 3, charged: '0.03' }],
    ['more units than its meter said', { part: (body) => ({ ...body, units: { word: body.units['word']! + 1 }, amount: String(BigInt(body.amount) + 10_000n) }) }, { heard: 3, charged: '0.03' }],
    ['a higher price for the same', { part: (body) => ({ ...body, amount: '90000' }) }, { heard: 3, charged: '0.03' }],
    ['another chain', { part: (body) => ({ ...body, outputHash: OTHER, stream: { ...body.stream!, chain: OTHER } }) }, { heard: 3, charged: '0.03' }],
    ['another call', { part: (body) => ({ ...body, agreement: OTHER }) }, { heard: 3, charged: '0.03' }],
    ['a time long ago', { part: (body) => ({ ...body, at: body.at - 600_000 }) }, { heard: 3, charged: '0.03' }],
  ])('one that signs a part for %s is paid for what came, once it signs for that', async (_what, tricks, seen) => {
    const { ended, lane, ...rest } = await play(tricks)
    expect(ended).toMatch(/^step\./)
    expect(rest).toMatchObject(seen)
    expect(lane).toMatchObject({ use: null, payment: null })
  })

  it.each<Lie>([
    ['vanishes once a part is paid', { vanishes: true }, { heard: 3, charged: '0.03' }],
    ['shows the part that was paid again and again', { repeats: true }, { heard: 3, charged: '0.03' }],
    ['signs the whole for more pieces than came', { last: (body) => ({ ...body, stream: { ...body.stream!, pieces: 9 } }) }, { heard: 8, charged: '0.06' }],
    ['signs the whole for more units than one part may take', { last: (body) => ({ ...body, units: { word: 10 }, amount: '80000' }) }, { heard: 8, charged: '0.06' }],
    ['signs the whole at more than the cap', { last: (body) => ({ ...body, amount: '800000' }) }, { heard: 8, charged: '0.06' }],
    ['signs for more when it is told to stop', { lines: from(5, () => []), stop: (body) => ({ ...body, units: { word: 6 }, amount: '60000', stream: { ...body.stream!, pieces: 6 } }) }, { heard: 4, charged: '0.03' }],
  ])('one that %s has what was paid before, and no more', async (_what, tricks, seen) => {
    const { ended, lane: _lane, ...rest } = await play(tricks)
    expect(ended).toMatch(/^step\./)
    expect(rest).toMatchObject(seen)
  })

  it('one that counts as much as was agreed for a part, and gives less, wins that part: the worst loss, and it is signed for', async () => {
    expect(await play({ terms: { every: 3, units: 6 }, units: (n) => (n <= 3 ? n * 2 : 6) })).toMatchObject({ ended: '0.06', charged: '0.06' })
  })
})

describe('a stream to a payer that lies: the provider loses one part', () => {
  let world: MemoryWorld
  afterEach(() => world.close())

  const agreed = async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    let emitted = 0
    const provider = await world.drive(world.provider({
      name: 'p1', capability: TELL, price: { list: '0.01' }, latencyMs: 1_000, stream: { every: 3 },
      handler: async (_input, { emit }) => {
        for (const word of WORDS) {
          await emit({ word }, 1)
          emitted++
        }
        return { output: { words: WORDS }, units: { word: 8 } }
      },
    }))
    const mallory = new Payer(world, 'mallory')
    const lane = await mallory.reserve(seller, 200_000n)
    const quote = await world.drive(mallory.quote(seller, { settle: 'streamed', capability: TELL.id, units: 8, deadlineMs: 40_000 }))
    const made = await world.drive(mallory.accept(seller, quote, lane))
    const input = { text: 'hi' }
    const invoke = (change: object = {}) => world.drive(mallory.invoke(seller, made.id, 'hi', { input, inputHash: hashOf(input), flow: { secret: 'A'.repeat(43) }, ...change }))
    const till = (): TillContext => [...provider.node.host.list('till')][0]!.snapshot.context as TillContext
    return { provider, mallory, lane, made, invoke, till, emitted: () => emitted, cancel: (pieces: number) => world.drive(mallory.call(seller, 'cancel', { lane, agreement: made.id, call: 0, pieces })) }
  }

  it('one that wants to hear nothing gets nothing', async () => {
    const { invoke } = await agreed()
    await expect(invoke({ flow: undefined })).rejects.toMatchObject({ code: 'input.invalid', path: 'flow' })
  })

  it('one that does not pay hears three pieces, and the lane takes no other call', async () => {
    const { invoke, till, emitted, mallory, lane } = await agreed()
    expect(await invoke()).toMatchObject({ state: 'part', delivery: { body: { amount: '30000', units: { word: 3 }, stream: { pieces: 3, part: true } } } })
    await world.drive(world.clock.sleep(35_000))
    // The third piece was sent and stands unpaid; nothing came after it.
    expect(emitted()).toBe(2)
    expect(till()).toMatchObject({ cumulative: '0', owed: { amount: '30000', part: true } })
    const quote = await world.drive(mallory.quote(seller, { settle: 'streamed', capability: TELL.id, units: 8, deadlineMs: 40_000 }))
    await world.drive(expect(mallory.accept(seller, quote, lane)).rejects.toMatchObject({ code: 'lane.unpaid' }))
    // It may still pay: then the lane is free.
    const { delivery } = await invoke() as { delivery: Delivery }
    await world.drive(mallory.pay(seller, lane, mallory.voucher(lane, delivery), delivery))
    expect(till()).toMatchObject({ cumulative: '30000', owed: null, open: null })
    expect(await invoke()).toMatchObject({ state: 'failed' })
  })

  const bad: [string, string, (payer: Payer, lane: `0x${string}`, delivery: Delivery) => unknown][] = [
    ['less', 'voucher.too-low', (payer, lane, delivery) => payer.voucher(lane, { ...delivery, body: { ...delivery.body, amount: '29999' } })],
    ['for another delivery', 'voucher.ref', (payer, lane, delivery) => payer.voucher(lane, { ...delivery, body: { ...delivery.body, at: 1 } })],
    ['with another\'s key', 'voucher.key', (_payer, lane, delivery) => new Payer(world, 'bob').voucher(lane, delivery)],
    ['and raises it after it signed', 'voucher.ref', (payer, lane, delivery) => ({ ...payer.voucher(lane, delivery), cumulative: '90000' })],
  ]
  it.each(bad)('one that pays %s: refused, no further piece', async (_what, code, make) => {
    const { invoke, mallory, lane, till, emitted } = await agreed()
    const { delivery } = await invoke() as { delivery: Delivery }
    await world.drive(expect(mallory.call(seller, 'pay', { lane, voucher: make(mallory, lane, delivery), deliveries: [deliveryHash(delivery)] })).rejects.toMatchObject({ code }))
    expect([till().cumulative, emitted()]).toEqual(['0', 2])
  })

  it('one that says the voucher of a part again: it counts once', async () => {
    const { invoke, mallory, lane, till } = await agreed()
    const { delivery } = await invoke() as { delivery: Delivery }
    const voucher: PlainVoucher = mallory.voucher(lane, delivery)
    await world.drive(mallory.pay(seller, lane, voucher, delivery))
    const second = await invoke() as { delivery: Delivery }
    expect(second.delivery.body).toMatchObject({ amount: '60000', stream: { pieces: 6 } })
    await world.drive(mallory.pay(seller, lane, voucher, delivery))
    await world.drive(expect(mallory.pay(seller, lane, voucher, second.delivery)).resolves.toEqual({ cumulative: '30000' }))
    expect(till()).toMatchObject({ cumulative: '30000', owed: { amount: '30000' }, open: { spent: '30000' } })
  })

  it('one that gives up and denies what it heard: three pieces, and nothing owed that was not taken', async () => {
    const { invoke, till, cancel, emitted } = await agreed()
    await invoke()
    expect(await cancel(0)).toEqual({ state: 'cancelled' })
    expect(till()).toMatchObject({ cumulative: '0', owed: null, open: null })
    expect(emitted()).toBe(2)
  })

  it('one that gives up naming more than it was sent pays for the part that was signed', async () => {
    const { invoke, till, cancel } = await agreed()
    await invoke()
    expect(await cancel(1_000)).toMatchObject({ state: 'delivered', delivery: { body: { amount: '30000', stream: { pieces: 3, part: true } } } })
    expect(till()).toMatchObject({ owed: { amount: '30000' } })
  })
})
