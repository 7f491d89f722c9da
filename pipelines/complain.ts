/**
 * The payer's words with an escrow agent as effects: `case.complain` shows it all there is and asks
 * for a ruling, `case.ask` asks where the case stands. Nothing that the agent answers moves money:
 * that is looked up on the chain (I8).
 */
import type { Address, Capability, CaseState, Hash, NodeAuthorisation } from '../schemas/documents.gen.ts'
import { AigenError, asError } from '../schemas/error.ts'
import { participantId } from '../schemas/id.ts'
import { validate } from '../schemas/validate.ts'
import type { EffectKind } from '../runtime/actors/effects.ts'
import type { Host } from '../runtime/actors/host.ts'
import type { Wire } from '../runtime/identity/wire.ts'
import { keepKeys, keptKey } from '../runtime/market/keyring.machine.ts'
import { verifyStatement } from '../runtime/payments/delivery.ts'
import type { Clock } from '../runtime/ports/clock.ts'
import type { DisputeContext } from './dispute.machine.ts'

/** One attempt waits this long, and this long is paused after one that failed, in ms. */
const ATTEMPT_MS = 5_000
const PAUSE_MS = 500
/** How much of a reason is said. */
const REASON_MAX = 1_000

export interface ComplainOptions {
  readonly wire: Wire
  readonly clock: Clock
  readonly host: () => Host
  readonly capability: (provider: string, id: string) => Capability | undefined
}

/** The effects `case.complain` and `case.ask`. */
export function complainEffects({ wire, clock, host, capability }: ComplainOptions): Record<string, EffectKind> {
  const complain: EffectKind = {
    mode: 'idempotent',
    attempts: 1,
    run: async ({ agreement: id, until }: { agreement: Hash; until: number }, { actor, signal }) => {
      const { agreement, voucher, previousRef, delivery, output, reason } = host().context<DisputeContext>(actor)!
      const { terms } = agreement
      const contract = capability(terms.provider, terms.capability)
      if (!contract) throw new AigenError('step.output', 'the capability of the agreement is not known here')
      const known = (hash: string): NodeAuthorisation | undefined => wire.credentials.verifier.authorisations.get(hash) ?? keptKey(host(), hash)
      const auths = new Set([agreement.payer.auth, agreement.provider.auth, ...(delivery ? [delivery.signature.auth] : [])])
      const body = {
        agreement, voucher, previousRef, capability: contract, authorisations: [...auths].map(known).filter((one) => one !== undefined), reason: reason.slice(0, REASON_MAX),
        ...(delivery ? { delivery, output } : {}),
      }
      let last = new AigenError('escrow.too-late')
      while (clock.now() < until) {
        try {
          const said = await wire.call(participantId(terms.escrow!.agent), 'complain', body, { callId: `d-${id.slice(7, 39)}`, timeoutMs: ATTEMPT_MS, signal, validate: (value) => validate('ComplainAnswer', value) })
          return { type: 'case.complain.done', said }
        } catch (thrown) {
          last = asError(thrown)
          if (signal.aborted || !last.rule.retry) throw last
          await clock.sleep(PAUSE_MS, signal)
        }
      }
      throw last
    },
  }
  // What was ruled may be proven by the agent alone, so it is asked until a restart of it is over (I3).
  const ask: EffectKind = {
    mode: 'idempotent',
    attempts: 12,
    maxPauseMs: 30_000,
    run: async ({ agreement, agent }: { agreement: Hash; agent: Address }, { actor, signal }) => {
      const said: CaseState = await wire.call(participantId(agent), 'case', { agreement }, { callId: `c-${agreement.slice(7, 39)}`, timeoutMs: ATTEMPT_MS, signal, validate: (value) => validate('CaseAnswer', value) })
      const { outcome, ...rest } = said
      if (!outcome) return { type: 'case.ask.done', said }
      // What the agent shows is believed as little as what the provider does: it takes the place of a delivery only as one of this call.
      const { agreement: { terms, payer, provider }, inputHash } = host().context<DisputeContext>(actor)!
      const { verifier } = wire.credentials
      try {
        verifyStatement(outcome.delivery, { terms, agreement, call: 0, inputHash }, verifier, outcome.delivery.body.at)
      } catch {
        return { type: 'case.ask.done', said: rest }
      }
      await keepKeys(host(), [payer.auth, provider.auth, outcome.delivery.signature.auth], verifier.authorisations)
      return { type: 'case.ask.done', said }
    },
  }
  return { 'case.complain': complain, 'case.ask': ask }
}
