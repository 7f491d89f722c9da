/**
 * `aigen watch FILE.json|ls|show|stop|resume`: watchers, which look again and again and run a pipeline
 * when their condition holds. Ctrl-C leaves them open; `resume` goes on, `stop` ends one for good.
 */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import Table from 'cli-table3'
import { listWatchers, startWatcher, untilWatcher, watcherReport, watcherReportFrom, type WatcherReport } from '../../agents/user/watch.ts'
import { AigenError } from '../../schemas/error.ts'
import { validate } from '../../schemas/validate.ts'
import { openAgentSession, readAgents, steerAgents } from '../agent-session.ts'
import { BARE } from '../bare-table.ts'
import { aborted, onInterrupt } from '../interrupt.ts'
import { runningNetwork } from '../join.ts'
import type { Output } from '../output.ts'
import { dataFolder } from '../places.ts'
import type { UserSession } from '../user-session.ts'
import type { ReadOptions } from './bill.ts'

/** A paid call under way is waited for so long when a watcher is stopped here. */
const STOP_MS = 120_000

export async function watch(file: string, options: ReadOptions, output: Output): Promise<boolean> {
  const document = validate('Watcher', readJson(file))
  return withSession(options, async (session, stop) => {
    const id = await startWatcher(session.user, document)
    output.say(`watcher ${id}; Ctrl-C leaves it open, "aigen watch stop ${id}" ends it`)
    await follow(session, [id], output, stop)
    return true
  })
}

/** Goes on with every watcher that was left open. */
export async function resume(options: ReadOptions, output: Output): Promise<boolean> {
  return withSession(options, async (session, stop) => {
    const open = (await listWatchers(session.user.node.host)).filter(({ endedAt }) => endedAt === null)
    if (open.length === 0) output.print('Nothing was left open.')
    else await follow(session, open.map(({ watcher }) => watcher), output, stop)
    return true
  })
}

export async function list(options: ReadOptions, output: Output): Promise<boolean> {
  const all = await readAgents(dataFolder(options.data), options.as, listWatchers)
  const table = new Table({ head: ['watcher', 'name', 'state', 'looks', 'runs', 'spent', 'budget', 'next'].map((text) => output.ink.dim(text)), chars: BARE, style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 } })
  for (const one of all) {
    output.emit(one)
    table.push([one.watcher, one.name, one.ended ?? one.state, one.looks, one.fires, one.spent, one.budget, one.endedAt === null ? new Date(one.nextAt).toISOString() : ''])
  }
  output.print(all.length === 0 ? 'No watchers yet.' : table.toString())
  return true
}

export async function show(watcher: string, options: ReadOptions, output: Output): Promise<boolean> {
  const report = await readAgents(dataFolder(options.data), options.as, (actors) => watcherReport(actors, watcher))
  output.emit(report)
  output.print(lineOf(report))
  for (const { at, run, charged, state, error } of report.fired) output.print(`  ${new Date(at).toISOString()} ${run ?? ''} ${state}, paid ${charged}${error ? `: ${error.message}` : ''}`)
  if (report.problem) output.print(`  ${output.ink.yellow('problem')} ${new Date(report.problem.at).toISOString()} ${report.problem.error.message}`)
  output.print(`  last look ${JSON.stringify(report.seen).slice(0, 2_000)}`)
  return true
}

export async function stop(watcher: string, options: ReadOptions, output: Output): Promise<boolean> {
  const data = dataFolder(options.data)
  await runningNetwork(data)
  const state = await steerAgents(data, options.as, { id: watcher, want: 'stop' }, (session) => untilWatcher(session.user, watcher, () => false, STOP_MS))
  output.emit({ type: 'watcher.state', watcher, state })
  output.say(`watcher ${watcher}: ${state}`)
  return true
}

/** Says each look, run and end; resolves when all have ended or the process is asked to stop. */
async function follow({ user, lost }: UserSession, ids: readonly string[], output: Output, stop: AbortSignal): Promise<void> {
  const { host } = user.node
  const open = new Set(ids)
  const said = new Map<string, string>()
  let ended: () => void = () => undefined
  const all = new Promise<void>((resolve) => (ended = resolve))
  const look = (report: WatcherReport): void => {
    const id = report.watcher
    const line = lineOf(report)
    if (said.get(id) !== line) {
      said.set(id, line)
      output.emit(report)
      output.say(line)
      if (report.problem && report.state === 'waiting') output.say(`  ${report.problem.error.message}`)
    }
    if (report.endedAt !== null) open.delete(id)
    if (open.size === 0) ended()
  }
  const unwatch = host.watch(({ id, snapshot }) => {
    const watcher = id.startsWith('watcher/') ? id.slice('watcher/'.length) : ''
    if (open.has(watcher)) look(watcherReportFrom(watcher, snapshot))
  })
  for (const id of ids) look(await watcherReport(host, id))
  await Promise.race([all, aborted(stop), aborted(lost)])
  unwatch()
  if (lost.aborted) throw lost.reason as AigenError
}

function lineOf({ name, state, ended, looks, fires, spent, budget, nextAt }: WatcherReport): string {
  const next = state === 'waiting' ? `, next look ${new Date(nextAt).toISOString()}` : ''
  return `${name}: ${ended === null ? state : `ended (${ended})`}, ${looks} looks, ${fires} runs, spent ${spent} of ${budget}${next}`
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

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(resolve(process.cwd(), file), 'utf8'))
  } catch (cause) {
    throw new AigenError('usage.invalid', `${file}: ${(cause as Error).message}`, { cause })
  }
}
