/**
 * How a provider answers the market: a signed quote to each call that fits, one round of bargaining
 * down to its floor (D6). Nothing is kept: a quote carries its own terms and expiry, and what comes
 * back is checked against the provider's own signature.
 */
import { hashOf } from '../../schemas/canonical.ts'
import type { CallForQuotesBody, Quote, QuoteRequest, Terms } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { parseMoney } from '../../schemas/money.ts'
import { validate } from '../../schemas/validate.ts'
import { expectFault } from '../../pipelines/prepare.ts'
import type { SignedMessage } from '../../runtime/identity/door.ts'
import { verifyQuote } from '../../runtime/market/agreement.ts'
import { marketSubject } from '../../runtime/market/hire.ts'
import { priceOf, type Tariff } from '../../runtime/payments/meter.ts'
import { streamTerms } from '../../runtime/payments/stream.ts'
import { answerCounter } from '../../runtime/market/strategy.ts'
import { choices } from '../../runtime/actors/fleet.ts'
import type { NodeParts } from '../../runtime/node/node.ts'
import type { Subscription } from '../../runtime/ports/bus.ts'
import type { ProviderDefinition } from './define.ts'
import type { Desk } from './desk.ts'
import { livesWith } from './escrow.ts'

/** How long a quote stands, in ms. */
const QUOTE_MS = 60_000
/** Shortest deadline taken: the promised latency. Longest: an hour. */
const DEADLINE_MS_MAX = 3_600_000
const UNITS_MAX = 1_000_000
/** How long an agreement for many calls stands by default, in ms. */
const STANDING_MS = 3_600_000
/** Of a provider's nodes so many answer a call for quotes: one may be standing still without the others knowing. */
const ANSWER_MAX = 2

export interface Quoting {
  /** The provider's next offer in a bargain. Errors: `auth.*`, `market.*`. */
  bargain(request: QuoteRequest, caller: string): Quote
  stop(): Promise<void>
}

/** Listens to the market for `definition`'s capability; `busy` says when no more of a caller is taken, `desk` what it costs whom. */
export async function openQuoting(parts: NodeParts, definition: ProviderDefinition, busy: (caller: string) => boolean, desk: Pick<Desk, 'price'>): Promise<Quoting> {
  const { wire, clock, rail, random } = parts
  const { capability } = definition
  const floor = parseMoney(definition.price.floor ?? definition.price.list, rail.terms.decimals)
  /** What it goes down to from `asked`; a tier may be below the floor already. */
  const lowest = (asked: bigint): bigint => (definition.quote || asked < floor ? asked : floor)
  const capabilityHash = hashOf(capability)
  const outputSchemaHash = hashOf(capability.output)

  const settles = ({ settle, escrow, payer }: CallForQuotesBody): boolean =>
    settle === 'escrow' ? escrow !== undefined && livesWith(parts, definition.arbiters, escrow, payer) : (settle !== 'streamed' || (definition.stream !== undefined && capability.chunk !== undefined)) && escrow === undefined

  const most = definition.price.max === undefined ? undefined : parseMoney(definition.price.max, rail.terms.decimals)
  const capOf = (tariff: Tariff, units: number): string => {
    const price = priceOf(tariff, units)
    return (most === undefined || price < most ? price : most).toString()
  }

  /** No agreement stands of a price that is made for each call, or counts what was used. */
  const standingFor = ({ standing: wanted, settle }: CallForQuotesBody, { free, pass, subscription }: Pick<Terms, 'free' | 'pass' | 'subscription'>): Pick<Terms, 'standing'> => {
    const { standing, price } = definition
    const counted = pass !== undefined || subscription !== undefined || free !== undefined || (price.tiers !== undefined && price.tiers.over !== 'call')
    if (!wanted || !standing || settle !== 'postpaid' || definition.quote || counted) return {}
    return { standing: { calls: Math.min(wanted.calls, standing.calls), until: Math.min(wanted.until, clock.now() + (standing.forMs ?? STANDING_MS)) } }
  }

  const termsFor = (call: CallForQuotesBody, { pass, subscription, ...tariff }: Tariff & Pick<Terms, 'pass' | 'subscription'>): Terms => ({
    quote: `q_${Buffer.from(random.bytes(12)).toString('hex')}`,
    request: call.id,
    provider: wire.participant,
    payer: call.payer,
    payee: wire.participant,
    capability: capability.id,
    capabilityHash,
    outputSchemaHash,
    expect: call.expect,
    unit: capability.unit,
    ...tariff,
    ...(capability.per === undefined ? {} : { per: capability.per }),
    ...(definition.meter === undefined ? {} : { meter: definition.meter }),
    units: call.units,
    cap: capOf({ ...tariff, ...(capability.per === undefined ? {} : { per: capability.per }) }, call.units),
    ...(pass === undefined ? {} : { pass }),
    ...(subscription === undefined ? {} : { subscription }),
    deadlineMs: call.deadlineMs,
    graceMs: call.graceMs,
    settle: call.settle,
    ...(call.escrow === undefined ? {} : { escrow: call.escrow }),
    ...(call.settle === 'streamed' ? { stream: streamTerms(definition.stream) } : {}),
    ...standingFor(call, { ...(pass === undefined ? {} : { pass }), ...(subscription === undefined ? {} : { subscription }), ...(tariff.free === undefined ? {} : { free: tariff.free }) }),
    asset: rail.terms.asset,
    vault: rail.terms.contract,
    expiresAt: clock.now() + QUOTE_MS,
    // What would not go down is not asked to: a round trip and a signature less.
    round: lowest(BigInt(tariff.unitPrice)) < BigInt(tariff.unitPrice) ? 0 : 1,
  })

  const subscription: Subscription = await wire.serveSigned(marketSubject(capability.id), {
    kind: 'call-for-quotes',
    validate: (body) => validate('CallForQuotesBody', body),
    ...(parts.host().nodes ? {} : { queue: wire.participant }),
    handler: async ({ body, by }): Promise<SignedMessage | undefined> => {
      const nodes = parts.host().nodes
      if (nodes && !choices(body.id, nodes).slice(0, ANSWER_MAX).includes(wire.node)) return undefined
      const takes =
        body.payer === by && by !== wire.participant && body.capability === capability.id && settles(body) && body.units <= UNITS_MAX &&
        body.deadlineMs >= definition.latencyMs && body.deadlineMs + body.graceMs <= DEADLINE_MS_MAX && !busy(by) &&
        (body.expect === null || expectFault(body.expect) === undefined)
      if (!takes) return undefined
      const tariff = await desk.price(body, async () => {
        const price = definition.quote ? await definition.quote(body) : definition.price.list
        return price === undefined ? undefined : parseMoney(price, rail.terms.decimals)
      })
      return tariff && wire.sign('quote', termsFor(body, tariff))
    },
  })

  return {
    bargain: ({ quote, want }, caller) => {
      if (quote.terms.payer !== caller || quote.terms.provider !== wire.participant) throw new AigenError('auth.unauthorised', 'the quote is for another payer')
      verifyQuote(quote, wire.credentials.verifier, clock.now())
      if (quote.terms.round > 0) throw new AigenError('market.refused', 'one round of bargaining is all')
      const asked = BigInt(quote.terms.unitPrice)
      const unitPrice = answerCounter(asked, lowest(asked), BigInt(want)).toString()
      const terms: Terms = { ...quote.terms, unitPrice, cap: capOf({ ...quote.terms, unitPrice }, quote.terms.units), round: 1 }
      return { terms, signature: wire.credentials.sign('quote', terms) }
    },
    stop: () => subscription.stop(),
  }
}
