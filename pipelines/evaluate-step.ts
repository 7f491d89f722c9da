/**
 * The expressions of a run as effects (D8): `step.prepare` makes a step's input, `run.output` the
 * answer. What they read are steps that have ended, which never change, so repeating them gives the
 * same result; that result is journaled, time-outs of an expression included.
 */
import { hashOf } from '../schemas/canonical.ts'
import type { Capability, Hash, Pipeline } from '../schemas/documents.gen.ts'
import { AigenError } from '../schemas/error.ts'
import { formatMoney } from '../schemas/money.ts'
import { compileFixed } from '../schemas/fixed.ts'
import { kindOf } from '../runtime/actors/actor.ts'
import type { EffectKind } from '../runtime/actors/effects.ts'
import type { Host } from '../runtime/actors/host.ts'
import { blobsIn } from '../runtime/identity/parcel.ts'
import type { DisputeContext } from './dispute.machine.ts'
import type { Context } from './expression.ts'
import type { FanContext } from './fan.ts'
import { itemsOf } from './growing.ts'
import { checkInputs } from './input.ts'
import type { InquiryContext } from './inquiry.machine.ts'
import type { Json } from './json-value.ts'
import { hiredFor, metaOf, outputOf, type Loads } from './outcome.ts'
import type { NestedPlan, Reads, StepPlan, Work } from './plan.ts'
import { accepts, agrees, prepare, type Evaluate, type Turn } from './prepare.ts'
import { topStep, type FindKnown, type Known } from './reused.ts'
import type { RunContext } from './run.machine.ts'
import { actorOf, stepId, workOf, type StepContext, type StepInput } from './step.ts'

/** Bytes of an input or an answer that a record can hold; larger values belong in blobs. */
const VALUE_BYTES_MAX = 256 * 1024

export interface EvaluateOptions {
  readonly host: () => Host
  readonly evaluate: Evaluate
  /** The contract of a capability, as the directory or the standard list has it. */
  readonly capability: (id: string) => Capability | undefined
  /** What need not be hired: a fork takes it over from the run before, any run where a card allows it. */
  readonly known: FindKnown
}

