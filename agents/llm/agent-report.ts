/**
 * What an agent did, paid and found, read from its actor: for its owner, for `aigen agent show`, for
 * programs. Amounts are decimal strings of the dollar.
 */
import type { LiveActor } from '../../runtime/actors/fold.ts'
import type { Actors } from '../../runtime/actors/read-actors.ts'
import type { Pipeline } from '../../schemas/documents.gen.ts'
import { AigenError, type ErrorBody } from '../../schemas/error.ts'
import { formatMoney } from '../../schemas/money.ts'
import type { AgentCall, AgentContext, Attempt, Plan } from './agent.ts'

export interface AgentReport {
  readonly type: 'agent'
  readonly agent: string
  readonly goal: string
  /** `done`, `failed`, or what it is doing: looking, writing, checking, quoting, asking, running, judging, stopping. */
  readonly state: string
  readonly budget: string
  /** What ended; `reserved` is put aside for the call under way. */
  readonly spent: string
  readonly reserved: string
  /** The answer of the run that met the goal, else of the last one. */
  readonly output: unknown
  readonly error: ErrorBody | null
  /** Set while the owner is asked: what would run, what it may cost, until when an answer counts. */
  readonly asking: { readonly question: number; readonly worst: string; readonly until: number; readonly document: Pipeline; readonly steps: Plan['steps'] } | null
  readonly attempts: readonly Attempt[]
  /** Everything it paid for, in order: plans and judgements of hired models, runs. */
  readonly calls: readonly { readonly purpose: AgentCall['purpose']; readonly attempt: number; readonly run: string | null; readonly providers: readonly string[]; readonly charged: string; readonly state: AgentCall['state']; readonly error: ErrorBody | null }[]
  readonly startedAt: number
  readonly endedAt: number | null
}

const WORDS: Readonly<Record<string, string>> = { deciding: 'quoting', measuring: 'judging', ended: 'judging' }
const money = (atomic: string): string => formatMoney(BigInt(atomic))

/** The report of `agent/<id>`. Error `agent.unknown`. */
export async function reportOf(actors: Pick<Actors, 'load'>, id: string): Promise<AgentReport> {
  const actor = await actors.load(`agent/${id}`)
  if (!actor) throw new AigenError('agent.unknown', id)
  return reportFrom(actor)
}

/** The report of an agent's actor as it is. */
export function reportFrom({ id: actor, snapshot }: LiveActor): AgentReport {
  const id = actor.slice('agent/'.length)
  const context = snapshot.context as AgentContext
  const inner = typeof snapshot.value === 'object' ? String(snapshot.value['pursuing']) : 'ended'
  const state = snapshot.status === 'done' ? (context.error ? 'failed' : 'done') : WORDS[inner] ?? inner
  const { plan } = context
  return {
    type: 'agent', agent: id, goal: context.goal, state,
    budget: money(context.terms.budget), spent: money(context.spent), reserved: money(context.reserved),
    output: context.output, error: context.error,
    asking: inner === 'asking' && plan ? { question: context.question, worst: money(plan.worst), until: context.answerBy, document: plan.document, steps: plan.steps } : null,
    attempts: context.attempts.map((one) => ({ ...one, worst: money(one.worst), charged: money(one.charged) })),
    calls: context.calls.map(({ purpose, attempt, run, providers, charged, state: ended, error }) => ({
      purpose, attempt, run, providers: providers.map(({ name }) => name), charged: money(charged), state: ended, error,
    })),
    startedAt: context.startedAt,
    endedAt: context.endedAt || null,
  }
}
