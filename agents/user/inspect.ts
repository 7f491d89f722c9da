/**
 * A run as its owner sees it: where it stands, its steps with provider, price and attempts, what it
 * was told, and what takes no more events. Read from the fold, live or not; no event is made. Used by
 * `aigen runs show|query` and by the door of `control.ts`.
 */
import { secretsOf, shownInputs, shownOf } from '../../pipelines/secret.ts'
import { stepsOf } from '../../pipelines/steps-of.ts'
import type { RunContext } from '../../pipelines/run.machine.ts'
import type { RunSignal } from '../../pipelines/signals.ts'
import type { Attempt, StepContext } from '../../pipelines/step.ts'
import type { Actors } from '../../runtime/actors/read-actors.ts'
import type { ParkedActor } from '../../runtime/actors/fold.ts'
import type { Pipeline } from '../../schemas/documents.gen.ts'
import { AigenError, type ErrorBody } from '../../schemas/error.ts'
import { formatMoney } from '../../schemas/money.ts'
import { nearest } from '../../schemas/nearest.ts'
import { stepRow, type StepRow } from './follow.ts'
import { runLine, type RunLine } from './run-line.ts'

export interface StepReport extends StepRow {
  /** Hirings that have ended, oldest first; amounts are decimal strings. */
  readonly attempts: readonly Attempt[]
}

export interface RunReport extends RunLine {
  /** Decimal string. */
  readonly budget: string
  readonly endedAt: number | null
  /** In the order of the plan; of a forEach its items. */
  readonly steps: readonly StepReport[]
  readonly signals: readonly RunSignal[]
  readonly parked: readonly ParkedActor[]
  readonly error: ErrorBody | null
}

/** What a report needs of actors. */
export type Inspected = Pick<Actors, 'load' | 'look' | 'lookEach' | 'parked'>

/** The run as of the last event. Error `run.unknown`. */
export async function runReport(actors: Inspected, run: string): Promise<RunReport> {
  const line = await runLine(actors, run)
  const context = (await actors.look<RunContext>(`run/${run}`))!
  const steps: StepReport[] = []
  for await (const record of stepsOf(actors, context)) steps.push({ ...await stepRow(actors, context, record), attempts: (record.context?.attempts ?? []).map(inMoney) })
  return {
    ...line, budget: formatMoney(BigInt(context.budget)), endedAt: context.endedAt || null,
    steps, signals: context.signals, parked: parkedOf(actors, run), error: context.error,
  }
}

/** What of the run takes no more events, and why: itself, its steps, their hirings and inquiries. */
export function parkedOf(actors: Pick<Actors, 'parked'>, run: string): ParkedActor[] {
  return [...actors.parked()].filter(({ actor }) => actor.split('/', 2)[1] === run)
}

/**
 * What `path` names in the run: the report's own keys, `inputs`, `output`, and under `steps` each
 * step by its name with `input` and `output`; what is labelled secret is not shown. Without a path
 * the report.
 *
 * Errors: `run.unknown`; `input.invalid` where the path leads nowhere.
 *
 * @example queryRun(host, run, 'steps.read.output.text')
 */
export async function queryRun(actors: Inspected, run: string, path?: string): Promise<unknown> {
  const report = await runReport(actors, run)
  if (path === undefined) return report
  const context = (await actors.look<RunContext>(`run/${run}`))!
  const contexts = new Map<string, StepContext | undefined>()
  for await (const { name, context: step } of stepsOf(actors, context)) contexts.set(name, step)
  const secrets = secretsOf(context.document as Pipeline)
  const steps = Object.fromEntries(report.steps.map((step) => {
    const at = contexts.get(step.step)
    return [step.step, { ...step, input: shownOf(step.step, at?.input ?? null, secrets), output: shownOf(step.step, at?.output ?? null, secrets) }]
  }))
  let value: unknown = { ...report, inputs: shownInputs(context.inputs, secrets), output: context.output, steps }
  const passed: string[] = []
  for (const key of path.split('.')) {
    if (value === null || typeof value !== 'object' || !Object.hasOwn(value, key)) {
      const like = value !== null && typeof value === 'object' ? nearest(key, Object.keys(value)) : undefined
      throw new AigenError('input.invalid', `${passed.join('.') || 'the run'} has no ${key}.${like === undefined ? '' : ` Did you mean ${like}?`}`, { path })
    }
    value = (value as Record<string, unknown>)[key]
    passed.push(key)
  }
  return value
}

function inMoney(attempt: Attempt): Attempt {
  const money = (atomic: string): string => formatMoney(BigInt(atomic))
  return { ...attempt, list: money(attempt.list), agreed: money(attempt.agreed), charged: money(attempt.charged) }
}