/** What the expressions read, and nothing else: their steps have ended and may be out of memory. */
async function contextFor(host: Loads, run: RunContext, reads: Reads): Promise<Context> {
  const each = async <T>(names: readonly string[], of: (host: Loads, run: string, plan: StepPlan) => Promise<T>): Promise<Record<string, T>> =>
    Object.fromEntries(await Promise.all(names.map(async (name) => [name, await of(host, run.run, run.plan.steps[name]!)] as const)))
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

/** The effects `step.prepare`, `quorum.compare` and `run.output`. */
export function evaluateEffects({ host, evaluate, capability, known }: EvaluateOptions): Record<string, EffectKind> {
  /** The run goes on while something of it is evaluated. */
  const runOf = (id: string): RunContext => {
    const run = host().context<RunContext>(`run/${id}`)
    if (!run) throw new AigenError('run.unknown', id)
    return run
  }
  const prepareStep: EffectKind = {
    mode: 'idempotent',
    run: async ({ run: id, step }: { run: string; step: string }, { actor }) => {
      const run = runOf(id)
      // A step of no document, what opens an escrow case or undoes a step, brings its own plan.
      const { plan, index, item, member, of, fallback = false } = host().context<StepInput & Partial<Pick<StepContext, 'fallback'>>>(actor)!
      let context = await contextFor(host(), run, plan.reads)
      if (index !== null) context = { ...context, item, index }
      if (of) {
        const own = await undone(host(), run, of)
        // To its compensation, a late delivery is what the step put out.
        context = { ...context, ...own, ...(of.late !== undefined && of.index === null ? { steps: { ...context.steps as object, [of.step]: own.output as Json } } : {}) }
      }
      const prepared = await prepare(plan, context, evaluate, { by: kindOf(actor) as Turn['by'], inner: index !== null || member !== undefined, fallback })
      const which = 'choice' in prepared ? { choice: prepared.choice } : {}
      switch (prepared.kind) {
        case 'skip': return { type: 'step.prepare.done', skip: true }
        case 'many': return { type: 'step.prepare.done', go: true }
        case 'stream': return { type: 'step.prepare.done', ...await heard(host(), run, plan) }
        case 'wait': return { type: 'step.prepare.done', ...(prepared.until === undefined ? {} : { until: prepared.until }), message: prepared.message ?? null }
        case 'items':
          bounded(prepared.items, `steps.${step}.forEach`)
          return { type: 'step.prepare.done', items: prepared.items }
        case 'value':
          bounded(prepared.value, `steps.${step}`)
          return { type: 'step.prepare.done', value: prepared.value, ...which }
        default: {
          const path = `steps.${step}.${fallback ? 'fallback.' : prepared.choice === undefined ? '' : `switch[${prepared.choice}].`}with`
          if (plan.nested) return { type: 'step.prepare.done', input: nestedInput(plan.nested, prepared.input, path) }
          const others = await Promise.all((plan.differ ?? []).map((other) => hiredFor(host(), id, run.plan.steps[other]!)))
          const checked = await checkedInput(prepared.uses, prepared.input, path)
          const work = workOf({ plan, choice: prepared.choice ?? null, fallback })
          const found = of === undefined && run.plan.steps[step] ? await knownFor(id, step, plan, work, checked.inputHash) : undefined
          return { type: 'step.prepare.done', ...checked, ...which, ...(plan.differ ? { apart: [...new Set(others.flat())] } : {}), ...(found ? { known: found } : {}) }
        }
      }
    },
  }
  /** What need not be hired for the step; what a fork does anew is. */
  const knownFor = async (id: string, step: string, plan: StepPlan, work: Work, inputHash: Hash): Promise<Known | undefined> => {
    const { reuse } = runOf(id.split('/', 1)[0]!)
    return reuse?.except.includes(topStep(id, step)) ? undefined : known(reuse, plan, work, inputHash)
  }
  /** The input of a call, judged by the capability's contract. */
  const checkedInput = async (uses: string, input: Json, path: string): Promise<{ readonly input: Json; readonly inputHash: Hash; readonly units: number; readonly inputBytes: number }> => {
    const contract = capability(uses)
    if (!contract) throw new AigenError('market.no-provider', `nobody offers ${uses}`)
    const issues = compileFixed(contract.input).issues(input)
    if (issues.length > 0) throw new AigenError('step.input', `${path}.${issues[0]!.path}: ${issues[0]!.message}`, { path: `${path}.${issues[0]!.path}`, issues })
    const inputBytes = bounded(input, path) + blobsIn(input).reduce((sum, blob) => sum + blob.size, 0)
    return { input, inputHash: hashOf(input), units: await unitsOf(contract, input, evaluate), inputBytes }
  }
  const compare: EffectKind = {
    mode: 'idempotent',
    run: async ({ run: id, step, index, member }: { run: string; step: string; index: number | null; member: number }, { actor }) => {
      const { plan, over } = host().context<FanContext>(actor)!
      const outputAt = async (place: number): Promise<StepContext> => (await host().look<StepContext>(stepId(id, step, index, place)))!
      const own = await outputAt(member)
      const found: number[] = []
      // Whoever delivers later is compared with all before, so no pair is left out.
      for (const other of Object.keys(over).map(Number).filter((place) => place !== member && over[place] === 'done')) {
        const { output } = await outputAt(other)
        const [a, b] = other < member ? [output, own.output] : [own.output, output]
        if (await agrees(plan, a, b, evaluate)) found.push(other)
      }
      return { type: 'quorum.compare.done', answer: { member, provider: own.agreement?.terms.provider ?? null, outputHash: own.delivery?.body.outputHash ?? hashOf(own.output) }, agrees: found }
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
  return { 'step.prepare': prepareStep, 'quorum.compare': compare, 'run.output': output }
}

/** The inputs of a sub-pipeline, defaults filled in. Error `step.input` with the path of the first that does not fit. */
function nestedInput({ input: schema }: NestedPlan, given: Json, path: string): unknown {
  const { inputs, issues } = checkInputs((schema === null ? {} : { input: schema }) as Pipeline, given)
  const [first] = issues
  if (first) throw new AigenError('step.input', `${path}.${first.path}: ${first.message}`, { path: `${path}.${first.path}`, issues })
  bounded(inputs, path)
  return inputs
}

/** What a step that is undone had put out, and for which item. */
async function undone(host: Loads, run: RunContext, { step, index, late }: NonNullable<StepContext['of']>): Promise<Context> {
  const plan = run.plan.steps[step]!
  const output = late === undefined ? await outputOf(host, run.run, plan, index) : (await host.look<InquiryContext | DisputeContext>(late))!.output as Json
  if (index === null) return { output }
  const { item } = (await host.look<StepContext>(actorOf(run.run, plan, index)))!
  return { output, item, index }
}

/** The pieces of a stream that had ended before anybody listened. */
async function heard(host: Pick<Host, 'load'>, run: RunContext, { chunksOf }: StepPlan): Promise<{ heard?: object }> {
  const source = await host.load(stepId(run.run, chunksOf!, null))
  if (source?.snapshot.status !== 'done') return {}
  const { pieces, state, torn } = source.snapshot.context as StepContext
  return { heard: { pieces: itemsOf(pieces), state, torn } }
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
