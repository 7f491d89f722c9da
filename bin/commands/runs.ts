/**
 * `aigen runs ls|show|watch|query`, which only look, and `pause|resume|cancel|approve|signal`: what a
 * participant ran, where it stands, and the owner's word on it, whoever runs it now.
 */
import Table from 'cli-table3'
import { runReport, type RunReport } from '../../agents/user/inspect.ts'
import { listRuns } from '../../agents/user/run.ts'
import { hasEnded, runLine, runsIn } from '../../agents/user/run-line.ts'
import { controlFrom, controlRun } from '../../agents/user/control.ts'
import type { RunContext } from '../../pipelines/run.machine.ts'
import { holderOf } from '../../runtime/node/lock.ts'
import type { ControlRequest } from '../../schemas/documents.gen.ts'
import { AigenError, asError } from '../../schemas/error.ts'
import { participantId } from '../../schemas/id.ts'
import { BARE } from '../bare-table.ts'
import { billText } from '../bill-table.ts'
import { controlAnywhere } from '../control-run.ts'
import { onInterrupt } from '../interrupt.ts'
import { isLight, runningNetwork } from '../join.ts'
import type { Output } from '../output.ts'
import { askOwnNode } from '../own-node.ts'
import { dataFolder, homeOf } from '../places.ts'
import { openReadSession, type ReadSession } from '../read-session.ts'
import { finishOpenRuns } from '../run-pipeline.ts'
import { reportText } from '../run-report.ts'
import { openSession, type UserSession } from '../user-session.ts'
import { watchRun } from '../watch-run.ts'
import { readBill, type ReadOptions } from './bill.ts'

export function list(options: ReadOptions, output: Output): Promise<boolean> {
  return reading(options, async ({ actors }) => {
    const runs = await runsIn(actors)
    const table = new Table({ head: ['run', 'pipeline', 'state', 'spent', 'started'].map((text) => output.ink.dim(text)), chars: BARE, style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 } })
    for (const one of runs) {
      output.emit({ type: 'run', ...one })
      table.push([one.run, one.pipeline, one.state, one.spent, new Date(one.startedAt).toISOString()])
    }
    output.print(runs.length === 0 ? 'No runs yet.' : table.toString())
    return true
  })
}

export function show(run: string, options: ReadOptions, output: Output): Promise<boolean> {
  return reading(options, async (session) => {
    const report = await runReport(session.actors, run)
    const { inputs, output: answer } = (await session.actors.look<RunContext>(`run/${run}`))!
    const { error } = report
    const bill = await readBill(session, run)
    output.emit({ type: 'run', ...report, inputs, output: answer, bill })
    const { ink } = output
    output.print(reportText(report, ink))
    output.print(`${ink.bold('inputs')} ${JSON.stringify(inputs)}`)
    if (error) output.print(`${ink.red('error')} ${error.path ? `${error.path}: ` : ''}${error.message}`)
    else if (answer !== null) output.print(`${ink.bold('answer')} ${JSON.stringify(answer)}`)
    output.print(`\n${billText(bill, ink)}`)
    return true
  })
}

/** Exit 0 when the run gives its answer, as `aigen run` does. */
export function watch(run: string, options: ReadOptions, output: Output): Promise<boolean> {
  return reading(options, async (session) => {
    const interrupt = onInterrupt()
    try {
      if (!hasEnded(await runLine(session.actors, run)) && (await holderOf(session.home)) === undefined) {
        output.say(`no process runs this participant: "aigen runs resume ${run}" goes on with it`)
      }
      return await watchRun(session, run, output, interrupt.signal)
    } finally {
      interrupt.release()
    }
  })
}

export async function query(run: string, path: string | undefined, options: ReadOptions, output: Output): Promise<boolean> {
  const data = dataFolder(options.data)
  await runningNetwork(data)
  const { value } = await controlAnywhere(data, options.as, { run, want: 'query', ...(path === undefined ? {} : { name: path }) })
  output.emit({ type: 'query', run, path: path ?? null, value })
  output.print(path === undefined ? reportText(value as RunReport, output.ink) : typeof value === 'string' ? value : JSON.stringify(value, null, 2))
  return true
}

