/**
 * A user's account with a payment provider: deposit over the network or by invoice, look at it, have
 * calls paid from it, take out what is unused; and the operator's word that an invoice was paid. Used by `aigen credit` and programs.
 */
import type { Address, BalanceAnswer, BuyAnswer, BuyRequest, Invoice, RefundAnswer } from '../../schemas/documents.gen.ts'
import { AigenError, asError, fromBody } from '../../schemas/error.ts'
import { participantId } from '../../schemas/id.ts'
import { parseMoney } from '../../schemas/money.ts'
import { validate } from '../../schemas/validate.ts'
import { hire } from './hire.ts'
import type { User } from './user.ts'

const DEPOSIT_CAPABILITY = 'payment.deposit@1'
const CALL_MS = 5_000
/** A refund is asked after for so long, in ms, so often. */
const REFUND_MS = 60_000
const PAUSE_MS = 500
/** What a call may take where nothing else is said, and how much longer its answer is asked for, in ms. */
const DEADLINE_MS = 60_000
const ANSWER_MS = 60_000
const CENT = 10_000n

export interface AtOptions {
  /** Payment provider; default the only one that keeps accounts. */
  readonly at?: string
}

/** Who is meant. Error `usage.invalid` where nobody, or more than one, keeps accounts here. */
export function keeperOf({ node }: Pick<User, 'node'>, { at }: AtOptions = {}): Address {
  const keepers = node.directory.offers(DEPOSIT_CAPABILITY).filter(({ participant }) => participant !== node.participant)
  const found = at === undefined ? keepers : keepers.filter(({ participant, name }) => name === at || participant === at.toLowerCase())
  if (found.length === 1) return found[0]!.participant
  if (found.length === 0) throw new AigenError('usage.invalid', at === undefined ? 'Nobody keeps accounts here.' : `${at} keeps no accounts here.`)
  throw new AigenError('usage.invalid', `Several keep accounts: say with --at which of ${found.map(({ name }) => name).join(', ')}.`)
}

async function ask<T>({ node }: Pick<User, 'node'>, to: Address, verb: string, body: object, read: (value: unknown) => T): Promise<T> {
  return node.wire.call(participantId(to), verb, body, { callId: `c-${Buffer.from(node.random.bytes(16)).toString('hex')}`, timeoutMs: CALL_MS, validate: read })
}

/** The account. Errors: those of `keeperOf` and the wire. */
export function creditBalance(user: User, options: AtOptions = {}): Promise<BalanceAnswer> {
  return ask(user, keeperOf(user, options), 'balance', {}, (value) => validate('BalanceAnswer', value))
}

/** Deposits whole cents of the dollar over the network; what it cost. Error `money.invalid` for parts of a cent. */
export async function depositCredit(user: User, amount: string, options: AtOptions & { readonly key?: string } = {}): Promise<string> {
  const atomic = parseMoney(amount)
  if (atomic === 0n || atomic % CENT !== 0n) throw new AigenError('money.invalid', 'credit is bought in whole cents')
  const only = [keeperOf(user, options)]
  return (await hire(user, { capability: DEPOSIT_CAPABILITY, input: { cents: Number(atomic / CENT) }, maxPrice: amount, only, attempts: 1, fresh: true, ...(options.key === undefined ? {} : { key: options.key }) })).charged
}

/** One call bought on credit. */
export interface Bought {
  readonly output: Readonly<Record<string, unknown>>
  /** What the call cost and what the payment provider took for it, decimal strings of the dollar. */
  readonly charged: string
  readonly fee: string
  /** Who did it, by name. */
  readonly provider?: string
}

/**
 * Has one call hired and paid by the payment provider, from the account; the same key again is the same
 * call, paid once. What it costs is at most `maxPrice` and the fee of the payment provider's card.
 *
 * Errors: `credit.short`; `run.conflict` for another call under the key; what the call failed with; `network.*`
 * where nothing was heard in `timeoutMs` (default the deadline and a minute): ask again under the same key.
 *
 * @example await buyOnCredit(user, { capability: 'text.shout@1', input: { text: 'hi' }, maxPrice: '0.05', key: 'one' })
 */
export async function buyOnCredit(user: User, request: BuyRequest, { timeoutMs = (request.deadlineMs ?? DEADLINE_MS) + ANSWER_MS, ...options }: AtOptions & { readonly timeoutMs?: number } = {}): Promise<Bought> {
  const keeper = keeperOf(user, options)
  const { clock } = user.node
  let last = new AigenError('network.timeout', 'the call is under way')
  for (const until = clock.monotonic() + timeoutMs; clock.monotonic() < until; await clock.sleep(PAUSE_MS)) {
    const answer: BuyAnswer | undefined = await ask(user, keeper, 'buy', request, (value) => validate('BuyAnswer', value)).catch((thrown: unknown) => {
      last = asError(thrown)
      if (!last.rule.retry) throw last
      return undefined
    })
    if (answer?.state === 'failed') throw fromBody(answer.error!)
    if (answer?.state === 'done') {
      const { output = {}, charged = '0', fee = '0', provider } = answer
      return { output, charged, fee, ...(provider === undefined ? {} : { provider }) }
    }
  }
  throw last
}

/** An invoice for credit, to be paid in `asset` outside of the network. Errors `market.refused`, `auth.forged`. */
export async function creditInvoice(user: User, credit: string, asset: string, options: AtOptions = {}): Promise<Invoice> {
  const keeper = keeperOf(user, options)
  const invoice = await ask(user, keeper, 'invoice', { credit, asset }, (value) => validate('Invoice', value))
  if (invoice.body.provider !== keeper || invoice.body.account !== user.node.participant || parseMoney(invoice.body.credit) !== parseMoney(credit)) throw new AigenError('market.refused', 'another invoice than was asked for')
  user.node.wire.credentials.verifier.verify('invoice', invoice.body, invoice.signature, user.node.clock.now())
  return invoice
}

/** Says as its operator that an invoice was paid. Errors `auth.*`, `run.conflict`. */
export function acknowledgeInvoice(user: User, invoice: Invoice, reference: string): Promise<{ readonly account: Address; readonly credit: string }> {
  return ask(user, invoice.body.provider, 'acknowledge', { invoice, reference }, (value) => validate('AcknowledgeAnswer', value))
}

/** Takes unused credit out, to the own account on the chain; once under one key, however often it is asked. Error `credit.short`. */
export async function refundCredit(user: User, amount: string, key: string, options: AtOptions = {}): Promise<RefundAnswer> {
  const keeper = keeperOf(user, options)
  const { clock } = user.node
  for (const until = clock.monotonic() + REFUND_MS; ;) {
    const answer = await ask(user, keeper, 'refund', { key, amount }, (value) => validate('RefundAnswer', value))
    if (answer.state === 'done' || clock.monotonic() >= until) return answer
    await clock.sleep(PAUSE_MS)
  }
}
