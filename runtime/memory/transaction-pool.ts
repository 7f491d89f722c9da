/**
 * Transactions of the chain in memory: signed bytes in, receipts out, one nonce after the other per
 * account, mined at once. Knows no vault: what a transaction does is passed in. Used by `rail.ts`.
 */
import { createHash } from 'node:crypto'
import { AigenError } from '../../schemas/error.ts'
import { fromHex, toHex } from '../evm/hex.ts'
import { recoverAddress } from '../evm/native-signer.ts'
import { ownerSignature } from '../evm/owner-signature.ts'
import type { PaidRow, PreparedWrite, RailWrite, RefusedRow, WriteOutcome } from '../ports/rail.ts'
import { decodeWrite, encodeWrite, type RailWriteJson } from '../ports/rail-json.ts'
import type { Hex, OwnerSigner } from '../ports/signer.ts'

type Done = Extract<WriteOutcome, { state: 'done' }>
export interface Parcel { readonly write: RailWriteJson, readonly from: Hex, readonly nonce: number, readonly bump: number }

/** What is mined: lost with the blocks when the chain is set back. */
export interface Mined {
  readonly nonces: Map<Hex, number>
  readonly done: Map<Hex, Done>
  block: number
}

/** Does the write as `from`; throws what makes the transaction revert. */
export type Execute = (write: RailWrite, from: Hex) => { readonly paid: readonly PaidRow[], readonly refused: readonly RefusedRow[] }

/** Transactions waiting for an earlier nonce of their account. */
const POOL_MAX = 1_000

export class TransactionPool {
  readonly #execute: Execute
  readonly #waiting = new Map<Hex, Parcel>()
  #mined: Mined = { nonces: new Map(), done: new Map(), block: 1 }

  constructor(execute: Execute) {
    this.#execute = execute
  }

  get block(): number {
    return this.#mined.block
  }

  /** A copy of what is mined. */
  get mined(): Mined {
    return structuredClone(this.#mined)
  }

  /** Sets the chain back to `mined`; what waits is forgotten, as by a node that is started again. */
  reset(mined: Mined): void {
    this.#mined = structuredClone(mined)
    this.#waiting.clear()
  }

  /** The account's next nonce. */
  nonce(account: Hex): number {
    return this.#mined.nonces.get(account) ?? 0
  }

  async sign(write: RailWrite, signer: OwnerSigner, nonce: number, bump: number, signal?: AbortSignal): Promise<PreparedWrite> {
    const from = signer.address.toLowerCase() as Hex
    const parcel = Buffer.from(JSON.stringify({ write: encodeWrite(write), from, nonce, bump } satisfies Parcel))
    const request = { kind: 'transaction', chainId: 0, nonce, data: toHex(parcel), gas: 0n, maxFeePerGas: BigInt(bump), maxPriorityFeePerGas: 0n } as const
    const bytes = toHex(Buffer.concat([fromHex(await ownerSignature(signer, sha256(parcel), request, signal), 65), parcel]))
    return { bytes, hash: hashOf(bytes) }
  }

  /** `chain.reverted` when somebody else signed, `chain.unreachable` when too many wait. */
  broadcast(bytes: Hex): Hex {
    const hash = hashOf(bytes)
    if (this.#mined.done.has(hash) || this.#waiting.has(hash)) return hash
    const raw = fromHex(bytes)
    const parcel = readParcel(bytes)
    if (recoverAddress(sha256(raw.subarray(65)), toHex(raw.subarray(0, 65))) !== parcel.from) throw new AigenError('chain.reverted', 'invalid sender')
    // Too low: some other transaction used the nonce up; `outcome` says unknown.
    if (parcel.nonce < this.nonce(parcel.from)) return hash
    if (this.#waiting.size >= POOL_MAX) throw new AigenError('chain.unreachable', 'The pool is full.')
    this.#waiting.set(hash, parcel)
    this.#mine(parcel.from)
    return hash
  }

  outcome(hash: Hex): WriteOutcome {
    return this.#mined.done.get(hash) ?? { state: this.#waiting.has(hash) ? 'pending' : 'unknown' }
  }

  /** Mines what is next by nonce; of two with the same nonce the one with the higher bump wins. */
  #mine(from: Hex): void {
    for (let rounds = 0; rounds <= POOL_MAX; rounds += 1) {
      const nonce = this.nonce(from)
      const rivals = [...this.#waiting].filter(([, parcel]) => parcel.from === from && parcel.nonce === nonce)
      const chosen = rivals.toSorted(([, a], [, b]) => b.bump - a.bump)[0]
      if (chosen === undefined) return
      for (const [hash] of rivals) this.#waiting.delete(hash)
      this.#mined.nonces.set(from, nonce + 1)
      this.#mined.block += 1
      this.#mined.done.set(chosen[0], this.#receipt(chosen[1]))
    }
  }

  #receipt(parcel: Parcel): Done {
    const { block } = this.#mined
    try {
      return { state: 'done', ok: true, block, ...this.#execute(decodeWrite(parcel.write), parcel.from) }
    } catch (thrown) {
      const reason = thrown instanceof Error ? thrown.message : String(thrown)
      return { state: 'done', ok: false, block, reason, paid: [], refused: [] }
    }
  }
}

/** What signed bytes say. */
export function readParcel(bytes: Hex): Parcel {
  return JSON.parse(Buffer.from(fromHex(bytes).subarray(65)).toString()) as Parcel
}

function sha256(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest()
}

function hashOf(bytes: Hex): Hex {
  return toHex(sha256(fromHex(bytes)))
}
