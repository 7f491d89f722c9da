/**
 * Forks of a run: started again from any of its steps, with changed inputs or another document, on
 * what the run before it had paid for. What can be said beforehand of the price is `planFork`; the
 * steps themselves look when they begin (`pipelines/reuse.ts`), so a fork may take over more, not less.
 */
import type { Pipeline } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { formatMoney } from '../../schemas/money.ts'
import { nearest } from '../../schemas/nearest.ts'
import { check } from '../../pipelines/check.ts'
import { checkInputs } from '../../pipelines/input.ts'
import { planOf, type RunPlan } from '../../pipelines/plan.ts'
import { openKnown } from '../../pipelines/known.ts'
import { stepsFrom, type Reuse } from '../../pipelines/reused.ts'
import type { RunContext } from '../../pipelines/run.machine.ts'
import { foresee, type Outlook } from './foresee.ts'
import { startRun, type StartOptions } from './run.ts'
import type { User } from './user.ts'

export interface ForkOptions extends Pick<StartOptions, 'blobs' | 'budget' | 'trace' | 'onPiece' | 'key'> {
  /** This step and whatever depends on it are done anew (default: only what has changed is). */
  readonly from?: string
  /** Inputs that are not those of the run before. */
  readonly inputs?: Readonly<Record<string, unknown>>
  /** Text or value of another document (default: that of the run before). */
  readonly document?: string | object
}

export interface ForkPlan extends Outlook {
  /** name@version. */
  readonly pipeline: string
  /** What all of it would cost at worst. */
  readonly whole: string
}

/**
 * Starts a fork of a run that has ended; resolves with its id. It holds its whole worst case, and what
 * is taken over comes back at the end: nobody is paid twice.
 *
 * Errors: `run.unknown`; `input.invalid` where the run has not ended or there is no step `from`; those of `startRun`.
 *
 * @example await forkRun(user, run, { from: 'summarise' })
 */
export async function forkRun(user: User, run: string, options: ForkOptions = {}): Promise<string> {
  const { inputs, document, reuse } = await forkOf(user, run, options)
  const { blobs, budget, trace, onPiece, key } = options
  return startRun(user, {
    document, inputs, reuse, ...(blobs ? { blobs } : {}), ...(budget === undefined ? {} : { budget }), ...(trace === undefined ? {} : { trace }), ...(onPiece ? { onPiece } : {}), ...(key === undefined ? {} : { key }),
  })
}

/** What a fork would cost beside what it takes over; nothing is started. Errors: those of `forkRun`. */
export async function planFork(user: User, run: string, options: ForkOptions = {}): Promise<ForkPlan> {
  const { inputs: given, plan, pipeline, reuse } = await forkOf(user, run, options)
  const { inputs, issues } = checkInputs(pipeline, given)
  if (issues.length > 0) throw new AigenError('input.invalid', issues.map((one) => `input.${one.path}: ${one.message}`).join('; '), { issues })
  const { node, evaluate } = user
  const capabilities = user.capabilities()
  const find = openKnown({ ...node, host: () => node.host, evaluate, capability: (id) => capabilities.get(id) })
  return { pipeline: plan.pipeline, ...await foresee(plan, { inputs, evaluate, find, reuse }), whole: formatMoney(BigInt(plan.worst)) }
}

interface Fork {
  readonly inputs: Readonly<Record<string, unknown>>
  readonly document: string | object
  readonly pipeline: Pipeline
  readonly plan: RunPlan
  readonly reuse: Reuse
}

async function forkOf(user: User, id: string, options: ForkOptions): Promise<Fork> {
  const run = await user.node.host.look<RunContext>(`run/${id}`)
  if (!run) throw new AigenError('run.unknown', id)
  if (run.endedAt === 0) throw new AigenError('input.invalid', `${id} has not ended`, { path: 'run' })
  const document = options.document ?? run.document as object
  const report = check(document, { capabilities: user.capabilities(), ...(options.budget === undefined ? {} : { budget: options.budget }) })
  if (!report.ok || !report.pipeline) throw new AigenError('pipeline.invalid', report.errors.map((one) => `${one.path}${one.path ? ': ' : ''}${one.message}`).join('; '), { issues: report.errors })
  const { pipeline } = report
  const plan = planOf(pipeline, report.budget, report.graph)
  const { from } = options
  if (from !== undefined && !Object.hasOwn(plan.steps, from)) {
    const like = nearest(from, plan.order)
    throw new AigenError('input.invalid', `there is no step ${from}.${like === undefined ? '' : ` Did you mean ${like}?`}`, { path: 'from' })
  }
  // Another document may have other inputs.
  const declared = (pipeline.input as { properties?: object } | undefined)?.properties
  const before = Object.fromEntries(Object.entries(run.inputs as object).filter(([name]) => options.document === undefined || (declared !== undefined && Object.hasOwn(declared, name))))
  return {
    inputs: { ...before, ...options.inputs }, document, pipeline, plan,
    reuse: { run: id, except: from === undefined ? [] : stepsFrom(plan.steps, plan.order, from) },
  }
}
