/**
 * Signers: who holds a private key (DESIGN D5, D7). The native ones live in `runtime/evm`
 * (secp256k1) and `runtime/identity` (Ed25519 by node:crypto), deterministic ones made from a seed
 * in `runtime/memory`; all pass `signer.contract.ts`. Both schemes are deterministic (RFC 6979,
 * RFC 8032): signing the same bytes again gives the same signature, so a repeated effect is harmless.
 */
export type Hex = `0x${string}`

/** secp256k1: wallets and voucher keys. */
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
