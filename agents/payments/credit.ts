/**
 * Payment on behalf of an account in credits (issue: a gateway without a vault of its own): deposits
 * are bought as `payment.deposit@1`, and count when they are paid; `buy` has one call hired and paid
 * by the payment provider's own node and charged to the account with a fee; `balance` tells it.
 * Worst loss: the account's is its credit, if the payment provider is lost; the provider's is nothing.
 */
import capability from '../../schemas/capabilities/payment.deposit@1.json' with { type: 'json' }
import { canonicalText, hashOf } from '../../schemas/canonical.ts'
import type { Address, BuyAnswer, Capability } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { formatMoney, parseMoney } from '../../schemas/money.ts'
import { validate } from '../../schemas/validate.ts'
import type { EffectKind } from '../../runtime/actors/effects.ts'
import type { Host } from '../../runtime/actors/host.ts'
import type { LiveActor } from '../../runtime/actors/fold.ts'
import { blobsIn } from '../../runtime/identity/parcel.ts'
import type { Node } from '../../runtime/node/node.ts'
import type { CallContext } from '../provider/call.machine.ts'
import type { ProviderDefinition } from '../provider/define.ts'
import { hireDocument } from '../user/hire.ts'
import { finishRun, startRun } from '../user/run.ts'
import type { User } from '../user/user.ts'
import { accountOf, accountsIn, type CreditsContext } from './credits.machine.ts'
import type { PurchaseContext } from './purchase.machine.ts'

export const DEPOSIT_CAPABILITY = 'payment.deposit@1'
/** Fee on what a call cost, in percent, rounded up, where the operator says nothing else. */
export const FEE_PERCENT = 2
/** How long a purchase is held before it is answered `pending`, in ms. */
const HOLD_MS = 2_500
/** One look at a run lasts this long, in ms. */
const FOLLOW_MS = 60_000
const DEADLINE_MS = 60_000
/** Accounts of one payment provider. */
const ACCOUNTS_MAX = 10_000

const feeOn = (amount: bigint, percent: number): bigint => (amount * BigInt(percent) + 99n) / 100n
const isOver = (state: unknown): boolean => state === 'done' || state === 'failed'

/** Error `node.busy`: the book is full, and knows no such account. */
export function checkRoom(host: Host, account: Address): void {
  const accounts = accountsIn(host.context<CreditsContext>('credits') ?? { book: {} })
  if (accounts.size >= ACCOUNTS_MAX && !accounts.has(account)) throw new AigenError('node.busy', 'no more accounts are opened here')
}

/** What sells credit; `host` is there once the node is open. */
export function depositDefinition(name: string, host: () => Host): ProviderDefinition {
  return {
    name, capability: capability as unknown as Capability, price: { list: '0.01' }, latencyMs: 2_000,
    handler: async ({ cents }: { cents: number }, { callId }) => {
      const account = host().context<CallContext>(callId)!.caller
      checkRoom(host(), account)
      return { output: { account, cents }, units: { cent: cents } }
    },
  }
}

/** The effect `credit.hire`: one keyed run of the payment provider's own, followed to its end. */
export function creditEffects(user: () => User, feePercent: number): Record<string, EffectKind> {
  const hire: EffectKind = {
    mode: 'idempotent',
    attempts: 1,
    run: async ({ key }: { key: string }, { actor, signal }) => {
      const { request: { capability: wanted, input, maxPrice, deadlineMs = DEADLINE_MS, expect } } = user().node.host.context<PurchaseContext>(actor)!
      const document = hireDocument({ capability: wanted, input: input as Record<string, unknown>, maxPrice, deadlineMs, attempts: 1, ...(expect === undefined ? {} : { expect }) })
      const run = await startRun(user(), { document, inputs: {}, key })
      const { output, error, bill } = await finishRun(user(), run, FOLLOW_MS, signal)
      const spent = parseMoney(bill.spent)
      return { type: 'credit.hire.done', output, error, spent: spent.toString(), fee: feeOn(spent, feePercent).toString(), provider: bill.steps[0]?.providerName ?? null }
    },
  }
  return { 'credit.hire': hire }
}

/** Credits deposits once they are paid, those of an earlier life of this node included. */
export async function watchDeposits(host: Host): Promise<void> {
  await host.start('credits', {})
  const take = ({ id, snapshot }: LiveActor): void => {
    const { terms, delivery, caller } = snapshot.context as CallContext
    if (snapshot.value !== 'paid' || terms.capability !== DEPOSIT_CAPABILITY || !delivery) return
    if (host.context<CreditsContext>('credits')!.posted[id]) return
    void host.send('credits', { type: 'deposit', id, account: caller, amount: delivery.body.amount }).catch(() => undefined)
  }
  host.watch((actor) => {
    if (actor.kind.name === 'call') take(actor)
  })
  for await (const actor of host.all('call')) take(actor)
}

/** Registers `buy` and `balance`. */
export function serveCredit({ wire, host }: Pick<Node, 'wire' | 'host'>, feePercent: number): void {
  wire.serve('balance', (body) => validate('BalanceRequest', body), async (_body, { caller }) => {
    const account = accountOf(host.context<CreditsContext>('credits'), caller)
    const money = (atomic: string): string => formatMoney(BigInt(atomic))
    const { deposited, held, spent, fees, free } = account
    const out = BigInt(account.owed) + BigInt(account.refunded)
    return { deposited: money(deposited), held: money(held), spent: money(spent), fees: money(fees), free: money(free), ...(out > 0n ? { refunded: formatMoney(out) } : {}) }
  })

  wire.serve('buy', (body) => validate('BuyRequest', body), async (request, { caller }) => {
    if (blobsIn(request.input).length > 0) throw new AigenError('input.invalid', 'blobs are not bought on credit', { path: 'input' })
    if (typeof request.input !== 'object' || request.input === null || Array.isArray(request.input)) throw new AigenError('input.invalid', 'an object', { path: 'input' })
    const self = purchaseActor(caller, request.key)
    const most = parseMoney(request.maxPrice)
    if (!(await host.load(self))) await host.start(self, { self, account: caller, request, worst: (most + feeOn(most, feePercent)).toString() })
    // Asked once it is there: of two that came at once, one began it.
    if (canonicalText((await host.look<PurchaseContext>(self))!.request) !== canonicalText(request)) throw new AigenError('run.conflict', 'another call')
    await host.until(self, ({ value }) => isOver(value), HOLD_MS).catch(() => undefined)
    const actor = (await host.load(self))!
    return answerOf(String(actor.snapshot.value), actor.snapshot.context as PurchaseContext)
  })
}

function purchaseActor(account: Address, key: string): string {
  return `purchase/${account}/${hashOf(key).slice(7, 39)}`
}

function answerOf(state: string, { output, spent, fee, provider, error }: PurchaseContext): BuyAnswer {
  if (!isOver(state)) return { state: 'pending' }
  const cost = { charged: formatMoney(BigInt(spent)), fee: formatMoney(BigInt(fee)), ...(provider === null ? {} : { provider }) }
  return error ? { state: 'failed', error: { code: error.code, message: error.message }, ...cost } : { state: 'done', output: output as { [k: string]: unknown }, ...cost }
}
