/**
 * Watchers of a user: start one, follow it, stop it. A watcher belongs to the journal: it goes on
 * whenever its user's node opens with `watcherRooms`. Used by `aigen watch` and by programs.
 */
import { check } from '../../pipelines/check.ts'
import { parseDuration } from '../../pipelines/duration.ts'
import { planOf } from '../../pipelines/plan.ts'
import { compileTemplate, type Template } from '../../pipelines/template.ts'
import type { LiveActor } from '../../runtime/actors/fold.ts'
import type { Actors } from '../../runtime/actors/read-actors.ts'
import { nextTime } from '../../runtime/actors/schedule.ts'
import type { Node } from '../../runtime/node/node.ts'
import { canonicalText, hashOf } from '../../schemas/canonical.ts'
import type { Watcher } from '../../schemas/documents.gen.ts'
import { AigenError, asError, type ErrorBody, type Issue } from '../../schemas/error.ts'
import { formatMoney, parseMoney } from '../../schemas/money.ts'
import { validate } from '../../schemas/validate.ts'
import type { User } from './user.ts'
import type { Fired, WatcherContext, WatcherEnd, WatcherTerms } from './watcher.ts'

const EVERY_MIN_MS = 1_000
const YEAR_MS = 366 * 86_400_000

/** A watcher as its owner sees it; amounts are decimal strings of the dollar, times ms since the epoch. */
export interface WatcherReport {
  readonly type: 'watcher'
  readonly watcher: string
  readonly name: string
  /** waiting, looking, weighing, running, stopping or ended. */
  readonly state: string
  readonly ended: WatcherEnd | null
  readonly budget: string
  readonly spent: string
  readonly reserved: string
  readonly looks: number
  readonly fires: number
  /** When it looks next. */
  readonly nextAt: number
  /** What its last look found. */
  readonly seen: unknown
  readonly fired: readonly Fired[]
  readonly problem: { readonly at: number; readonly error: ErrorBody } | null
  readonly startedAt: number
  readonly endedAt: number | null
}

/**
 * Starts a watcher on a node that has `watcherRooms`; resolves with its id once it is journaled. Its
 * first look is at once. With a key, a second start finds the first one.
 *
 * - `input.invalid`: the document, with every path.
 * - `pipeline.invalid`: its pipeline, with every issue.
 * - `budget.too-small`: one look and one run may cost more than the budget.
 * - `run.conflict`: the key was used for another document.
 */
export async function startWatcher(user: User, document: Watcher, { key }: { readonly key?: string } = {}): Promise<string> {
  validate('Watcher', document)
  canonicalText(document)
  const { host, random } = user.node
  const seed = key ?? Buffer.from(random.bytes(16)).toString('hex')
  const id = `watcher_${hashOf(['watcher', seed]).slice('sha256-'.length, 'sha256-'.length + 26)}`
  const known = await host.look<WatcherContext>(`watcher/${id}`)
  if (known) {
    if (canonicalText(known.document) !== canonicalText(document)) throw new AigenError('run.conflict', 'another document')
    return id
  }
  const faults = expressionFaults(document)
  if (faults.length > 0) throw new AigenError('input.invalid', `${faults[0]!.path}: ${faults[0]!.message}`, { issues: faults, path: faults[0]!.path })
  await host.start(`watcher/${id}`, { self: `watcher/${id}`, document, terms: termsOf(user, document) })
  return id
}

/** The report as it stands. Error `watcher.unknown`. */
export async function watcherReport(actors: Pick<Actors, 'load'>, id: string): Promise<WatcherReport> {
  const actor = await actors.load(`watcher/${id}`)
  if (!actor) throw new AigenError('watcher.unknown', id)
  return watcherReportFrom(id, actor.snapshot)
}

/** The report of a watcher's actor as it is. */
export function watcherReportFrom(id: string, snapshot: LiveActor['snapshot']): WatcherReport {
  const { document, ended, terms, spent, open, looks, fires, nextAt, seen, fired, problem, startedAt, endedAt } = snapshot.context as WatcherContext
  const inner = typeof snapshot.value === 'object' ? String(snapshot.value['watching']) : 'ended'
  return {
    type: 'watcher', watcher: id, name: document.name, state: inner === 'due' ? 'waiting' : inner, ended,
    budget: money(terms.budget), spent: money(spent), reserved: money(open?.worst ?? '0'), looks, fires, nextAt, seen,
    fired: fired.map((one) => ({ ...one, worst: money(one.worst), charged: money(one.charged) })), problem, startedAt, endedAt: endedAt || null,
  }
}

