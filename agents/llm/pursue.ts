/**
 * Agents of a user: start one, answer what it asks, follow it to its report. An agent belongs to the
 * journal, not to this process: one that was left open goes on when its user's node opens again with
 * `agentRooms`. Used by `aigen agent` and by programs.
 */
import { expectFault } from '../../pipelines/prepare.ts'
import { hashOf, canonicalText } from '../../schemas/canonical.ts'
import type { AgentPolicy } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import type { Actors } from '../../runtime/actors/read-actors.ts'
import { blobRef, blobsIn } from '../../runtime/identity/parcel.ts'
import type { Node } from '../../runtime/node/node.ts'
import type { StartOptions } from '../user/run.ts'
import type { User } from '../user/user.ts'
import type { AgentContext } from './agent.ts'
import { termsOf } from './agent-policy.ts'
import { reportFrom, reportOf, type AgentReport } from './agent-report.ts'

const GOAL_MAX = 8_000
const INPUTS_MAX = 128 * 1024
const REASON_MAX = 500

/** What hosts agents: a user, or its node alone. */
type Hosting = { readonly node: Pick<Node, 'host'> }

export interface AgentOptions {
  /** What is wanted, in words. */
  readonly goal: string
  /** Most that model calls and runs may cost together, decimal string of the dollar; required where the policy names none. */
  readonly budget?: string
  /** Without one: the owner is asked before every run. */
  readonly policy?: AgentPolicy
  /** Values for the plans; blobs as references, their bytes in `blobs`. */
  readonly inputs?: Readonly<Record<string, unknown>>
  readonly blobs?: StartOptions['blobs']
  /** CEL over `output`: decides whether a run met the goal. Without it a hired model judges. */
  readonly accept?: string
  /** A second start under the same key finds the first agent. */
  readonly key?: string
}

/**
 * Starts an agent on a node that has `agentRooms`; resolves with its id once it is journaled.
 *
 * - `input.invalid`: the goal, the inputs or the policy.
 * - `budget.too-small`, `money.invalid`: the budget.
 * - `run.conflict`: the key was used for another goal, policy or inputs.
 *
 * @example const agent = await startAgent(user, { goal: 'How many bird strikes in 1999?', budget: '0.20', policy: { approval: 'never' } })
 */
export async function startAgent(user: User, options: AgentOptions): Promise<string> {
  const { goal, accept, inputs = {} } = options
  const { node } = user
  if (goal.trim() === '' || goal.length > GOAL_MAX) throw new AigenError('input.invalid', `a goal has 1 to ${GOAL_MAX} characters`, { path: 'goal' })
  const fault = accept === undefined ? undefined : expectFault(accept)
  if (fault !== undefined) throw new AigenError('input.invalid', `accept: ${fault}`, { path: 'accept' })
  const terms = termsOf(options.policy, options.budget)
  if (canonicalText(inputs).length > INPUTS_MAX) throw new AigenError('input.too-large', `at most ${INPUTS_MAX} characters of inputs; larger values belong in blobs`, { path: 'inputs' })
  const given = new Map((options.blobs ?? []).map(({ bytes, mediaType }) => [blobRef(bytes, mediaType).$blob, bytes]))
  for (const ref of blobsIn(inputs)) {
    const bytes = given.get(ref.$blob)
    if (bytes) await node.blobs.put(ref.$blob, bytes)
    else if (!(await node.blobs.get(ref.$blob))) throw new AigenError('blob.missing', ref.$blob)
  }
  const key = options.key ?? Buffer.from(node.random.bytes(16)).toString('hex')
  const id = `agent_${hashOf(['agent', key]).slice('sha256-'.length, 'sha256-'.length + 26)}`
  const input = { goal: goal.toWellFormed(), accept: accept ?? null, inputs, terms }
  const known = await node.host.look<AgentContext>(`agent/${id}`)
  if (known) {
    const same = canonicalText({ goal: known.goal, accept: known.accept, inputs: known.inputs, terms: known.terms }) === canonicalText(input)
    if (!same) throw new AigenError('run.conflict', 'another goal, policy or other inputs')
    return id
  }
  await node.host.start(`agent/${id}`, { self: `agent/${id}`, ...input })
  return id
}

/** The report as it stands. Error `agent.unknown`. */
export function agentReport(user: Hosting, id: string): Promise<AgentReport> {
  return reportOf(user.node.host, id)
}

/** Resolves with the report when the agent has ended. Errors `agent.unknown`; `network.timeout` after `timeoutMs`. */
export async function finishAgent(user: Hosting, id: string, timeoutMs: number, signal?: AbortSignal): Promise<AgentReport> {
  await known(user.node.host, id)
  return reportFrom(await user.node.host.until(`agent/${id}`, ({ status }) => status === 'done', timeoutMs, signal))
}

/**
 * Lets the agent run the plan that it asks about. `question` is the number in its report: an answer
 * to an earlier question is refused. Errors `agent.unknown`, `agent.moved-on`.
 */
export function approveAgent(user: Hosting, id: string, question?: number): Promise<void> {
  return answer(user, id, question, { type: 'approve' })
}

/** Refuses the plan, which ends the agent. Errors `agent.unknown`, `agent.moved-on`. */
export function rejectAgent(user: Hosting, id: string, reason = 'no reason given', question?: number): Promise<void> {
  return answer(user, id, question, { type: 'reject', reason: reason.slice(0, REASON_MAX).toWellFormed() })
}

/** Ends the agent; a paid call under way is cancelled, what it delivered is paid. Error `agent.unknown`. */
export async function cancelAgent(user: Hosting, id: string): Promise<void> {
  await known(user.node.host, id)
  await user.node.host.send(`agent/${id}`, { type: 'cancel' })
}

/** Every agent of the user, oldest first. */
export async function listAgents(actors: Pick<Actors, 'all'>): Promise<AgentReport[]> {
  const reports: AgentReport[] = []
  for await (const actor of actors.all('agent')) reports.push(reportFrom(actor))
  return reports.sort((one, other) => one.startedAt - other.startedAt)
}

async function answer(user: Hosting, id: string, question: number | undefined, event: { type: string; reason?: string }): Promise<void> {
  const { host } = user.node
  const { asking } = await reportOf(host, id)
  if (!asking || (question !== undefined && question !== asking.question)) throw new AigenError('agent.moved-on', asking ? `it asks question ${asking.question}` : 'it asks nothing')
  await host.send(`agent/${id}`, { ...event, question: asking.question })
}

async function known(actors: Pick<Actors, 'load'>, id: string): Promise<void> {
  if (!(await actors.load(`agent/${id}`))) throw new AigenError('agent.unknown', id)
}
