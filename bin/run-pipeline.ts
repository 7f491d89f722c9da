/**
 * Runs one pipeline on an open session and shows it: steps as they happen, then answer, files and
 * bill. Used by `aigen run`, `aigen runs resume` and `aigen dev --once`.
 */
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { finishRun, listRuns, startRun, type Finished, type StartOptions } from '../agents/user/run.ts'
import type { User } from '../agents/user/user.ts'
import { check } from '../pipelines/check.ts'
import { readInputs, type InputFile } from '../pipelines/input.ts'
import type { RunContext } from '../pipelines/run.machine.ts'
import { patienceMs } from '../pipelines/patience.ts'
import { blobRef } from '../runtime/identity/parcel.ts'
import { AigenError, asError } from '../schemas/error.ts'
import { formatMoney } from '../schemas/money.ts'
import { answerText, saveBlobs } from './answer.ts'
import { billText } from './bill-table.ts'
import { followRun } from '../agents/user/follow.ts'
import { goesOn, hasEnded, runLine } from '../agents/user/run-line.ts'
import { showRun } from './live-table.ts'
import { mediaTypeOf } from './media-type.ts'
import { reportError, type Output } from './output.ts'
import type { Pipeline } from '../schemas/documents.gen.ts'
import type { PipelineFile } from './pipeline-file.ts'
import { writeReceipts } from './receipts-file.ts'
import type { UserSession } from './user-session.ts'

/** Beyond the plan's own worst case: hiring, settling, and steps in doubt. */
const SLACK_MS = 600_000

export interface RunOptions {
  readonly pipeline: PipelineFile
  /** `k=v` and `k=@file` words. */
  readonly inputs: readonly string[]
  /** Folder that input files are relative to. */
  readonly cwd: string
  /** Atomic. */
  readonly budget?: bigint | undefined
  /** Folder for the answer's files; default `answers/<run>` in the data folder. */
  readonly out?: string | undefined
  /** What starts it, where it is no new run of the document. */
  readonly start?: (given: Omit<StartOptions, 'document'>) => Promise<string>
}

/** Starts the run and follows it to its end; true when it gave its answer. Errors: those of `startRun`. */
export async function runPipeline(session: UserSession, options: RunOptions, output: Output, stop: AbortSignal): Promise<boolean> {
  const { user, telemetry } = session
  const { text } = options.pipeline
  const span = telemetry.start('aigen run', { 'aigen.participant': session.keys.participant }, undefined, 'client')
  try {
    const given = await readGiven(text, options, session)
    const trace = span.trace['traceparent']
    const begin = { ...given, ...(options.budget === undefined ? {} : { budget: options.budget }), ...(trace === undefined ? {} : { trace }) }
    const run = await (options.start ? options.start(begin) : startRun(user, { document: text, ...begin }))
    span.set({ 'aigen.run': run })
    const finished = await followToEnd(session, run, output, stop, options.out)
    if (finished.error) span.fail(new AigenError('run.failed', finished.error.message))
    return finished.error === null
  } catch (error) {
    span.fail(error)
    throw error
  } finally {
    span.end()
  }
}

/** Runs that an earlier process left open and that wait for nobody's word, finished and shown, oldest first; whether all gave their answer. */
export async function finishOpenRuns(session: UserSession, output: Output, stop: AbortSignal, only?: string): Promise<boolean> {
  const known = (await listRuns(session.user)).filter((one) => !hasEnded(one) && (only === undefined || one.run === only))
  const open = known.filter(goesOn)
  let good = true
  for (const { run, pipeline, state } of known.filter((one) => !goesOn(one))) output.say(`${run} (${pipeline}) is ${state}; "aigen runs resume ${run}" goes on with it`)
  for (const { run, pipeline } of open) {
    output.say(`${run} (${pipeline}) was left open; going on with it`)
    good = (await followToEnd(session, run, output, stop)).error === null && good
  }
  return good
}

