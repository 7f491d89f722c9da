/**
 * Runs of pipelines for accounts: checked, reserved at their worst case, started under the call's
 * name, closed in the ledger from their bill (I1, I2, I4). A run belongs to the journal, so it goes on
 * when its client is gone; an account sees its own only. Used by the gateway's pipeline routes.
 */
import type { Bill, Pipeline } from '../../schemas/documents.gen.ts'
import { AigenError, type ErrorBody } from '../../schemas/error.ts'
import { formatMoney, parseMoney } from '../../schemas/money.ts'
import { check } from '../../pipelines/check.ts'
import { isAnswered, type RunContext } from '../../pipelines/run.machine.ts'
import { patienceMs } from '../../pipelines/patience.ts'
import { nearest } from '../../schemas/nearest.ts'
import { followRun, headRow, type StepRow } from '../user/follow.ts'
import { answerRun, billNow, keyedRun, startRun } from '../user/run.ts'
import type { Gateway } from './gateway.ts'
import type { Hold } from './ledger.ts'
import type { Caller } from './perform.ts'
import { callState, conclude } from './reconcile.ts'

/** Beyond the plan's own worst case: hiring, settling, and steps in doubt. */
const SLACK_MS = 600_000

export interface RunRequest {
  readonly pipeline: string
  readonly inputs: Readonly<Record<string, unknown>>
  /** Decimal string; the smaller of it and the document's own counts. */
  readonly budget?: string
}

/** Where a run stands, for its account. */
export interface RunState {
  readonly run: string
  /** name@version. */
  readonly pipeline: string
  readonly state: 'running' | 'done' | 'failed' | 'cancelled'
  readonly steps: readonly StepRow[]
  /** There when it is done. */
  readonly output?: unknown
  readonly error?: ErrorBody
}

/** A run's bill as its account pays it: what the network charged, and the service fee. */
export interface AccountBill extends Bill {
  readonly account: { readonly state: Hold['state']; readonly held: string; readonly network: string; readonly fee: string; readonly total: string }
}

/** The document. Error `pipeline.unknown`. */
export function pipelineNamed({ pipelines }: Gateway, name: string): Pipeline {
  const document = pipelines.get(name)
  if (document) return document
  const meant = nearest(name, [...pipelines.keys()])
  throw new AigenError('pipeline.unknown', meant ? `Did you mean ${meant}?` : `There are ${[...pipelines.keys()].join(', ') || 'none'}.`)
}

/** Most that a run may cost now, atomic. Errors `market.no-provider` when a step has nobody to do it, `budget.too-small`. */
export function worstOfRun({ user }: Gateway, document: Pipeline, budget: bigint | undefined): bigint {
  const capabilities = user.capabilities()
  const missing = Object.values(document.steps).map((step) => step.uses).filter((uses): uses is string => uses !== undefined && !capabilities.has(uses))
  if (missing.length > 0) throw new AigenError('market.no-provider', missing.join(', '))
  const { ok, errors, worstCase } = check(document, { capabilities, ...(budget === undefined ? {} : { budget }) })
  if (ok && worstCase) return parseMoney(worstCase.price)
  const small = budget !== undefined && errors.every(({ path }) => path === '' || path.startsWith('budget'))
  throw new AigenError(small ? 'budget.too-small' : 'pipeline.invalid', errors.map(({ message }) => message).join('; '))
}

/** Reserves and starts the run; its id. Errors: those of `Ledger.reserve`, `worstOfRun` and `startRun`. */
export async function startPipeline(gateway: Gateway, caller: Caller, call: string, { pipeline, inputs, budget: given }: RunRequest): Promise<string> {
  const { user, ledger } = gateway
  const run = keyedRun(call)
  if ((await callState(user, call)) !== 'unknown') return run
  const document = pipelineNamed(gateway, pipeline)
  const budget = given === undefined ? undefined : parseMoney(given)
  const worst = worstOfRun(gateway, document, budget)
  if (worst > gateway.callMax) throw new AigenError('gateway.unsupported', `This run may cost ${formatMoney(worst)}, one here at most ${formatMoney(gateway.callMax)}.`)
  const { state } = await ledger.reserve({ call, ...caller, route: pipeline, worst, tokens: 0, run })
  // Closed by an earlier process before it began: nothing is held for it any more.
  if (state !== 'open') throw new AigenError('gateway.pending')
  try {
    await startRun(user, { document, inputs, key: call, ...(budget === undefined ? {} : { budget }) })
  } catch (error) {
    if (!gateway.stopping()) await conclude(user, ledger, call)
    throw error
  }
  gateway.follow(call)
  return run
}

/** The run, if it is the customer's. Error `run.unknown`. */
export async function ownRun(gateway: Gateway, customer: string, run: string): Promise<Hold> {
  const hold = await gateway.ledger.holdOfRun(customer, run)
  if (!hold || !(await gateway.user.node.host.load(`run/${run}`))) throw new AigenError('run.unknown', run.slice(0, 64))
  return hold
}

/** Where it stands. The caller has made sure whose it is. */
export async function runState({ user: { node: { host } } }: Gateway, run: string): Promise<RunState> {
  const actor = (await host.load(`run/${run}`))!
  const context = actor.snapshot.context as RunContext
  const { pipeline, output, error, cancelled } = context
  const steps = await Promise.all(context.plan.order.map((step) => headRow(host, context, step)))
  const state = !isAnswered(actor.snapshot) ? 'running' : cancelled ? 'cancelled' : error ? 'failed' : 'done'
  return { run, pipeline, state, steps, ...(state === 'done' ? { output } : {}), ...(error && state !== 'running' ? { error } : {}) }
}

/** Calls `changed` with every step that moves until the run has ended and is closed in the ledger. */
export async function watchRun(gateway: Gateway, hold: Pick<Hold, 'run' | 'call'>, changed: (row: StepRow) => void, signal?: AbortSignal): Promise<void> {
  const { user, ledger } = gateway
  const { plan } = (await user.node.host.look<RunContext>(`run/${hold.run}`))!
  const followed = await followRun(user.node.host, hold.run, changed)
  for (const row of followed.rows()) if (row.state !== 'waiting') changed(row)
  try {
    await gateway.during(answerRun(user, hold.run, patienceMs(plan) + SLACK_MS, signal))
  } finally {
    followed.stop()
  }
  await conclude(user, ledger, hold.call)
}

/** Asks the run to stop: what was delivered is paid, the rest is given back. */
export async function cancelRun({ user }: Gateway, run: string): Promise<void> {
  const { host } = user.node
  if ((await host.load(`run/${run}`))?.snapshot.status !== 'done') await host.send(`run/${run}`, { type: 'cancel' })
}

/** What it cost so far or for good, fee included. */
export async function billOfRun({ user, ledger }: Gateway, { call, run }: Pick<Hold, 'call' | 'run'>): Promise<AccountBill> {
  const { state, total, cost, fee } = (await ledger.hold(call))!
  return { ...await billNow(user, run), account: { state, held: state === 'open' ? formatMoney(total) : '0', network: formatMoney(cost), fee: formatMoney(fee), total: formatMoney(cost + fee) } }
}
