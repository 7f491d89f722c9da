/** The event cache of subscriptions tells what the chain tells, with few questions, whatever the chain loses. */
import fc from 'fast-check'
import { beforeEach, expect, it } from 'vitest'
import { AigenError } from '../../schemas/error.ts'
import { virtualClock, type VirtualClock } from '../memory/clock.ts'
import { MemoryRail } from '../memory/rail.ts'
import { memoryWallet } from '../memory/signer.ts'
import type { RailWrite } from '../ports/rail.ts'
import type { Hex, WalletSigner } from '../ports/signer.ts'
import { Subscribers } from './subscribers.ts'

const PERIOD = 86_400
const [provider, alice, bob] = ['provider', 'alice', 'bob'].map((name) => memoryWallet(`subscribers ${name}`)) as [WalletSigner, WalletSigner, WalletSigner]
const lower = (hex: string): Hex => hex.toLowerCase() as Hex

let clock: VirtualClock
let rail: MemoryRail
let plan: Hex
let cache: Subscribers
/** Questions to the chain, and whether it answers. */
let reads: { subscription: number; changed: number }
let down: boolean

async function open(): Promise<void> {
  clock = virtualClock(1_800_000_000_000)
  rail = new MemoryRail({ clock })
  plan = rail.subscriptions.planId(lower(provider.address), 1)
  await send(provider, { kind: 'subscription-plan', number: 1, price: 1n, period: PERIOD, ahead: 10, quota: 0 })
  for (const one of [alice, bob]) {
    await send(one, { kind: 'mint', to: one.address, amount: 1_000n })
    await send(one, { kind: 'subscription-approve', amount: 1_000n })
  }
  reads = { subscription: 0, changed: 0 }
  down = false
  const asked = <T>(what: keyof typeof reads, answer: () => Promise<T>): Promise<T> => {
    reads[what] += 1
    return down ? Promise.reject(new AigenError('chain.unreachable')) : answer()
  }
  const subscriptions = {
    ...rail.subscriptions,
    subscription: (id: Hex) => asked('subscription', () => rail.subscriptions.subscription(id)),
    changed: (since: number) => asked('changed', () => rail.subscriptions.changed(since)),
  }
  cache = new Subscribers({ subscriptions, head: () => rail.head(), clock, lookMs: 1_000 })
}

beforeEach(open)

async function send(by: WalletSigner, write: RailWrite): Promise<void> {
  await rail.broadcast((await rail.prepare(write, by, await rail.nonce(by.address))).bytes)
}

const idOf = (of: WalletSigner, number = 0): Hex => rail.subscriptions.id(plan, lower(of.address), number)
const counts = (of: WalletSigner, holder = of, number = 0): Promise<boolean> => cache.counts(idOf(of, number), plan, lower(holder.address))
const buy = (by: WalletSigner, number = 0): Promise<void> => send(by, { kind: 'subscription-buy', plan, number, periods: 1 })
/** Blocks in which nothing happens to subscriptions. */
const mine = async (blocks: number): Promise<void> => {
  for (let i = 0; i < blocks; i += 1) await send(provider, { kind: 'mint', to: provider.address, amount: 1n })
}

it('counts for its holder, of its plan, until it ends', async () => {
  expect(await counts(alice)).toBe(false)
  await buy(alice)
  await clock.advance(1_000)
  expect(await counts(alice)).toBe(true)
  expect(await counts(alice, bob)).toBe(false)
  expect(await cache.counts(idOf(alice), idOf(bob), lower(alice.address))).toBe(false)
  await send(alice, { kind: 'subscription-give', subscription: idOf(alice), to: bob.address })
  await clock.advance(1_000)
  expect([await counts(alice), await counts(alice, bob)]).toEqual([false, true])
  await clock.advance(PERIOD * 1_000)
  expect(await counts(alice, bob)).toBe(false)
})

it('asks the chain once for any number of calls, and again only of what has changed', async () => {
  await buy(alice)
  await buy(bob)
  await mine(20)
  await counts(alice)
  await counts(bob)
  for (let round = 0; round < 10; round += 1) {
    await clock.advance(1_000)
    await Promise.all(Array.from({ length: 50 }, (_, i) => counts(i % 2 === 0 ? alice : bob)))
  }
  expect(reads).toEqual({ subscription: 4, changed: 10 })
  await send(bob, { kind: 'subscription-renew', subscription: idOf(bob), seconds: PERIOD })
  await clock.advance(1_000)
  await counts(alice)
  await counts(bob)
  expect(reads).toEqual({ subscription: 5, changed: 11 })
})

it('forgets a purchase whose block the chain has lost', async () => {
  const mark = rail.mark()
  await buy(alice)
  expect(await counts(alice)).toBe(true)
  rail.rewind(mark)
  await mine(3)
  await clock.advance(1_000)
  expect(await counts(alice)).toBe(false)
})

it('goes by the last word while the chain does not answer, and by none where there is none', async () => {
  await buy(alice)
  expect(await counts(alice)).toBe(true)
  down = true
  await clock.advance(1_000)
  expect(await counts(alice)).toBe(true)
  await expect(counts(bob)).rejects.toMatchObject({ code: 'chain.unreachable' })
  await clock.advance(PERIOD * 1_000)
  expect(await counts(alice)).toBe(false)
})

it('tells what the chain tells, whatever is bought, given, renewed, waited and lost', async () => {
  const step = fc.record({ what: fc.integer({ min: 0, max: 6 }), number: fc.integer({ min: 0, max: 2 }), who: fc.boolean(), amount: fc.integer({ min: 1, max: 14 }) })
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 15 }), async (steps) => {
    await open()
    let mark = rail.mark()
    for (const { what, number, who, amount } of steps) {
      const [by, other] = who ? [alice, bob] : [bob, alice]
      const subscription = idOf(by, number)
      const writes: RailWrite[] = [
        { kind: 'subscription-buy', plan, number, periods: 1 }, { kind: 'subscription-renew', subscription, seconds: PERIOD },
        { kind: 'subscription-give', subscription, to: other.address },
      ]
      if (what < 3) await send(by, writes[what]!).catch(() => undefined)
      else if (what === 3) await mine(amount)
      else if (what === 4) await clock.advance(amount * 10_000_000)
      else if (what === 5) mark = rail.mark()
      // Deeper than this no chain is expected to lose blocks.
      else if ((await rail.head()).block - mark.mined.block <= 12) rail.rewind(mark)
      await clock.advance(1_000)
      for (const holder of [alice, bob]) {
        const state = await rail.subscriptions.subscription(subscription)
        const expected = state !== undefined && state.holder === lower(holder.address) && state.expiresAt * 1_000 > clock.now()
        expect(await cache.counts(subscription, plan, lower(holder.address))).toBe(expected)
      }
    }
  }))
})
