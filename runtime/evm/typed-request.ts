/**
 * What an owner signs by EIP-712, in full, for a signer that shows it to a person (port `signer.ts`).
 * The digests are those of `typed-data.ts`; the test holds the two together. Used by `rail-signing.ts`
 * and `runtime/identity`.
 */
import type { DepositAuthorisation, DepositOrder, RailTerms, Release, ReserveOrder } from '../ports/rail.ts'
import type { Hex, TypedDataRequest } from '../ports/signer.ts'
import { toHex } from './hex.ts'
import { VAULT_DOMAIN, type NodeAuthorisationFields } from './typed-data.ts'

type Fields = readonly (readonly [name: string, type: string])[]
type Terms = Pick<RailTerms, 'chainId' | 'contract' | 'token'>
type TokenDomain = NonNullable<RailTerms['tokenDomain']>

const named = (fields: Fields) => fields.map(([name, type]) => ({ name, type }))
const DOMAIN_OF_NONE = named([['name', 'string'], ['version', 'string']])
const DOMAIN_OF_CHAIN = [...DOMAIN_OF_NONE, ...named([['chainId', 'uint256'], ['verifyingContract', 'address']])]

const onChain = (terms: Terms, at: Hex, { name, version }: TokenDomain, primaryType: string, fields: Fields, message: Readonly<Record<string, unknown>>, more: TypedDataRequest['types'] = {}): TypedDataRequest => ({
  kind: 'typed-data', primaryType, message,
  domain: { name, version, chainId: terms.chainId, verifyingContract: at },
  types: { EIP712Domain: DOMAIN_OF_CHAIN, [primaryType]: named(fields), ...more },
})

/** Requests of one rail; `vault` is the id of the vault that a deposit is for. */
export function typedRequests(terms: Terms) {
  const { contract, token } = terms
  const inVault = (...rest: [string, Fields, Readonly<Record<string, unknown>>, TypedDataRequest['types']?]) => onChain(terms, contract, VAULT_DOMAIN, ...rest)
  return {
    release: ({ lane, finalClaimed }: Release) =>
      inVault('Release', [['laneId', 'bytes32'], ['finalClaimed', 'uint128']], { laneId: lane, finalClaimed: finalClaimed.toString() }),
    reserve: ({ vault, reserves, validBefore }: ReserveOrder) => inVault(
      'Reserve', [['vaultId', 'bytes32'], ['reservations', 'Reservation[]'], ['validBefore', 'uint48']],
      { vaultId: vault, reservations: reserves.map(({ payee, number, total }) => ({ payee, number: String(number), total: total.toString() })), validBefore: String(validBefore) },
      { Reservation: named([['payee', 'address'], ['number', 'uint64'], ['total', 'uint128']]) },
    ),
    depositOrder: ({ from, amount, validBefore, salt }: DepositOrder, vault: Hex) => inVault(
      'Deposit', [['vaultId', 'bytes32'], ['from', 'address'], ['amount', 'uint128'], ['validBefore', 'uint48'], ['salt', 'bytes32']],
      { vaultId: vault, from, amount: amount.toString(), validBefore: String(validBefore), salt },
    ),
    permit: ({ from, amount, validBefore }: DepositOrder, nonce: bigint, domain: TokenDomain) => onChain(
      terms, token, domain, 'Permit', [['owner', 'address'], ['spender', 'address'], ['value', 'uint256'], ['nonce', 'uint256'], ['deadline', 'uint256']],
      { owner: from, spender: contract, value: amount.toString(), nonce: nonce.toString(), deadline: String(validBefore) },
    ),
    deposit: ({ from, amount, validAfter, validBefore }: DepositAuthorisation, nonce: Uint8Array, domain: TokenDomain) => onChain(
      terms, token, domain, 'ReceiveWithAuthorization',
      [['from', 'address'], ['to', 'address'], ['value', 'uint256'], ['validAfter', 'uint256'], ['validBefore', 'uint256'], ['nonce', 'bytes32']],
      { from, to: contract, value: amount.toString(), validAfter: String(validAfter), validBefore: String(validBefore), nonce: toHex(nonce) },
    ),
  }
}

/** The request of `nodeAuthorisationDigest`. */
export function nodeAuthorisationRequest({ wallet, node, notBefore, notAfter }: NodeAuthorisationFields): TypedDataRequest {
  return {
    kind: 'typed-data', primaryType: 'NodeAuthorisation', domain: { name: 'AIGEN', version: '1' },
    types: { EIP712Domain: DOMAIN_OF_NONE, NodeAuthorisation: named([['wallet', 'address'], ['node', 'bytes32'], ['notBefore', 'uint64'], ['notAfter', 'uint64']]) },
    message: { wallet, node: toHex(node), notBefore: String(notBefore), notAfter: String(notAfter) },
  }
}
