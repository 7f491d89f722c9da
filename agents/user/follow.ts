/**
 * What a run's actors say about its steps, as rows for people and programs: read from the host after
 * each durable event. Used by the live table, the plain lines, the --json events and the gateway.
 */
import type { GateContext } from '../../pipelines/gate.machine.ts'
import { parseItemId } from '../../pipelines/item-id.ts'
import type { StepPlan } from '../../pipelines/plan.ts'
import type { RunContext } from '../../pipelines/run.machine.ts'
import type { FanContext } from '../../pipelines/fan.ts'
import { actorOf, negotiationId, workOf, type StepContext } from '../../pipelines/step.ts'
import { paidSoFar, streamId, type StreamContext } from '../../pipelines/stream.ts'
import type { StepRecord } from '../../pipelines/steps-of.ts'
import type { LiveActor } from '../../runtime/actors/fold.ts'
import type { Host } from '../../runtime/actors/host.ts'
import type { NegotiationContext } from '../../runtime/market/negotiation.machine.ts'
import { AigenError } from '../../schemas/error.ts'
import { formatMoney } from '../../schemas/money.ts'
import { lineOf, type Head, type RunLine } from './run-line.ts'

export type StepWord =
  | 'waiting' | 'preparing' | 'asking' | 'bargaining' | 'reserving' | 'agreeing' | 'working' | 'paying' | 'retrying'
  | 'done' | 'skipped' | 'failed' | 'cancelled'

export interface StepRow {
  readonly step: string
  readonly capability: string
  readonly state: StepWord
  /** Name on the card of who is hired, or of the best offer so far. */
  readonly provider?: string
  /** Offers that came. */
  readonly offers?: number
  /** Unit prices, decimal strings. */
  readonly asked?: string
  readonly agreed?: string
  readonly charged?: string
  /** Hirings before this one that came to nothing, and why the last one did. */
  readonly failedAttempts?: number
  readonly why?: string
  /** Of a forEach: items ended and in all. */
  readonly items?: { readonly ended: number; readonly of: number }
  /** Milliseconds since the step began, when it has ended. */
  readonly ms?: number
}

export interface Followed {
  /** Every row in the plan's order, as of now. */
  rows(): StepRow[]
  run(): RunLine
  /** When each step began, in ms since the epoch. */
  begun(step: string): number | undefined
  stop(): void
}

const HIRING: Readonly<Record<string, StepWord>> = { asking: 'asking', bargaining: 'bargaining', securing: 'reserving', signing: 'agreeing', accepting: 'agreeing', agreed: 'agreeing' }
const money = (atomic: string): string => formatMoney(BigInt(atomic))

/** What is followed: a node's host, or the actors of a journal that is read on. */
export type Source = Pick<Host, 'load' | 'watch'>

/**
 * Follows `run`; `changed` is called with each row that is new, and must not throw. Of steps that have
 * ended only the row is kept. Error `run.unknown`.
 */
export async function followRun(host: Source, run: string, changed: (row: StepRow) => void): Promise<Followed> {
  const found = await host.load(`run/${run}`)
  if (!found) throw new AigenError('run.unknown', run)
  let actor = found
  const { plan } = actor.snapshot.context as RunContext
  const context = (): RunContext => actor.snapshot.context as RunContext
  const known = new Map<string, string>()
  const begun = new Map<string, number>()
  const ended = new Map<string, number>()
  /** Steps under way, the hiring of each, and the rows of those that are over. */
  const steps = new Map<string, LiveActor>()
  const hirings = new Map<string, LiveActor>()
  const over = new Map<string, StepRow>()

  const rowNow = (step: string): StepRow => over.get(step) ?? rowOf(context(), step, steps.get(step), hirings.get(step), begun, ended)
  const look = (step: string): void => {
    const row = rowNow(step)
    if (steps.get(step)?.snapshot.status === 'done') {
      over.set(step, row)
      steps.delete(step)
      hirings.delete(step)
    }
    const text = JSON.stringify(row)
    if (known.get(step) === text) return
    known.set(step, text)
    if (row.state !== 'waiting') changed(row)
  }
  const stop = host.watch((moved, entry) => {
    if (moved.id === actor.id) {
      actor = moved
      return
    }
    const [kind, of, step] = moved.id.split('/')
    if (of !== run || step === undefined || !['step', 'fan', 'gate', 'nest', 'negotiation', 'stream'].includes(kind!)) return
    const { step: name } = parseItemId(step)
    if (!plan.steps[name]) return
    const at = entry.event.at ?? 0
    if (moved.id === actorOf(run, plan.steps[name], null)) {
      steps.set(name, moved)
      // Of what had begun before it was followed nobody here knows when.
      if (entry.number === 1) begun.set(name, at)
      if (moved.snapshot.status === 'done') ended.set(name, at)
    } else if ((kind === 'negotiation' || kind === 'stream') && name === step) hirings.set(name, moved)
    look(name)
  })
  for (const name of plan.order) {
    const step = await host.load(actorOf(run, plan.steps[name]!, null))
    if (!step) continue
    const hiring = await hiringOf(host, step)
    // What happened meanwhile is newer.
    if (!steps.has(name) && !over.has(name)) {
      steps.set(name, step)
      if (hiring) hirings.set(name, hiring)
      // The first steps begin in the record that begins their run, before anybody follows it.
      if (plan.steps[name]!.dependsOn.length === 0 && step.number === 1) begun.set(name, context().startedAt)
    }
    look(name)
  }
  return {
    rows: () => plan.order.map(rowNow),
    run: () => lineOf(actor, (name) => steps.get(name)?.snapshot.context as Head | undefined),
    begun: (step) => begun.get(step),
    stop: () => {
      stop()
      // what was skipped or never begun has no event of its own
      for (const step of plan.order) look(step)
    },
  }
}