async function followToEnd(session: UserSession, run: string, output: Output, stop: AbortSignal, out?: string): Promise<Finished> {
  const { host } = session.user.node
  const { plan, budget } = (await host.look<RunContext>(`run/${run}`))!
  output.emit({ type: 'run', run, pipeline: plan.pipeline, worstCase: formatMoney(BigInt(plan.worst)), budget: formatMoney(BigInt(budget)) })
  const shown = showRun(run, plan.pipeline, output)
  const followed = await followRun(host, run, shown.row)
  shown.begin(followed)
  const cancel = (): void => {
    output.say('cancelling: what is under way is asked to stop, what was delivered is paid')
    host.send(`run/${run}`, { type: 'cancel' }).catch((error) => reportError(asError(error), output))
  }
  if (stop.aborted) cancel()
  stop.addEventListener('abort', cancel, { once: true })
  let finished: Finished
  try {
    finished = await Promise.race([finishOrWait(session.user, run, patienceMs(plan) + SLACK_MS), isLost(session.lost)])
  } finally {
    stop.removeEventListener('abort', cancel)
    followed.stop()
    shown.end()
  }
  await show(session, finished, output, out)
  return finished
}

/** A paused run waits for its owner, however long that is. */
async function finishOrWait(user: User, run: string, timeoutMs: number): Promise<Finished> {
  for (;;) {
    try {
      return await finishRun(user, run, timeoutMs)
    } catch (thrown) {
      if (asError(thrown).code !== 'network.timeout' || goesOn(await runLine(user.node.host, run))) throw thrown
    }
  }
}

async function show(session: UserSession, { run, output: answer, error, bill }: Finished, output: Output, out?: string): Promise<void> {
  const { ink } = output
  if (error) reportError(Object.assign(new AigenError('run.failed', error.message), { message: `${error.path ? `${error.path}: ` : ''}${error.message}` }), output)
  const files = error ? [] : await saveBlobs(answer, out ?? join(session.data, 'answers', run), session.user.node.blobs)
  const receipts = await writeReceipts(session, run)
  if (!error) output.emit({ type: 'answer', run, output: answer, files, ...(receipts ? { receipts } : {}) })
  if (!error) output.print(`\n${answerText(answer, files, ink)}`)
  output.print(`\n${billText(bill, ink)}`)
  if (receipts) output.print(ink.dim(`receipts ${receipts}`))
  output.emit(bill)
}

function isLost(lost: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const fail = (): void => reject(lost.reason as AigenError)
    if (lost.aborted) fail()
    lost.addEventListener('abort', fail, { once: true })
  })
}

/** Values and blobs of the inputs. An unreadable document is refused by `startRun`, with all of its errors. */
export async function readGiven(text: string, { inputs: words, cwd }: Pick<RunOptions, 'inputs' | 'cwd'>, { user }: { readonly user: Pick<User, 'capabilities'> }): Promise<{ inputs: Record<string, unknown>; blobs: { bytes: Uint8Array; mediaType: string }[] }> {
  const { pipeline } = check(text, { capabilities: user.capabilities() })
  return pipeline ? readWords(pipeline, words, cwd) : { inputs: {}, blobs: [] }
}

/** Values and blobs that the words say, of files in `cwd` where they name some. Errors `usage.invalid`. */
export async function readWords(pipeline: Pipeline, words: readonly string[], cwd: string): Promise<{ inputs: Record<string, unknown>; blobs: { bytes: Uint8Array; mediaType: string }[] }> {
  const { values, files } = readInputs(pipeline, words)
  const inputs: Record<string, unknown> = { ...values }
  const blobs: { bytes: Uint8Array; mediaType: string }[] = []
  for (const file of files) {
    const bytes = await readInput(file, cwd)
    if (file.as === 'text') inputs[file.input] = new TextDecoder().decode(bytes)
    else if (file.as === 'json') inputs[file.input] = parseInput(file, bytes)
    else {
      const mediaType = mediaTypeOf(file.file, bytes)
      blobs.push({ bytes, mediaType })
      inputs[file.input] = blobRef(bytes, mediaType)
    }
  }
  return { inputs, blobs }
}

async function readInput({ input, file }: InputFile, cwd: string): Promise<Uint8Array> {
  try {
    return await readFile(resolve(cwd, file))
  } catch (cause) {
    throw new AigenError('usage.invalid', `--input ${input}: ${file} cannot be read (${(cause as NodeJS.ErrnoException).code}).`, { cause, path: `input.${input}` })
  }
}

function parseInput({ input, file }: InputFile, bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes))
  } catch (cause) {
    throw new AigenError('usage.invalid', `--input ${input}: ${file} is not JSON.`, { cause, path: `input.${input}` })
  }
}
