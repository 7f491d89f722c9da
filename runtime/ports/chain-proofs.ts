/**
 * Proofs of the chain's state (EIP-1186), as a full node gives them to light nodes, and RPC addresses to a
 * full one, which check every one (`runtime/evm/proof.ts`). Implemented by `runtime/evm` and `runtime/memory`; used by relays.
 */
import type { Hex } from './signer.ts'

/** Storage words of one contract; slots are 32 bytes each. */
export interface StorageRead {
  readonly account: Hex
  readonly slots: readonly Hex[]
}

/** The block's header as RLP, and what proves the words under its state root. */
export interface ChainProof {
  readonly header: Hex
  readonly accounts: readonly {
    readonly account: Hex
    readonly proof: readonly Hex[]
    readonly slots: readonly { readonly slot: Hex, readonly proof: readonly Hex[] }[]
  }[]
}

export interface ChainProofs {
  /** The words `depth` blocks below the head (default 0). `chain.unreachable` when the chain does not answer in time. */
  prove(reads: readonly StorageRead[], depth?: number): Promise<ChainProof>
  /** Hash of a block, undefined where it is not there yet, and the latest block's number. */
  block(number: number): Promise<{ readonly hash?: Hex, readonly head: number }>
}
