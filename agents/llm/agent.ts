/**
 * What an agent actor is made of: its input, its context, its events. The machine is in
 * `planner.machine.ts`, its effects in `agent-effects.ts`; reports and prompts read contexts of this
 * shape. Amounts are atomic decimal strings (D7).
 */
import type { ActorId } from '../../runtime/actors/actor.ts'
import type { Pipeline } from '../../schemas/documents.gen.ts'
import type { ErrorBody, Issue } from '../../schemas/error.ts'
import type { Settled } from '../user/keyed-run.ts'
import type { Terms } from './agent-policy.ts'

export interface AgentInput {
  /** Actor id, `agent/<id>`. */
  readonly self: ActorId
  readonly goal: string
  /** CEL over `output` that decides whether the goal is met; null leaves it to the model. */
  readonly accept: string | null
  readonly inputs: Readonly<Record<string, unknown>>
  readonly terms: Terms
  readonly at: number
}

/** One thing the agent paid for, or is about to. */
export interface AgentCall {
  readonly purpose: 'plan' | 'run' | 'judge'
  /** Key of its run: the same for whoever repeats it. */
  readonly key: string
  readonly attempt: number
  /** Put aside for it before it began, and what it cost in the end. */
  readonly worst: string
  readonly charged: string
  /** `unknown` counts as its worst case. */
  readonly state: 'open' | 'done' | 'failed' | 'unknown'
  readonly run: string | null
  readonly providers: Settled['providers']
  readonly error: ErrorBody | null
}

/** A plan that passed the checks. */
export interface Plan {
  /** As it may run: the policy's limits are in it. */
  readonly document: Pipeline
  readonly worst: string
  /** Longest it can take, in ms, without time to hire. */
  readonly timeMs: number
  /** Who could do each step now. */
  readonly steps: readonly { readonly step: string; readonly uses: string; readonly max: string; readonly sellers: readonly string[] }[]
}

export interface Verdict {
  readonly met: boolean
  readonly reason: string
  readonly by: 'expression' | 'model'
}

/** One run towards the goal, as reports list it. */
export interface Attempt {
  readonly pipeline: string
  readonly worst: string
  readonly charged: string
  readonly run: string | null
  readonly approved: boolean
  readonly met: boolean
  /** Why it did not meet the goal, or why it did. */
  readonly reason: string
}

export interface AgentContext extends Omit<AgentInput, 'at'> {
  readonly startedAt: number
  readonly endedAt: number
  /** What the network sold when it looked last. */
  readonly offers: string
  /** Runs begun, and plans asked for since the last one. */
  readonly attempt: number
  readonly rounds: number
  /** The model's last answer, and what was wrong with it. */
  readonly text: string
  readonly faults: readonly Issue[]
  readonly lessons: readonly string[]
  readonly plan: Plan | null
  /** Number of the plan that the owner is asked about; grows with each question. */
  readonly question: number
  readonly answerBy: number
  readonly approved: boolean
  readonly calls: readonly AgentCall[]
  /** What all calls that ended cost; what the open one may cost; what runs cost without the owner having been asked. */
  readonly spent: string
  readonly reserved: string
  readonly unasked: string
  readonly attempts: readonly Attempt[]
  readonly judgements: number
  readonly output: unknown
  readonly error: ErrorBody | null
}

export type AgentEvent = { at: number } & (
  | { type: 'agent.look.done'; offers: string }
  | { type: 'agent.look.failed'; error: ErrorBody }
  | ({ type: 'agent.call.done' } & Settled)
  | { type: 'agent.call.failed'; error: ErrorBody }
  | { type: 'agent.check.done'; document: Pipeline; worst: string; timeMs: number }
  | { type: 'agent.check.done'; faults: readonly Issue[] }
  | { type: 'agent.check.failed'; error: ErrorBody }
  | { type: 'agent.quote.done'; steps: Plan['steps']; faults: readonly Issue[] }
  | { type: 'agent.quote.failed'; error: ErrorBody }
  | { type: 'agent.judge.done'; verdict: Verdict | null }
  | { type: 'agent.judge.failed'; error: ErrorBody }
  | { type: 'approve'; question: number }
  | { type: 'reject'; question: number; reason: string }
  | { type: 'cancel' }
)

/** What is left to spend once `worst` were spent too; negative when it does not fit. */
export function leftAfter(context: Pick<AgentContext, 'terms' | 'spent' | 'reserved'>, worst: bigint): bigint {
  return BigInt(context.terms.budget) - BigInt(context.spent) - BigInt(context.reserved) - worst
}

/** Put aside for judging a run: nothing where an expression judges. */
export function judgeWorst(context: Pick<AgentContext, 'accept' | 'terms'>): bigint {
  return context.accept === null ? BigInt(context.terms.modelPrice) : 0n
}
