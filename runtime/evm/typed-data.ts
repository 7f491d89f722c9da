/**
 * EIP-712 digests of what AIGEN signs with secp256k1: vouchers, releases, rulings, vault and lane
 * ids, and node authorisations. Domain separators and type hashes are computed once, words are
 * written straight into a buffer: an order of magnitude below viem's `hashTypedData`, to which the
 * test holds every digest equal (reference/payments.md, Signatures). Used by both rails and by
 * `runtime/identity`.
 */
import type { DepositAuthorisation, DepositOrder, EscrowVoucher, RailTerms, Release, ReserveOrder, Ruling, VaultTerms, Voucher } from '../ports/rail.ts'
import type { Hex } from '../ports/signer.ts'
import { putHex, putUint, toHex } from './hex.ts'
import { keccak } from './keccak.ts'

const keccakText = (text: string): Uint8Array => keccak(Buffer.from(text, 'utf8'))

const VOUCHER = keccakText('Voucher(bytes32 laneId,uint128 cumulative,bytes32 ref)')
const LOCKED = keccakText(
  'LockedVoucher(bytes32 laneId,uint128 cumulative,uint128 lockAmount,bytes32 lockHash,uint48 lockExpiry,bytes32 ref)',
)
const ESCROW = keccakText(
  'EscrowVoucher(bytes32 laneId,uint128 cumulative,uint128 amount,address arbiter,uint48 challengeEnd,uint48 expiry,bytes32 ref)',
)
const RULING = keccakText('Ruling(bytes32 voucherHash,uint128 payeeAmount)')
const RELEASE = keccakText('Release(bytes32 laneId,uint128 finalClaimed)')
const RESERVATION = keccakText('Reservation(address payee,uint64 number,uint128 total)')
const RESERVE = keccakText(
  'Reserve(bytes32 vaultId,Reservation[] reservations,uint48 validBefore)Reservation(address payee,uint64 number,uint128 total)',
)
const RECEIVE = keccakText(
  'ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)',
)
const DEPOSIT = keccakText('Deposit(bytes32 vaultId,address from,uint128 amount,uint48 validBefore,bytes32 salt)')
const PERMIT = keccakText('Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)')
const NODE_AUTHORISATION = keccakText('NodeAuthorisation(address wallet,bytes32 node,uint64 notBefore,uint64 notAfter)')
const DOMAIN_OF_CHAIN = keccakText('EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)')
const DOMAIN_OF_NONE = keccakText('EIP712Domain(string name,string version)')

/** Name and version of the Vault contract's domain. */
export const VAULT_DOMAIN = { name: 'AIGEN Vault', version: '1' } as const

/** Words of 32 bytes, hashed by `keccak`; a fresh buffer each time, since callers may interleave. */
class Words {
  readonly #buffer: Buffer
  #at = 0

  constructor(words: number) {
    this.#buffer = Buffer.alloc(32 * words)
  }

  bytes(value: Uint8Array): this {
    this.#buffer.set(value, this.#at)
    this.#at += 32
    return this
  }

