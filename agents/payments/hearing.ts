/**
 * An escrow agent's work as effects: `case.hear` weighs the payer's evidence, asks the provider for
 * its own where that does not decide, and signs the ruling; `case.rule` brings it to the chain before
 * the challenge is over. Both may be repeated: what was not journaled has not left (D1).
 */
import { hashOf } from '../../schemas/canonical.ts'
import type { CallDelivered, CallOutcome, ComplainRequest, Delivery, Parcel } from '../../schemas/documents.gen.ts'
import { AigenError, asError } from '../../schemas/error.ts'
import { participantId } from '../../schemas/id.ts'
import { validate } from '../../schemas/validate.ts'
import { judge } from '../../pipelines/evaluate-step.ts'
import type { Evaluate } from '../../pipelines/prepare.ts'
import type { EffectKind } from '../../runtime/actors/effects.ts'
import { blobsIn, receiveParcel } from '../../runtime/identity/parcel.ts'
import { agreementId } from '../../runtime/market/agreement.ts'
import type { NodeParts } from '../../runtime/node/node.ts'
import { verifyStatement } from '../../runtime/payments/delivery.ts'
import { escrowDigest, escrowOf, latestDelivery } from '../../runtime/payments/escrow.ts'
import { toRail } from '../../runtime/payments/voucher.ts'
import { writeThrough } from '../../runtime/payments/write.ts'
import { encodeWrite } from '../../runtime/ports/rail-json.ts'
import type { EscrowVoucher as RailEscrow } from '../../runtime/ports/rail.ts'
import type { WalletSigner } from '../../runtime/ports/signer.ts'
import { caseActor, type CaseContext } from './case.machine.ts'
import { rule, type Evidence, type Shown } from './ruling.ts'

/** The provider is asked until this share of the challenge is left for the chain. */
const CHAIN_SHARE = 3
const ATTEMPT_MS = 3_000
const PAUSE_MS = 500

export interface HearingOptions extends NodeParts {
  readonly evaluate: Evaluate
  /** Signs rulings. */
  readonly arbiter: WalletSigner
}

/** The effects `case.hear` and `case.rule`. */
export function hearingEffects(options: HearingOptions): Record<string, EffectKind> {
  const { wire, clock, rail, host, transfer, participant, evaluate, arbiter } = options

  /** What a delivery with its output is worth as evidence. */
  const weigh = async ({ agreement, capability }: ComplainRequest, delivery: Delivery, output: unknown, parcels?: readonly Parcel[]): Promise<Shown> => {
    const { terms } = agreement
    const at = delivery.body.at
    const shown = output !== undefined && hashOf(output) === delivery.body.outputHash
    try {
      // Of which input it was nobody can prove to a third: the payer's word stands against the provider's.
      verifyStatement(delivery, { terms, agreement: agreementId(agreement), call: 0, inputHash: delivery.body.inputHash }, wire.credentials.verifier, clock.now())
    } catch {
      return { genuine: false, at, output: false, fault: null }
    }
    if (!shown) return { genuine: true, at, output: false, fault: null }
    const fault = await judge(output, capability.output, terms.expect, evaluate)
    return { genuine: true, at, output: true, fault: fault?.message ?? (parcels ? await missing(output, parcels) : null) }
  }

  /** Which blob of an output is not there, as whoever shows it says where it lies. */
  const missing = async (output: unknown, parcels: readonly Parcel[]): Promise<string | null> => {
    for (const ref of blobsIn(output)) {
      try {
        await receiveParcel(transfer, ref, parcels)
      } catch (thrown) {
        return asError(thrown).message
      }
    }
    return null
  }

  /** What the provider has to show; undefined where it did not answer before `until`. */
  const ask = async ({ agreement, voucher: { lane } }: ComplainRequest, until: number, signal: AbortSignal): Promise<CallOutcome | undefined> => {
    for (;;) {
      try {
        return await wire.call(participantId(agreement.terms.provider), 'evidence', { lane, agreement: agreementId(agreement), call: 0 }, {
          callId: `e-${agreementId(agreement).slice(7, 39)}`, route: lane, timeoutMs: ATTEMPT_MS, signal, validate: (value) => validate('EvidenceAnswer', value),
        })
      } catch (thrown) {
        if (signal.aborted) throw thrown
        if (clock.now() >= until) return undefined
        await clock.sleep(PAUSE_MS, signal)
      }
    }
  }

  const hear: EffectKind = {
    mode: 'idempotent',
    attempts: 3,
    run: async (_params: object, { actor, signal }) => {
      const complaint = host().context<CaseContext>(actor)!.complaint!
      const { agreement: { terms }, voucher, delivery, output } = complaint
      const evidence: Evidence = {
        amount: voucher.amount, until: latestDelivery(voucher, terms), provider: 'unasked',
        payer: delivery ? await weigh(complaint, delivery, output) : null,
      }
      let ruling = rule(evidence)
      let outcome: CallDelivered | null = null
      if (ruling.hear) {
        const { challengeMs } = escrowOf(terms)
        const shown = await ask(complaint, voucher.challengeEnd * 1_000 - challengeMs / CHAIN_SHARE, signal)
        if (shown?.state === 'delivered') outcome = shown
        ruling = rule({ ...evidence, provider: shown === undefined ? 'silent' : outcome === null ? 'nothing' : await weigh(complaint, outcome.delivery, outcome.output, outcome.parcels ?? []) })
      }
      if (ruling.hear) throw new AigenError('internal', 'a hearing without an end')
      const { payeeAmount, reason } = ruling
      const signature = payeeAmount === null ? null : rail.signRuling({ voucher: escrowDigest(rail, voucher), payeeAmount: BigInt(payeeAmount) }, arbiter)
      return { type: 'case.hear.done', payeeAmount, reason, signature, outcome: payeeAmount === voucher.amount ? outcome : null }
    },
  }

  const bring: EffectKind = {
    mode: 'idempotent',
    attempts: 5,
    run: async (_params: object, { actor, signal }) => {
      const { complaint, payeeAmount, signature } = host().context<CaseContext>(actor)!
      const { voucher } = complaint!
      const digest = escrowDigest(rail, voucher)
      if (clock.now() >= voucher.challengeEnd * 1_000) throw new AigenError('escrow.too-late')
      try {
        const { hash } = await writeThrough(host(), participant, `rule.${digest}`, caseActor(host().context<CaseContext>(actor)!.agreement), encodeWrite({
          kind: 'rule', voucher: toRail(voucher) as RailEscrow, payeeAmount: BigInt(payeeAmount!), signature: signature!,
        }), signal)
        return { type: 'case.rule.done', hash }
      } catch (thrown) {
        // Recorded already, by us before a crash: a ruling is recorded once.
        if ((await rail.ruling(digest)) !== undefined) return { type: 'case.rule.done', hash: null }
        throw thrown
      }
    },
  }
  return { 'case.hear': hear, 'case.rule': bring }
}
