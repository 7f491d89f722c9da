/** `aigen run PIPELINE`: one run as a participant of a running network; exit 1 when it gives no answer. */
import { throughHub } from '../../agents/user/through.ts'
import { readPipeline } from '../../pipelines/document.ts'
import { participantId } from '../../schemas/id.ts'
import { parseMoney } from '../../schemas/money.ts'
import { onInterrupt } from '../interrupt.ts'
import { runningNetwork } from '../join.ts'
import type { Output } from '../output.ts'
import { readPipelineFile, type PipelineFile } from '../pipeline-file.ts'
import { dataFolder } from '../places.ts'
import { finishOpenRuns, runPipeline } from '../run-pipeline.ts'
import { openSession } from '../user-session.ts'

export interface RunCommandOptions {
  readonly input: readonly string[]
  readonly budget?: string
  readonly out?: string
  readonly data?: string
  readonly as?: string
  readonly light?: boolean
  /** A hub's address, or `any`. */
  readonly through?: string
}

/** Who one is on a light node without --as: a wallet of its own, since a wallet has one journal. */
const LIGHT_NAME = 'you-light'

export async function run(given: string, options: RunCommandOptions, output: Output): Promise<boolean> {
  const budget = options.budget === undefined ? undefined : parseMoney(options.budget)
  const pipeline = paidThrough(readPipelineFile(given, process.cwd()), options)
  const data = dataFolder(options.data)
  await runningNetwork(data)
  const interrupt = onInterrupt()
  try {
    const session = await openSession({ data, name: options.as ?? (options.light ? LIGHT_NAME : undefined), light: options.light ?? false })
    try {
      await finishOpenRuns(session, output, interrupt.signal)
      return await runPipeline(session, { pipeline, inputs: options.input, cwd: process.cwd(), budget, out: options.out }, output, interrupt.signal)
    } finally {
      await session.close()
    }
  } finally {
    interrupt.release()
  }
}

/** The document with a hub paying its providers, where that was asked for. Errors as `readPipeline`; `input.invalid` for no address. */
function paidThrough(pipeline: PipelineFile, { through: hub, budget }: RunCommandOptions): PipelineFile {
  if (hub === undefined) return pipeline
  return { ...pipeline, text: JSON.stringify(throughHub(readPipeline(pipeline.text), hub === 'any' ? null : participantId(hub), budget)) }
}
