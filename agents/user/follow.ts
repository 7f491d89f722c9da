/**
 * What a run's actors say about its steps, as rows for people and programs: read from the host after
 * each durable event. Used by the live table, the plain lines, the --json events and the gateway.
 */
import { stepsOf } from '../../pipelines/bill.ts'
import { parseItemId } from '../../pipelines/plan.ts'
import type { RunContext } from '../../pipelines/run.machine.ts'
import { stepId, type StepContext } from '../../pipelines/step.ts'
import type { Host } from '../../runtime/actors/host.ts'
import type { NegotiationContext } from '../../runtime/market/negotiation.machine.ts'
import { formatMoney } from '../../schemas/money.ts'
import { runLine, type RunLine } from './run-line.ts'

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
export type Source = Pick<Host, 'peek' | 'context' | 'watch'>

/** Follows `run`; `changed` is called with each row that is new, and must not throw. */
export function followRun(host: Source, run: string, changed: (row: StepRow) => void): Followed {
  const known = new Map<string, string>()
  const begun = new Map<string, number>()
  const ended = new Map<string, number>()
  const context = (): RunContext => host.context<RunContext>(`run/${run}`)!

  const look = (step: string): void => {
    const row = rowOf(host, context(), step, begun, ended)
    const text = JSON.stringify(row)
    if (known.get(step) === text) return
    known.set(step, text)
    if (row.state !== 'waiting') changed(row)
  }
  const stop = host.watch((actor, entry) => {
    const [kind, of, step] = actor.id.split('/')
    if (of !== run || step === undefined || (kind !== 'step' && kind !== 'negotiation')) return
    const name = step.replace(/\[\d+\]$/, '')
    const at = entry.event.at ?? 0
    if (actor.id === stepId(run, name, null)) {
      // Of what had begun before it was followed nobody here knows when.
      if (entry.number === 1) begun.set(name, at)
      if (actor.snapshot.status === 'done') ended.set(name, at)
    }
    look(name)
  })
  // The first steps begin in the record that begins their run, before anybody follows it.
  for (const { name, dependsOn } of Object.values(context().plan.steps)) {
    if (dependsOn.length === 0 && host.peek(stepId(run, name, null))?.number === 1) begun.set(name, context().startedAt)
  }
  for (const { name } of stepsOf(host, context())) look(name.replace(/\[\d+\]$/, ''))
  return {
    rows: () => context().plan.order.map((step) => rowOf(host, context(), step, begun, ended)),
    run: () => runLine(host, run),
    begun: (step) => begun.get(step),
    stop: () => {
      stop()
      // what was skipped or never begun has no event of its own
      for (const step of context().plan.order) look(step)
    },
  }
}

const NEVER: ReadonlyMap<string, number> = new Map()

/** Where a step stands, or an item of one, `rows[3]`; without its time, which only who follows it knows. */
export function stepRow(host: Pick<Host, 'peek' | 'context'>, run: RunContext, step: string): StepRow {
  return rowOf(host, run, step, NEVER, NEVER)
}

function rowOf(host: Pick<Host, 'peek' | 'context'>, run: RunContext, step: string, begun: ReadonlyMap<string, number>, ended: ReadonlyMap<string, number>): StepRow {
  const plan = run.plan.steps[parseItemId(step).step]!
  const base = { step, capability: plan.uses }
  const actor = host.peek(stepId(run.run, step, null))
  if (!actor) return { ...base, state: run.endedAt === 0 ? 'waiting' : run.error ? 'cancelled' : 'skipped' }
  const context = actor.snapshot.context as StepContext
  const { agreement, offer, delivery, voucher, attempts } = context
  const negotiation = agreement ? undefined : host.peek(`negotiation/${run.run}/${step}/${attempts.length}`)
  const hiring = negotiation?.snapshot.context as NegotiationContext | undefined
  const best = offer ?? hiring?.chosen ?? hiring?.offers[0]
  const failed = attempts.filter((one) => one.state !== 'done')
  const from = begun.get(step)
  const to = ended.get(step)
  return {
    ...base,
    state: wordOf(String(actor.snapshot.value), context, String(negotiation?.snapshot.value)),
    ...(best ? { provider: best.name, asked: money(best.list) } : {}),
    ...(context.asked || hiring?.asked ? { offers: context.asked || hiring!.asked } : {}),
    ...(agreement ? { agreed: money(agreement.terms.unitPrice) } : {}),
    ...(delivery && voucher ? { charged: money(delivery.body.amount) } : context.spent !== '0' ? { charged: money(context.spent) } : {}),
    ...(failed.length > 0 ? { failedAttempts: failed.length, why: `${failed.at(-1)!.providerName}: ${failed.at(-1)!.reason ?? failed.at(-1)!.state}` } : {}),
    ...(context.error && context.state === 'failed' ? { why: context.error.message } : {}),
    ...(plan.forEach !== null && context.index === null && context.items > 0 ? { items: { ended: context.ended, of: context.items } } : {}),
    ...(from !== undefined && to !== undefined ? { ms: to - from } : {}),
  }
}

function wordOf(state: string, context: StepContext, hiring: string): StepWord {
  if (state === 'ended') return context.state === 'running' ? 'cancelled' : context.state
  if (state === 'invoking' || state === 'fanning') return 'working'
  if (state === 'pausing') return 'retrying'
  if (state === 'hiring') return HIRING[hiring] ?? 'asking'
  return state === 'paying' ? 'paying' : 'preparing'
}
