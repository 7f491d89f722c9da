/**
 * Evidence as guardians collect it (D9): receipts and complaints that payers publish on
 * `aigen.v1.evidence.<participant>`. A receipt counts once its voucher is claimed on the chain; a
 * complaint needs an agreement that both sides signed and money of the payer's reserved on its lane.
 * One that shows delivery, ciphertext and key of a wrong content proves a fraud, which counts as a breach.
 * All count by distinct payer, so many by one weigh like one. In memory and bounded: evidence that a
 * restart loses is missed, never invented.
 */
import { decodeJson } from '../../schemas/decode.ts'
import type { Agreement, Complaint, ComplaintBody, Receipt } from '../../schemas/documents.gen.ts'
import { AigenError, asError } from '../../schemas/error.ts'
import { validate } from '../../schemas/validate.ts'
import { createAuthorisations } from '../../runtime/identity/authorisation.ts'
import { createVerifier, type Verifier } from '../../runtime/identity/signed.ts'
import { agreementId, verifyAgreement } from '../../runtime/market/agreement.ts'
import type { Node } from '../../runtime/node/node.ts'
import { verifySigned } from '../../runtime/payments/delivery-group.ts'
import { verifyReceipt } from '../../runtime/payments/receipt.ts'
import { proveWrongContent } from '../../runtime/payments/seal.ts'
import type { Subscription } from '../../runtime/ports/bus.ts'

export const EVIDENCE_BYTES_MAX = 64 * 1024
/** Providers and capabilities known of, payers remembered of each, receipts that wait to be settled. */
const PAIRS_MAX = 512
const PAYERS_MAX = 1_000
const WAITING_MAX = 1_000
/** How long after its delivery a receipt may wait for that, in ms. */
const WAIT_MS = 3_600_000
/** Messages looked at at once; what comes while so many wait is dropped. */
const CONCURRENCY = 4

export function evidenceSubject(participant: string): string {
  return `aigen.v1.evidence.${participant}`
}

/** Distinct payers behind it. */
export interface Known {
  readonly receipts: number
  readonly complaints: number
  /** Of them those that prove by themselves that the provider has cheated. */
  readonly frauds: number
}

export interface Evidence {
  /** What payers said of the pair since `from` (ms since the epoch). */
  of(provider: string, capability: string, from: number): Known
  /** Looks again at receipts that were not settled yet. */
  settle(): Promise<void>
  stop(): Promise<void>
}

type Kind = 'receipts' | 'complaints' | 'frauds'

/**
 * What a proof shows is seen here: neither side is believed. Errors: `auth.*`, the provider did not sign the delivery;
 * `input.invalid`, it is of another call, or proves nothing. A false accusation counts as no complaint either.
 */
function checkProof({ agreement, proof }: ComplaintBody, verifier: Verifier): void {
  const { delivery, sealed, key } = proof!
  if (delivery.body.agreement !== agreementId(agreement)) throw new AigenError('input.invalid', 'the delivery is of another agreement', { path: 'proof.delivery' })
  if (delivery.signature.by !== agreement.terms.provider) throw new AigenError('auth.unauthorised', 'the delivery is signed by another than the provider', { path: 'proof.delivery' })
  verifySigned(delivery, verifier, delivery.body.at)
  proveWrongContent(delivery, sealed, key)
}

