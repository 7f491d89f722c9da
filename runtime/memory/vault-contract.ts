/**
 * The Vault contract and the test dollar in TypeScript: their rules, errors and refusals, on a
 * `Ledger`. Every write checks all before it changes anything, so a revert leaves no trace. Used by
 * `rail.ts`; held to Vault.sol by the port's conformance suite. Keeps I1 and I2.
 */
import { AigenError } from '../../schemas/error.ts'
import { fromHex, toHex } from '../evm/hex.ts'
import type { railSigning } from '../evm/rail-signing.ts'
import type { PassWrite } from '../ports/passes.ts'
import type { SubscriptionWrite } from '../ports/subscriptions.ts'
import {
  ROWS_MAX, type Claim, type EscrowVoucher, type PaidRow, type RailWrite, type Refusal, type RefusedRow, type Reserve, type VaultTerms,
} from '../ports/rail.ts'
import type { Hex } from '../ports/signer.ts'
import { entitled, signed } from './claim-rules.ts'
import { add, emptyLedger, move, type Lane, type Ledger, type Vault } from './ledger.ts'

const FAUCET_MAX = 1_000_000_000_000n
const [UINT128, LANE_MAX] = [(1n << 128n) - 1n, (1n << 104n) - 1n]
const DELAY_MAX = 365 * 86_400

const lower = (hex: string): Hex => hex.toLowerCase() as Hex
const revert = (reason: string): never => {
  throw new AigenError('chain.reverted', reason)
}

export interface VaultContractOptions {
  /** The contract's own address. */
  readonly contract: Hex
  readonly signing: ReturnType<typeof railSigning>
  /** Second of the block that is being made. */
  readonly now: () => number
}

export class VaultContract {
  /** What it holds; replaced when the chain is set back. */
  ledger: Ledger = emptyLedger()
  /** Contract wallets and the key that signs for each (ERC-1271). */
  readonly wallets = new Map<Hex, Hex>()
  readonly #contract: Hex
  readonly #signing: ReturnType<typeof railSigning>
  readonly #now: () => number
  readonly #barred = new Set<Hex>()

  constructor({ contract, signing, now }: VaultContractOptions) {
    this.#contract = contract
    this.#signing = signing
    this.#now = now
  }

  /** Makes transfers to the account fail, as a blacklisting token does, or work again. */
  bar(account: Hex, barred: boolean): void {
    if (barred) this.#barred.add(lower(account))
    else this.#barred.delete(lower(account))
  }

