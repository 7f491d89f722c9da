/**
 * Threats of reference/payments.md that only a real chain shows, with what they cost at most: two
 * transactions in one block, blocks that are lost, a stuck nonce, code on a key (EIP-7702), a worthless
 * token. The side off the chain is in `agents/payment-faults.test.ts` and `agents/payment-attacks.test.ts`.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { defineActor } from '../actors/actor.ts'
import { Host } from '../actors/host.ts'
import type { Registry } from '../actors/registry.ts'
import { memoryJournal } from '../memory/journal.ts'
import { seededRandom } from '../memory/random.ts'
import { memoryWallet } from '../memory/signer.ts'
import { systemClock } from '../node/system-clock.ts'
import { encodeWrite } from '../ports/rail-json.ts'
import type { PlainVoucher, Rail, RailWrite, WriteOutcome } from '../ports/rail.ts'
import type { Hex, WalletSigner } from '../ports/signer.ts'
import { startAnvil, type Anvil } from './anvil.ts'
import { chainClient } from './client.ts'
import { deployDevnet, deployToken, fundGas, type Deployment } from './deploy.ts'
import { evmRail } from './rail.ts'
import { chainEffects } from './sender-effects.ts'
import { senderMachine } from './sender.machine.ts'
import type { SenderContext } from './sender.ts'

const DELAY = 3_600
const REF: Hex = `0x${'11'.repeat(32)}`
const lower = (hex: string): Hex => hex.toLowerCase() as Hex
const [owner, key, payee, anybody] = ['owner', 'key', 'payee', 'anybody'].map((name) => memoryWallet(`threats ${name}`)) as [WalletSigner, WalletSigner, WalletSigner, WalletSigner]
const vault = { owner: lower(owner.address), voucherKey: lower(key.address), delay: DELAY, number: 0 }

let data: string
let anvil: Anvil
let deployment: Deployment
let rail: Rail
let rpc: (method: string, ...params: unknown[]) => Promise<unknown>
let lanes = 0

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'aigen-threats-'))
  anvil = await startAnvil({ data, history: false })
  const options = { url: anvil.url, chainId: 31_337 }
  deployment = await deployDevnet(options)
  rail = await evmRail({ ...options, ...deployment })
  rpc = (method, ...params) => chainClient(options).request({ method, params } as never)
  await fundGas(options, [owner, payee, anybody].map(({ address }) => address))
  for (const write of [{ kind: 'mint', to: owner.address, amount: 10_000n }, { kind: 'approve', amount: 10_000n }, { kind: 'open', vault, amount: 5_000n }] as const) await send(write, owner)
}, 60_000)

afterAll(async () => {
  await anvil?.stop()
  await rm(data, { recursive: true, force: true })
})

async function mined(hash: Hex): Promise<Extract<WriteOutcome, { state: 'done' }>> {
  for (let tries = 0; tries < 400; tries += 1) {
    const outcome = await rail.outcome(hash)
    if (outcome.state === 'done') return outcome
  }
  throw new Error('not mined')
}

async function send(write: RailWrite, by: WalletSigner, through: Rail = rail): Promise<Extract<WriteOutcome, { state: 'done' }>> {
  const { bytes, hash } = await through.prepare(write, by, await through.nonce(by.address))
  await through.broadcast(bytes)
  return mined(hash)
}

/** A new lane to the payee with 100 reserved and a voucher of 40 that it holds. */
async function paidLane(): Promise<{ lane: Hex, claim: RailWrite }> {
  lanes += 1
  const id = rail.vaultId(vault)
  await send({ kind: 'reserve', vault: id, reserves: [{ payee: payee.address, number: lanes, total: 100n }] }, owner)
  const lane = rail.laneId(id, payee.address, lanes)
  const voucher: PlainVoucher = { kind: 'plain', lane, cumulative: 40n, ref: REF }
  return { lane, claim: { kind: 'claim', claims: [{ voucher, signature: rail.signVoucher(voucher, key) }] } }
}

