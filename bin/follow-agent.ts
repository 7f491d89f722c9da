/**
 * Follows an agent to its end and says what it does and pays, a line each; asks its owner on the
 * terminal where the policy wants it. Used by `aigen agent run|resume|approve`.
 */
import { join } from 'node:path'
import { agentReport, approveAgent, cancelAgent, finishAgent, rejectAgent } from '../agents/llm/pursue.ts'
import { reportFrom, type AgentReport } from '../agents/llm/agent-report.ts'
import { asError, fromBody } from '../schemas/error.ts'
import { answerText, saveBlobs } from './answer.ts'
import { confirm } from './confirm.ts'
import { reportError, type Output } from './output.ts'
import type { UserSession } from './user-session.ts'

/** Longer than any deadline of a policy. */
const FOREVER_MS = 400 * 86_400_000

const WORDS: Readonly<Record<string, string>> = {
  looking: 'looking at what is sold', writing: 'asking a model for a plan', checking: 'checking the plan', running: 'running the plan', judging: 'having the result judged', stopping: 'stopping what is under way',
}

export interface FollowOptions {
  readonly output: Output
  /** Aborts to cancel the agent. */
  readonly stop: AbortSignal
  /** Folder for the answer's files. */
  readonly out?: string | undefined
}

/** Resolves with the report when the agent has ended. Errors: the session's, when its journal is lost. */
export async function followAgent(session: UserSession, id: string, { output, stop, out }: FollowOptions): Promise<AgentReport> {
  const { user, lost } = session
  const { host } = user.node
  let seen: AgentReport | undefined
  const asking = new Map<number, AbortController>()
  const changed = (now: AgentReport): void => {
    tell(seen, now, output)
    const question = now.asking?.question
    for (const [number, abort] of asking) if (number !== question) abort.abort()
    if (question !== undefined && !asking.has(question)) {
      const abort = new AbortController()
      asking.set(question, abort)
      void ask(session, now, output, abort.signal).catch((error) => reportError(asError(error), output))
    }
    seen = now
  }
  const cancel = (): void => {
    output.say('cancelling: what is under way is asked to stop, what was delivered is paid')
    cancelAgent(user, id).catch((error) => reportError(asError(error), output))
  }
  changed(await agentReport(user, id))
  const unwatch = host.watch((actor) => {
    if (actor.id === `agent/${id}`) changed(reportFrom(actor))
  })
  stop.addEventListener('abort', cancel, { once: true })
  if (stop.aborted) cancel()
  try {
    const ended = await Promise.race([
      finishAgent(user, id, FOREVER_MS),
      new Promise<never>((_, reject) => lost.addEventListener('abort', () => reject(lost.reason as Error), { once: true })),
    ])
    await showReport(session, ended, output, out)
    return ended
  } finally {
    unwatch()
    stop.removeEventListener('abort', cancel)
    for (const abort of asking.values()) abort.abort()
  }
}

/** What is new since the last report, on stderr for people and as objects with --json. */
function tell(before: AgentReport | undefined, now: AgentReport, output: Output): void {
  const { inkErr } = output
  now.calls.forEach((call, index) => {
    const known = before?.calls[index]
    if (call.state === 'open' || known?.state === call.state) return
    output.emit({ type: 'agent.call', agent: now.agent, ...call })
    const who = call.providers.length === 0 ? '' : ` by ${call.providers.join(', ')}`
    const what = call.error ? `${inkErr.yellow('failed')}: ${call.error.message}` : 'done'
    output.say(`  ${call.purpose}${who} ${what}, ${inkErr.bold(`paid ${call.charged}`)} ${inkErr.dim(`(spent ${now.spent} of ${now.budget})`)}`)
  })
  for (const attempt of now.attempts.slice(before?.attempts.length ?? 0)) {
    output.say(`  ${attempt.met ? inkErr.green('met the goal') : inkErr.yellow('did not meet the goal')}: ${attempt.reason}`)
  }
  if (now.state === before?.state && now.calls.length === before.calls.length) return
  output.emit({ type: 'agent.state', agent: now.agent, state: now.state, spent: now.spent, reserved: now.reserved })
  const word = WORDS[now.state]
  if (word !== undefined) output.say(`${inkErr.cyan(word)}${now.reserved === '0' ? '' : inkErr.dim(` (at most ${now.reserved})`)}`)
}

/** Shows the plan and asks; where nobody can be asked here, says how to answer. */
async function ask(session: UserSession, { agent: id, asking }: AgentReport, output: Output, signal: AbortSignal): Promise<void> {
  const { question, worst, until, document, steps } = asking!
  output.emit({ type: 'agent.asking', agent: id, question, worst, until, document, steps })
  output.say(`plan ${document.name}, at worst ${worst}:`)
  for (const { step, uses, max, sellers } of steps) output.say(`  ${step}: ${uses} for at most ${max}, ${sellers.length} could do it (${sellers.slice(0, 3).join(', ')})`)
  output.say(`  output ${JSON.stringify(document.output)}`)
  const answer = output.json ? undefined : await confirm(`Run it for at most ${worst}?`, output.streams.stderr, signal)
  if (answer === true) await approveAgent(session.user, id, question)
  else if (answer === false) await rejectAgent(session.user, id, 'refused on the terminal', question)
  else if (!signal.aborted) output.say(`waiting until ${new Date(until).toISOString()} for "aigen agent approve ${id}" or "aigen agent reject ${id}"`)
}

/** Report, answer and files of an agent that has ended. */
async function showReport(session: UserSession, report: AgentReport, output: Output, out?: string): Promise<void> {
  if (report.error) reportError(fromBody(report.error), output)
  const files = report.error ? [] : await saveBlobs(report.output, out ?? join(session.data, 'answers', report.agent), session.user.node.blobs)
  if (!report.error) output.print(`\n${answerText(report.output, files, output.ink)}`)
  output.print(`\n${reportText(report, output)}`)
  output.emit({ ...report, files })
}

/** What it tried and what it paid, for people. */
export function reportText(report: AgentReport, { ink }: Output): string {
  return [
    `${ink.bold('Agent')} ${report.agent} ${report.state}: ${report.goal}`,
    ...report.attempts.map(({ pipeline, charged, worst, run, met, reason }) => `  ${pipeline} ${run ?? ''}: paid ${charged}, at worst ${worst}; ${met ? 'met the goal' : 'did not meet it'}: ${reason}`),
    ...report.calls.filter(({ purpose }) => purpose !== 'run').map(({ purpose, providers, charged, state }) => ink.dim(`  ${purpose} by ${providers.join(', ') || 'nobody'}: paid ${charged} (${state})`)),
    ...(report.asking ? [`  asks whether ${report.asking.document.name} may run for at most ${report.asking.worst}, until ${new Date(report.asking.until).toISOString()}`] : []),
    `${ink.bold(`spent ${report.spent}`)} of ${report.budget}`,
  ].join('\n')
}
