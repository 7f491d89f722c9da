/**
 * Runs of a user: start one, follow it, get its bill. A run belongs to the journal, not to this
 * process: what is followed here may have been started by a process that is gone.
 */
import type { Bill, Pipeline } from '../../schemas/documents.gen.ts'
import { canonicalText, hashOf } from '../../schemas/canonical.ts'
import { AigenError, type ErrorBody } from '../../schemas/error.ts'
import { newId } from '../../schemas/id.ts'
import { billOf } from '../../pipelines/bill.ts'
import { check } from '../../pipelines/check.ts'
import { parseDocument } from '../../pipelines/document.ts'
import { checkInputs } from '../../pipelines/input.ts'
import type { Piece } from '../../pipelines/listen.ts'
import { hasStreams, planOf } from '../../pipelines/plan.ts'
import type { Reuse } from '../../pipelines/reused.ts'
import { isAnswered, type RunContext } from '../../pipelines/run.machine.ts'
import { withStanding } from '../../pipelines/standing.ts'
import type { Host } from '../../runtime/actors/host.ts'
import { blobRef, blobsIn } from '../../runtime/identity/parcel.ts'
import { toText } from '../../runtime/identity/text-bytes.ts'
import { purseActor, type PurseContext } from '../../runtime/payments/purse.machine.ts'
import { runsIn, type RunLine } from './run-line.ts'
import type { User } from './user.ts'

export interface StartOptions {
  /** Text or value of the pipeline document. */
  readonly document: string | object
  readonly inputs: Readonly<Record<string, unknown>>
  /** Bytes of the blobs that the inputs name. */
  readonly blobs?: readonly { readonly bytes: Uint8Array; readonly mediaType: string }[]
  /** Atomic; the smaller of this and the document's own limit counts. */
  readonly budget?: bigint
  /** W3C traceparent of the caller's span. */
  readonly trace?: string
  /**
   * Hears the pieces of streamed outputs as they are made, in order a step. A step whose pieces were
   * heard is never tried elsewhere. Ends with the run, or with this process.
   */
  readonly onPiece?: (piece: Piece) => void
  /**
   * What makes this run one and the same, however often it is asked for: a second start under the
   * same key finds the first one. For callers that repeat after a crash. Default: each start is a run.
   */
  readonly key?: string
  /** Of a fork: the run, which has ended, whose deliveries it takes over, and the steps that are done anew (`forkRun`). */
  readonly reuse?: Reuse
}

export interface Finished {
  readonly run: string
  readonly output: unknown
  readonly error: ErrorBody | null
  readonly bill: Bill
}

/**
 * Checks the document and the inputs, then starts the run; resolves with its id once it is journaled.
 *
 * - `pipeline.invalid`: with every issue; nothing was started.
 * - `budget.too-small`: the worst case is above the budget; nothing was started.
 * - `input.invalid`: the inputs do not fit the document's schema.
 * - `run.conflict`: the key was used for another document or other inputs.
 */
