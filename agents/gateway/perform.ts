/**
 * One paid call for an account: reserve the worst case, hire under the call's name, settle what it
 * cost. Dying between any two of them loses nothing: the name is the same when it is done again, and
 * `reconcile` closes what stays open (I1, I4). Elsewhere again, once, where the first provider failed
 * and nothing was heard from it. Used by the chat and embeddings routes.
 */
import type { Address } from '../../schemas/documents.gen.ts'
import { compileFixed } from '../../schemas/fixed.ts'
import { AigenError, asError, fromBody } from '../../schemas/error.ts'
import { formatMoney } from '../../schemas/money.ts'
import { unitsOf } from '../../pipelines/evaluate-step.ts'
import { blobsIn } from '../../runtime/identity/parcel.ts'
import { hire, type Hired } from '../user/hire.ts'
import { answerRun, billNow, keyedRun } from '../user/run.ts'
import type { Gateway } from './gateway.ts'
import type { Hold } from './ledger.ts'
import { worstOf, type Seller } from './models.ts'
import { callState, conclude } from './reconcile.ts'

/** Providers tried for one request. */
const ATTEMPTS = 2
/** Shortest deadline of a call, in ms; providers may promise longer. */
const DEADLINE_MS = 60_000
/** How long a call that was begun before is waited for, in ms. */
const RESUME_MS = 300_000

/** Who asks: an account and the key it used. */
export interface Caller {
  readonly customer: string
  readonly key: string
}

export interface Order {
  readonly caller: Caller
  /** Names the request; its calls are named after it. */
  readonly call: string
  /** Model or pipeline as the account named it. */
  readonly route: string
  readonly capability: string
  readonly input: Readonly<Record<string, unknown>>
  readonly sellers: readonly Seller[]
  /** Tokens it may take at worst, and what an output took. */
  readonly tokens: number
  tokensOf(output: unknown): number
  readonly signal?: AbortSignal
  readonly onChunk?: (chunk: unknown) => void
}

export interface Performed {
  readonly output: unknown
  readonly run: string
  readonly provider: string
  /** Decimal strings: what the provider got, and the service fee. */
  readonly charged: string
  readonly fee: string
}

/** Errors: those of `Ledger.reserve` and `hire`; `input.invalid` with the path in the capability's input. */
export async function perform(gateway: Gateway, order: Order): Promise<Performed> {
  const { ledger } = gateway
  let { sellers } = order
  for (let attempt = 0; ; attempt++) {
    const call = `${order.call}.${attempt}`
    const before = await ledger.hold(call)
    // This attempt came to nothing, perhaps in an earlier process: the next one is another call.
    if (before?.state === 'released' && attempt + 1 < ATTEMPTS) continue
    let heard = false
    try {
      return await performOnce(gateway, order, call, sellers, () => (heard = true))
    } catch (thrown) {
      const error = asError(thrown)
      const failed = await providerOf(gateway, call)
      sellers = sellers.filter(({ participant }) => participant !== failed)
      const again = error.rule.retry && error.rule.fault === 'provider' && failed !== undefined && !heard && !order.signal?.aborted && sellers.length > 0
      if (!again || attempt + 1 >= ATTEMPTS) throw error
    }
  }
}

async function performOnce(gateway: Gateway, order: Order, call: string, sellers: readonly Seller[], hear: () => void): Promise<Performed> {
  const { user, ledger } = gateway
  const run = keyedRun(call)
  let tokens = 0
  let done: Pick<Hired, 'output' | 'provider'> | undefined
  try {
    if ((await callState(user, call)) === 'unknown') done = await hireOnce(gateway, order, call, sellers, hear)
    else {
      // Begun before, by a process that may be gone: as it was asked for then, whoever sells now.
      const { output, error, bill } = await gateway.during(answerRun(user, run, RESUME_MS))
      if (error) throw fromBody(error)
      done = { output, provider: bill.steps[0]?.providerName ?? '' }
    }
    tokens = order.tokensOf(done.output)
  } finally {
    if (await ledger.hold(call)) await settle(gateway, call, tokens)
  }
  const { cost, fee } = (await ledger.hold(call))!
  return { output: done.output, run, provider: done.provider, charged: formatMoney(cost), fee: formatMoney(fee) }
}

async function hireOnce(gateway: Gateway, { caller, route, capability, input, signal, onChunk, tokens }: Order, call: string, sellers: readonly Seller[], hear: () => void): Promise<Hired> {
  const contract = sellers[0]?.offer.capability
  if (!contract) throw new AigenError('market.no-provider', capability)
  const issues = compileFixed(contract.input).issues(input)
  if (issues.length > 0) throw new AigenError('input.invalid', `${issues[0]!.path}: ${issues[0]!.message}.`, { path: issues[0]!.path, issues })
  // The shelf is shared by all accounts: what lies there is not a caller's to name.
  if (blobsIn(input).length > 0) throw new AigenError('gateway.unsupported', 'A blob cannot be named here.')
  const { maxPrice, only, latencyMs } = worstOf(sellers, await unitsOf(contract, input, gateway.evaluate))
  if (maxPrice > gateway.callMax) throw new AigenError('gateway.unsupported', `This call may cost ${formatMoney(maxPrice)}, one call here at most ${formatMoney(gateway.callMax)}.`)
  signal?.throwIfAborted()
  const { state } = await gateway.ledger.reserve({ call, ...caller, route, worst: maxPrice, tokens, run: keyedRun(call) })
  // Closed by an earlier process before it began: nothing is held for it any more.
  if (state !== 'open') throw new AigenError('gateway.pending')
  return gateway.during(hire(gateway.user, {
    capability, input, maxPrice: formatMoney(maxPrice), only, attempts: 1, key: call, settled: false, deadlineMs: Math.max(DEADLINE_MS, latencyMs),
    ...(signal === undefined ? {} : { signal }),
    ...(onChunk === undefined ? {} : { onChunk: (chunk: unknown) => {
      hear()
      onChunk(chunk)
    } }),
  }))
}

/** Closes the call, or goes on following it where its outcome is not known yet. */
async function settle(gateway: Gateway, call: string, tokens: number): Promise<Hold | undefined> {
  // A node that stops says nothing about the call: the next start closes it.
  if (gateway.stopping()) return undefined
  const hold = await conclude(gateway.user, gateway.ledger, call, tokens)
  if (!hold) gateway.follow(call)
  return hold
}

async function providerOf({ user }: Gateway, call: string): Promise<Address | undefined> {
  const run = keyedRun(call)
  if (!(await user.node.host.load(`run/${run}`))) return undefined
  const [step] = (await billNow(user, run)).steps
  return step?.provider ?? step?.attempts?.at(-1)?.provider
}
