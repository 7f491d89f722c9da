/**
 * The expressions of a run as effects (D8): `step.prepare` makes a step's input, `run.output` the
 * answer. What they read are steps that have ended, which never change, so repeating them gives the
 * same result; that result is journaled, time-outs of an expression included.
 */
import { hashOf } from '../schemas/canonical.ts'
import type { Capability } from '../schemas/documents.gen.ts'
import { AigenError } from '../schemas/error.ts'
import { formatMoney } from '../schemas/money.ts'
import { compileFixed } from '../schemas/fixed.ts'
import type { EffectKind } from '../runtime/actors/effects.ts'
import type { Host } from '../runtime/actors/host.ts'
import { blobsIn } from '../runtime/identity/parcel.ts'
import type { Context, StepMeta } from './expression.ts'
import { accepts, prepare, type Evaluate } from './prepare.ts'
import type { Reads } from './plan.ts'
import type { RunContext } from './run.machine.ts'
import { stepId, type StepContext } from './step.ts'

/** Bytes of an input or an answer that a record can hold; larger values belong in blobs. */
const VALUE_BYTES_MAX = 256 * 1024

export interface EvaluateOptions {
  readonly host: () => Host
  readonly evaluate: Evaluate
  /** The contract of a capability, as the directory or the standard list has it. */
  readonly capability: (id: string) => Capability | undefined
}

/** What a step put out: its output, an item each for a forEach, null for one that was skipped or failed. */
export async function outputOf(host: Pick<Host, 'look' | 'lookEach'>, run: string, step: string): Promise<unknown> {
  const context = await host.look<StepContext>(stepId(run, step, null))
  if (!context || context.state !== 'done') return null
  if (context.plan.forEach === null) return context.output
  const items = await host.lookEach<StepContext>(Array.from({ length: context.items }, (_, index) => stepId(run, step, index)))
  return items.map((item) => item?.output ?? null)
}

/** How a step ended, for `meta`: state, provider and price. */
export async function metaOf(host: Pick<Host, 'look'>, run: string, step: string): Promise<StepMeta> {
  const context = await host.look<StepContext>(stepId(run, step, null))
  const state = context?.state ?? 'skipped'
  return {
    state: state === 'running' ? 'cancelled' : state,
    provider: context?.agreement?.terms.provider ?? null,
    providerName: context?.offer?.name ?? null,
    price: formatMoney(BigInt(context?.delivery?.body.amount ?? context?.spent ?? '0')),
    attempts: context?.attempts.length ?? 0,
  }
}

/** What the expressions read, and nothing else: their steps have ended and may be out of memory. */
async function contextFor(host: Host, run: RunContext, reads: Reads): Promise<Context> {
  const each = async <T>(names: readonly string[], of: (host: Host, run: string, step: string) => Promise<T>): Promise<Record<string, T>> =>
    Object.fromEntries(await Promise.all(names.map(async (name) => [name, await of(host, run.run, name)] as const)))
  return {
    input: run.inputs,
    steps: await each(reads.steps, outputOf),
    meta: await each(reads.meta, metaOf),
    run: {
      id: run.run, spent: formatMoney(BigInt(run.spent)), budget: formatMoney(BigInt(run.budget)),
      startedAt: run.startedAt,
    },
  }
}

/** The effects `step.prepare` and `run.output`. */
export function evaluateEffects({ host, evaluate, capability }: EvaluateOptions): Record<string, EffectKind> {
  /** The run goes on while something of it is evaluated. */
  const runOf = (id: string): RunContext => {
    const run = host().context<RunContext>(`run/${id}`)
    if (!run) throw new AigenError('run.unknown', id)
    return run
  }
  const prepareStep: EffectKind = {
    mode: 'idempotent',
    run: async ({ run: id, step, index }: { run: string; step: string; index: number | null }, { actor }) => {
      const run = runOf(id)
      // What opens an escrow case is a step of no document: it brings its own plan.
      const plan = run.plan.steps[step] ?? host().context<StepContext>(actor)!.plan
      let context = await contextFor(host(), run, plan.reads)
      if (index !== null) context = { ...context, item: host().context<StepContext>(stepId(id, step, index))!.item, index }
      const prepared = await prepare(plan, context, evaluate)
      if (prepared.kind === 'skip') return { type: 'step.prepare.done', skip: true }
      if (prepared.kind === 'items') {
        bounded(prepared.items, `steps.${step}.forEach`)
        return { type: 'step.prepare.done', items: prepared.items }
      }
      const contract = capability(plan.uses)
      if (!contract) throw new AigenError('market.no-provider', `nobody offers ${plan.uses}`)
      const { input } = prepared
      const issues = compileFixed(contract.input).issues(input)
      if (issues.length > 0) throw new AigenError('step.input', `steps.${step}.with.${issues[0]!.path}: ${issues[0]!.message}`, { path: `steps.${step}.with.${issues[0]!.path}`, issues })
      const inputBytes = bounded(input, `steps.${step}.with`) + blobsIn(input).reduce((sum, blob) => sum + blob.size, 0)
      return { type: 'step.prepare.done', input, inputHash: hashOf(input), units: await unitsOf(contract, input, evaluate), inputBytes }
    },
  }
  const output: EffectKind = {
    mode: 'idempotent',
    run: async ({ run: id }: { run: string }) => {
      const run = runOf(id)
      const evaluation = await evaluate(run.plan.output.template, await contextFor(host(), run, run.plan.output.reads))
      if (!evaluation.ok) throw new AigenError('step.expression', `output: ${evaluation.message}`, { path: 'output' })
      bounded(evaluation.value, 'output')
      return { type: 'run.output.done', output: evaluation.value }
    },
  }
  return { 'step.prepare': prepareStep, 'run.output': output }
}

/** Bytes of a value that goes into the journal. Error `input.too-large` with its path. */
function bounded(value: unknown, path: string): number {
  const bytes = Buffer.byteLength(JSON.stringify(value))
  if (bytes > VALUE_BYTES_MAX) throw new AigenError('input.too-large', `${path} has ${bytes} bytes, at most ${VALUE_BYTES_MAX}; use a blob`, { path })
  return bytes
}

/** Units that a call will probably take, from the capability's own estimate; 1 where it names none. */
export async function unitsOf(capability: Capability, input: unknown, evaluate: Evaluate): Promise<number> {
  const { expression, units } = capability.estimate ?? {}
  if (expression === undefined) return units ?? 1
  const evaluation = await evaluate(`\${${expression}}`, { input })
  const value = evaluation.ok ? Number(evaluation.value) : NaN
  return Number.isFinite(value) && value >= 1 ? Math.min(1_000_000, Math.ceil(value)) : units ?? 1
}

/** How an output fares against the signed clauses, the same on both sides (D6). */
export async function judge(output: unknown, outputSchema: object, expect: string | null, evaluate: Evaluate): Promise<AigenError | undefined> {
  const bytes = Buffer.byteLength(JSON.stringify(output) ?? '')
  if (bytes > VALUE_BYTES_MAX) return new AigenError('step.output', `${bytes} bytes, at most ${VALUE_BYTES_MAX}; larger values belong in blobs`)
  const issues = compileFixed(outputSchema).issues(output)
  if (issues.length > 0) return new AigenError('step.output', `${issues[0]!.path}: ${issues[0]!.message}`, { path: issues[0]!.path, issues })
  const verdict = await accepts(expect, output, evaluate)
  return verdict.ok ? undefined : new AigenError('step.expect', verdict.why)
}
