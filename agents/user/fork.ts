/**
 * Forks of a run: started again from any of its steps, with changed inputs or another document, on
 * what the run before it had paid for. What can be said beforehand of the price is `planFork`; the
 * steps themselves look when they begin (`pipelines/reuse.ts`), so a fork may take over more, not less.
 */
import type { Pipeline } from '../../schemas/documents.gen.ts'
import { hashOf } from '../../schemas/canonical.ts'
import { AigenError } from '../../schemas/error.ts'
import { formatMoney } from '../../schemas/money.ts'
import { nearest } from '../../schemas/nearest.ts'
import { check } from '../../pipelines/check.ts'
import type { Context, StepMeta } from '../../pipelines/expression.ts'
import { checkInputs } from '../../pipelines/input.ts'
import { itemId } from '../../pipelines/item-id.ts'
import { planOf, type RunPlan, type StepPlan } from '../../pipelines/plan.ts'
import { openKnown } from '../../pipelines/known.ts'
import { prepare } from '../../pipelines/prepare.ts'
import { stepsFrom, type FindKnown, type Known, type Reuse } from '../../pipelines/reused.ts'
import type { RunContext } from '../../pipelines/run.machine.ts'
import { workOf } from '../../pipelines/step.ts'
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

export interface ForkPlan {
  /** name@version. */
  readonly pipeline: string
  /** Calls known beforehand to be taken over, with what they had cost. */
  readonly reused: readonly { readonly step: string; readonly providerName: string; readonly paid: string }[]
  /** Steps of which something may have to be hired, each with the most that costs. */
  readonly anew: readonly { readonly step: string; readonly worst: string }[]
  /** Most that the fork costs, what all of it would cost at worst, and what was paid for what is taken over. */
  readonly worst: string
  readonly whole: string
  readonly saved: string
}

/** What a step stands at before the fork: its output and how it ended, as expressions read them. */
interface Foreseen {
  readonly output: unknown
  readonly meta: StepMeta
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
  const capabilities = user.capabilities()
  const find = openKnown({ ...user.node, host: () => user.node.host, evaluate: user.evaluate, capability: (id) => capabilities.get(id) })
  const foreseen = new Map<string, Foreseen>()
  const reused: ForkPlan['reused'][number][] = []
  const anew: ForkPlan['anew'][number][] = []
  let worst = 0n
  let saved = 0n
  for (const name of plan.order) {
    const step = plan.steps[name]!
    const { found, left, end } = await foresee({ user, inputs, foreseen, reuse, find }, step)
    for (const { step: unit, known: { reused: { providerName, paid } } } of found) {
      reused.push({ step: unit, providerName, paid: formatMoney(BigInt(paid)) })
      saved += BigInt(paid)
    }
    if (end) foreseen.set(name, end)
    if (left === 0n) continue
    anew.push({ step: name, worst: formatMoney(left) })
    worst += left
  }
  return { pipeline: plan.pipeline, reused, anew, worst: formatMoney(worst), whole: formatMoney(BigInt(plan.worst)), saved: formatMoney(saved) }
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

interface Taken { readonly step: string; readonly known: Known }
interface Outlook { readonly found: readonly Taken[]; readonly left: bigint; readonly end?: Foreseen }
interface Looking {
  readonly user: User
  readonly inputs: unknown
  readonly foreseen: ReadonlyMap<string, Foreseen>
  readonly reuse: Reuse
  readonly find: FindKnown
}

/** What of a step is taken over, and what it costs at most besides. Where that depends on what is not known yet, all of it is anew. */
async function foresee({ user, inputs, foreseen, reuse, find }: Looking, step: StepPlan): Promise<Outlook> {
  const worst = BigInt(step.worst)
  const anew: Outlook = { found: [], left: worst }
  const waits = step.nested || step.many || step.wait || step.approve || step.chunksOf !== undefined || step.reads.run
  if (waits || reuse.except.includes(step.name) || step.dependsOn.some((name) => !foreseen.has(name))) return anew
  const skipped: Outlook = { found: [], left: 0n, end: { output: null, meta: metaOf('skipped', undefined) } }
  if (step.dependsOn.some((name) => foreseen.get(name)!.meta.state === 'skipped' && !step.tests.includes(name) && !step.apart?.includes(name))) return skipped
  const context: Context = {
    input: inputs,
    steps: Object.fromEntries(step.reads.steps.map((name) => [name, foreseen.get(name)!.output])),
    meta: Object.fromEntries(step.reads.meta.map((name) => [name, foreseen.get(name)!.meta])),
  }
  const look = async (more: Context, by: 'step' | 'fan'): Promise<{ readonly known?: Known; readonly value?: { readonly output: unknown }; readonly items?: readonly unknown[]; readonly skip?: true }> => {
    const prepared = await prepare(step, { ...context, ...more }, user.evaluate, { by })
    if (prepared.kind === 'skip') return { skip: true }
    if (prepared.kind === 'items') return { items: prepared.items }
    if (prepared.kind === 'value') return { value: { output: prepared.value } }
    if (prepared.kind !== 'input') return {}
    const known = await find(reuse, step, workOf({ plan: step, choice: prepared.choice ?? null, fallback: false }), hashOf(prepared.input))
    return known ? { known, value: { output: known.output } } : {}
  }
  try {
    const whole = await look({}, step.forEach === null ? 'step' : 'fan')
    if (whole.skip) return skipped
    if (!whole.items) return whole.value ? { found: whole.known ? [{ step: step.name, known: whole.known }] : [], left: 0n, end: { output: whole.value.output, meta: metaOf('done', whole.known) } } : anew
    const items = await Promise.all(whole.items.map((item, index) => look({ item, index }, 'step')))
    const found = items.flatMap(({ known }, index) => (known ? [{ step: itemId(step.name, index), known }] : []))
    const missing = items.filter(({ value }) => value === undefined).length
    if (missing > 0) return { found, left: (worst / BigInt(step.maxItems)) * BigInt(missing) }
    return { found, left: 0n, end: { output: items.map(({ value }) => value!.output), meta: metaOf('done', undefined) } }
  } catch (thrown) {
    // What cannot be prepared fails when its turn comes, or something else comes before it.
    if (thrown instanceof AigenError && thrown.code === 'step.expression') return anew
    throw thrown
  }
}

function metaOf(state: 'done' | 'skipped', known: Known | undefined): StepMeta {
  return { state, provider: known?.reused.provider ?? null, providerName: known?.reused.providerName ?? null, price: '0', attempts: 0, error: null, fallback: false, failed: 0 }
}