it.each([['first', 40n], ['last', 0n]] as const)('claim against finalize in one block, the claim %s: the payee has %s of 40, so it must not wait for the last block', async (place, paid) => {
  const { lane, claim } = await paidLane()
  await send({ kind: 'exit', lane }, owner)
  const { exitAt } = (await rail.lane(lane))!
  const before = await rail.balance(payee.address)
  await rpc('evm_setNextBlockTimestamp', exitAt)
  await rpc('evm_mine')
  await rpc('evm_setAutomine', false)
  try {
    // Who pays more for its gas goes first.
    const [claiming, closing] = await Promise.all([rail.prepare(claim, anybody, await rail.nonce(anybody.address), place === 'first' ? 3 : 0), rail.prepare({ kind: 'finalize', lane }, owner, await rail.nonce(owner.address), place === 'first' ? 0 : 3)])
    for (const { bytes } of [claiming, closing]) await rail.broadcast(bytes)
    await rpc('evm_mine')
    const [claimed, closed] = [await mined(claiming.hash), await mined(closing.hash)]
    expect([claimed.block, closed.ok]).toEqual([closed.block, true])
    expect(claimed.refused.map(({ reason }) => reason)).toEqual(paid === 0n ? ['closed'] : [])
  } finally {
    await rpc('evm_setAutomine', true)
  }
  expect(await rail.balance(payee.address) - before).toBe(paid)
  expect(await rail.lane(lane)).toMatchObject({ closed: true, claimed: paid })
})

it('a claim in the last second before the delay is over is paid in full, and the lane closes a second later and not before', async () => {
  const { lane, claim } = await paidLane()
  await send({ kind: 'exit', lane }, owner)
  const { exitAt } = (await rail.lane(lane))!
  await rpc('evm_setNextBlockTimestamp', exitAt - 1)
  await rpc('evm_mine')
  await expect(send({ kind: 'finalize', lane }, owner)).rejects.toThrow(/NotYet/)
  await rpc('evm_setNextBlockTimestamp', exitAt - 1).catch(() => undefined)
  expect((await send(claim, anybody)).paid).toMatchObject([{ paid: 40n }])
  await rpc('evm_setNextBlockTimestamp', exitAt + 1)
  await send({ kind: 'finalize', lane }, owner)
  expect(await rail.lane(lane)).toMatchObject({ closed: true, claimed: 40n })
})

it('code on the voucher key (EIP-7702) voids no voucher and forges none: nobody loses anything', async () => {
  const { claim } = await paidLane()
  const before = await rail.balance(payee.address)
  // As a delegation to a contract that says yes to everything would look.
  await rpc('anvil_setCode', key.address, `0xef0100${deployment.contract.slice(2)}`)
  try {
    const forged = (claim as Extract<RailWrite, { kind: 'claim' }>).claims[0]!.voucher
    const stolen: RailWrite = { kind: 'claim', claims: [{ voucher: forged, signature: rail.signVoucher(forged, anybody) }] }
    expect((await send(stolen, anybody)).refused).toMatchObject([{ reason: 'signature' }])
    expect((await send(claim, anybody)).paid).toMatchObject([{ paid: 40n }])
  } finally {
    await rpc('anvil_setCode', key.address, '0x')
  }
  expect(await rail.balance(payee.address) - before).toBe(40n)
})

it('a worthless token in a vault of the same contract is no reservation: nothing is worked for it', async () => {
  const options = { url: anvil.url, chainId: 31_337 }
  const worthless = await evmRail({ ...options, ...deployment, token: await deployToken(options) })
  for (const write of [{ kind: 'mint', to: owner.address, amount: 500n }, { kind: 'approve', amount: 500n }, { kind: 'open', vault, amount: 500n }] as const) await send(write, owner, worthless)
  const id = worthless.vaultId(vault)
  await send({ kind: 'reserve', vault: id, reserves: [{ payee: payee.address, number: 0, total: 500n }] }, owner, worthless)
  const lane = worthless.laneId(id, payee.address, 0)
  expect(await worthless.lane(lane)).toMatchObject({ reserved: 500n })
  expect([await rail.lane(lane), await rail.vault(id)]).toEqual([undefined, undefined])
})

