/**
 * The payer's side of the market as effects: ask all, bargain with some, sign, have it accepted (D6).
 * Asked for by `negotiation`; each may be repeated freely, since signatures are deterministic and
 * the provider knows a repeated accept by its agreement.
 */
import { hashOf } from '../../schemas/canonical.ts'
import type { AcceptAnswer, Address, CallForQuotesBody, Hash, Quote, Settle, Signature, Terms } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { hashOfFixed } from '../../schemas/fixed.ts'
import { participantId } from '../../schemas/id.ts'
import { parseMoney } from '../../schemas/money.ts'
import { validate } from '../../schemas/validate.ts'
import type { EffectKind } from '../actors/effects.ts'
import type { Host } from '../actors/host.ts'
import type { Wire } from '../identity/wire.ts'
import { covering, type SubscriptionsContext } from '../payments/subscriptions.machine.ts'
import type { Clock } from '../ports/clock.ts'
import type { RailTerms } from '../ports/rail.ts'
import type { Trace } from '../telemetry/trace.ts'
import { agreementId, signAgreement, verifyQuote, verifySide } from './agreement.ts'
import type { Directory } from './directory.ts'
import { chooseAgent, ESCROW_CAPABILITY, type EscrowWish } from './escrow-agent.ts'
import { historyOf, type ExperienceContext } from './experience.machine.ts'
import { keptKeys } from './keyring.machine.ts'
import type { Lane, StandingWish } from './negotiation.machine.ts'
import { CREDIT, creditFor, type Credit } from './credit.ts'
import type { Reputation } from './reputation.ts'
import type { Offer } from './strategy.ts'

/** How long quotes are waited for when not all who should answer have, in ms. */
const QUOTES_MS = 1_500
/** How long a signed call for quotes stands, in ms. */
const CALL_MS = 30_000
const QUOTES_MAX = 64
/** Subscriptions that a call for quotes names. */
const SUBSCRIPTIONS_MAX = 8
/** Who has not said in this time that it is alive, a beat and a half, may be away, in ms; looked at so often. */
const SURE_MS = 3_000
const SURE_LOOK_MS = 100
const CALL_TIMEOUT_MS = 5_000
/** A lane whose node has died is another's within this, in ms; it is asked for so often. */
const MOVE_MS = 8_000
const MOVE_PAUSE_MS = 250

export interface HireOptions {
  readonly wire: Wire
  readonly clock: Clock
  readonly directory: Directory
  readonly reputation?: Pick<Reputation, 'of' | 'learn'>
  readonly terms: RailTerms
  /** How far a provider is trusted with prepayments (default `CREDIT`). */
  readonly prepaid?: Credit
  /** Only what the payer remembers of providers is read from it. */
  readonly host: () => Pick<Host, 'look'>
  /** Keeps the authorisations with these hashes, before a signature under one of them counts. */
  readonly keep: (hashes: readonly Hash[]) => Promise<void>
}

interface Ask {
  readonly capability: string
  readonly units: number
  readonly inputBytes: number
  readonly cap: string
  readonly deadlineMs: number
  readonly graceMs: number
  readonly expect: string | null
  readonly settle: Settle
  /** Where it settles in escrow; the agent is chosen here. */
  readonly escrow?: EscrowWish | null
  readonly only: readonly Address[] | null
  readonly exclude: readonly Address[]
  readonly trace: string | null
  readonly standing?: StandingWish
  /** How long quotes are waited for, in ms (default 1,500); with it nobody is asked whether it is away. */
  readonly patienceMs?: number
}

export function marketSubject(capability: string): string {
  return `aigen.v1.market.${capability}`
}

