/**
 * What subscriptions must do on every rail (port `subscriptions.ts`): run by `runtime/memory` and, over
 * anvil, by `runtime/evm`, so that tests in memory tell the truth about the contract.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RailHarness } from './rail.contract.ts'
import type { Rail, RailWrite } from './rail.ts'
import type { Hex, WalletSigner } from './signer.ts'
import type { Subscriptions } from './subscriptions.ts'

const PRICE = 500n
const PERIOD = 30 * 86_400
const AHEAD = 3

const lower = (hex: string): Hex => hex.toLowerCase() as Hex

export function subscriptionsContract(name: string, make: () => Promise<RailHarness>): void {
  describe(`subscriptions: ${name}`, () => {
    let harness: RailHarness
    let rail: Rail
    let book: Subscriptions
    let provider: WalletSigner
    let holder: WalletSigner
    let stranger: WalletSigner
    let plan: Hex
    let id: Hex

    beforeAll(async () => {
      harness = await make()
      rail = harness.rail
      book = rail.subscriptions!
      provider = await harness.account()
      holder = await harness.account()
      stranger = await harness.account()
      plan = book.planId(lower(provider.address), 7)
      id = book.id(plan, lower(holder.address), 3)
      await send({ kind: 'mint', to: holder.address, amount: 10_000n }, holder)
    }, 60_000)

    afterAll(async () => {
      await harness?.stop()
    })

    async function send(write: RailWrite, signer: WalletSigner): Promise<void> {
      const { bytes, hash } = await rail.prepare(write, signer, await rail.nonce(signer.address))
      await rail.broadcast(bytes)
      for (let tries = 0; tries < 200; tries += 1) {
        const outcome = await rail.outcome(hash)
        if (outcome.state === 'done') return expect(outcome).toMatchObject({ ok: true, paid: [], refused: [] })
      }
      throw new Error('not mined')
    }

    const refusedWith = async (write: RailWrite, signer: WalletSigner, reason: RegExp): Promise<void> =>
      expect(rail.prepare(write, signer, await rail.nonce(signer.address))).rejects.toMatchObject({ code: 'chain.reverted', message: expect.stringMatching(reason) })

    const terms = { kind: 'subscription-plan', number: 7, price: PRICE, period: PERIOD, ahead: AHEAD, quota: 20 } as const
    const buy = (number: number, periods: number): RailWrite => ({ kind: 'subscription-buy', plan, number, periods })
    const renew = (periods: number): RailWrite => ({ kind: 'subscription-renew', subscription: id, seconds: periods * PERIOD })
    const later = async (): Promise<number> => {
      const time = (await rail.head()).time + 100
      await harness.at(time)
      return time
    }

    it('registers a plan once; other terms of the same number are refused', async () => {
      expect(await book.plan(plan)).toBeUndefined()
      await refusedWith(buy(3, 1), holder, /UnknownPlan/)
      await send(terms, provider)
      await send(terms, provider)
      expect(await book.plan(plan)).toEqual({
        id: plan, provider: lower(provider.address), token: rail.terms.token, price: PRICE, period: PERIOD, ahead: AHEAD, quota: 20, closed: false,
      })
      for (const change of [{ price: PRICE + 1n }, { quota: 21 }, { ahead: 4 }]) await refusedWith({ ...terms, ...change }, provider, /OtherPlan/)
      for (const change of [{ price: 0n }, { period: 367 * 86_400 }, { ahead: 0 }]) await refusedWith({ ...terms, number: 8, ...change }, provider, /BadPlan/)
    })

    it('sells time for tokens that go to the provider, and the same purchase once', async () => {
      expect(await book.subscription(id)).toBeUndefined()
      await refusedWith(buy(3, 1), holder, /ERC20InsufficientAllowance/)
      await send({ kind: 'subscription-approve', amount: 10n * PRICE }, holder)
      const before = await rail.balance(provider.address)
      await refusedWith(buy(3, 0), holder, /BadPeriods/)
      await refusedWith(buy(3, AHEAD + 1), holder, /BadPeriods/)
      const time = await later()
      await send(buy(3, 1), holder)
      expect(await book.subscription(id)).toEqual({ id, plan, holder: lower(holder.address), expiresAt: time + PERIOD, cancelled: false })
      await refusedWith(buy(3, 1), holder, /AlreadySubscribed/)
      expect(await rail.balance(provider.address) - before).toBe(PRICE)
    })

    it('renews whole periods from where it ends, by anybody who pays', async () => {
      const until = (await book.subscription(id))!.expiresAt
      await send(renew(1), holder)
      expect((await book.subscription(id))!.expiresAt).toBe(until + PERIOD)
      await refusedWith({ kind: 'subscription-renew', subscription: id, seconds: PERIOD + 1 }, holder, /BadDuration/)
      await refusedWith(renew(AHEAD), holder, /BadPeriods/)
      await refusedWith({ kind: 'subscription-renew', subscription: plan, seconds: PERIOD }, holder, /ERC721NonexistentToken/)
      await send({ kind: 'mint', to: stranger.address, amount: PRICE }, stranger)
      await send({ kind: 'subscription-approve', amount: PRICE }, stranger)
      await send(renew(1), stranger)
      expect(await book.subscription(id)).toMatchObject({ holder: lower(holder.address), expiresAt: until + 2 * PERIOD })
      await refusedWith(renew(1), stranger, /BadPeriods/)
    })

    it('renews an expired one from now on', async () => {
      await harness.at((await book.subscription(id))!.expiresAt + 1_000)
      const time = await later()
      await refusedWith(renew(1), stranger, /ERC20InsufficientAllowance/)
      await send({ kind: 'subscription-approve', amount: PRICE }, stranger)
      await refusedWith(renew(1), stranger, /ERC20InsufficientBalance/)
      await send(renew(1), holder)
      expect((await book.subscription(id))!.expiresAt).toBeGreaterThanOrEqual(time + PERIOD)
    })

    it('can be given away, and is cancelled by its holder for good; what is paid stays', async () => {
      await refusedWith({ kind: 'subscription-give', subscription: id, to: stranger.address }, stranger, /ERC721InsufficientApproval/)
      await send({ kind: 'subscription-give', subscription: id, to: stranger.address }, holder)
      const { expiresAt, ...given } = (await book.subscription(id))!
      expect(given).toMatchObject({ holder: lower(stranger.address), cancelled: false })
      await refusedWith({ kind: 'subscription-cancel', subscription: id }, holder, /ERC721InsufficientApproval/)
      for (let times = 0; times < 2; times += 1) await send({ kind: 'subscription-cancel', subscription: id }, stranger)
      expect(await book.subscription(id)).toMatchObject({ expiresAt, cancelled: true })
      await refusedWith(renew(1), holder, /IsCancelled/)
      await refusedWith(buy(3, 1), holder, /AlreadySubscribed/)
    })

    it('sells nothing of a closed plan', async () => {
      await refusedWith({ kind: 'subscription-close', number: 7 }, stranger, /UnknownPlan/)
      for (let times = 0; times < 2; times += 1) await send({ kind: 'subscription-close', number: 7 }, provider)
      await send(terms, provider)
      expect((await book.plan(plan))!.closed).toBe(true)
      await refusedWith(buy(4, 1), holder, /PlanIsClosed/)
    })

    it('tells what changed after a block, each once, and nothing twice', async () => {
      const { at, ids } = await book.changed(0)
      expect([at, ids]).toEqual([(await rail.head()).block, [id]])
      expect(await book.changed(at)).toEqual({ at, ids: [] })
      // What changed nothing is not told of: the second cancellation, the closed plan.
      expect((await book.changed(at - 4)).ids).toEqual([])
    })
  })
}
