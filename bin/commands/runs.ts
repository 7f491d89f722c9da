/** `aigen runs ls|show|resume`: what a participant ran, and going on with what was left open. */
import Table from 'cli-table3'
import { listRuns } from '../../agents/user/run.ts'
import { runsIn } from '../../agents/user/run-line.ts'
import type { RunContext } from '../../pipelines/run.machine.ts'
import { AigenError } from '../../schemas/error.ts'
import { BARE } from '../bare-table.ts'
import { billText } from '../bill-table.ts'
import { onInterrupt } from '../interrupt.ts'
import { runningNetwork } from '../join.ts'
import type { Output } from '../output.ts'
import { dataFolder } from '../places.ts'
import { openReadSession } from '../read-session.ts'
import { finishOpenRuns } from '../run-pipeline.ts'
import { openSession } from '../user-session.ts'
import { readBill, type ReadOptions } from './bill.ts'

export async function list(options: ReadOptions, output: Output): Promise<boolean> {
  const session = await openReadSession(dataFolder(options.data), options.as)
  try {
    const runs = runsIn(session.actors)
    const table = new Table({ head: ['run', 'pipeline', 'state', 'spent', 'started'].map((text) => output.ink.dim(text)), chars: BARE, style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 } })
    for (const one of runs) {
      output.emit({ type: 'run', ...one })
      table.push([one.run, one.pipeline, one.state, one.spent, new Date(one.startedAt).toISOString()])
    }
    output.print(runs.length === 0 ? 'No runs yet.' : table.toString())
    return true
  } finally {
    await session.close()
  }
}

export async function show(run: string, options: ReadOptions, output: Output): Promise<boolean> {
  const session = await openReadSession(dataFolder(options.data), options.as)
  try {
    const line = runsIn(session.actors).find((one) => one.run === run)
    if (!line) throw new AigenError('run.unknown', run)
    const { inputs, output: answer, error, startedAt, endedAt } = session.actors.context<RunContext>(`run/${run}`)!
    const bill = readBill(session, run)
    output.emit({ ...line, type: 'run', endedAt: endedAt || null, inputs, output: answer, error, bill })
    const { ink } = output
    output.print(`${ink.bold(run)} ${line.pipeline}: ${line.state}, started ${new Date(startedAt).toISOString()}`)
    output.print(`${ink.bold('inputs')} ${JSON.stringify(inputs)}`)
    if (error) output.print(`${ink.red('error')} ${error.path ? `${error.path}: ` : ''}${error.message}`)
    else if (answer !== null) output.print(`${ink.bold('answer')} ${JSON.stringify(answer)}`)
    output.print(`\n${billText(bill, ink)}`)
    return true
  } finally {
    await session.close()
  }
}

export async function resume(run: string | undefined, options: ReadOptions, output: Output): Promise<boolean> {
  const data = dataFolder(options.data)
  await runningNetwork(data)
  const interrupt = onInterrupt()
  try {
    const session = await openSession({ data, name: options.as })
    try {
      const runs = listRuns(session.user)
      if (run !== undefined && !runs.some((one) => one.run === run)) throw new AigenError('run.unknown', run)
      if (!runs.some(({ run: id, state }) => state !== 'done' && state !== 'failed' && (run === undefined || id === run))) output.print('Nothing was left open.')
      return await finishOpenRuns(session, output, interrupt.signal, run)
    } finally {
      await session.close()
    }
  } finally {
    interrupt.release()
  }
}
