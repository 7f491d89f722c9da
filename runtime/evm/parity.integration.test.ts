/**
 * The chain in memory is the contract: the same random writes, from the same accounts in the same seconds,
 * are refused for the same reason, pay the same rows and leave the same state on both (D10, I1, I2). Their
 * contract, token and chain are the same, so every id and signature is too. AIGEN_LONG tries more seeds.
 */
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { virtualClock, type VirtualClock } from '../memory/clock.ts'
import { seededRandom } from '../memory/random.ts'
import { MemoryRail } from '../memory/rail.ts'
import { memoryWallet } from '../memory/signer.ts'
import type { Claim, EscrowVoucher, Rail, RailWrite, VaultTerms, Voucher, WriteOutcome } from '../ports/rail.ts'
import type { Hex, WalletSigner } from '../ports/signer.ts'
import { startAnvil, type Anvil } from './anvil.ts'
import { chainClient } from './client.ts'
import { deployDevnet, deployWallet, fundGas } from './deploy.ts'
import { evmRail } from './rail.ts'

const OPERATIONS = 150
const SEEDS = process.env['AIGEN_LONG'] === '1' ? 20 : 1
const LATE = 2 ** 40

const lower = (hex: string): Hex => hex.toLowerCase() as Hex
const sha256 = (hex: Hex): Hex => `0x${createHash('sha256').update(Buffer.from(hex.slice(2), 'hex')).digest('hex')}`
const hash = (text: string): Hex => `0x${createHash('sha256').update(text).digest('hex')}`

let data: string
let anvil: Anvil
let evm: Rail
let setTime: (time: number) => Promise<void>

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'aigen-parity-'))
  anvil = await startAnvil({ data, history: false })
  const options = { url: anvil.url, chainId: 31_337 }
  evm = await evmRail({ ...options, ...await deployDevnet(options) })
  const client = chainClient(options)
  setTime = async (time) => {
    const rpc = (method: string, params: unknown[]) => client.request({ method, params } as never)
    await rpc('evm_setNextBlockTimestamp', [time])
    await rpc('evm_mine', [])
    await rpc('evm_setNextBlockTimestamp', [time])
  }
}, 60_000)

afterAll(async () => {
  await anvil?.stop()
  await rm(data, { recursive: true, force: true })
})

/** What came of a write: the name of its error, or what its receipt says. */
async function outcomeOf(rail: Rail, write: RailWrite, by: WalletSigner): Promise<unknown> {
  let hashOf: Hex
  try {
    const { bytes, hash: id } = await rail.prepare(write, by, await rail.nonce(by.address))
    await rail.broadcast(bytes)
    hashOf = id
  } catch (thrown) {
    return /^\w+/.exec((thrown as Error).message)?.[0]
  }
  for (let tries = 0; tries < 200; tries += 1) {
    const outcome: WriteOutcome = await rail.outcome(hashOf)
    if (outcome.state === 'done') return { ok: outcome.ok, paid: outcome.paid, refused: outcome.refused }
  }
  throw new Error('not mined')
}

/** Random writes of a small cast, most of them sensible and some of them not. */
class Cast {
  readonly owners: WalletSigner[]
  readonly keys: WalletSigner[]
  readonly payees: WalletSigner[]
  readonly arbiter: WalletSigner
  readonly vaults: VaultTerms[]
  readonly preimage: Hex
  time: number
  readonly #rail: Rail
  readonly #fraction: () => number
  #salts = 0

  constructor(seed: string, rail: Rail, wallet: Hex, time: number) {
    const random = seededRandom(seed)
    const named = (what: string): WalletSigner => memoryWallet(`${seed} ${what}`)
    this.#rail = rail
    this.#fraction = () => random.fraction()
    this.owners = [named('owner 0'), named('owner 1')]
    this.keys = [named('key 0'), named('key 1')]
    this.payees = [named('payee 0'), named('payee 1'), named('payee 2')]
    this.arbiter = named('arbiter')
    this.preimage = hash(`${seed} preimage`)
    this.time = time
    const owners = [...this.owners.map(({ address }) => lower(address)), wallet]
    this.vaults = owners.map((owner, number) => ({ owner, voucherKey: lower(this.keys[number % 2]!.address), delay: 50, number }))
  }

