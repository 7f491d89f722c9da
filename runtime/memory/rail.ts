/**
 * The payment rail in memory (port `rail.ts`): the Vault contract's rules, errors and refusals in
 * TypeScript, with real digests and signatures, for simulation and tests (D10). One object is the
 * whole chain; every node of a simulated network shares it. Mines each transaction at once, at the
 * clock's second. Keeps I1 and I2; `imbalance()` lets the simulator check I2 after each event, and
 * `mark` and `rewind` lose blocks as a killed development chain does.
 */
import { passId } from '../evm/pass-id.ts'
import { railSigning } from '../evm/rail-signing.ts'
import type { ChainProofs } from '../ports/chain-proofs.ts'
import type { Clock } from '../ports/clock.ts'
import type { Passes } from '../ports/passes.ts'
import type { Subscriptions } from '../ports/subscriptions.ts'
import type { LaneState, LockedVoucher, PreparedWrite, Rail, RailTerms, RailWrite, VaultState, WriteOutcome } from '../ports/rail.ts'
import type { Hex, OwnerSigner } from '../ports/signer.ts'
import { memoryProofs } from './chain-proofs.ts'
import { imbalance, type Ledger } from './ledger.ts'
import { executePass, isPassWrite, passKey } from './pass-contract.ts'
import { executeSubscription, isSubscriptionWrite, memorySubscriptions } from './subscription-contract.ts'
import { TransactionPool, type Mined } from './transaction-pool.ts'
import { VaultContract } from './vault-contract.ts'

export interface MemoryRailOptions {
  readonly clock: Clock
  /** Default 31337. */
  readonly chainId?: number
  readonly contract?: Hex
  readonly token?: Hex
  /** Past blocks whose lanes and vaults are kept for reads below the head; default 0: such a read is of the head. */
  readonly history?: number
}

/** A state of the whole chain, as it was saved. */
export interface ChainMark {
  readonly ledger: Ledger
  readonly mined: Mined
}

const lower = (hex: string): Hex => hex.toLowerCase() as Hex

export class MemoryRail implements Rail {
  readonly terms: RailTerms
  proofs: ChainProofs
  readonly passes: Passes
  readonly subscriptions: Subscriptions
  readonly #clock: Clock
  readonly #pure: ReturnType<typeof railSigning>
  readonly #vaults: VaultContract
  readonly #pool: TransactionPool
  readonly #history: number
  /** Lanes and vaults by block, oldest first. */
  #past: { readonly block: number, readonly lanes: Ledger['lanes'], readonly vaults: Ledger['vaults'] }[] = []

