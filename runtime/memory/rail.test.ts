/** The memory rail passes the rail's conformance suite, and credits a payee that cannot receive. */
import { expect, it } from 'vitest'
import { railSigning } from '../evm/rail-signing.ts'
import type { Clock } from '../ports/clock.ts'
import { passesContract } from '../ports/passes.contract.ts'
import { railContract, type RailHarness } from '../ports/rail.contract.ts'
import type { Rail, RailWrite } from '../ports/rail.ts'
import { subscriptionsContract } from '../ports/subscriptions.contract.ts'
import type { Hex, WalletSigner } from '../ports/signer.ts'
import { MemoryRail } from './rail.ts'
import { memoryWallet } from './signer.ts'

function fakeClock(): Clock & { set(seconds: number): void } {
  let now = 1_800_000_000_000
  return {
    set: (seconds) => {
      now = seconds * 1_000
    },
    now: () => now,
    monotonic: () => now,
    timer: () => ({ cancel: () => {} }),
    sleep: async () => {},
  }
}

async function harness(): Promise<RailHarness> {
  const clock = fakeClock()
  const rail = new MemoryRail({ clock })
  let accounts = 0
  return {
    rail,
    elsewhere: {
      contract: railSigning({ ...rail.terms, contract: rail.terms.token }).signVoucher,
      chain: railSigning({ ...rail.terms, chainId: 1 }).signVoucher,
    },
    account: async () => memoryWallet(`rail ${accounts += 1}`),
    wallet: async (key) => {
      const address = memoryWallet(`contract wallet ${accounts += 1}`).address.toLowerCase() as Hex
      rail.wallet(address, key.address)
      return address
    },
    at: async (time) => clock.set(time),
    stop: async () => {
      expect(rail.imbalance()).toBe(0n)
    },
  }
}

railContract('memory', harness)
passesContract('memory', harness)
subscriptionsContract('memory', harness)

it('credits a payee that cannot receive, who fetches it later', async () => {
  const rail = new MemoryRail({ clock: fakeClock() })
  const [owner, payee] = [memoryWallet('owner'), memoryWallet('payee')]
  const vault = { owner: owner.address, voucherKey: owner.address, delay: 60, number: 0 }
  const send = async (write: RailWrite, by: WalletSigner): Promise<void> => {
    await rail.broadcast((await rail.prepare(write, by, await rail.nonce(by.address))).bytes)
  }
  await send({ kind: 'mint', to: owner.address, amount: 50n }, owner)
  await send({ kind: 'approve', amount: 50n }, owner)
  await send({ kind: 'open', vault, amount: 50n }, owner)
  await send({ kind: 'reserve', vault: rail.vaultId(vault), reserves: [{ payee: payee.address, number: 0, total: 20n }] }, owner)
  const voucher = { kind: 'plain', lane: rail.laneId(rail.vaultId(vault), payee.address, 0), cumulative: 20n, ref: `0x${'00'.repeat(32)}` } as const
  rail.bar(payee.address)
  await send({ kind: 'claim', claims: [{ voucher, signature: rail.signVoucher(voucher, owner) }] }, owner)
  expect([await rail.balance(payee.address), await rail.credit(payee.address), rail.imbalance()]).toEqual([0n, 20n, 0n])
  rail.bar(payee.address, false)
  await send({ kind: 'collect', to: payee.address }, payee)
  expect([await rail.balance(payee.address), await rail.credit(payee.address), rail.imbalance()]).toEqual([20n, 0n, 0n])
  await expect((rail as Rail).prepare({ kind: 'collect', to: payee.address }, payee, 1)).rejects.toThrow(/NothingToCollect/)
})