/** Every watcher of the user, oldest first. */
export async function listWatchers(actors: Pick<Actors, 'all'>): Promise<WatcherReport[]> {
  const reports: WatcherReport[] = []
  for await (const { id, snapshot } of actors.all('watcher')) reports.push(watcherReportFrom(id.slice('watcher/'.length), snapshot))
  return reports.sort((one, other) => one.startedAt - other.startedAt)
}

/** Ends the watcher; a paid call under way is cancelled, what it delivered is paid. Error `watcher.unknown`. */
export async function stopWatcher(user: { readonly node: Pick<Node, 'host'> }, id: string): Promise<void> {
  await watcherReport(user.node.host, id)
  await user.node.host.send(`watcher/${id}`, { type: 'stop' })
}

/** Resolves with the report when `holds` for it, now or later, or when the watcher has ended. Error `network.timeout`. */
export async function untilWatcher(user: User, id: string, holds: (report: WatcherReport) => boolean, timeoutMs: number, signal?: AbortSignal): Promise<WatcherReport> {
  const { host } = user.node
  await watcherReport(host, id)
  const { snapshot } = await host.until(`watcher/${id}`, (now) => now.status === 'done' || holds(watcherReportFrom(id, now)), timeoutMs, signal)
  return watcherReportFrom(id, snapshot)
}

function money(atomic: string): string {
  return formatMoney(BigInt(atomic))
}

function termsOf(user: User, document: Watcher): WatcherTerms {
  const { look, pipeline, budget, cooldown = '0s', expires = '7d', runs = 1_000, trigger = 'edge' } = document
  const report = check(pipeline, { capabilities: user.capabilities() })
  if (!report.ok || !report.pipeline) throw new AigenError('pipeline.invalid', report.errors[0] && `${report.errors[0].path}: ${report.errors[0].message}`, { issues: report.errors })
  const runWorst = BigInt(planOf(report.pipeline, report.budget, report.graph).worst)
  const lookPrice = parseMoney(look.price.max)
  const limit = parseMoney(budget)
  if (lookPrice + runWorst > limit) throw new AigenError('budget.too-small', `one look may cost ${formatMoney(lookPrice)}, one run ${formatMoney(runWorst)}, the budget is ${formatMoney(limit)}`, { path: 'budget' })
  const within = (text: string): number => Math.min(YEAR_MS, parseDuration(text))
  return {
    budget: limit.toString(), lookPrice: lookPrice.toString(), runWorst: runWorst.toString(), when: whenOf(document), cooldownMs: within(cooldown), expiresMs: within(expires),
    lookMs: Math.max(1, within(look.deadline ?? '30s')), runsMax: runs, edge: trigger === 'edge',
  }
}

/** When it looks: every so long, or at the times of a cron expression. */
function whenOf({ every, at, timeZone }: Watcher): WatcherTerms['when'] {
  if ((every === undefined) === (at === undefined)) throw new AigenError('input.invalid', 'a watcher has either every or at', { path: every === undefined ? 'every' : 'at' })
  if (every !== undefined) {
    const everyMs = parseDuration(every)
    if (everyMs < EVERY_MIN_MS || everyMs > YEAR_MS) throw new AigenError('input.invalid', 'every is at least 1s and at most a year', { path: 'every' })
    if (timeZone !== undefined) throw new AigenError('input.invalid', 'only the times of at have a place', { path: 'timeZone' })
    return { everyMs }
  }
  const when = { cron: at!, ...(timeZone === undefined ? {} : { timeZone }) }
  try {
    nextTime(when, 0)
  } catch (thrown) {
    const { message } = asError(thrown)
    throw new AigenError('input.invalid', message, { path: timeZone !== undefined && message.includes('timezone') ? 'timeZone' : 'at' })
  }
  return when
}

/** What is wrong with the expressions: they must compile and read this look and the last one only. */
function expressionFaults({ when, inputs = {} }: Watcher): Issue[] {
  const condition = compileTemplate(when)
  const issues = [...faultsOf('when', condition), ...faultsOf('inputs', compileTemplate(inputs))]
  if (issues.length === 0 && !condition.single) issues.push({ path: 'when', message: 'expected one ${…} and nothing around it' })
  return issues
}

function faultsOf(path: string, { faults, references }: Template): Issue[] {
  return [
    ...faults.map(({ message, hint }) => ({ path, message, ...(hint === undefined ? {} : { hint }) })),
    ...references.filter(({ root, path: names }) => root !== 'output' && !(root === 'steps' && names[0] === 'last'))
      .map(({ root, path: names }) => ({ path, message: `there is no ${[root, ...names.slice(0, 1)].join('.')} here`, hint: 'It may read output and steps.last.' })),
  ]
}