/** Starts to listen. `onRefused` is told of what did not count, and why. */
export async function openEvidence({ bus, rail, clock }: Node, onRefused?: (participant: string, error: AigenError) => void): Promise<Evidence> {
  /** Pair → payer → when, for receipts and complaints. */
  const known = { receipts: new Map<string, Map<string, number>>(), complaints: new Map<string, Map<string, number>>(), frauds: new Map<string, Map<string, number>>() }
  const waiting = new Map<string, Receipt>()

  /** Counts as of `at`, so that an old receipt told again is as old as it was. */
  const count = (kind: Kind, { terms }: Agreement, at: number): void => {
    const key = `${terms.provider} ${terms.capability}`
    const pairs = known[kind]
    const payers = pairs.get(key) ?? new Map<string, number>()
    if ((!pairs.has(key) && pairs.size >= PAIRS_MAX) || (!payers.has(terms.payer) && payers.size >= PAYERS_MAX)) return
    pairs.set(key, payers.set(terms.payer, Math.max(payers.get(terms.payer) ?? 0, Math.min(at, clock.now()))))
  }
  /** The lane on the chain, when it is the payer's own and the payee's. */
  const laneOf = async ({ terms, lane }: Agreement): Promise<{ claimed: bigint; reserved: bigint; voucherKey: string }> => {
    if (terms.asset !== rail.terms.asset || terms.vault !== rail.terms.contract) throw new AigenError('voucher.lane', 'another asset or vault')
    const state = await rail.lane(lane)
    if (!state || state.owner !== terms.payer || state.payee !== terms.payee) throw new AigenError('voucher.lane', 'the lane is not of these two')
    return state
  }
  /** Whether the chain has paid it out, as far as it answers. Errors `voucher.*`: it never will. */
  const isSettled = async ({ agreement, voucher, voucherKey }: Receipt): Promise<boolean> => {
    const lane = await laneOf(agreement).catch((thrown) => {
      if (asError(thrown).code.startsWith('voucher.')) throw thrown
    })
    if (!lane) return false
    if (lane.voucherKey !== voucherKey) throw new AigenError('voucher.key')
    return lane.claimed >= BigInt(voucher.cumulative)
  }
  const takeReceipt = async (receipt: Receipt): Promise<void> => {
    verifyReceipt(receipt, rail)
    if (await isSettled(receipt)) count('receipts', receipt.agreement, receipt.delivery.body.at)
    else if (waiting.size < WAITING_MAX) waiting.set(receipt.id, receipt)
  }
  const takeComplaint = async ({ body, signature, authorisations }: Complaint): Promise<void> => {
    const { agreement } = body
    const { terms } = agreement
    if (signature.by !== terms.payer) throw new AigenError('auth.unauthorised', 'the complaint is by another than the payer')
    const admitted = createAuthorisations()
    for (const one of authorisations) admitted.admit(one)
    const verifier = createVerifier(admitted)
    verifier.verify('complaint', body, signature, body.at)
    verifyAgreement(agreement, verifier, body.at)
    if ((await laneOf(agreement)).reserved < BigInt(terms.cap)) throw new AigenError('voucher.over-reserve', 'nothing was at stake')
    if (body.proof) checkProof(body, verifier)
    // The payer alone says when it complains; the call it complains of cannot have ended later than agreed.
    const at = Math.min(body.at, terms.expiresAt + terms.deadlineMs + terms.graceMs)
    count('complaints', agreement, at)
    if (body.proof) count('frauds', agreement, Math.min(at, body.proof.delivery.body.at))
  }
  const subscription: Subscription = await bus.subscribe(evidenceSubject('*'), async ({ subject, data }) => {
    const participant = subject.slice(subject.lastIndexOf('.') + 1)
    try {
      const { receipt, complaint } = validate('Evidence', decodeJson(data, { bytesMax: EVIDENCE_BYTES_MAX }))
      const agreement = receipt?.agreement ?? complaint!.body.agreement
      // Only its owner may publish on a subject, so nobody speaks for another payer.
      if (agreement.terms.payer !== participant) throw new AigenError('auth.unauthorised', 'it is of another payer')
      if (receipt) await takeReceipt(receipt)
      else await takeComplaint(complaint!)
    } catch (thrown) {
      onRefused?.(participant, asError(thrown))
    }
  }, { concurrency: CONCURRENCY })

  return {
    of: (provider, capability, from) => {
      const since = (kind: Kind): number => [...(known[kind].get(`${provider} ${capability}`)?.values() ?? [])].filter((at) => at >= from).length
      return { receipts: since('receipts'), complaints: since('complaints'), frauds: since('frauds') }
    },
    settle: async () => {
      for (const [id, receipt] of waiting) {
        const { at } = receipt.delivery.body
        const settled = await isSettled(receipt).catch(() => undefined)
        if (settled) count('receipts', receipt.agreement, at)
        if (settled !== false || at < clock.now() - WAIT_MS) waiting.delete(id)
      }
    },
    stop: () => subscription.stop(),
  }
}
