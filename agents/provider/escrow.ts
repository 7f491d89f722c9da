/**
 * A provider's side of escrow (payments.md): which arbiters it can live with, the voucher that must
 * come with the invoke, and the verb `evidence` by which the agreed agent has the delivery shown.
 * Keeps the worst loss at one call's price, and that only where the arbiter lies.
 */
import type { Address, EscrowTerms, EscrowVoucher, Hex32, Terms } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { validate } from '../../schemas/validate.ts'
import type { NodeParts } from '../../runtime/node/node.ts'
import { CLAIM_MS_MIN, escrowFault, verifyEscrowVoucher } from '../../runtime/payments/escrow.ts'
import { staked } from '../../runtime/payments/stake.ts'
import { lateAcceptance, type TillContext } from '../../runtime/payments/till.machine.ts'
import { lookOnce } from '../../runtime/payments/verdict.ts'
import { verifyVoucher } from '../../runtime/payments/voucher.ts'
import { callActor, type CallContext } from './call.machine.ts'
import { outcomeOf } from './outcome.ts'

/** D3: known calls are answered for this long after their expiry. */
const LATE_MS = 300_000

/**
 * Whether the provider works under this escrow: the agent is neither of the two sides, its live card
 * says the same, and there is time to claim. `arbiters` names the agents it takes; default any.
 */
export function livesWith({ directory, participant }: Pick<NodeParts, 'directory' | 'participant'>, arbiters: readonly Address[] | undefined, escrow: EscrowTerms, payer: Address): boolean {
  const { agent } = escrow
  if (agent === participant || agent === payer || (arbiters && !arbiters.includes(agent)) || escrowFault(escrow)) return false
  const entry = directory.entry(agent)
  const offer = entry?.card.body.escrow
  return entry?.alive === true && entry.card.body.roles.includes('payment-provider') &&
    offer?.arbiter === escrow.arbiter && offer.challengeMs === escrow.challengeMs && offer.expiryMs === escrow.expiryMs
}

/** Error `lane.unsafe` where the lane could be closed before an escrow on it is decided and claimed. */
export function checkEscrowLane({ settle, escrow, deadlineMs, graceMs }: Terms, delay: number): void {
  if (settle !== 'escrow' || !escrow) return
  const longest = Math.ceil((deadlineMs + graceMs + escrow.challengeMs + CLAIM_MS_MIN) / 1_000)
  if (delay < longest) throw new AigenError('lane.unsafe', `${delay} s, this escrow needs ${longest}`, { path: 'proof.vault' })
}

/** The voucher that secures `call`, or null where none is agreed. Errors as `verifyEscrowVoucher`; `voucher.escrow` for one that nobody asked for. */
export function admitEscrow({ rail, clock }: Pick<NodeParts, 'rail' | 'clock'>, { terms, agreement }: CallContext, till: TillContext, voucher: EscrowVoucher | undefined): EscrowVoucher | null {
  if (terms.settle !== 'escrow') {
    if (voucher) throw new AigenError('voucher.escrow', 'the agreement is not settled in escrow', { path: 'escrow' })
    return null
  }
  const { lane, voucherKey } = till
  verifyEscrowVoucher(rail, voucher, terms, { lane, voucherKey, ...staked(till, { agreement, amount: terms.cap }) }, clock.now())
  return voucher!
}

/** The till, its escrow decided first where the chain has done so: a lane must not wait for the next look. */
export async function decidedTill({ rail, host }: Pick<NodeParts, 'rail' | 'host'>, till: TillContext): Promise<TillContext> {
  if (!till.escrow || !till.open) return till
  const ruled = await lookOnce(rail, till.escrow)
  if (ruled === undefined) return till
  const actor = await host().send(`till/${till.lane}`, { type: 'ruled', agreement: till.open.agreement, ruled })
  return actor.snapshot.context as TillContext
}

/** Takes the plain voucher of a payer that accepts after the chain has decided; undefined where it is none. Errors `voucher.*`. */
export async function acceptLate({ rail, host }: Pick<NodeParts, 'rail' | 'host'>, till: TillContext, lane: Hex32, voucher: Parameters<typeof verifyVoucher>[1]): Promise<{ cumulative: string } | undefined> {
  const due = lateAcceptance(till)
  if (!due || voucher.ref !== due.ref) return undefined
  verifyVoucher(rail, voucher, { lane, voucherKey: till.voucherKey, ...due })
  const actor = await host().send(`till/${lane}`, { type: 'accepted', voucher })
  return { cumulative: (actor.snapshot.context as TillContext).cumulative }
}

/** Registers `evidence`: to the agent of the agreement, and nobody else, the call's outcome is shown. */
export function serveEvidence({ wire, host }: Pick<NodeParts, 'wire' | 'host'>): void {
  wire.serve('evidence', (body) => validate('EvidenceRequest', body), async ({ lane, agreement, call }, { caller }) => {
    const id = callActor(lane, agreement, call)
    host().mustHold(id)
    const actor = await host().load(id)
    const context = actor?.snapshot.context as CallContext | undefined
    if (!actor || !context) return { state: 'unknown' }
    if (context.terms.escrow?.agent !== caller) throw new AigenError('auth.unauthorised', 'the agreement names another agent')
    return outcomeOf(String(actor.snapshot.value), context)
  }, { lateMs: LATE_MS })
}
