/**
 * The payment rail in memory (port `rail.ts`): the Vault contract's rules, errors and refusals in
 * TypeScript, with real digests and signatures, for simulation and tests (D10). One object is the
 * whole chain; every node of a simulated network shares it. Mines each transaction at once, at the
 * clock's second. Keeps I1 and I2; `imbalance()` lets the simulator check I2 after each event.
 */
import { createHash } from 'node:crypto'
import { AigenError } from '../../schemas/error.ts'
import { railSigning } from '../evm/rail-signing.ts'
import { fromHex, toHex } from '../evm/hex.ts'
import { recoverAddress } from '../evm/native-signer.ts'
import type { Clock } from '../ports/clock.ts'
import {
  ROWS_MAX, type Claim, type EscrowVoucher, type LaneState, type PaidRow, type PreparedWrite, type Rail, type RailTerms,
  type RailWrite, type Refusal, type RefusedRow, type VaultState, type VaultTerms, type WriteOutcome,
} from '../ports/rail.ts'
import { decodeWrite, encodeWrite, type RailWriteJson } from '../ports/rail-json.ts'
import type { Hex, WalletSigner } from '../ports/signer.ts'

export interface MemoryRailOptions {
  readonly clock: Clock
  /** Default 31337. */
  readonly chainId?: number
  readonly contract?: Hex
  readonly token?: Hex
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] }
type Vault = Mutable<VaultState>
type Lane = Mutable<LaneState>
type Done = Extract<WriteOutcome, { state: 'done' }>
interface Parcel { readonly write: RailWriteJson, readonly from: Hex, readonly nonce: number, readonly bump: number }

const FAUCET_MAX = 1_000_000_000_000n
const UINT128 = (1n << 128n) - 1n
const DELAY_MAX = 365 * 86_400
/** Transactions waiting for an earlier nonce of their account. */
const POOL_MAX = 1_000

const lower = (hex: string): Hex => hex.toLowerCase() as Hex
const revert = (reason: string): never => {
  throw new AigenError('chain.reverted', reason)
}

export class MemoryRail implements Rail {
  readonly terms: RailTerms
  readonly #clock: Clock
  readonly #pure: ReturnType<typeof railSigning>
  readonly #balances = new Map<Hex, bigint>()
  readonly #allowances = new Map<Hex, bigint>()
  readonly #vaults = new Map<Hex, Vault>()
  readonly #lanes = new Map<Hex, Lane>()
  readonly #credits = new Map<Hex, bigint>()
  readonly #rulings = new Map<Hex, bigint>()
  readonly #nonces = new Map<Hex, number>()
  readonly #pool = new Map<Hex, Parcel>()
  readonly #done = new Map<Hex, Done>()
  readonly #barred = new Set<Hex>()
  #block = 1

  constructor(options: MemoryRailOptions) {
    const chainId = options.chainId ?? 31_337
    const contract = lower(options.contract ?? `0x${'ca'.repeat(20)}`)
    const token = lower(options.token ?? `0x${'d0'.repeat(20)}`)
    this.terms = { chainId, contract, token, asset: `eip155:${chainId}/erc20:${token}`, decimals: 6, symbol: 'USDC' }
    this.#clock = options.clock
    this.#pure = railSigning(this.terms)
  }

  // ---------------------------------------------------------------- pure

  vaultId: Rail['vaultId'] = (vault) => this.#pure.vaultId(vault)
  laneId: Rail['laneId'] = (vault, payee, number) => this.#pure.laneId(vault, payee, number)
  voucherDigest: Rail['voucherDigest'] = (voucher) => this.#pure.voucherDigest(voucher)
  signVoucher: Rail['signVoucher'] = (voucher, signer) => this.#pure.signVoucher(voucher, signer)
  recover: Rail['recover'] = (voucher, signature) => this.#pure.recover(voucher, signature)
  signRelease: Rail['signRelease'] = (release, signer) => this.#pure.signRelease(release, signer)
  recoverRelease: Rail['recoverRelease'] = (release, signature) => this.#pure.recoverRelease(release, signature)
  signRuling: Rail['signRuling'] = (ruling, signer) => this.#pure.signRuling(ruling, signer)
  recoverRuling: Rail['recoverRuling'] = (ruling, signature) => this.#pure.recoverRuling(ruling, signature)