/** The owner's sender as it runs in a node. */
async function openSender(): Promise<{ write(key: string, what: RailWrite): Promise<void>, close(): Promise<void> }> {
  const effects = chainEffects({ rail, clock: systemClock, pollMs: 20, roundMs: 300, signer: () => owner }) as Registry['effects']
  const host = await Host.open({ journal: memoryJournal(new Map()), clock: systemClock, random: seededRandom('threats'), registry: { actors: [defineActor('sender', '1', senderMachine)], effects } })
  await host.start('sender/x', { account: owner.address })
  const find = (context: SenderContext, name: string) => context.results.find((one) => one.key === name)
  return {
    close: () => host.close(),
    write: async (name, what) => {
      await host.send('sender/x', { type: 'send', key: name, to: 'nobody', write: encodeWrite(what) })
      const actor = await host.until('sender/x', ({ context }) => find(context as SenderContext, name) !== undefined, 30_000)
      expect(find(actor.snapshot.context as SenderContext, name)).toMatchObject({ type: 'chain.write.done' })
    },
  }
}

it('a reorganisation of deposit, reservation and claim brings each back once: nobody loses anything', async () => {
  const { lane, claim } = await paidLane()
  const id = rail.vaultId(vault)
  const sender = await openSender()
  try {
    const [free, left, earned] = [(await rail.vault(id))!.free, await rail.balance(owner.address), await rail.balance(payee.address)]
    const snapshot = await rpc('evm_snapshot')
    await sender.write('deposit', { kind: 'deposit', vault: id, amount: 50n })
    await sender.write('reserve', { kind: 'reserve', vault: id, reserves: [{ payee: payee.address, number: lanes, total: 150n }] })
    await sender.write('claim', claim)
    expect(await rpc('evm_revert', snapshot)).toBe(true)
    expect(await rail.lane(lane)).toMatchObject({ reserved: 100n, claimed: 0n })
    // The next write brings the lost ones along, by the same bytes.
    await sender.write('next', { kind: 'reserve', vault: id, reserves: [{ payee: payee.address, number: lanes, total: 160n }] })
    expect(await rail.lane(lane)).toMatchObject({ reserved: 160n, claimed: 40n })
    expect([(await rail.vault(id))!.free, await rail.balance(owner.address), await rail.balance(payee.address)]).toEqual([free + 50n - 60n, left - 50n, earned + 40n])
  } finally {
    await sender.close()
  }
}, 60_000)

it('a stuck nonce, since the node has dropped the transaction: the same bytes go out again, and it is done once', async () => {
  const sender = await openSender()
  const left = await rail.balance(owner.address)
  await rpc('evm_setAutomine', false)
  try {
    const done = sender.write('deposit', { kind: 'deposit', vault: rail.vaultId(vault), amount: 50n })
    for (let dropped = 0, tries = 0; dropped < 2 && tries < 2_000; tries += 1) {
      const { pending } = await rpc('txpool_content') as { pending: Record<string, Record<string, { hash: Hex }>> }
      for (const { hash } of Object.values(pending).flatMap((of) => Object.values(of))) {
        await rpc('anvil_dropTransaction', hash)
        dropped += 1
      }
    }
    await rpc('evm_setAutomine', true)
    await rpc('evm_mine')
    await done
  } finally {
    await rpc('evm_setAutomine', true)
    await sender.close()
  }
  expect(await rail.balance(owner.address)).toBe(left - 50n)
}, 60_000)
