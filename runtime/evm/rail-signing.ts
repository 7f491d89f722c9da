/**
 * The pure part of a rail: ids, digests and signatures of one vault contract, without a chain.
 * Used by the EVM rail and the memory rail, so that a voucher is the same bytes in both (D10).
 */
import { AigenError } from '../../schemas/error.ts'
import type { DepositAuthorisation, DepositOrder, Rail, RailTerms } from '../ports/rail.ts'
import type { Hex } from '../ports/signer.ts'
import { recoverAddress } from './native-signer.ts'
import { ownerSignature } from './owner-signature.ts'
import { VaultTypedData } from './typed-data.ts'
import { typedRequests } from './typed-request.ts'

/** Everything of `Rail` that needs no chain; microseconds a call. */
export function railSigning(terms: Pick<RailTerms, 'chainId' | 'contract' | 'token' | 'tokenDomain'>) {
  const typed = new VaultTypedData(terms.chainId, terms.contract, terms.token)
  const asked = typedRequests(terms)
  const domain = (): NonNullable<RailTerms['tokenDomain']> => {
    if (!terms.tokenDomain) throw new AigenError('input.invalid', 'The token takes no signed authorisations.')
    return terms.tokenDomain
  }
  const deposit = (authorisation: DepositAuthorisation): Uint8Array => typed.deposit(authorisation, domain())
  return {
    /** Who authorised the deposit; `auth.forged` where the signature recovers nothing. */
    recoverDeposit: (authorisation: DepositAuthorisation, signature: Hex) => recoverAddress(deposit(authorisation), signature),
    depositNonce: (authorisation: DepositAuthorisation) => typed.depositNonce(authorisation),
    signDeposit: async (authorisation, signer, signal?) => ownerSignature(signer, deposit(authorisation), asked.deposit(authorisation, typed.depositNonce(authorisation), domain()), signal),
    signDepositOrder: async (order, signer, signal?) => ownerSignature(signer, typed.depositOrder(order), asked.depositOrder(order, typed.vaultId(order.vault)), signal),
    recoverDepositOrder: (order, signature) => recoverAddress(typed.depositOrder(order), signature),
    depositOrderDigest: (order: DepositOrder) => typed.depositOrder(order),
    signPermit: async (order, nonce, signer, signal?) => ownerSignature(signer, typed.permit(order, nonce, domain()), asked.permit(order, nonce, domain()), signal),
    /** Who permitted it; `auth.forged` where the signature recovers nothing. */
    recoverPermit: (order: DepositOrder, nonce: bigint, signature: Hex) => recoverAddress(typed.permit(order, nonce, domain()), signature),
    signReserve: async (order, signer, signal?) => ownerSignature(signer, typed.reserve(order), asked.reserve(order), signal),
    recoverReserve: (order, signature) => recoverAddress(typed.reserve(order), signature),
    vaultId: (vault) => typed.vaultId(vault),
    laneId: (vault, payee, number) => typed.laneId(vault, payee, number),
    voucherDigest: (voucher) => typed.voucher(voucher),
    signVoucher: (voucher, signer) => signer.sign(typed.voucher(voucher)),
    recover: (voucher, signature) => recoverAddress(typed.voucher(voucher), signature),
    signRelease: async (release, signer, signal?) => ownerSignature(signer, typed.release(release), asked.release(release), signal),
    recoverRelease: (release, signature) => recoverAddress(typed.release(release), signature),
    signRuling: (ruling, signer) => signer.sign(typed.ruling(ruling)),
    recoverRuling: (ruling, signature) => recoverAddress(typed.ruling(ruling), signature),
  } satisfies Partial<Rail> & Record<string, unknown>
}
