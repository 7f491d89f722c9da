/**
 * Who decides about an escrowed call: the payer's choice among the payment providers of the directory
 * (those that have not failed it first, of these the cheapest, ties by address, so that the choice never
 * depends on arrival). Pure.
 */
import type { Address, EscrowTerms } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { parseMoney } from '../../schemas/money.ts'
import { escrowFault } from '../payments/escrow.ts'
import type { Directory } from './directory.ts'
import type { History } from './strategy.ts'

/** The capability by which a case is opened and the fee paid. */
export const ESCROW_CAPABILITY = 'payment.escrow@1'

/** What a payer wants: an agent by name or anybody, and the most that its fee may be, atomic. */
export interface EscrowWish {
  readonly agent: Address | null
  readonly fee: string
}

/** The clause of the agent chosen. Error `escrow.no-agent` where none is live within the fee. */
export function chooseAgent(directory: Pick<Directory, 'entries'>, { agent, fee }: EscrowWish, payer: Address, decimals: number, history: (agent: Address) => History = () => ({ delivered: 0, failed: 0 })): EscrowTerms {
  const found: { readonly terms: EscrowTerms; readonly fee: bigint; readonly failing: boolean }[] = []
  for (const { card: { body }, alive } of directory.entries()) {
    if (!alive || !body.escrow || !body.roles.includes('payment-provider') || body.participant === payer) continue
    if (agent !== null && body.participant !== agent) continue
    const { arbiter, challengeMs, expiryMs } = body.escrow
    const terms = { agent: body.participant, arbiter, challengeMs, expiryMs }
    const asked = parseMoney(body.escrow.fee, decimals)
    const { delivered, failed } = history(body.participant)
    if (asked <= BigInt(fee) && escrowFault(terms) === undefined) found.push({ terms, fee: asked, failing: failed > delivered })
  }
  const [best] = found.sort((one, other) => Number(one.failing) - Number(other.failing) || (one.fee < other.fee ? -1 : one.fee > other.fee ? 1 : one.terms.agent < other.terms.agent ? -1 : 1))
  if (!best) throw new AigenError('escrow.no-agent', agent === null ? undefined : agent)
  return best.terms
}