  /** Runs the write as `from`; a `dry` run changes nothing. Every branch checks all before it changes anything. */
  execute(write: Exclude<RailWrite, PassWrite | SubscriptionWrite>, from: Hex, dry: boolean): { paid: PaidRow[], refused: RefusedRow[] } {
    const none = { paid: [], refused: [] }
    switch (write.kind) {
      case 'mint':
        if (write.amount > FAUCET_MAX) revert(`FaucetTooMuch(${write.amount}, ${FAUCET_MAX})`)
        if (!dry) add(this.ledger.balances, lower(write.to), write.amount)
        return none
      case 'approve':
        if (!dry) this.ledger.allowances.set(from, write.amount)
        return none
      case 'open':
        this.#open(write.vault, write.amount, from, dry)
        return none
      case 'deposit':
        this.#deposit(this.#vaultOf(write.vault), write.amount, from, dry)
        return none
      case 'reserve':
        this.#reserve(this.#ownedVault(write.vault, from), write.reserves, dry)
        return none
      case 'open-authorised':
        this.#openAuthorised(write, dry)
        return none
      case 'open-permitted':
        this.#openPermitted(write, dry)
        return none
      case 'reserve-ordered': {
        const vault = this.#vaultOf(write.order.vault)
        if (this.#now() >= write.order.validBefore) revert(`Late(${write.order.validBefore})`)
        rowCount(write.order.reserves.length)
        if (!this.#signedByAccount(() => this.#signing.recoverReserve(write.order, write.signature), vault.owner)) revert('BadSignature()')
        this.#reserve(vault, write.order.reserves, dry)
        return none
      }
      case 'claim':
        return this.#claim(write.claims, dry)
      case 'release': {
        const lane = this.#openLane(write.release.lane)
        if (write.signature === '0x' ? from !== lane.payee : !signed(() => this.#signing.recoverRelease(write.release, write.signature), lane.payee)) {
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
        if (to === this.#contract) revert(`BadReceiver(${to})`)
        if (write.amount > vault.free) revert(`InsufficientFree(${write.amount}, ${vault.free})`)
        if (this.#barred.has(to)) revert('SafeERC20FailedOperation()')
        if (dry) return none
        vault.free -= write.amount
        move(this.ledger, this.#contract, to, write.amount)
        return none
      }
      case 'collect': {
        const to = lower(write.to)
        const amount = this.ledger.credits.get(from) ?? 0n
        if (to === this.#contract) revert(`BadReceiver(${to})`)
        if (amount === 0n) revert('NothingToCollect()')
        if (this.#barred.has(to)) revert('SafeERC20FailedOperation()')
        if (dry) return none
        this.ledger.credits.delete(from)
        move(this.ledger, this.#contract, to, amount)
        return none
      }
      case 'rule':
        this.#rule(write.voucher, write.payeeAmount, write.signature, dry)
        return none
    }
  }

  #open(terms: VaultTerms, amount: bigint, from: Hex, dry: boolean): void {
    const vault = this.#opened(terms)
    if (amount > 0n) this.#deposit(vault, amount, from, dry)
    if (!dry) this.ledger.vaults.set(vault.id, vault)
  }

  #openAuthorised({ authorisation, signature }: Extract<RailWrite, { kind: 'open-authorised' }>, dry: boolean): void {
    const { amount, validAfter, validBefore } = authorisation
    const from = lower(authorisation.from)
    const vault = this.#opened(authorisation.vault)
    const used = `${from}.${toHex(this.#signing.depositNonce(authorisation))}`
    if (this.#now() <= validAfter || this.#now() >= validBefore) revert(`ERC3009InvalidAuthorizationTime(${validAfter}, ${validBefore})`)
    if (this.ledger.authorisations.has(used)) revert(`ERC3009UsedAuthorization(${from}, ${toHex(this.#signing.depositNonce(authorisation))})`)
    if (!signed(() => this.#signing.recoverDeposit(authorisation, signature), from)) revert('ERC3009InvalidSignature()')
    if (amount > UINT128) revert('value out of range')
    const balance = this.ledger.balances.get(from) ?? 0n
    if (balance < amount) revert(`ERC20InsufficientBalance(${from}, ${balance}, ${amount})`)
    if (dry) return
    this.ledger.authorisations.add(used)
    move(this.ledger, from, this.#contract, amount)
    vault.free += amount
    this.ledger.vaults.set(vault.id, vault)
  }

  #openPermitted({ order, signature, permit }: Extract<RailWrite, { kind: 'open-permitted' }>, dry: boolean): void {
    const from = lower(order.from)
    const vault = this.#opened(order.vault)
    if (this.#now() >= order.validBefore) revert(`Late(${order.validBefore})`)
    const digest = toHex(this.#signing.depositOrderDigest(order))
    if (this.ledger.orders.has(digest)) revert(`OrderUsed(${digest})`)
    if (!this.#signedByAccount(() => this.#signing.recoverDepositOrder(order, signature), from)) revert('BadSignature()')
    if (permit !== '0x' && fromHex(permit).length !== 65) revert('BadSignature()')
    const nonce = this.ledger.permits.get(from) ?? 0n
    // A permit that does not hold stops nothing: an allowance may be there.
    const permitted = permit !== '0x' && signed(() => this.#signing.recoverPermit(order, nonce, permit), from)
    this.#deposit(vault, order.amount, from, dry, permitted ? order.amount : undefined)
    if (dry) return
    if (permitted) this.ledger.permits.set(from, nonce + 1n)
    this.ledger.orders.add(digest)
    this.ledger.vaults.set(vault.id, vault)
  }

  /** Of who may be a contract wallet: its own key first, then the key that signs for it. */
  #signedByAccount(recover: () => Hex, account: Hex): boolean {
    const key = this.wallets.get(lower(account))
    return signed(recover, account) || (key !== undefined && signed(recover, key))
  }

  #opened(terms: VaultTerms): Vault {
    const id = this.#signing.vaultId(terms)
    const known = this.ledger.vaults.get(id)
    if (known === undefined && (terms.delay <= 0 || terms.delay > DELAY_MAX || BigInt(terms.owner) === 0n || BigInt(terms.voucherKey) === 0n)) {
      revert('BadTerms()')
    }
    return known ?? { ...terms, id, owner: lower(terms.owner), voucherKey: lower(terms.voucherKey), free: 0n }
  }

  #deposit(vault: Vault, amount: bigint, from: Hex, dry: boolean, permitted?: bigint): void {
    const allowed = permitted ?? this.ledger.allowances.get(from) ?? 0n
    const balance = this.ledger.balances.get(from) ?? 0n
    if (amount > UINT128) revert('value out of range')
    if (allowed < amount) revert(`ERC20InsufficientAllowance(${this.#contract}, ${allowed}, ${amount})`)
    if (balance < amount) revert(`ERC20InsufficientBalance(${from}, ${balance}, ${amount})`)
    if (dry) return
    this.ledger.allowances.set(from, allowed - amount)
    move(this.ledger, from, this.#contract, amount)
    vault.free += amount
  }

  #reserve(vault: Vault, reserves: readonly Reserve[], dry: boolean): void {
    rowCount(reserves.length)
    let free = vault.free
    const changed = new Map<Hex, Lane>()
    for (const row of reserves) {
      const payee = lower(row.payee)
      if (BigInt(payee) === 0n || payee === this.#contract) revert(`BadReceiver(${payee})`)
      const id = this.#signing.laneId(vault.id, payee, row.number)
      const lane = changed.get(id) ?? this.ledger.lanes.get(id)
      if (lane?.closed) revert(`LaneIsClosed(${id})`)
      if (lane !== undefined && lane.exitAt !== 0) revert(`LaneIsExiting(${id})`)
      const reserved = lane?.reserved ?? 0n
      if (row.total <= reserved) continue
      if (row.total > LANE_MAX) revert(`TooMuch(${row.total}, ${LANE_MAX})`)
      const more = row.total - reserved
      if (more > free) revert(`InsufficientFree(${more}, ${free})`)
      free -= more
      const { owner, voucherKey, delay } = vault
      changed.set(id, { id, vault: vault.id, owner, voucherKey, payee, number: row.number, delay, claimed: lane?.claimed ?? 0n, exitAt: 0, closed: false, reserved: row.total })
    }
    if (dry) return
    vault.free = free
    for (const [id, lane] of changed) this.ledger.lanes.set(id, lane)
  }

  #claim(claims: readonly Claim[], dry: boolean): { paid: PaidRow[], refused: RefusedRow[] } {
    rowCount(claims.length)
    const paid: PaidRow[] = []
    const refused: RefusedRow[] = []
    if (dry) {
      for (const { voucher, signature, preimage } of claims) {
        this.#signing.voucherDigest(voucher)
        fromHex(signature)
        if (preimage !== undefined) fromHex(preimage, 32)
      }
      return { paid, refused }
    }
    for (const [row, claim] of claims.entries()) {
      const id = lower(claim.voucher.lane)
      const lane = this.ledger.lanes.get(id)
      const total = lane === undefined ? 'unknown-lane' : entitled(claim, lane, { signing: this.#signing, rulings: this.ledger.rulings, now: this.#now() })
      if (lane === undefined || typeof total === 'string') {
        refused.push({ row, lane: id, reason: total as Refusal })
        continue
      }
      const amount = total - lane.claimed
      lane.claimed = total
      if (claim.voucher.kind === 'locked') this.ledger.keys.set(lower(claim.voucher.lockHash), lower(claim.preimage!))
      paid.push({ lane: id, payee: lane.payee, paid: amount, claimed: total, ref: claim.voucher.ref })
      if (this.#barred.has(lane.payee)) add(this.ledger.credits, lane.payee, amount)
      else move(this.ledger, this.#contract, lane.payee, amount)
    }
    return { paid, refused }
  }

  #rule(voucher: EscrowVoucher, payeeAmount: bigint, signature: Hex, dry: boolean): void {
    const id = toHex(this.#signing.voucherDigest(voucher))
    if (this.#now() >= voucher.challengeEnd) revert(`ChallengeOver(${voucher.challengeEnd})`)
    if (payeeAmount > voucher.amount) revert(`RulingTooHigh(${payeeAmount}, ${voucher.amount})`)
    if (!signed(() => this.#signing.recoverRuling({ voucher: id, payeeAmount }, signature), voucher.arbiter)) revert('BadSignature()')
    if (this.ledger.rulings.has(id)) revert(`AlreadyRuled(${id})`)
    if (!dry) this.ledger.rulings.set(id, payeeAmount)
  }

  #close(lane: Lane): void {
    const vault = this.#vaultOf(lane.vault)
    lane.closed = true
    vault.free += lane.reserved - lane.claimed
  }

  #vaultOf(id: Hex): Vault {
    return this.ledger.vaults.get(lower(id)) ?? revert(`UnknownVault(${id})`)
  }

  #ownedVault(id: Hex, from: Hex): Vault {
    const vault = this.#vaultOf(id)
    if (vault.owner !== from) revert(`NotOwner(${from}, ${vault.owner})`)
    return vault
  }

  #openLane(id: Hex): Lane {
    const lane = this.ledger.lanes.get(lower(id)) ?? revert(`UnknownLane(${id})`)
    if (lane.closed) revert(`LaneIsClosed(${id})`)
    return lane
  }
}

function rowCount(rows: number): void {
  if (rows === 0 || rows > ROWS_MAX) throw new AigenError('input.invalid', `1 to ${ROWS_MAX} rows, not ${rows}.`)
}
