/**
 * `aigen agent run|ls|show|approve|reject|cancel|resume`: agents that pursue a goal under a budget and
 * a policy. Exit 1 when the goal was not met. Another terminal steers a running one.
 */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import Table from 'cli-table3'
import { reportOf } from '../../agents/llm/agent-report.ts'
import { listAgents, startAgent } from '../../agents/llm/pursue.ts'
import type { AgentPolicy, SteerRequest } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { parseMoney } from '../../schemas/money.ts'
import { validate } from '../../schemas/validate.ts'
import { readAgentInputs } from '../agent-inputs.ts'
import { openAgentSession, readAgents, steerAgents } from '../agent-session.ts'
import { BARE } from '../bare-table.ts'
import { followAgent, reportText } from '../follow-agent.ts'
import { onInterrupt } from '../interrupt.ts'
import { runningNetwork } from '../join.ts'
import type { Output } from '../output.ts'
import { dataFolder } from '../places.ts'
import type { UserSession } from '../user-session.ts'
import type { ReadOptions } from './bill.ts'

export interface AgentRunOptions extends ReadOptions {
  readonly budget?: string
  readonly policy?: string
  readonly accept?: string
  readonly input: readonly string[]
  readonly yes?: boolean
  readonly out?: string
}

export async function run(goal: string, options: AgentRunOptions, output: Output): Promise<boolean> {
  const policy = readPolicy(options)
  if (options.budget !== undefined) parseMoney(options.budget)
  else if (policy.budget === undefined) throw new AigenError('usage.invalid', 'Say what it may spend: --budget 0.50, or a budget in the policy.')
  const given = await readAgentInputs(options.input, process.cwd())
  return withSession(options, async (session, stop) => {
    const agent = await startAgent(session.user, {
      goal, policy, ...given, ...(options.budget === undefined ? {} : { budget: options.budget }), ...(options.accept === undefined ? {} : { accept: options.accept }),
    })
    output.say(`agent ${agent}`)
    return (await followAgent(session, agent, { output, stop, out: options.out })).state === 'done'
  })
}

/** Goes on with agents that were left open, one after the other. */
export async function resume(agent: string | undefined, options: ReadOptions, output: Output): Promise<boolean> {
  return withSession(options, async (session, stop) => {
    const { host } = session.user.node
    const all = agent === undefined ? await listAgents(host) : [await reportOf(host, agent)]
    const open = all.filter(({ endedAt }) => endedAt === null)
    if (open.length === 0) output.print('Nothing was left open.')
    let good = true
    for (const one of open) {
      output.say(`agent ${one.agent}: ${one.goal}`)
      good = (await followAgent(session, one.agent, { output, stop })).state === 'done' && good
    }
    return good
  })
}

export async function list(options: ReadOptions, output: Output): Promise<boolean> {
  const all = await readAgents(dataFolder(options.data), options.as, listAgents)
  const table = new Table({ head: ['agent', 'state', 'spent', 'budget', 'goal'].map((text) => output.ink.dim(text)), chars: BARE, style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 } })
  for (const one of all) {
    output.emit(one)
    table.push([one.agent, one.state, one.spent, one.budget, one.goal.length > 60 ? `${one.goal.slice(0, 59)}…` : one.goal])
  }
  output.print(all.length === 0 ? 'No agents yet.' : table.toString())
  return true
}

export async function show(agent: string, options: ReadOptions, output: Output): Promise<boolean> {
  const report = await readAgents(dataFolder(options.data), options.as, (actors) => reportOf(actors, agent))
  output.emit(report)
  output.print(reportText(report, output))
  if (report.asking) output.print(JSON.stringify(report.asking.document, null, 2))
  if (report.error) output.print(`${output.ink.red('error')} ${report.error.message}`)
  else if (report.output !== null) output.print(`${output.ink.bold('answer')} ${JSON.stringify(report.output)}`)
  return true
}

/** Tells an agent its owner's word: in the process that runs it, or here, which then goes on with it. */
export async function tell(agent: string, want: SteerRequest['want'], options: ReadOptions & { readonly question?: number; readonly reason?: string }, output: Output): Promise<boolean> {
  const data = dataFolder(options.data)
  await runningNetwork(data)
  const interrupt = onInterrupt()
  try {
    const request: SteerRequest = { id: agent, want, ...(options.question === undefined ? {} : { question: options.question }), ...(options.reason === undefined ? {} : { reason: options.reason.slice(0, 500) }) }
    const state = await steerAgents(data, options.as, request, (session) => followAgent(session, agent, { output, stop: interrupt.signal }))
    output.emit({ type: 'agent.state', agent, state })
    output.say(`agent ${agent}: ${want}, then ${state}`)
    return true
  } finally {
    interrupt.release()
  }
}

async function withSession(options: ReadOptions, act: (session: UserSession, stop: AbortSignal) => Promise<boolean>): Promise<boolean> {
  const data = dataFolder(options.data)
  await runningNetwork(data)
  const interrupt = onInterrupt()
  try {
    const session = await openAgentSession(data, options.as)
    try {
      return await act(session, interrupt.signal)
    } finally {
      await session.close()
    }
  } finally {
    interrupt.release()
  }
}

/** The policy of the file; `--yes` takes the place of its approval. */
function readPolicy({ policy: file, yes }: AgentRunOptions): AgentPolicy {
  const policy = file === undefined ? {} : validate('AgentPolicy', readJson(file))
  return yes ? { ...policy, approval: 'never' } : policy
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(resolve(process.cwd(), file), 'utf8'))
  } catch (cause) {
    throw new AigenError('usage.invalid', `${file}: ${(cause as Error).message}`, { cause })
  }
}