  constructor(options: MemoryRailOptions) {
    const chainId = options.chainId ?? 31_337
    const contract = lower(options.contract ?? `0x${'ca'.repeat(20)}`)
    const token = lower(options.token ?? `0x${'d0'.repeat(20)}`)
    const passes: Hex = `0x${'9a'.repeat(20)}`
    const subscriptions: Hex = `0x${'5b'.repeat(20)}`
    this.terms = { chainId, contract, token, passes, subscriptions, asset: `eip155:${chainId}/erc20:${token}`, decimals: 6, symbol: 'USDC', tokenDomain: { name: 'AIGEN Test Dollar', version: '1' } }
    this.#clock = options.clock
    this.#history = options.history ?? 0
    this.#pure = railSigning(this.terms)
    this.#vaults = new VaultContract({ contract, signing: this.#pure, now: () => this.#now() })
    this.proofs = this.#prover()
    this.#pool = new TransactionPool((write, from) => this.#execute(write, from, false))
    this.subscriptions = memorySubscriptions(subscriptions, () => this.#vaults.ledger, () => this.#pool.block)
    this.passes = {
      contract: passes,
      id: passId,
      passClass: async (id) => this.#vaults.ledger.passClasses.get(lower(id)),
      pass: async (id, holder) => ({ expiresAt: this.#vaults.ledger.passes.get(passKey(id, holder)) ?? 0 }),
    }
  }

  // ---------------------------------------------------------------- pure

  vaultId: Rail['vaultId'] = (vault) => this.#pure.vaultId(vault)
  laneId: Rail['laneId'] = (vault, payee, number) => this.#pure.laneId(vault, payee, number)
  voucherDigest: Rail['voucherDigest'] = (voucher) => this.#pure.voucherDigest(voucher)
  signVoucher: Rail['signVoucher'] = (voucher, signer) => this.#pure.signVoucher(voucher, signer)
  recover: Rail['recover'] = (voucher, signature) => this.#pure.recover(voucher, signature)
  signRelease: Rail['signRelease'] = (release, signer, signal) => this.#pure.signRelease(release, signer, signal)
  recoverRelease: Rail['recoverRelease'] = (release, signature) => this.#pure.recoverRelease(release, signature)
  signDeposit: Rail['signDeposit'] = (authorisation, signer, signal) => this.#pure.signDeposit(authorisation, signer, signal)
  signDepositOrder: Rail['signDepositOrder'] = (order, signer, signal) => this.#pure.signDepositOrder(order, signer, signal)
  recoverDepositOrder: Rail['recoverDepositOrder'] = (order, signature) => this.#pure.recoverDepositOrder(order, signature)
  signPermit: Rail['signPermit'] = (order, nonce, signer, signal) => this.#pure.signPermit(order, nonce, signer, signal)
  signReserve: Rail['signReserve'] = (order, signer, signal) => this.#pure.signReserve(order, signer, signal)
  recoverReserve: Rail['recoverReserve'] = (order, signature) => this.#pure.recoverReserve(order, signature)
  signRuling: Rail['signRuling'] = (ruling, signer) => this.#pure.signRuling(ruling, signer)
  recoverRuling: Rail['recoverRuling'] = (ruling, signature) => this.#pure.recoverRuling(ruling, signature)

  // ---------------------------------------------------------------- reads

  async lane(id: Hex, depth = 0): Promise<LaneState | undefined> {
    const lane = this.#at(depth)?.lanes.get(lower(id))
    return lane && { ...lane }
  }

  async vault(id: Hex, depth = 0): Promise<VaultState | undefined> {
    const vault = this.#at(depth)?.vaults.get(lower(id))
    return vault && { ...vault }
  }

  async balance(account: Hex): Promise<bigint> {
    return this.#vaults.ledger.balances.get(lower(account)) ?? 0n
  }

  async permitNonce(account: Hex): Promise<bigint> {
    return this.#vaults.ledger.permits.get(lower(account)) ?? 0n
  }

  async credit(account: Hex): Promise<bigint> {
    return this.#vaults.ledger.credits.get(lower(account)) ?? 0n
  }

  async revealed({ lockHash }: LockedVoucher): Promise<Hex | undefined> {
    return this.#vaults.ledger.keys.get(lower(lockHash))
  }

  async ruling(voucher: Hex): Promise<bigint | undefined> {
    return this.#vaults.ledger.rulings.get(lower(voucher))
  }

  async head(): Promise<{ block: number, time: number }> {
    return { block: this.#pool.block, time: this.#now() }
  }

  async nonce(account: Hex): Promise<number> {
    return this.#pool.nonce(lower(account))
  }

  // ---------------------------------------------------------------- for tests and the simulator

  /** I2: what the contract holds beyond Σ(reserved − claimed) + free + credits; 0n when all is well. */
  imbalance(): bigint {
    return imbalance(this.#vaults.ledger, this.terms.contract)
  }

  /** What a lane has paid out now. */
  claimed(lane: Hex): bigint {
    return this.#vaults.ledger.lanes.get(lane)?.claimed ?? 0n
  }

  /** Makes transfers to the account fail, as a blacklisting token does, or work again. */
  bar(account: Hex, barred = true): void {
    this.#vaults.bar(account, barred)
  }

  /** Makes the account a contract wallet for which `key` signs (ERC-1271), as TestWallet.sol is one. */
  wallet(account: Hex, key: Hex): void {
    this.#vaults.wallets.set(lower(account), lower(key))
  }

  /** The chain as it is now, to go back to. */
  mark(): ChainMark {
    return { ledger: structuredClone(this.#vaults.ledger), mined: this.#pool.mined }
  }

  /** Loses every block since `mark`, and what waits: a development chain killed before it saved. */
  rewind(mark: ChainMark): void {
    this.#vaults.ledger = structuredClone(mark.ledger)
    this.#pool.reset(mark.mined)
    this.#past = this.#past.filter(({ block }) => block <= this.#pool.block)
    this.proofs = this.#prover()
  }

  // ---------------------------------------------------------------- writes

  async prepare(write: RailWrite, signer: OwnerSigner, nonce: number, bump = 0, signal?: AbortSignal): Promise<PreparedWrite> {
    this.#execute(write, lower(signer.address), true)
    return this.#pool.sign(write, signer, nonce, bump, signal)
  }

  async broadcast(bytes: Hex): Promise<Hex> {
    const hash = this.#pool.broadcast(bytes)
    if (this.#history > 0 && this.#past.at(-1)?.block !== this.#pool.block) {
      const { lanes, vaults } = this.#vaults.ledger
      this.#past = [...this.#past, { block: this.#pool.block, lanes: structuredClone(lanes), vaults: structuredClone(vaults) }].slice(-this.#history - 1)
    }
    return hash
  }

  async outcome(hash: Hex): Promise<WriteOutcome> {
    return this.#pool.outcome(lower(hash))
  }

  /** What stood `depth` blocks below the head; nothing where no block is so old. */
  #at(depth: number): Pick<Ledger, 'lanes' | 'vaults'> | undefined {
    if (depth === 0 || this.#history === 0) return this.#vaults.ledger
    return this.#past.findLast(({ block }) => block <= this.#pool.block - depth)
  }

  #prover(): ChainProofs {
    const { contract, token } = this.terms
    return memoryProofs({ contract, token, ledger: () => this.#vaults.ledger, block: () => this.#pool.block, now: () => this.#now() })
  }

  #execute(write: RailWrite, from: Hex, dry: boolean): ReturnType<VaultContract['execute']> {
    if (isSubscriptionWrite(write)) {
      executeSubscription(this.#vaults.ledger, write, from, dry, { contract: this.terms.subscriptions!, token: this.terms.token, now: () => this.#now(), block: () => this.#pool.block })
      return { paid: [], refused: [] }
    }
    if (!isPassWrite(write)) return this.#vaults.execute(write, from, dry)
    executePass(this.#vaults.ledger, write, from, dry, { contract: this.terms.passes!, token: this.terms.token, now: () => this.#now() })
    return { paid: [], refused: [] }
  }

  #now(): number {
    return Math.floor(this.#clock.now() / 1_000)
  }
}
