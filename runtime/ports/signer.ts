/**
 * Signers: who holds a private key (DESIGN D5, D7). The native ones live in `runtime/evm`
 * (secp256k1) and `runtime/identity` (Ed25519 by node:crypto), deterministic ones made from a seed
 * in `runtime/memory`; all pass `signer.contract.ts`. Both schemes are deterministic (RFC 6979,
 * RFC 8032): signing the same bytes again gives the same signature, so a repeated effect is harmless.
 *
 * The wallet's own key may lie outside this process (`OwnerSigner`), in a device or a service that takes
 * its time, asks a person, refuses, or signs otherwise the second time. So what it signs is signed by an effect
 * and journaled before it leaves (D1); voucher keys are always here, since a step cannot wait for a person.
 */
export type Hex = `0x${string}`

/** What an owner's signature is asked for, in the words that a device shows to its person. */
export type SigningRequest = TypedDataRequest | TransactionRequest

/** EIP-712; numbers as decimal strings, as JSON-RPC signers take them. */
export interface TypedDataRequest {
  readonly kind: 'typed-data'
  readonly domain: Readonly<Record<string, string | number>>
  /** `EIP712Domain` included. */
  readonly types: Readonly<Record<string, readonly { readonly name: string; readonly type: string }[]>>
  readonly primaryType: string
  readonly message: Readonly<Record<string, unknown>>
}

/** EIP-1559. */
export interface TransactionRequest {
  readonly kind: 'transaction'
  readonly chainId: number
  readonly nonce: number
  /** Absent: a contract is created. */
  readonly to?: Hex
  readonly data: Hex
  readonly gas: bigint
  readonly maxFeePerGas: bigint
  readonly maxPriorityFeePerGas: bigint
}

/**
 * secp256k1: who owns a wallet. Every `WalletSigner` is one. What it gives is checked by who asks
 * (`runtime/evm/owner-signature.ts`), so that a broken or lying device can do no more than fail.
 *
 * - `signer.refused`: its person, or its rules, said no. Nothing is signed; asking again is up to the caller.
 * - `signer.absent`: it is not plugged in, died, or gave no answer in its time. Nothing is signed.
 */
export interface OwnerSigner {
  /** EIP-55 checksummed address. */
  readonly address: Hex
  /** As `WalletSigner.sign`, of the digest of `request`; what comes after `signal` is thrown away. */
  sign(digest: Uint8Array, request: SigningRequest, signal?: AbortSignal): Hex | Promise<Hex>
}

/** secp256k1 in this process: voucher keys, and wallets whose key lies in a file. */
export interface WalletSigner {
  /** EIP-55 checksummed address. */
  readonly address: Hex
  /** 65-byte r‖s‖v (v is 27 or 28, s low) over a 32-byte digest. */
  sign(digest: Uint8Array): Hex
}

/** Ed25519: node keys, which sign documents and session handshakes. */
export interface NodeSigner {
  /** 32 bytes. */
  readonly publicKey: Uint8Array
  /** 64 bytes. */
  sign(message: Uint8Array): Uint8Array
}
