/**
 * What passes must do on every rail (port `passes.ts`): run by `runtime/memory` and, over anvil, by
 * `runtime/evm`, so that tests in memory tell the truth about the contract.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Passes } from './passes.ts'
import type { RailHarness } from './rail.contract.ts'
import type { Rail, RailWrite } from './rail.ts'
import type { Hex, WalletSigner } from './signer.ts'

const PRICE = 500n
const PERIOD = 30 * 86_400
const AHEAD = 3

const lower = (hex: string): Hex => hex.toLowerCase() as Hex

export function passesContract(name: string, make: () => Promise<RailHarness>): void {
  describe(`passes: ${name}`, () => {
    let harness: RailHarness
    let rail: Rail
    let passes: Passes
    let provider: WalletSigner
    let holder: WalletSigner
    let stranger: WalletSigner
    let id: Hex

    beforeAll(async () => {
      harness = await make()
      rail = harness.rail
      passes = rail.passes!
      provider = await harness.account()
      holder = await harness.account()
      stranger = await harness.account()
      id = passes.id(lower(provider.address), 7)
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

    const expiry = async (who: WalletSigner): Promise<number> => (await passes.pass(id, lower(who.address))).expiresAt
    const terms = { kind: 'pass-class', number: 7, price: PRICE, period: PERIOD, ahead: AHEAD, quota: 20 } as const

    it('registers a class once; other terms of the same number are refused', async () => {
      expect(await passes.passClass(id)).toBeUndefined()
      await refusedWith({ kind: 'pass-buy', pass: id, periods: 1 }, holder, /UnknownClass/)
      await send(terms, provider)
      await send(terms, provider)
      expect(await passes.passClass(id)).toEqual({ id, provider: lower(provider.address), token: rail.terms.token, price: PRICE, period: PERIOD, ahead: AHEAD, quota: 20 })
      await refusedWith({ ...terms, price: PRICE + 1n }, provider, /OtherTerms/)
      await refusedWith({ ...terms, quota: 19 }, provider, /OtherTerms/)
      await refusedWith({ ...terms, number: 8, price: 0n }, provider, /BadClass/)
      await refusedWith({ ...terms, number: 8, period: 367 * 86_400 }, provider, /BadClass/)
      // Numbers are the provider's own.
      await send({ ...terms, price: 1n }, stranger)
      expect((await passes.passClass(id))?.price).toBe(PRICE)
      expect((await passes.passClass(passes.id(lower(stranger.address), 7)))?.price).toBe(1n)
    })

    it('sells time for tokens that go to the provider, renewed from where it ends', async () => {
      await refusedWith({ kind: 'pass-buy', pass: id, periods: 1 }, holder, /ERC20InsufficientAllowance/)
      await send({ kind: 'pass-approve', amount: 3n * PRICE }, holder)
      const before = await rail.balance(provider.address)
      const time = (await rail.head()).time + 100
      await harness.at(time)
      await send({ kind: 'pass-buy', pass: id, periods: 1 }, holder)
      expect(await expiry(holder)).toBe(time + PERIOD)
      await refusedWith({ kind: 'pass-buy', pass: id, periods: AHEAD }, holder, /BadPeriods/)
      await refusedWith({ kind: 'pass-buy', pass: id, periods: 0 }, holder, /BadPeriods/)
      await send({ kind: 'pass-buy', pass: id, periods: 2 }, holder)
      expect(await expiry(holder)).toBe(time + 3 * PERIOD)
      expect(await rail.balance(provider.address) - before).toBe(3n * PRICE)
      expect(await rail.balance(holder.address)).toBe(10_000n - 3n * PRICE)
      expect(await expiry(stranger)).toBe(0)
    })

    it('renews an expired pass from now on, not from when it ended', async () => {
      const time = await expiry(holder) + 1_000
      await harness.at(time)
      await send({ kind: 'pass-approve', amount: PRICE }, holder)
      const next = (await rail.head()).time + 50
      await harness.at(next)
      await send({ kind: 'pass-buy', pass: id, periods: 1 }, holder)
      expect(await expiry(holder)).toBe(next + PERIOD)
    })

    it('without the money nothing is bought', async () => {
      await send({ kind: 'pass-approve', amount: PRICE }, stranger)
      await refusedWith({ kind: 'pass-buy', pass: id, periods: 1 }, stranger, /ERC20InsufficientBalance/)
      expect(await expiry(stranger)).toBe(0)
    })
  })
}
