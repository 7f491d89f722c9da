import { afterEach, describe, expect, it } from 'vitest'
import type { BillStep, CallOutcome, LockedVoucher } from '../schemas/documents.gen.ts'
import { virtualClock } from '../runtime/memory/clock.ts'
import type { PurseContext } from '../runtime/payments/purse.machine.ts'
import { verifyReceipt } from '../runtime/payments/receipt.ts'
import { unseal } from '../runtime/payments/seal.ts'
import type { TillContext } from '../runtime/payments/till.machine.ts'
import { toRail } from '../runtime/payments/voucher.ts'
import { paidCalls } from '../pipelines/bill.ts'
import type { RunContext } from '../pipelines/run.machine.ts'
import type { UnlockContext } from '../pipelines/unlock.machine.ts'
import { dieAt, STRIDE } from './die-at.fixture.ts'
import { openLiar, silence, type Tricks } from './liar.fixture.ts'
import { Payer, type Made } from './payer.fixture.ts'
import { keysOf, MemoryWorld, SHOUT, shouter } from './memory-network.fixture.ts'
import { hire, type HireOptions } from './user/hire.ts'
import { billNow, finishRun, keyedRun, startRun } from './user/run.ts'
import type { User } from './user/user.ts'
import { available, type WalletContext } from './user/wallet.machine.ts'

const seller = keysOf('p1').participant
const call = { capability: SHOUT.id, input: { text: 'hi' }, maxPrice: '0.05', deadlineMs: 5_000, attempts: 1, settle: 'locked', key: 'one' } satisfies HireOptions
const LONG_MS = 1_500_000