  get accounts(): WalletSigner[] {
    return [...this.owners, ...this.payees]
  }

  get lanes(): Hex[] {
    return this.vaults.flatMap((vault) => this.payees.flatMap(({ address }) => [0, 1].map((number) => this.#rail.laneId(this.#rail.vaultId(vault), address, number))))
  }

  #below(most: number): number {
    return Math.floor(this.#fraction() * most)
  }

  #one<T>(of: readonly T[]): T {
    return of[this.#below(of.length)]!
  }

  #voucher(lane: Hex): Voucher {
    const cumulative = BigInt(1 + this.#below(120))
    const ref = hash(`ref ${this.#below(3)}`)
    const part = BigInt(1 + this.#below(Number(cumulative) + 1))
    switch (this.#below(3)) {
      case 0:
        return { kind: 'plain', lane, cumulative, ref }
      case 1:
        return { kind: 'locked', lane, cumulative, lockAmount: part, lockHash: sha256(this.preimage), lockExpiry: this.time + this.#below(20) - 3, ref }
      default:
        return this.#escrow(lane, cumulative, part, ref)
    }
  }

  #escrow(lane: Hex, cumulative: bigint, amount: bigint, ref: Hex): EscrowVoucher {
    // Few of them, so that some are ruled on and claimed.
    return { kind: 'escrow', lane, cumulative, amount, arbiter: lower(this.arbiter.address), challengeEnd: this.time - this.time % 20 + 20 * this.#below(2), expiry: LATE, ref }
  }

  #claims(): Claim[] {
    return Array.from({ length: 1 + this.#below(4) }, () => {
      const which = this.#below(this.lanes.length)
      const voucher = this.#voucher(this.lanes[which]!)
      const vault = Math.floor(which / 6)
      const signer = this.#fraction() < 0.85 ? this.keys[vault % 2]! : this.#one([...this.keys, ...this.owners])
      return { voucher, signature: this.#rail.signVoucher(voucher, signer), ...(this.#fraction() < 0.8 ? { preimage: this.preimage } : {}) }
    })
  }

  /** The next write and who sends it. */
  async next(): Promise<{ readonly write: RailWrite, readonly by: WalletSigner }> {
    this.time += this.#below(8)
    const by = this.#one(this.accounts)
    const vault = this.#one(this.vaults)
    const id = this.#rail.vaultId(vault)
    const lane = this.#one(this.lanes)
    const owner = this.#fraction() < 0.8 ? this.owners.find(({ address }) => lower(address) === vault.owner) ?? this.owners[0]! : by
    const reserves = [{ payee: lower(this.#one(this.payees).address), number: this.#below(2), total: BigInt(1 + this.#below(100)) }]
    const amount = BigInt(1 + this.#below(60))
    const salt = hash(`salt ${this.#salts += this.#below(2)}`)
    const validBefore = this.time + this.#below(10)
    switch (this.#below(20)) {
      case 0: return { by, write: { kind: 'mint', to: by.address, amount: 200n } }
      case 1: return { by, write: { kind: 'approve', amount: 300n } }
      case 2: case 3: return { by, write: { kind: 'open', vault, amount } }
      case 4: return { by, write: { kind: 'deposit', vault: id, amount } }
      case 5: case 6: return { by: owner, write: { kind: 'reserve', vault: id, reserves } }
      case 7: case 8: {
        const order = { vault: id, reserves, validBefore }
        return { by, write: { kind: 'reserve-ordered', order, signature: await this.#rail.signReserve(order, owner) } }
      }
      case 9: {
        const authorisation = { vault, from: lower(owner.address), amount, validAfter: 0, validBefore, salt }
        return { by, write: { kind: 'open-authorised', authorisation, signature: await this.#rail.signDeposit(authorisation, owner) } }
      }
      case 10: {
        const order = { vault, from: lower(owner.address), amount, validBefore, salt }
        const permit = this.#fraction() < 0.7 ? await this.#rail.signPermit(order, BigInt(this.#below(2)), owner) : '0x'
        return { by, write: { kind: 'open-permitted', order, signature: await this.#rail.signDepositOrder(order, owner), permit } }
      }
      case 11: {
        const release = { lane, finalClaimed: BigInt(this.#below(60)) }
        return { by, write: { kind: 'release', release, signature: this.#fraction() < 0.5 ? '0x' : await this.#rail.signRelease(release, this.#one(this.payees)) } }
      }
      case 12: return { by: owner, write: { kind: 'exit', lane } }
      case 13: return { by, write: { kind: 'finalize', lane } }
      case 14: return { by: owner, write: { kind: 'withdraw', vault: id, amount, to: by.address } }
      case 15: return { by, write: { kind: 'collect', to: by.address } }
      case 16: {
        const voucher = this.#escrow(lane, 40n, 20n, hash('ref 0'))
        const payeeAmount = BigInt(this.#below(23))
        const digest: Hex = `0x${Buffer.from(this.#rail.voucherDigest(voucher)).toString('hex')}`
        return { by, write: { kind: 'rule', voucher, payeeAmount, signature: this.#rail.signRuling({ voucher: digest, payeeAmount }, this.#one([this.arbiter, this.arbiter, by])) } }
      }
      default: return { by, write: { kind: 'claim', claims: this.#claims() } }
    }
  }
}

/** All that the cast can have changed. */
async function stateOf(rail: Rail, cast: Cast): Promise<unknown> {
  const vaults = await Promise.all(cast.vaults.map((vault) => rail.vault(rail.vaultId(vault))))
  const lanes = await Promise.all(cast.lanes.map((lane) => rail.lane(lane)))
  const accounts = [...cast.accounts.map(({ address }) => lower(address)), rail.terms.contract]
  const balances = await Promise.all(accounts.map((account) => rail.balance(account)))
  const nonces = await Promise.all(accounts.map((account) => rail.permitNonce(account)))
  return { vaults, lanes, balances, nonces }
}

it.each(Array.from({ length: SEEDS }, (_, seed) => seed))('memory and contract stay in step, whatever is written (seed %i)', async (seed) => {
  const options = { url: anvil.url, chainId: 31_337 }
  const clock: VirtualClock = virtualClock(((await evm.head()).time + 100) * 1_000)
  const memory = new MemoryRail({ clock, ...evm.terms })
  const name = `parity ${seed}`
  const key = memoryWallet(`${name} owner 0`)
  const wallet = await deployWallet(options, key.address)
  memory.wallet(wallet, key.address)
  const cast = new Cast(name, memory, wallet, (await evm.head()).time + 100)
  await fundGas(options, cast.accounts.map(({ address }) => address))
  // What earlier seeds left in the contract is not this one's.
  const held = await evm.balance(evm.terms.contract)
  const seen = new Map<string, number>()
  for (let round = 0; round < OPERATIONS; round += 1) {
    const { write, by } = await cast.next()
    await setTime(cast.time)
    await clock.advance(cast.time * 1_000 - clock.now())
    const [onChain, inMemory] = [await outcomeOf(evm, write, by), await outcomeOf(memory, write, by)]
    const where = `${round}: ${write.kind} ${JSON.stringify(write, (_key, value: unknown) => typeof value === 'bigint' ? String(value) : value)}`
    expect(inMemory, where).toEqual(onChain)
    const result = typeof onChain === 'string' ? onChain : 'done'
    seen.set(`${write.kind} ${result}`, (seen.get(`${write.kind} ${result}`) ?? 0) + 1)
    if (round % 10 === 9) {
      const state = await stateOf(evm, cast) as { balances: bigint[] }
      state.balances[state.balances.length - 1]! -= held
      expect(await stateOf(memory, cast), where).toEqual(state)
    }
  }
  expect(memory.imbalance()).toBe(0n)
  // A sequence in which nothing came to pass would prove nothing.
  expect(seen.get('claim done')).toBeGreaterThan(10)
  expect([...seen.keys()].filter((what) => what.endsWith(' done')).length).toBeGreaterThan(5)
  expect([...seen.keys()].filter((what) => !what.endsWith(' done')).length).toBeGreaterThan(5)
}, 120_000)
