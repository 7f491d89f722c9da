/**
 * What an escrow agent answers on the wire: `complain` and `case` (DESIGN, Wire). A complaint is
 * checked against both signatures, the voucher and the chain before it reaches the case (I8).
 */
import { hashOf } from '../../schemas/canonical.ts'
import type { Address, CaseState, ComplainRequest, Hash } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { validate } from '../../schemas/validate.ts'
import { agreementId, verifyAgreement } from '../../runtime/market/agreement.ts'
import type { NodeParts } from '../../runtime/node/node.ts'
import { escrowOf } from '../../runtime/payments/escrow.ts'
import { foldRef } from '../../runtime/payments/fold.ts'
import { toRail } from '../../runtime/payments/voucher.ts'
import { caseActor, stateOf, type CaseContext } from './case.machine.ts'

/** How long a complaint is held before it is answered with where it stands, in ms. */
const HOLD_MS = 2_500
/** D3: known cases are answered for this long after a call's expiry. */
const LATE_MS = 300_000

/** Registers the verbs of an escrow agent whose rulings `arbiter` signs. */
export function serveCases(parts: Pick<NodeParts, 'wire' | 'host' | 'rail' | 'clock'>, arbiter: Address): void {
  const { wire, host, clock } = parts
  const known = async (agreement: Hash): Promise<CaseState | undefined> => {
    const actor = await host().load(caseActor(agreement))
    return actor && stateOf(String(actor.snapshot.value), actor.snapshot.context as CaseContext)
  }

  wire.serve('complain', (body) => validate('ComplainRequest', body), async (complaint, { caller }) => {
    const agreement = agreementId(complaint.agreement)
    if (complaint.agreement.terms.payer !== caller) throw new AigenError('auth.unauthorised', 'the agreement is of another payer')
    const before = await known(agreement)
    if (!before) throw new AigenError('escrow.unknown-case', agreement)
    if (before.state !== 'open') return before
    await check(parts, arbiter, complaint, agreement)
    if (clock.now() >= complaint.voucher.challengeEnd * 1_000) throw new AigenError('escrow.too-late')
    const id = caseActor(agreement)
    await host().send(id, { type: 'complain', complaint })
    await host().until(id, ({ value }) => value !== 'hearing', HOLD_MS).catch(() => undefined)
    return (await known(agreement))!
  }, { lateMs: LATE_MS })

  wire.serve('case', (body) => validate('CaseRequest', body), async ({ agreement }, { caller }) => {
    const context = await host().look<CaseContext>(caseActor(agreement))
    // Until somebody complains nobody has shown whose case it is, and there is nothing to tell.
    if (context?.payer && caller !== context.payer && caller !== context.provider) throw new AigenError('auth.unauthorised', 'the case is of others')
    const state = await known(agreement)
    if (!state) return { state: 'unknown' }
    const { outcome: _shown, ...rest } = state
    return caller === context!.payer ? state : rest
  }, { lateMs: LATE_MS })
}

/** Errors `auth.*`, `voucher.*`, `input.invalid`: the complaint is not about an escrow of this agent. */
async function check({ wire, rail, clock }: Pick<NodeParts, 'wire' | 'rail' | 'clock'>, arbiter: Address, complaint: ComplainRequest, id: Hash): Promise<void> {
  const { agreement, voucher, previousRef, capability, authorisations } = complaint
  const { terms, lane } = agreement
  const { verifier } = wire.credentials
  const clause = escrowOf(terms)
  if (clause.agent !== wire.participant || clause.arbiter !== arbiter) throw new AigenError('auth.unauthorised', 'the agreement names another agent', { path: 'agreement.terms.escrow' })
  for (const one of authorisations) verifier.authorisations.admit(one)
  verifyAgreement(agreement, verifier, clock.now())
  if (hashOf(capability) !== terms.capabilityHash) throw new AigenError('input.invalid', 'it is another contract than agreed', { path: 'capability' })
  if (terms.vault !== rail.terms.contract || terms.asset !== rail.terms.asset) throw new AigenError('voucher.escrow', 'another vault', { path: 'agreement.terms.vault' })
  if (voucher.lane !== lane) throw new AigenError('voucher.lane', undefined, { path: 'voucher.lane' })
  if (voucher.arbiter !== arbiter || voucher.amount !== terms.cap) throw new AigenError('voucher.escrow', 'another arbiter or amount', { path: 'voucher' })
  if (voucher.ref !== foldRef(previousRef, id, terms.cap)) throw new AigenError('voucher.ref', 'the voucher stakes another agreement', { path: 'voucher.ref' })
  const state = await rail.lane(lane)
  // The chain may have lost it for a while: who complains asks again, until the challenge is over.
  if (!state) throw new AigenError('lane.unconfirmed', undefined, { path: 'voucher.lane' })
  if (state.payee !== terms.payee || rail.recover(toRail(voucher), voucher.signature) !== state.voucherKey) throw new AigenError('voucher.key', undefined, { path: 'voucher.signature' })
}