  hash(value: Hex): this {
    putHex(this.#buffer, this.#at, value, 32)
    this.#at += 32
    return this
  }

  address(value: Hex): this {
    putHex(this.#buffer, this.#at + 12, value, 20)
    this.#at += 32
    return this
  }

  uint(value: bigint | number, bits: number): this {
    putUint(this.#buffer, this.#at, value, bits)
    this.#at += 32
    return this
  }

  keccak(): Uint8Array {
    return keccak(this.#buffer)
  }
}

/** keccak256(0x1901 ‖ domain separator ‖ struct hash), the 32 bytes that are signed (EIP-712). */
function typedDigest(separator: Uint8Array, struct: Uint8Array): Uint8Array {
  const buffer = Buffer.alloc(66)
  buffer[0] = 0x19
  buffer[1] = 0x01
  buffer.set(separator, 2)
  buffer.set(struct, 34)
  return keccak(buffer)
}

type TokenDomain = NonNullable<RailTerms['tokenDomain']>

/** Digests in the domain of one vault contract on one chain; make it once per rail. */
export class VaultTypedData {
  readonly #separator: Uint8Array
  readonly #chainId: number
  readonly #contract: Hex
  readonly #token: Hex

  constructor(chainId: number, contract: Hex, token: Hex) {
    this.#chainId = chainId
    this.#contract = contract
    this.#token = token
    this.#separator = new Words(5).bytes(DOMAIN_OF_CHAIN).bytes(keccakText(VAULT_DOMAIN.name)).bytes(keccakText(VAULT_DOMAIN.version))
      .uint(chainId, 256).address(contract).keccak()
  }

  /** Id of a vault of this rail's token: the hash of its terms with chain and contract. */
  vaultId(vault: VaultTerms): Hex {
    return toHex(new Words(7).uint(this.#chainId, 256).address(this.#contract).address(vault.owner).address(vault.voucherKey)
      .address(this.#token).uint(vault.delay, 48).uint(vault.number, 64).keccak())
  }

  laneId(vault: Hex, payee: Hex, number: number): Hex {
    return toHex(new Words(3).hash(vault).address(payee).uint(number, 64).keccak())
  }

  /** The 32 bytes that the voucher key signs. `input.invalid` for a field that does not fit its type. */
  voucher(voucher: Voucher): Uint8Array {
    switch (voucher.kind) {
      case 'plain':
        return typedDigest(this.#separator, new Words(4).bytes(VOUCHER).hash(voucher.lane).uint(voucher.cumulative, 128)
          .hash(voucher.ref).keccak())
      case 'locked':
        return typedDigest(this.#separator, new Words(7).bytes(LOCKED).hash(voucher.lane).uint(voucher.cumulative, 128)
          .uint(voucher.lockAmount, 128).hash(voucher.lockHash).uint(voucher.lockExpiry, 48).hash(voucher.ref).keccak())
      case 'escrow':
        return this.#escrow(voucher)
    }
  }

  #escrow(voucher: EscrowVoucher): Uint8Array {
    return typedDigest(this.#separator, new Words(8).bytes(ESCROW).hash(voucher.lane).uint(voucher.cumulative, 128)
      .uint(voucher.amount, 128).address(voucher.arbiter).uint(voucher.challengeEnd, 48).uint(voucher.expiry, 48)
      .hash(voucher.ref).keccak())
  }

  ruling(ruling: Ruling): Uint8Array {
    return typedDigest(this.#separator, new Words(3).bytes(RULING).hash(ruling.voucher).uint(ruling.payeeAmount, 128).keccak())
  }

  release(release: Release): Uint8Array {
    return typedDigest(this.#separator, new Words(3).bytes(RELEASE).hash(release.lane).uint(release.finalClaimed, 128).keccak())
  }

  reserve({ vault, reserves, validBefore }: ReserveOrder): Uint8Array {
    const rows = new Words(reserves.length)
    for (const { payee, number, total } of reserves) rows.bytes(new Words(4).bytes(RESERVATION).address(payee).uint(number, 64).uint(total, 128).keccak())
    return typedDigest(this.#separator, new Words(4).bytes(RESERVE).hash(vault).bytes(rows.keccak()).uint(validBefore, 48).keccak())
  }

  /** The token's nonce of an authorisation: that of one vault, so who sees it can only do the same thing earlier. */
  depositNonce({ vault, salt }: Pick<DepositAuthorisation, 'vault' | 'salt'>): Uint8Array {
    return new Words(2).hash(this.vaultId(vault)).hash(salt).keccak()
  }

  depositOrder({ vault, from, amount, validBefore, salt }: DepositOrder): Uint8Array {
    return typedDigest(this.#separator, new Words(6).bytes(DEPOSIT).hash(this.vaultId(vault)).address(from).uint(amount, 128)
      .uint(validBefore, 48).hash(salt).keccak())
  }

  /** The permit of an order, in the domain of the token. */
  permit({ from, amount, validBefore }: DepositOrder, nonce: bigint, domain: TokenDomain): Uint8Array {
    return typedDigest(this.#tokenSeparator(domain), new Words(6).bytes(PERMIT).address(from).address(this.#contract).uint(amount, 128)
      .uint(nonce, 256).uint(validBefore, 48).keccak())
  }

  #tokenSeparator({ name, version }: TokenDomain): Uint8Array {
    return new Words(5).bytes(DOMAIN_OF_CHAIN).bytes(keccakText(name)).bytes(keccakText(version))
      .uint(this.#chainId, 256).address(this.#token).keccak()
  }

  /** What who deposits signs, in the domain of the token. */
  deposit(authorisation: DepositAuthorisation, domain: TokenDomain): Uint8Array {
    const { from, amount, validAfter, validBefore } = authorisation
    return typedDigest(this.#tokenSeparator(domain), new Words(7).bytes(RECEIVE).address(from).address(this.#contract).uint(amount, 128)
      .uint(validAfter, 64).uint(validBefore, 64).bytes(this.depositNonce(authorisation)).keccak())
  }
}

const NODE_DOMAIN = new Words(3).bytes(DOMAIN_OF_NONE).bytes(keccakText('AIGEN')).bytes(keccakText('1')).keccak()

/** What a wallet signs to let a node key speak for it; times in milliseconds. */
export interface NodeAuthorisationFields {
  readonly wallet: Hex
  /** 32-byte Ed25519 public key. */
  readonly node: Uint8Array
  readonly notBefore: number
  readonly notAfter: number
}

/** The 32 bytes a wallet signs over a node authorisation; the domain names no chain, so it is valid on all. */
export function nodeAuthorisationDigest(fields: NodeAuthorisationFields): Uint8Array {
  return typedDigest(NODE_DOMAIN, new Words(5).bytes(NODE_AUTHORISATION).address(fields.wallet).hash(toHex(fields.node))
    .uint(fields.notBefore, 64).uint(fields.notAfter, 64).keccak())
}