const tillOf = (node: User['node']): TillContext => [...node.host.list('till')][0]!.snapshot.context as TillContext
const laneOf = (user: User) => Object.values(user.node.host.context<PurseContext>('purse/0')!.lanes).find((one) => one.provider === seller)!
/** I2, I3 at the payer: what is not spent is available again, the chain balances, every receipt verifies. */
const balanced = async (world: MemoryWorld, user: User, spent: bigint, where = ''): Promise<void> => {
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
const locks = (user: User): UnlockContext[] => [...user.node.host.list('unlock')].map((one) => one.snapshot.context as UnlockContext)
/** Brings a locked voucher and its key to the chain, as anybody may; what the vault said of it. */
const claim = async (world: MemoryWorld, { voucher, key }: { voucher: LockedVoucher; key: `0x${string}` }): Promise<string> => {
  const { bytes, hash } = await world.rail.prepare({ kind: 'claim', claims: [{ voucher: toRail(voucher), signature: voucher.signature, preimage: key }] }, keysOf('anybody').wallet, await world.rail.nonce(keysOf('anybody').participant))
  await world.rail.broadcast(bytes)
  const outcome = await world.rail.outcome(hash)
  return outcome.state === 'done' ? outcome.refused[0]?.reason ?? 'paid' : outcome.state
}

describe('a call that settles locked', () => {
  let world: MemoryWorld
  afterEach(() => world.close())

  const failed = async (user: User): Promise<BillStep> => {
    await world.drive(expect(hire(user, { ...call, timeoutMs: LONG_MS })).rejects.toMatchObject({ code: expect.stringMatching(/^step\./) }), LONG_MS)
    return (await billNow(user, keyedRun('one'))).steps[0]!
  }

  it('is paid for the key, once, and the lock is folded: the lane goes on', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    const provider = await world.drive(world.provider(shouter('p1', '0.01', 90)))
    const alice = await world.drive(world.user('alice'))
    for (const [nth, key] of ['one', 'two'].entries()) {
      expect(await world.drive(hire(alice, { ...call, key }))).toMatchObject({ output: { text: 'HI', quality: 90 }, charged: '0.01', bill: { settled: '0.01' } })
      const { ref, ...lane } = laneOf(alice)
      expect(lane).toMatchObject({ cumulative: `${nth + 1}0000`, use: null, payment: null, escrow: null, voucher: { kind: 'plain' } })
      expect(tillOf(provider.node)).toMatchObject({ cumulative: `${nth + 1}0000`, ref, voucher: { kind: 'plain' }, lock: null, owed: null, open: null })
    }
    expect(await world.rail.balance(seller)).toBe(20_000n)
    await balanced(world, alice, 20_000n)
  })

  it('is judged by the signed clauses when the key has come: what fails them is paid for, and tried elsewhere', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    await world.drive(openLiar(world, 'p1', '0.01', { output: { text: 'HI', quality: 3 } }))
    await world.drive(world.provider(shouter('p2', '0.02', 90)))
    const alice = await world.drive(world.user('alice'))
    const { bill, output } = await world.drive(hire(alice, { ...call, expect: 'output.quality > 80.0', attempts: 2 }), LONG_MS)
    expect(output).toEqual({ text: 'HI', quality: 90 })
    expect(bill).toMatchObject({ spent: '0.03', steps: [{ attempts: [{ state: 'expect', charged: '0.01', receipt: expect.any(String) }, { state: 'done', charged: '0.02' }] }] })
    await balanced(world, alice, 30_000n)
  })

  it('its wrong content stays on the bill when the fallback has done the step', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    await world.drive(openLiar(world, 'p1', '0.01', { output: { text: 'HI', quality: 3 } }))
    await world.drive(world.provider(shouter('p2', '0.02', 90)))
    const alice = await world.drive(world.user('alice'))
    const hires = { uses: SHOUT.id, with: { text: 'hi' }, price: { max: '0.05' } }
    const document = { name: 'instead', version: '1.0.0', budget: { max: '0.25' }, output: '${steps.one}', steps: { one: { ...hires, sla: { deadline: '5s' }, settle: 'locked', expect: '${output.quality > 80.0}', retry: { attempts: 1 }, fallback: hires } } }
    const run = await world.drive(startRun(alice, { document, inputs: {} }))
    const { bill, output } = await world.drive(finishRun(alice, run, LONG_MS), LONG_MS)
    expect(output).toMatchObject({ text: 'HI' })
    expect(bill).toMatchObject({ spent: '0.02', steps: [{ state: 'done', fallback: true, charged: '0.02', attempts: [{ state: 'expect', charged: '0.01', receipt: expect.any(String) }, { state: 'done', charged: '0.01' }] }] })
    await balanced(world, alice, 20_000n)
  })

  describe('by a provider that lies: no key without payment, no payment without key', () => {
    const lies = async (tricks: Tricks) => {
      world = new MemoryWorld({ clock: virtualClock() })
      const liar = await world.drive(openLiar(world, 'p1', '0.01', tricks))
      return { liar, alice: await world.drive(world.user('alice')) }
    }

    const silent: [string, Tricks][] = [
      ['keeps the key to itself', { pay: silence }],
      ['gives another key', { pay: () => ({ cumulative: '10000', key: `0x${'77'.repeat(32)}` }) }],
      ['takes the voucher and gives no key', { pay: () => ({ cumulative: '10000' }) }],
    ]
    it.each(silent)('one that %s: the money is back when the lock has expired, worst loss nothing', async (_what, tricks) => {
      const { liar, alice } = await lies(tricks)
      expect(await failed(alice)).toMatchObject({ state: 'failed', charged: '0' })
      expect(await claim(world, liar.locked[0]!)).toBe('expired')
      expect(await world.rail.balance(seller)).toBe(0n)
      expect(laneOf(alice)).toMatchObject({ cumulative: '0', use: null, escrow: null, payment: null })
      await balanced(world, alice, 0n)
    }, 60_000)

    it('one that claims with the key and says nothing: the payer reads the key from the chain, and has what it paid for', async () => {
      const { liar, alice } = await lies({ pay: silence })
      world.clock.timer(world.clock.now() + 20_000, () => void claim(world, liar.locked[0]!))
      expect(await failed(alice)).toMatchObject({ state: 'failed', charged: '0.01', attempts: [{ charged: '0.01', receipt: expect.any(String) }] })
      expect(locks(alice)).toMatchObject([{ output: { text: 'HI', quality: 90 }, verdict: { ok: true }, spent: true }])
      expect(await world.rail.balance(seller)).toBe(10_000n)
      await balanced(world, alice, 10_000n)
      expect(laneOf(alice)).toMatchObject({ cumulative: '10000', use: null, escrow: null })
    })

    it.each<[string, Tricks]>([['seals another output than it signs', { sealed: { text: 'nonsense', quality: 1 } }], ['seals nothing at all', { sealed: null }]])(
      'one that %s costs its price, and delivery, ciphertext and key prove it to anybody', async (_what, tricks) => {
        const { liar, alice } = await lies(tricks)
        expect(await failed(alice)).toMatchObject({ state: 'failed', charged: '0.01' })
        const [{ delivery, sealed }] = locks(alice) as [UnlockContext]
        expect(() => unseal(delivery, sealed, liar.locked[0]!.key)).toThrow(expect.objectContaining({ code: 'step.output', message: expect.stringMatching(/not the output delivered/) }))
        await balanced(world, alice, 10_000n)
      })

    const unpaid: [string, Tricks][] = [
      ['another ciphertext than it signs', { invoke: (honest) => ({ ...honest(), sealed: Buffer.from('x'.repeat(64)).toString('base64') }) }],
      ['in the open what it signs as sealed for nobody', { delivery: (body) => ({ ...body, outputHash: `sha256-${'1'.repeat(64)}` }), invoke: (honest) => ({ state: 'delivered', delivery: (honest() as Extract<CallOutcome, { state: 'sealed' }>).delivery, output: { text: 'HI', quality: 90 } }) }],
      ['a delivery that names no lock', { delivery: ({ sealed: _sealed, ...body }) => body }],
      ['and charges more than agreed', { delivery: (body) => ({ ...body, amount: '50000' }) }],
      ['too late', { delivery: (body) => ({ ...body, at: body.at + 60_000 }) }],
    ]
    it.each(unpaid)('one that delivers %s is sent no voucher', async (_what, tricks) => {
      const { liar, alice } = await lies(tricks)
      expect(await failed(alice)).toMatchObject({ charged: '0' })
      expect([liar.locked, liar.vouchers]).toEqual([[], []])
      await balanced(world, alice, 0n)
    })
  })

  describe('by a payer that lies: the provider loses the work of one call, and shows nothing', () => {
    const agreed = async () => {
      world = new MemoryWorld({ clock: virtualClock() })
      const provider = await world.drive(world.provider(shouter('p1', '0.01', 90)))
      const mallory = new Payer(world, 'mallory')
      const lane = await mallory.reserve(seller, 100_000n)
      const accept = (): Promise<Made> => world.drive(mallory.quote(seller, { settle: 'locked' }).then((quote) => mallory.accept(seller, quote, lane)))
      const made = await accept()
      const sealed = await world.drive(mallory.invoke(seller, made.id)) as Extract<CallOutcome, { state: 'sealed' }>
      return { provider, mallory, lane, made, sealed, accept }
    }

    it('no answer of any verb has the output or the key before the lock', async () => {
      const { provider, mallory, made, lane, sealed } = await agreed()
      const asked = { lane, agreement: made.id, call: 0 }
      for (const answer of [sealed, await world.drive(mallory.call(seller, 'status', asked)), await world.drive(mallory.call(seller, 'cancel', asked))]) {
        expect(Object.keys(answer as object).sort()).toEqual(['delivery', 'sealed', 'state'])
        expect(JSON.stringify(answer)).not.toContain('HI')
      }
      expect(tillOf(provider.node)).toMatchObject({ cumulative: '0', owed: { amount: '10000' } })
    })

    const bad: [string, string, (payer: Payer, lane: `0x${string}`, sealed: Extract<CallOutcome, { state: 'sealed' }>) => LockedVoucher][] = [
      ['less than the price', 'voucher.locked', (payer, lane, { delivery }) => payer.lock(lane, delivery, { amount: '9999' })],
      ['under another lock', 'voucher.locked', (payer, lane, { delivery }) => payer.lock(lane, delivery, { lockHash: `0x${'55'.repeat(32)}` })],
      ['for too short a time', 'voucher.locked', (payer, lane, { delivery }) => payer.lock(lane, delivery, { lockMs: 590_000 })],
      ['on another lane', 'voucher.lane', (payer, _lane, { delivery }) => payer.lock(`0x${'22'.repeat(32)}`, delivery)],
      ['with another\'s key', 'voucher.key', (_payer, lane, { delivery }) => new Payer(world, 'bob').lock(lane, delivery)],
      ['and changes the expiry after it signed', 'voucher.key', (payer, lane, { delivery }) => ({ ...payer.lock(lane, delivery), lockExpiry: 9_999_999_999 })],
    ]
    it.each(bad)('locks %s: no key', async (_what, code, make) => {
      const { provider, mallory, lane, sealed } = await agreed()
      await world.drive(expect(mallory.pay(seller, lane, make(mallory, lane, sealed), sealed.delivery)).rejects.toMatchObject({ code }))
      expect(tillOf(provider.node)).toMatchObject({ cumulative: '0', voucher: null, owed: { amount: '10000' } })
      // The honest lock still counts, and opens it.
      const { key } = await world.drive(mallory.pay(seller, lane, mallory.lock(lane, sealed.delivery), sealed.delivery)) as { key: `0x${string}` }
      expect(unseal(sealed.delivery, sealed.sealed, key).output).toEqual({ text: 'HI', quality: 90 })
    })

    it('has the key and never folds: the provider claims by itself, and takes nothing more on that lane before', async () => {
      const { provider, mallory, lane, sealed, accept } = await agreed()
      const voucher = mallory.lock(lane, sealed.delivery)
      const first = await world.drive(mallory.pay(seller, lane, voucher, sealed.delivery))
      expect(await world.drive(mallory.pay(seller, lane, voucher, sealed.delivery))).toEqual(first)
      await world.drive(expect(mallory.pay(seller, lane, mallory.lock(lane, sealed.delivery, { lockMs: 700_000 }), sealed.delivery)).rejects.toMatchObject({ code: 'voucher.locked' }))
      await expect(accept()).rejects.toMatchObject({ code: 'lane.unpaid' })
      await world.drive(world.clock.sleep(130_000), 200_000)
      expect(await world.rail.balance(seller)).toBe(10_000n)
      expect(tillOf(provider.node)).toMatchObject({ cumulative: '10000', claimed: '10000' })
      await expect(accept()).resolves.toBeDefined()
      expect(world.rail.imbalance()).toBe(0n)
    })
  })

  describe('whoever dies at whichever append: paid once, the output there, both sides count alike (I1, I2)', () => {
    it.each<['payer' | 'provider', 'before' | 'after']>([['payer', 'before'], ['payer', 'after'], ['provider', 'before'], ['provider', 'after']])('the %s, %s', async (who, when) => {
      let nth = 1
      for (; ; nth += STRIDE) {
        world = new MemoryWorld({ clock: virtualClock() })
        const fault = dieAt(nth, when)
        const sell = (hooks = {}) => world.drive(world.provider(shouter('p1', '0.01', 90), hooks))
        let provider = await sell(who === 'provider' ? fault.hooks : {})
        let user = await world.drive(world.user('alice', {}, who === 'payer' ? fault.hooks : {}))
        fault.arm()
        const asked = { ...call, deadlineMs: 20_000, timeoutMs: LONG_MS }
        const hired = hire(user, asked)
        hired.catch(() => undefined)
        const over = await world.drive(Promise.race([fault.died.then(() => 'died' as const), hired.then(() => 'done' as const)]))
        if (over === 'done') break
        const where = `${who} killed ${when} append ${nth}`
        let result: Promise<unknown> = hired
        if (who === 'payer') {
          await user.kill()
          user = await world.drive(world.user('alice'))
          result = hire(user, asked)
        } else {
          await provider.kill()
          provider = await sell()
        }
        expect(await world.drive(result, LONG_MS), where).toMatchObject({ output: { text: 'HI', quality: 90 }, charged: '0.01' })
        for (let waited = 0; waited < 200_000 && (await world.rail.balance(seller)) !== 10_000n; waited += 5_000) await world.drive(world.clock.sleep(5_000))
        expect(await world.rail.balance(seller), where).toBe(10_000n)
        await balanced(world, user, 10_000n, where)
        const { ref, ...lane } = laneOf(user)
        expect(lane, where).toMatchObject({ cumulative: '10000', use: null, payment: null, escrow: null })
        expect(tillOf(provider.node), where).toMatchObject({ cumulative: '10000', ref, owed: null })
        await world.close()
        expect(nth, 'it has an end').toBeLessThan(90)
      }
      expect(nth).toBeGreaterThan(3)
    }, 120_000)
  })
})