export async function pause(run: string, options: ReadOptions, output: Output): Promise<boolean> {
  const data = dataFolder(options.data)
  await runningNetwork(data)
  const { state, live } = await controlAnywhere(data, options.as, { run, want: 'pause' })
  tell(run, state, output)
  if (!live) output.say(`no process runs it now; "aigen runs resume ${run}" goes on with it`)
  return true
}

export async function signal(run: string, name: string, text: string | undefined, options: ReadOptions, output: Output): Promise<boolean> {
  const said = text === undefined ? null : parse(text)
  const data = dataFolder(options.data)
  await runningNetwork(data)
  const { state } = await controlAnywhere(data, options.as, { run, want: 'signal', name, data: said })
  tell(run, state, output)
  return true
}

/** Answers a step with `approve`: of an own run, or of somebody's who asks this participant. */
export async function approve(run: string, step: string, options: ReadOptions & { readonly reject?: boolean; readonly comment?: string; readonly of?: string }, output: Output): Promise<boolean> {
  const { reject = false, comment, of } = options
  const data = dataFolder(options.data)
  await runningNetwork(data)
  const request: ControlRequest = { run, want: 'answer', name: step, data: { approved: !reject, ...(comment === undefined ? {} : { comment }) } }
  const { state } = await (of === undefined ? controlAnywhere(data, options.as, request) : askOwnNode(data, options.as, (wire, random) => controlFrom(wire, request, random, participantId(of))))
  tell(run, state, output)
  return true
}

/** Asks the run to stop, and waits for its end where this process has to go on with it. */
export function cancel(run: string, options: ReadOptions, output: Output): Promise<boolean> {
  return hereOrThere(options, output, { run, want: 'cancel' }, async (session, stop) => {
    const { state } = await controlRun(session.user, { run, want: 'cancel' })
    tell(run, state, output)
    await finishOpenRuns(session, output, stop, run)
    return true
  })
}

/**
 * Goes on with what was left open and waits for it; one that is named is also taken out of its pause,
 * and what of it is parked takes events again.
 */
export function resume(run: string | undefined, options: ReadOptions, output: Output): Promise<boolean> {
  return hereOrThere(options, output, run === undefined ? undefined : { run, want: 'resume' }, async (session, stop) => {
    if (run !== undefined) {
      if (!hasEnded(await runLine(session.user.node.host, run))) await controlRun(session.user, { run, want: 'resume' })
    }
    if (!(await listRuns(session.user)).some((one) => !hasEnded(one) && (run === undefined || one.run === run))) output.print('Nothing was left open.')
    return finishOpenRuns(session, output, stop, run)
  })
}

/** `here` in a session of this process; where another process runs the participant, that one is told. */
async function hereOrThere(options: ReadOptions, output: Output, request: { readonly run: string; readonly want: 'cancel' | 'resume' } | undefined, here: (session: UserSession, stop: AbortSignal) => Promise<boolean>): Promise<boolean> {
  const data = dataFolder(options.data)
  await runningNetwork(data)
  const interrupt = onInterrupt()
  try {
    const session = await openSession({ data, name: options.as, light: isLight(homeOf(data, options.as)) }).catch((thrown) => {
      if (request === undefined || asError(thrown).code !== 'node.locked') throw thrown
    })
    if (!session) {
      tell(request!.run, (await controlAnywhere(data, options.as, request!)).state, output)
      return true
    }
    try {
      return await here(session, interrupt.signal)
    } finally {
      await session.close()
    }
  } finally {
    interrupt.release()
  }
}

async function reading(options: ReadOptions, act: (session: ReadSession) => Promise<boolean>): Promise<boolean> {
  const session = await openReadSession(dataFolder(options.data), options.as)
  try {
    return await act(session)
  } finally {
    await session.close()
  }
}

function tell(run: string, state: string, output: Output): void {
  output.emit({ type: 'run.state', run, state })
  output.print(`${run}: ${state}`)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new AigenError('usage.invalid', `${text.slice(0, 60)} is not JSON; a text is written as '"text"'.`, { cause })
  }
}
