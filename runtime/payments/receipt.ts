/**
 * Receipts: a delivery together with the voucher that pays it, enough to verify without us (I3).
 * Made by the payer at the end of a step; verified by anyone, offline.
 */
import { hashOf } from '../../schemas/canonical.ts'
import type { Agreement, Delivery, Folded, Hash, Hex32, NodeAuthorisation, Receipt, Voucher } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { parseAsset } from '../../schemas/money.ts'
import { railSigning } from '../evm/rail-signing.ts'
import { createAuthorisations } from '../identity/authorisation.ts'
import { createVerifier } from '../identity/signed.ts'
import { agreementId, verifyAgreement } from '../market/agreement.ts'
import type { Rail } from '../ports/rail.ts'
import { deliveryHash } from './delivery.ts'
import { verifySigned } from './delivery-group.ts'
import { foldAll, foldRef, NO_REF, sumOf } from './fold.ts'
import { charge } from './meter.ts'
import { toRail } from './voucher.ts'

export interface ReceiptParts {
  readonly agreement: Agreement
  readonly delivery: Delivery
  readonly voucher: Voucher
  readonly previousRef: Hex32
  /** What the voucher folds after this delivery. */
  readonly after?: readonly Folded[]
  /** Of a call that was paid piece by piece: what was folded before the delivery. */
  readonly parts?: readonly Folded[]
  readonly voucherKey: `0x${string}`
  readonly authorisations: NodeAuthorisation[]
}

/** By agreement, while that is in memory: many deliveries may be under one. Nobody changes it. */
const agreements = new WeakMap<Agreement, Hash>()
function knownId(agreement: Agreement): Hash {
  const known = agreements.get(agreement)
  if (known !== undefined) return known
  const id = agreementId(agreement)
  agreements.set(agreement, id)
  return id
}

type Said = Pick<ReceiptParts, 'delivery' | 'voucher' | 'previousRef' | 'voucherKey'>

/** Of what was stated, by both sides: a signature made again changes nothing, and what is folded is in the refs. */
function idOf(agreement: Hash, delivery: Hash, { voucher: { kind, lane, cumulative, ref }, previousRef, voucherKey }: Said): string {
  return `rcpt_${hashOf([agreement, delivery, kind, lane, cumulative, ref, previousRef, voucherKey]).slice('sha256-'.length, 'sha256-'.length + 32)}`
}

/** The receipt; its id is made from the hash of what it says, so equal receipts have equal ids. */
export function makeReceipt(made: ReceiptParts): Receipt {
  const { agreement, delivery, voucher, previousRef, after = [], parts = [], voucherKey, authorisations } = made
  const lists = { ...(parts.length > 0 ? { parts: [...parts] } : {}), ...(after.length > 0 ? { after: [...after] } : {}) }
  return { id: idOf(knownId(agreement), deliveryHash(delivery), made), agreement, delivery, voucher, previousRef, ...lists, voucherKey, authorisations }
}

/**
 * Checks that a receipt proves what it says: both sides agreed, the provider stated this delivery
 * at the agreed price, and the payer's voucher folds it. Needs no network: `rail` only
 * hashes, and is by default made from what the receipt says. A receipt from outside is put through
 * `validate('Receipt', …)` first.
 *
 * - `auth.*`: a signature or authorisation does not hold.
 * - `step.output`: the delivery is not of this agreement, or its price is not the agreed one.
 * - `voucher.lane`, `voucher.ref`, `voucher.too-low`, `voucher.key`: the voucher does not pay this delivery.
 */
export function verifyReceipt(receipt: Receipt, rail: Pick<Rail, 'recover'> = railOf(receipt)): void {
  const { agreement, delivery, voucher } = receipt
  const authorisations = createAuthorisations()
  for (const one of receipt.authorisations) authorisations.admit(one)
  const verifier = createVerifier(authorisations)
  const at = delivery.body.at
  verifyAgreement(agreement, verifier, at)
  if (delivery.signature.by !== agreement.terms.provider) throw new AigenError('auth.unauthorised', 'the delivery is signed by another than the provider')
  verifySigned(delivery, verifier, at)
  if (delivery.body.agreement !== agreementId(agreement)) throw new AigenError('step.output', 'the delivery is of another agreement')
  if (delivery.body.call >= (agreement.terms.standing?.calls ?? 1)) throw new AigenError('step.output', 'the agreement is for fewer calls')
  if (BigInt(delivery.body.amount) !== charge(agreement.terms, delivery.body.units)) throw new AigenError('step.output', 'the price is not the agreed one')
  if (voucher.lane !== agreement.lane) throw new AigenError('voucher.lane')
  // What was signed before there was a delivery folds the agreement, which the delivery names.
  const folded = voucher.kind === 'escrow' || agreement.terms.settle === 'prepaid' ? agreementId(agreement) : hashOf(delivery.body)
  const { after = [], parts = [] } = receipt
  if (parts.length > 0 && agreement.terms.settle !== 'streamed') throw new AigenError('voucher.ref', 'parts of a call that is not paid piece by piece', { path: 'parts' })
  // The delivery's amount is of the whole call: what was paid before it was paid with the parts.
  const last = BigInt(delivery.body.amount) - sumOf(parts)
  if (last < 0n || voucher.ref !== foldAll(foldRef(foldAll(receipt.previousRef, parts), folded, last.toString()), after)) throw new AigenError('voucher.ref')
  // The ref names the amount; a cumulative below it would be a signature on a debt that was never paid.
  const least = BigInt(delivery.body.amount) + sumOf(after)
  const cumulative = BigInt(voucher.cumulative)
  if (cumulative < least || (receipt.previousRef === NO_REF && cumulative !== least)) throw new AigenError('voucher.too-low', `cumulative ${cumulative}, the delivery costs ${least}`)
  if (rail.recover(toRail(voucher), voucher.signature) !== receipt.voucherKey) throw new AigenError('voucher.key')
  if (idOf(agreementId(agreement), hashOf(delivery.body), receipt) !== receipt.id) throw new AigenError('auth.forged', 'the id is not of this receipt')
}

/** The rail that the receipt names: signatures need its chain and contract only, no connection. */
function railOf({ agreement: { terms } }: Receipt): Pick<Rail, 'recover'> {
  const { chainId, token } = parseAsset(terms.asset)
  return railSigning({ chainId, contract: terms.vault, token })
}
