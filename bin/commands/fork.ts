/** `aigen runs fork RUN`: a run started again on what it has paid for; says first what that saves and what is left to pay. */
import { forkRun, planFork, type ForkOptions, type ForkPlan } from '../../agents/user/fork.ts'
import type { RunContext } from '../../pipelines/run.machine.ts'
import { AigenError } from '../../schemas/error.ts'
import { parseMoney } from '../../schemas/money.ts'
import { onInterrupt } from '../interrupt.ts'
import { runningNetwork } from '../join.ts'
import type { Output } from '../output.ts'
import { readPipelineFile } from '../pipeline-file.ts'
import { dataFolder } from '../places.ts'
import { readGiven, runPipeline } from '../run-pipeline.ts'
import { openSession } from '../user-session.ts'
import type { RunCommandOptions } from './run.ts'

export interface ForkCommandOptions extends RunCommandOptions {
  readonly from?: string
  readonly document?: string
  readonly dryRun?: boolean
}

/** Exit 0 when the fork gives its answer, or with --dry-run when it could be started. */
export async function fork(run: string, options: ForkCommandOptions, output: Output): Promise<boolean> {
  const budget = options.budget === undefined ? undefined : parseMoney(options.budget)
  const file = options.document === undefined ? undefined : readPipelineFile(options.document, process.cwd())
  const data = dataFolder(options.data)
  await runningNetwork(data)
  const interrupt = onInterrupt()
  try {
    const session = await openSession({ data, name: options.as })
    try {
      const before = await session.user.node.host.look<RunContext>(`run/${run}`)
      if (!before) throw new AigenError('run.unknown', run)
      const text = file?.text ?? JSON.stringify(before.document)
      const { inputs } = await readGiven(text, { inputs: options.input, cwd: process.cwd() }, session)
      const change: ForkOptions = {
        inputs, ...(options.from === undefined ? {} : { from: options.from }), ...(file ? { document: file.text } : {}), ...(budget === undefined ? {} : { budget }),
      }
      show(run, await planFork(session.user, run, change), output)
      if (options.dryRun) return true
      return await runPipeline(session, {
        pipeline: file ?? { path: run, text }, inputs: options.input, cwd: process.cwd(), budget, out: options.out, start: (given) => forkRun(session.user, run, { ...change, ...given }),
      }, output, interrupt.signal)
    } finally {
      await session.close()
    }
  } finally {
    interrupt.release()
  }
}

function show(run: string, plan: ForkPlan, output: Output): void {
  const { ink } = output
  output.emit({ type: 'fork', of: run, ...plan })
  for (const { step, providerName, paid } of plan.reused) output.print(`${ink.dim(step)} is taken over from ${providerName}, ${paid} was paid for it`)
  for (const { step, worst } of plan.anew) output.print(`${ink.bold(step)} is hired anew, ${worst} at worst`)
  output.print(`${ink.bold(`at worst ${plan.worst}`)} instead of ${plan.whole}; ${plan.saved} is not paid again`)
}