/** The effects `market.ask`, `market.counter`, `market.sign` and `market.accept`. */
export function hireEffects({ wire, clock, directory, reputation, terms: rail, prepaid = CREDIT, host, keep }: HireOptions): Record<string, EffectKind> {
  const { credentials } = wire

  /** Why a quote does not answer the call, or nothing when it does. */
  const misfit = (quote: Terms, ask: Ask, call: CallForQuotesBody): string | undefined => {
    if (quote.request !== call.id) return 'another request'
    if (hashOf(quote.escrow ?? null) !== hashOf(call.escrow ?? null)) return 'another escrow'
    if (quote.payer !== wire.participant || quote.capability !== ask.capability) return 'another call'
    if (quote.asset !== rail.asset || quote.vault !== rail.contract) return 'another asset or vault'
    if (quote.expect !== ask.expect || quote.settle !== ask.settle) return 'other clauses'
    if ((quote.stream !== undefined) !== (ask.settle === 'streamed')) return 'another stream'
    if (quote.deadlineMs !== ask.deadlineMs || quote.graceMs !== ask.graceMs) return 'another deadline'
    if (quote.standing && !(call.standing && quote.standing.calls <= call.standing.calls && quote.standing.until <= call.standing.until)) return 'another number of calls'
    if (BigInt(quote.cap) > BigInt(ask.cap)) return 'above the price of the step'
    if (quote.units < ask.units) return 'fewer units than the call may take'
    return undefined
  }

  /** Whether any of those who gave no answer has gone: who lives says so, and has nothing to offer. */
  const areAway = async (participants: readonly Address[], since: number, signal: AbortSignal): Promise<boolean> => {
    const some = (): boolean => participants.some((one) => directory.heardAt(one) < since)
    while (some() && clock.monotonic() - since < SURE_MS) await clock.sleep(SURE_LOOK_MS, signal)
    return some()
  }

  const ask: EffectKind = {
    mode: 'idempotent',
    attempts: 3,
    concurrency: 128,
    run: async (params: Ask, { key, signal }) => {
      const may = (participant: Address): boolean => (params.only?.includes(participant) ?? true) && !params.exclude.includes(participant) && participant !== wire.participant
      const live = directory.offers(params.capability).filter(({ participant }) => may(participant))
      if (live.length === 0) return { type: 'market.ask.done', offers: [], silent: directory.awaited(params.capability).some(may) ? 'away' : null }
      const context = await host().look<ExperienceContext>('experience').catch(() => undefined)
      const escrow = params.escrow ? chooseAgent(directory, params.escrow, wire.participant, rail.decimals, (agent) => historyOf(context, agent, ESCROW_CAPABILITY)) : undefined
      const { capability, units, inputBytes, deadlineMs, graceMs, expect, settle, standing } = params
      const now = clock.now()
      const own = settle === 'postpaid' ? covering(await host().look<SubscriptionsContext>('subscriptions').catch(() => undefined), capability, now).slice(0, SUBSCRIPTIONS_MAX) : []
      const body: CallForQuotesBody = {
        id: `cfq_${hashOf([wire.participant, key]).slice(7, 39)}`,
        payer: wire.participant, capability, units, inputBytes, deadlineMs, graceMs, expect, settle, ...(own.length === 0 ? {} : { subscriptions: own }), ...(escrow === undefined ? {} : { escrow }), ...(standing ? { standing: { calls: standing.calls, until: now + standing.forMs } } : {}), issuedAt: now, expiresAt: now + CALL_MS,
      }
      // Where nothing is known beforehand, guardians are asked while the quotes come in.
      const learned = reputation?.learn?.(live.map(({ participant }) => participant))
      const offers = new Map<string, Offer>()
      const answers = wire.gatherSigned(marketSubject(capability), wire.sign('call-for-quotes', body), {
        answerKind: 'quote',
        validate: (value) => validate('Terms', value),
        max: QUOTES_MAX,
        timeoutMs: params.patienceMs ?? QUOTES_MS,
        signal,
        ...within(params.trace),
      })
      // Counted by who they are: strangers, and one that answers many times, must not crowd the others out.
      const heard = new Set<string>()
      const asked = clock.monotonic()
      for await (const { body: terms, by, signature } of answers) {
        const known = live.find((one) => one.participant === by)
        if (!known) continue
        heard.add(by)
        // An agent that decides about its own work decides nothing.
        const history = historyOf(context, by, capability)
        const trusted = settle !== 'prepaid' || BigInt(terms.cap) <= creditFor(history, prepaid)
        const fits = terms.provider === by && by !== escrow?.agent && trusted && misfit(terms, params, body) === undefined
        const counted = hashOf(terms.meter ?? null) === hashOf(known.offer.meter ?? null)
        if (fits && counted && terms.capabilityHash === hashOfFixed(known.offer.capability) && terms.payee === directory.entry(by)?.card.body.payee) {
          offers.set(by, {
            quote: { terms, signature },
            name: known.name,
            list: parseMoney(known.offer.list, rail.decimals).toString(),
            latencyMs: known.offer.latencyMs,
            ...(known.offer.cacheMs === undefined ? {} : { cacheMs: known.offer.cacheMs }),
            history,
          })
        }
        if (heard.size >= live.length) break
      }
      await learned
      return {
        type: 'market.ask.done',
        silent: heard.size > 0 || params.patienceMs !== undefined ? null : await areAway(live.map(({ participant }) => participant), asked, signal) ? 'away' : 'mute',
        offers: [...offers].map(([by, offer]): Offer => {
          const figures = reputation?.of(by, capability)
          return figures ? { ...offer, reputation: { uptime: figures.uptime, success: figures.success, p95Ms: figures.p95Ms } } : offer
        }),
      }
    },
  }

  const counter: EffectKind = {
    mode: 'idempotent',
    attempts: 1,
    concurrency: 128,
    run: async ({ quote, want, trace }: { quote: Quote; want: string; trace: string | null }, { key, signal }) => {
      const answer = await wire.call(participantId(quote.terms.provider), 'quote', { quote, want }, {
        callId: `q-${hashOf(key).slice(7, 39)}`, timeoutMs: 2_000, signal, ...within(trace), validate: (value) => validate('QuoteAnswer', value),
      })
      verifyQuote(answer, credentials.verifier, clock.now())
      const { unitPrice: _price, cap: _cap, quote: _id, round: _round, expiresAt: _until, ...fixed } = quote.terms
      const { unitPrice, cap, quote: _other, round: _next, expiresAt: _later, ...again } = answer.terms
      if (hashOf(fixed) !== hashOf(again)) throw new AigenError('market.refused', 'the counter-offer changes more than the price')
      if (BigInt(unitPrice) > BigInt(quote.terms.unitPrice) || BigInt(cap) > BigInt(quote.terms.cap)) throw new AigenError('market.above-cap', 'the counter-offer is dearer')
      return { type: 'market.counter.done', offer: answer }
    },
  }

  const sign: EffectKind = {
    mode: 'idempotent',
    run: async (params: { terms: Terms; lane: `0x${string}` }) => {
      // Another node of ours may go on with it, and its receipts need this one's authorisation.
      await keep([credentials.auth])
      return { type: 'market.sign.done', payer: signAgreement(params, credentials.sign) }
    },
  }

  /** Repeats `ask` while the provider's nodes are there and none of them has the lane: another is about to take it. */
  const throughMove = async <T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> => {
    for (const until = clock.monotonic() + MOVE_MS; ;) {
      try {
        return await ask()
      } catch (thrown) {
        if (!(thrown instanceof AigenError) || thrown.code !== 'network.moved' || clock.monotonic() >= until) throw thrown
      }
      await clock.sleep(MOVE_PAUSE_MS, signal)
    }
  }

  const accept: EffectKind = {
    mode: 'idempotent',
    attempts: 3,
    concurrency: 128,
    run: async ({ quote, lane, payer, trace }: { quote: Quote; lane: Lane; payer: Signature; trace: string | null }, { signal }) => {
      const agreed = { terms: quote.terms, lane: lane.id }
      const id: Hash = agreementId(agreed)
      const { vault, number, voucherKey } = lane
      // That of the node which signed: the same bytes from whichever of ours says them again.
      const authorisation = credentials.verifier.authorisations.get(payer.auth) ?? (await keptKeys(host()))[payer.auth] ?? credentials.authorisation
      const ask = (): Promise<AcceptAnswer> => wire.call(
        participantId(quote.terms.provider), 'accept',
        { ...agreed, payer, quote: quote.signature, proof: { vault, number, voucherKey }, authorisation, ...(lane.grant ? { grant: lane.grant } : {}) },
        { callId: `a-${id.slice(7, 39)}`, route: lane.id, timeoutMs: CALL_TIMEOUT_MS, signal, ...within(trace), validate: (value) => validate('AcceptAnswer', value) },
      )
      const answer = await throughMove(ask, signal)
      verifySide(agreed, 'provider', answer.provider, credentials.verifier, clock.now())
      await keep([answer.provider.auth])
      return { type: 'market.accept.done', agreement: id, provider: answer.provider }
    },
  }
  return { 'market.ask': ask, 'market.counter': counter, 'market.sign': sign, 'market.accept': accept }
}

/** The call's place in a trace. */
function within(traceparent: string | null): { trace?: Trace } {
  return traceparent === null ? {} : { trace: { traceparent } }
}