const NEVER: ReadonlyMap<string, number> = new Map()

/** Where a step of the document stands, all of it together. */
export async function headRow(host: Pick<Host, 'load'>, run: RunContext, step: string): Promise<StepRow> {
  const actor = await host.load(actorOf(run.run, run.plan.steps[step]!, null))
  return rowOf(run, step, actor, actor && await hiringOf(host, actor), NEVER, NEVER)
}

/** Where a step stands, or an item of one, `rows[3]`, or what else a record of `stepsOf` names; without its time, which only who follows it knows. */
export async function stepRow(host: Pick<Host, 'load'>, run: RunContext, { name, plan, context, state }: StepRecord): Promise<StepRow> {
  if (!context) return { step: name, capability: plan.uses, state: state === undefined ? (run.endedAt === 0 ? 'waiting' : run.error ? 'cancelled' : 'skipped') : state === 'running' ? 'working' : state }
  const actor = await host.load(context.self)
  return actor ? { ...rowOf(run, context.plan.name, actor, await hiringOf(host, actor), NEVER, NEVER), step: name } : { step: name, capability: plan.uses, state: 'waiting' }
}

/** The negotiation of a step that is hiring, or what pays its pieces as they come. */
async function hiringOf(host: Pick<Host, 'load'>, { id, snapshot }: LiveActor): Promise<LiveActor | undefined> {
  if (!id.startsWith('step/')) return undefined
  const context = snapshot.context as StepContext
  if (snapshot.value === 'streaming') return host.load(streamId(negotiationId(context)))
  return context.agreement ? undefined : host.load(negotiationId(context))
}

function rowOf(run: RunContext, step: string, actor: LiveActor | undefined, hiredBy: LiveActor | undefined, begun: ReadonlyMap<string, number>, ended: ReadonlyMap<string, number>): StepRow {
  const plan = actor ? (actor.snapshot.context as Head).plan : run.plan.steps[parseItemId(step).step]!
  const head = actor?.snapshot.context as Head | undefined
  const work = head && 'choice' in head && head.agreement ? workOf(head).uses : null
  const base = { step, capability: work ?? plan.uses }
  if (!actor || !head) return { ...base, state: run.endedAt === 0 ? 'waiting' : run.error ? 'cancelled' : 'skipped' }
  const from = begun.get(step)
  const to = ended.get(step)
  const took = from !== undefined && to !== undefined ? { ms: to - from } : {}
  const why = head.error && head.state === 'failed' ? { why: head.error.message } : {}
  const value = actor.snapshot.value
  if (!('choice' in head)) {
    const asks = value === 'waiting' ? asked(head.plan, (head as Partial<GateContext>).message) : undefined
    const { spent = '0', list = [], items = 0, ended: over = 0 } = head as Partial<FanContext>
    return {
      ...base, state: wordOf(typeof value === 'string' ? value : 'contesting', head, ''), ...(spent === '0' ? {} : { charged: money(spent) }), ...(asks === undefined ? why : { why: asks }),
      ...(list.length > 0 ? { items: { ended: over, of: items } } : {}), ...took,
    }
  }
  const context = head
  const { agreement, offer, delivery, voucher, attempts, reused } = context
  const negotiation = !agreement && hiredBy?.id === negotiationId(context) ? hiredBy : undefined
  const hiring = negotiation?.snapshot.context as NegotiationContext | undefined
  const paid = value === 'streaming' && hiredBy?.id === streamId(negotiationId(context)) ? paidSoFar(hiredBy.snapshot.context as StreamContext) : 0n
  const best = offer ?? hiring?.chosen ?? hiring?.offers[0]
  const failed = attempts.filter((one) => one.state !== 'done')
  return {
    ...base,
    state: wordOf(String(value), context, String(negotiation?.snapshot.value)),
    ...(best ? { provider: best.name, asked: money(best.list) } : {}),
    ...(context.asked || hiring?.asked ? { offers: context.asked || hiring!.asked } : {}),
    ...(agreement ? { agreed: money(agreement.terms.unitPrice) } : {}),
    ...(delivery && voucher ? { charged: money(delivery.body.amount) } : {}),
    ...(paid > 0n ? { charged: money(paid.toString()) } : {}),
    ...(reused ? { provider: reused.providerName, charged: '0' } : {}),
    ...(failed.length > 0 ? { failedAttempts: failed.length, why: `${failed.at(-1)!.providerName}: ${failed.at(-1)!.reason ?? failed.at(-1)!.state}` } : {}),
    ...why, ...took,
  }
}

/** Whom or what a step waits for, for people. */
function asked({ wait, approve }: StepPlan, message: string | null | undefined): string | undefined {
  if (approve) return `waits for ${approve.by} to approve${message ? `: ${message}` : ''}`
  return wait?.signal === undefined ? undefined : `waits for the signal ${wait.signal}`
}

const WORKING = ['invoking', 'streaming', 'fanning', 'contesting', 'waiting', 'running']

function wordOf(state: string, context: Pick<Head, 'state'>, hiring: string): StepWord {
  if (state === 'ended') return context.state === 'running' ? 'cancelled' : context.state
  if (WORKING.includes(state)) return 'working'
  if (state === 'pausing') return 'retrying'
  if (state === 'hiring') return HIRING[hiring] ?? 'asking'
  return state === 'paying' ? 'paying' : 'preparing'
}
