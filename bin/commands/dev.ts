/**
 * `aigen dev`: the whole network on this machine (examples/devnet). With --once it runs the showcase
 * pipeline as participant `you`, shows the bill, stops everything and ends.
 */
import { basename, join, relative } from 'node:path'
import { AigenError } from '../../schemas/error.ts'
import { readNetworkFile } from '../../runtime/node/admission.ts'
import { aborted, onInterrupt } from '../interrupt.ts'
import type { Output } from '../output.ts'
import { readPipelineFile } from '../pipeline-file.ts'
import { dataFolder, DEFAULT_NAME, PROGRAM, ROOT } from '../places.ts'
import { finishOpenRuns, runPipeline } from '../run-pipeline.ts'
import { openSession } from '../user-session.ts'

export interface DevOptions {
  readonly once?: boolean
  readonly data?: string
  readonly port?: number
}

export async function dev(options: DevOptions, output: Output): Promise<boolean> {
  const { startDevnet, SHOWCASE } = await loadDevnet()
  const data = dataFolder(options.data)
  const interrupt = onInterrupt()
  const say = (line: string): void => output.say(output.inkErr.dim(line))
  say(`data in ${data}`)
  const devnet = await startDevnet({ data, program: PROGRAM, say, ...(options.port === undefined ? {} : { port: options.port }) })
  try {
    if (!options.once) return await stay(devnet, data, output, interrupt.signal)
    const ready = Promise.race([devnet.live, aborted(interrupt.signal).then(() => Promise.reject(new AigenError('step.cancelled', 'Interrupted while starting.')))])
    const session = await openSession({ data, admit: devnet.admit, before: ready })
    try {
      const finished = await finishOpenRuns(session, output, interrupt.signal)
      const from = performance.now()
      const done = await runPipeline(session, { pipeline: readPipelineFile(SHOWCASE.pipeline, ROOT), inputs: SHOWCASE.inputs, cwd: ROOT }, output, interrupt.signal)
      say(`the run took ${((performance.now() - from) / 1_000).toFixed(1)} s`)
      return finished && done
    } finally {
      await session.close()
    }
  } finally {
    await devnet.stop()
    interrupt.release()
  }
}

async function stay(devnet: Devnet, data: string, output: Output, stop: AbortSignal): Promise<boolean> {
  await Promise.race([devnet.live, aborted(stop)])
  if (!stop.aborted) {
    const participants = devnet.participants()
    output.emit({ type: 'network', data, nats: devnet.file.nats.url, chain: devnet.file.chain, participants })
    const { ink } = output
    output.print(`\n${ink.bold('The network is up.')}`)
    for (const { name, role, does, participant } of participants) output.print(`  ${role.padEnd(9)} ${name.padEnd(14)} ${does === '' ? participant : does}`)
    const aigen = basename(process.argv[1] ?? '') === 'aigen' ? 'aigen' : `node ${relative(process.cwd(), PROGRAM)}`
    const flag = (await readNetworkFile(dataFolder()))?.pid === process.pid ? '' : ` --data ${data}`
    output.print(`\nFrom another terminal, as ${ink.bold(DEFAULT_NAME)} (100 test dollars from the faucet):`)
    output.print(`  ${aigen} providers ls${flag}`)
    output.print(`  ${aigen} run scan-desk --input scan=@${relative(process.cwd(), join(ROOT, 'examples/devnet/scans/memo.png'))} --budget 0.25${flag}`)
    output.print(`  ${aigen} run quake-week --input magnitude=4.5${flag}`)
    output.print(ink.dim('Ctrl-C stops everything.'))
  }
  await aborted(stop)
  output.say('stopping')
  return true
}

/** Named so, because a type may not be imported from a folder that may be absent. */
type Devnet = Awaited<ReturnType<Awaited<ReturnType<typeof loadDevnet>>['startDevnet']>>

/** The devnet is part of the repository, not of the published package. */
async function loadDevnet() {
  try {
    const [devnet, showcase] = await Promise.all([import('../../examples/devnet/devnet.ts'), import('../../examples/devnet/showcase.ts')])
    return { ...devnet, ...showcase }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause
    throw new AigenError('usage.invalid', 'The devnet is not part of the package: clone the AIGEN repository and run "npm start" there.', { cause })
  }
}