export async function startRun(user: User, options: StartOptions): Promise<string> {
  const { node } = user
  const known = options.key === undefined ? undefined : await node.host.look<RunContext>(`run/${keyedRun(options.key)}`)
  if (known) {
    checkSame(known, options)
    if (options.onPiece && known.flow !== undefined && known.endedAt === 0) user.listeners.set(known.run, options.onPiece)
    return known.run
  }
  const report = check(options.document, { capabilities: user.capabilities(), ...(options.budget === undefined ? {} : { budget: options.budget }) })
  if (!report.ok || !report.pipeline) {
    const small = report.errors.every((one) => one.path === '' || one.path.startsWith('budget'))
    throw new AigenError(small ? 'budget.too-small' : 'pipeline.invalid', report.errors.map((one) => `${one.path}${one.path ? ': ' : ''}${one.message}`).join('; '), { issues: report.errors })
  }
  const { pipeline, budget } = report
  const planned = planOf(pipeline, budget, report.graph)
  const plan = user.standing && !(await hasLimits(node)) ? withStanding(planned, user.standing) : planned
  const { inputs, issues } = checkInputs(pipeline, options.inputs)
  if (issues.length > 0) throw new AigenError('input.invalid', issues.map((one) => `input.${one.path}: ${one.message}`).join('; '), { issues: issues.map((one) => ({ ...one, path: `input.${one.path}` })) })
  // What the journal could not keep as it is must not start: a run is what its journal says (I7).
  canonicalText(inputs)
  const given = new Map((options.blobs ?? []).map(({ bytes, mediaType }) => [blobRef(bytes, mediaType).$blob, bytes]))
  // A document may name blobs itself, as that of `hire` does.
  for (const ref of [...blobsIn(inputs), ...blobsIn(pipeline.steps)]) {
    const bytes = given.get(ref.$blob)
    if (bytes) await node.blobs.put(ref.$blob, bytes)
    else if (!(await node.blobs.get(ref.$blob))) throw new AigenError('blob.missing', ref.$blob)
  }
  const run = options.key === undefined ? newId('run', node.clock.now(), node.random.bytes(10)) : keyedRun(options.key)
  if (options.onPiece) user.listeners.set(run, options.onPiece)
  const { snapshot } = await node.host.start(`run/${run}`, {
    run, pipeline: plan.pipeline, document: pipeline, plan, inputs,
    budget: (budget ?? BigInt(plan.worst)).toString(), hold: plan.worst, ...(options.trace === undefined ? {} : { trace: options.trace }),
    ...(options.reuse ? { reuse: options.reuse } : {}),
    ...(options.onPiece || hasStreams(plan) ? { flow: toText(node.random.bytes(32)) } : {}),
  })
  // Of two that used one key at once, one began it.
  if (options.key !== undefined) checkSame(snapshot.context as RunContext, options)
  return run
}

/** Whether payees or the voucher key have limits: what a quota may cost would count in full against them. */
async function hasLimits({ host }: User['node']): Promise<boolean> {
  const { limits } = (await host.look<PurseContext>(purseActor(0))) ?? {}
  return limits !== undefined && (limits.key !== undefined || Object.keys(limits.payees ?? {}).length > 0)
}

/** That a run is the one asked for. Error `run.conflict`. */
function checkSame(known: RunContext, { document, inputs: given }: StartOptions): void {
  const wanted = typeof document === 'string' ? parseDocument(document).pipeline : document
  if (canonicalText(wanted) !== canonicalText(known.document)) throw new AigenError('run.conflict', 'another document')
  const { inputs } = checkInputs(known.document as Pipeline, given)
  if (canonicalText(inputs) !== canonicalText(known.inputs)) throw new AigenError('run.conflict', 'other inputs')
}

/** The id of the run that `key` stands for. */
export function keyedRun(key: string): string {
  return `run_${hashOf(['run', key]).slice('sha256-'.length, 'sha256-'.length + 32)}`
}

/** Resolves when the run is closed: answer, error and final bill. Errors: `run.unknown`, `network.timeout` after `timeoutMs`. */
export function finishRun(user: User, run: string, timeoutMs: number, signal?: AbortSignal): Promise<Finished> {
  return followedTo(user, run, ({ status }) => status === 'done', timeoutMs, signal)
}

/**
 * Resolves as soon as the answer is known and what it cost, for whoever must not wait for a block of the chain: what
 * its payees claim there, and so `settled` of the bill, comes later. Errors as of `finishRun`.
 * @example
 * const { output, bill } = await answerRun(user, run, 60_000)
 */
export function answerRun(user: User, run: string, timeoutMs: number, signal?: AbortSignal): Promise<Finished> {
  return followedTo(user, run, isAnswered, timeoutMs, signal)
}

async function followedTo(user: User, run: string, holds: Parameters<Host['until']>[1], timeoutMs: number, signal: AbortSignal | undefined): Promise<Finished> {
  const { host } = user.node
  if (!(await host.load(`run/${run}`))) throw new AigenError('run.unknown', run)
  const actor = await host.until(`run/${run}`, holds, timeoutMs, signal)
  user.listeners.delete(run)
  const context = actor.snapshot.context as RunContext
  return { run, output: context.output, error: context.error, bill: await billNow(user, run) }
}

/** The bill of a run as it stands. Errors: `run.unknown`, `journal.*`. */
export function billNow(user: User, run: string): Promise<Bill> {
  const { host, wire, rail } = user.node
  return billOf(run, { host, verifier: wire.credentials.verifier, asset: rail.terms.asset, decimals: rail.terms.decimals })
}

/** Every run of the user's journal, oldest first, with where it stands. */
export function listRuns(user: User): Promise<RunLine[]> {
  return runsIn(user.node.host)
}