  // ---------------------------------------------------------------- reads

  /** `depth` is not looked at: nothing here is ever undone. */
  async lane(id: Hex): Promise<LaneState | undefined> {
    const lane = this.#lanes.get(lower(id))
    return lane && { ...lane }
  }

  async vault(id: Hex): Promise<VaultState | undefined> {
    const vault = this.#vaults.get(lower(id))
    return vault && { ...vault }
  }

  async balance(account: Hex): Promise<bigint> {
    return this.#balances.get(lower(account)) ?? 0n
  }

  async credit(account: Hex): Promise<bigint> {
    return this.#credits.get(lower(account)) ?? 0n
  }

  async ruling(voucher: Hex): Promise<bigint | undefined> {
    return this.#rulings.get(lower(voucher))
  }

  async head(): Promise<{ block: number, time: number }> {
    return { block: this.#block, time: this.#now() }
  }

  async nonce(account: Hex): Promise<number> {
    return this.#nonces.get(lower(account)) ?? 0
  }

  /** I2: what the contract holds beyond Σ(reserved − claimed) + free + credits; 0n when all is well. */
  imbalance(): bigint {
    let owed = 0n
    for (const lane of this.#lanes.values()) if (!lane.closed) owed += lane.reserved - lane.claimed
    for (const vault of this.#vaults.values()) owed += vault.free
    for (const credit of this.#credits.values()) owed += credit
    return (this.#balances.get(this.terms.contract) ?? 0n) - owed
  }

  /** Makes transfers to the account fail, as a blacklisting token does, or work again. */
  bar(account: Hex, barred = true): void {
    if (barred) this.#barred.add(lower(account))
    else this.#barred.delete(lower(account))
  }

  // ---------------------------------------------------------------- writes

  async prepare(write: RailWrite, signer: WalletSigner, nonce: number, bump = 0): Promise<PreparedWrite> {
    const from = lower(signer.address)
    this.#execute(write, from, true)
    const parcel = Buffer.from(JSON.stringify({ write: encodeWrite(write), from, nonce, bump } satisfies Parcel))
    const bytes = toHex(Buffer.concat([fromHex(signer.sign(sha256(parcel)), 65), parcel]))
    return { bytes, hash: hashOf(bytes) }
  }

  async broadcast(bytes: Hex): Promise<Hex> {
    const hash = hashOf(bytes)
    if (this.#done.has(hash) || this.#pool.has(hash)) return hash
    const raw = fromHex(bytes)
    const parcel = JSON.parse(Buffer.from(raw.subarray(65)).toString()) as Parcel
    if (recoverAddress(sha256(raw.subarray(65)), toHex(raw.subarray(0, 65))) !== parcel.from) return revert('invalid sender')
    const next = this.#nonces.get(parcel.from) ?? 0
    // Too low: some other transaction used the nonce up; `outcome` says unknown.
    if (parcel.nonce < next) return hash
    if (this.#pool.size >= POOL_MAX) throw new AigenError('chain.unreachable', 'The pool is full.')
    this.#pool.set(hash, parcel)
    this.#mine(parcel.from)
    return hash
  }

  async outcome(hash: Hex): Promise<WriteOutcome> {
    const id = lower(hash)
    return this.#done.get(id) ?? { state: this.#pool.has(id) ? 'pending' : 'unknown' }
  }

  /** Mines what is next by nonce; of two with the same nonce the one with the higher bump wins. */
  #mine(from: Hex): void {
    for (let rounds = 0; rounds <= POOL_MAX; rounds += 1) {
      const nonce = this.#nonces.get(from) ?? 0
      const rivals = [...this.#pool].filter(([, parcel]) => parcel.from === from && parcel.nonce === nonce)
      const chosen = rivals.toSorted(([, a], [, b]) => b.bump - a.bump)[0]
      if (chosen === undefined) return
      for (const [hash] of rivals) this.#pool.delete(hash)
      this.#nonces.set(from, nonce + 1)
      this.#block += 1
      this.#done.set(chosen[0], this.#receipt(chosen[1]))
    }
  }

  #receipt(parcel: Parcel): Done {
    try {
      return { state: 'done', ok: true, block: this.#block, ...this.#execute(decodeWrite(parcel.write), parcel.from, false) }
    } catch (thrown) {
      const reason = thrown instanceof Error ? thrown.message : String(thrown)
      return { state: 'done', ok: false, block: this.#block, reason, paid: [], refused: [] }
    }
  }

  /** Runs the write as `from`; a `dry` run changes nothing. Every branch checks all before it changes anything. */
  #execute(write: RailWrite, from: Hex, dry: boolean): { paid: PaidRow[], refused: RefusedRow[] } {
    const none = { paid: [], refused: [] }
    switch (write.kind) {
      case 'mint':
        if (write.amount > FAUCET_MAX) revert(`FaucetTooMuch(${write.amount}, ${FAUCET_MAX})`)
        if (!dry) this.#add(this.#balances, lower(write.to), write.amount)
        return none
      case 'approve':
        if (!dry) this.#allowances.set(from, write.amount)
        return none
      case 'open':
        this.#open(write.vault, write.amount, from, dry)
        return none
      case 'deposit':
        this.#deposit(this.#vaultOf(write.vault), write.amount, from, dry)
        return none
      case 'reserve':
        this.#reserve(write, from, dry)
        return none
      case 'claim':
        return this.#claim(write.claims, dry)
      case 'release': {
        const lane = this.#openLane(write.release.lane)
        if (write.signature === '0x' ? from !== lane.payee : !this.#signed(() => this.recoverRelease(write.release, write.signature), lane.payee)) {
          revert('BadSignature()')
        }
        if (lane.claimed < write.release.finalClaimed) revert(`ClaimFirst(${lane.claimed}, ${write.release.finalClaimed})`)
        if (!dry) this.#close(lane)
        return none
      }
      case 'exit': {
        const lane = this.#openLane(write.lane)
        if (lane.owner !== from) revert(`NotOwner(${from}, ${lane.owner})`)
        if (!dry && lane.exitAt === 0) lane.exitAt = this.#now() + lane.delay
        return none
      }
      case 'finalize': {
        const lane = this.#openLane(write.lane)
        if (lane.exitAt === 0 || this.#now() < lane.exitAt) revert(`NotYet(${lane.exitAt})`)
        if (!dry) this.#close(lane)
        return none
      }
      case 'withdraw': {
        const vault = this.#ownedVault(write.vault, from)
        const to = lower(write.to)
        if (to === this.terms.contract) revert(`BadReceiver(${to})`)
        if (write.amount > vault.free) revert(`InsufficientFree(${write.amount}, ${vault.free})`)
        if (this.#barred.has(to)) revert('SafeERC20FailedOperation()')
        if (dry) return none
        vault.free -= write.amount
        this.#move(this.terms.contract, to, write.amount)
        return none
      }
      case 'collect': {
        const to = lower(write.to)
        const amount = this.#credits.get(from) ?? 0n
        if (to === this.terms.contract) revert(`BadReceiver(${to})`)
        if (amount === 0n) revert('NothingToCollect()')
        if (this.#barred.has(to)) revert('SafeERC20FailedOperation()')
        if (dry) return none
        this.#credits.delete(from)
        this.#move(this.terms.contract, to, amount)
        return none
      }
      case 'rule':
        this.#rule(write.voucher, write.payeeAmount, write.signature, dry)
        return none
    }
  }

  #open(terms: VaultTerms, amount: bigint, from: Hex, dry: boolean): void {
    const id = this.vaultId(terms)
    const known = this.#vaults.get(id)
    if (known === undefined && (terms.delay <= 0 || terms.delay > DELAY_MAX || BigInt(terms.owner) === 0n || BigInt(terms.voucherKey) === 0n)) {
      revert('BadTerms()')
    }
    const vault = known ?? { ...terms, id, owner: lower(terms.owner), voucherKey: lower(terms.voucherKey), free: 0n }
    if (amount > 0n) this.#deposit(vault, amount, from, dry)
    if (!dry) this.#vaults.set(id, vault)
  }

  #deposit(vault: Vault, amount: bigint, from: Hex, dry: boolean): void {
    const allowed = this.#allowances.get(from) ?? 0n
    const balance = this.#balances.get(from) ?? 0n
    if (amount > UINT128) revert('value out of range')
    if (allowed < amount) revert(`ERC20InsufficientAllowance(${this.terms.contract}, ${allowed}, ${amount})`)
    if (balance < amount) revert(`ERC20InsufficientBalance(${from}, ${balance}, ${amount})`)
    if (dry) return
    this.#allowances.set(from, allowed - amount)
    this.#move(from, this.terms.contract, amount)
    vault.free += amount
  }

  #reserve(write: Extract<RailWrite, { kind: 'reserve' }>, from: Hex, dry: boolean): void {
    const vault = this.#ownedVault(write.vault, from)
    rowCount(write.reserves.length)
    let free = vault.free
    const changed = new Map<Hex, Lane>()
    for (const row of write.reserves) {
      const payee = lower(row.payee)
      if (BigInt(payee) === 0n || payee === this.terms.contract) revert(`BadReceiver(${payee})`)
      const id = this.laneId(vault.id, payee, row.number)
      const lane = changed.get(id) ?? this.#lanes.get(id)
      if (lane?.closed) revert(`LaneIsClosed(${id})`)
      if (lane !== undefined && lane.exitAt !== 0) revert(`LaneIsExiting(${id})`)
      const reserved = lane?.reserved ?? 0n
      if (row.total <= reserved) continue
      const more = row.total - reserved
      if (more > free) revert(`InsufficientFree(${more}, ${free})`)
      free -= more
      const { owner, voucherKey, delay } = vault
      changed.set(id, {
        id, vault: vault.id, owner, voucherKey, payee, delay, claimed: lane?.claimed ?? 0n, exitAt: 0, closed: false, reserved: row.total,
      })
    }
    if (dry) return
    vault.free = free
    for (const [id, lane] of changed) this.#lanes.set(id, lane)
  }

  #claim(claims: readonly Claim[], dry: boolean): { paid: PaidRow[], refused: RefusedRow[] } {
    rowCount(claims.length)
    const paid: PaidRow[] = []
    const refused: RefusedRow[] = []
    if (dry) {
      for (const { voucher, signature, preimage } of claims) {
        this.voucherDigest(voucher)
        fromHex(signature)
        if (preimage !== undefined) fromHex(preimage, 32)
      }
      return { paid, refused }
    }
    for (const [row, claim] of claims.entries()) {
      const id = lower(claim.voucher.lane)
      const lane = this.#lanes.get(id)
      const total = lane === undefined ? 'unknown-lane' : this.#entitled(claim, lane)
      if (lane === undefined || typeof total === 'string') {
        refused.push({ row, lane: id, reason: total as Refusal })
        continue
      }
      const amount = total - lane.claimed
      lane.claimed = total
      paid.push({ lane: id, payee: lane.payee, paid: amount, claimed: total, ref: claim.voucher.ref })
      if (this.#barred.has(lane.payee)) this.#add(this.#credits, lane.payee, amount)
      else this.#move(this.terms.contract, lane.payee, amount)
    }
    return { paid, refused }
  }

  /** The lane's total that the claim entitles to now, or why it does not; in the contract's order. */
  #entitled(claim: Claim, lane: Lane): bigint | Refusal {
    const { voucher } = claim
    if (lane.closed) return 'closed'
    let total = voucher.cumulative
    if (voucher.kind === 'locked') {
      if (voucher.lockAmount > voucher.cumulative) return 'malformed'
      if (this.#now() >= voucher.lockExpiry) return 'expired'
      if (toHex(sha256(fromHex(claim.preimage ?? `0x${'00'.repeat(32)}`, 32))) !== lower(voucher.lockHash)) return 'preimage'
    } else if (voucher.kind === 'escrow') {
      if (voucher.amount > voucher.cumulative) return 'malformed'
      if (this.#now() >= voucher.expiry) return 'expired'
      const ruled = this.#rulings.get(toHex(this.voucherDigest(voucher)))
      if (ruled === undefined && this.#now() < voucher.challengeEnd) return 'too-early'
      if (ruled !== undefined) total = voucher.cumulative - voucher.amount + ruled
    }
    if (total <= lane.claimed) return 'nothing-new'
    if (total > lane.reserved) return 'over-reserve'
    return this.#signed(() => this.recover(voucher, claim.signature), lane.voucherKey) ? total : 'signature'
  }

  #rule(voucher: EscrowVoucher, payeeAmount: bigint, signature: Hex, dry: boolean): void {
    const id = toHex(this.voucherDigest(voucher))
    if (this.#now() >= voucher.challengeEnd) revert(`ChallengeOver(${voucher.challengeEnd})`)
    if (payeeAmount > voucher.amount) revert(`RulingTooHigh(${payeeAmount}, ${voucher.amount})`)
    if (!this.#signed(() => this.recoverRuling({ voucher: id, payeeAmount }, signature), voucher.arbiter)) revert('BadSignature()')
    if (this.#rulings.has(id)) revert(`AlreadyRuled(${id})`)
    if (!dry) this.#rulings.set(id, payeeAmount)
  }

  #signed(recover: () => Hex, by: Hex): boolean {
    try {
      return recover() === lower(by)
    } catch {
      return false
    }
  }

  #close(lane: Lane): void {
    const vault = this.#vaultOf(lane.vault)
    lane.closed = true
    vault.free += lane.reserved - lane.claimed
  }

  #vaultOf(id: Hex): Vault {
    return this.#vaults.get(lower(id)) ?? revert(`UnknownVault(${id})`)
  }

  #ownedVault(id: Hex, from: Hex): Vault {
    const vault = this.#vaultOf(id)
    if (vault.owner !== from) revert(`NotOwner(${from}, ${vault.owner})`)
    return vault
  }

  #openLane(id: Hex): Lane {
    const lane = this.#lanes.get(lower(id)) ?? revert(`UnknownLane(${id})`)
    if (lane.closed) revert(`LaneIsClosed(${id})`)
    return lane
  }

  #move(from: Hex, to: Hex, amount: bigint): void {
    this.#add(this.#balances, from, -amount)
    this.#add(this.#balances, to, amount)
  }

  #add(map: Map<Hex, bigint>, key: Hex, amount: bigint): void {
    map.set(key, (map.get(key) ?? 0n) + amount)
  }

  #now(): number {
    return Math.floor(this.#clock.now() / 1_000)
  }
}

function rowCount(rows: number): void {
  if (rows === 0 || rows > ROWS_MAX) throw new AigenError('input.invalid', `1 to ${ROWS_MAX} rows, not ${rows}.`)
}

function sha256(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest()
}

function hashOf(bytes: Hex): Hex {
  return toHex(sha256(fromHex(bytes)))
}
