#!/usr/bin/env node
/**
 * `npm run bench`: our paid step beside the raw-NATS floor, in one run on one server. JSON lines on
 * stdout, a table on stderr. `durable` compares our host with Restate and DBOS, `actors`
 * measures the host alone, `growth` and `start-up` what a node's age costs it,
 * `payments` what vouchers and claims cost by themselves. Leaves no process and no file.
 */
import { Command, CommanderError, InvalidArgumentError } from 'commander'
import { measureActors, measureMillion } from './actors.ts'
import { openBroker } from './broker.ts'
import { measureDurable, SYSTEMS, USUAL } from './durable.ts'
import { measureGrowth } from './growth.ts'
import { openGround, type Ground } from './ground.ts'
import { measureFloor } from './floor.ts'
import { lineOf, tableOf, together, type Line } from './line.ts'
import { measurePayments, openChain } from './payments.ts'
import { measureRuns } from './pipeline-runs.ts'
import { measurePipelines } from './pipelines.ts'
import { measurePaidSteps, openMarket, warm } from './paid-step.ts'
import { measureUnpaid } from './unpaid-step.ts'
import { measureStartUp } from './start-up.ts'

interface StepsOptions {
  readonly seconds: number
  readonly steps: number
  readonly concurrency: readonly number[]
  readonly json?: boolean
}

const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`)
const count = (text: string): number => {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1 || value > 1_000_000) throw new InvalidArgumentError('Expected a whole number from 1.')
  return value
}
const counts = (text: string): number[] => text.split(',').map(count)

const tellUnless = (quiet: boolean | undefined) => (text: string): void => void (quiet || process.stderr.write(`${text}\n`))
const names = (text: string): string[] => {
  const chosen = text.split(',')
  const unknown = chosen.find((name) => !SYSTEMS.some((known) => known === name))
  if (unknown !== undefined) throw new InvalidArgumentError(`There is no ${unknown}; there are ${SYSTEMS.join(', ')}.`)
  return chosen
}

/** Does `work` on what `open` gives and ends that, also when the process is told to stop. */
async function on<Opened extends { end(): Promise<void> }>(open: () => Promise<Opened>, work: (opened: Opened) => Promise<void>): Promise<void> {
  const opened = await open()
  const stop = (): void => void opened.end().finally(() => process.exit(1))
  process.once('SIGINT', stop).once('SIGTERM', stop)
  try {
    await work(opened)
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop)
    await opened.end()
  }
}

const onGround = (work: (ground: Ground) => Promise<void>): Promise<void> => on(openGround, work)

async function benchSteps({ seconds, steps, concurrency, json }: StepsOptions): Promise<void> {
  await onGround(async (ground) => {
    const lines: Line[] = []
    const market = await openMarket(ground)
    try {
      await warm(market, steps)
      for (const atOnce of concurrency) {
        // the floor half before and half after, so that a machine that others load is as loaded for both
        const before = await measureFloor(ground, atOnce, seconds / 2)
        const paid = await measurePaidSteps(ground, market, atOnce, steps, seconds)
        const floor = together(before, await measureFloor(ground, atOnce, seconds / 2))
        const perSecond = (floor.steps * 1_000) / floor.wallMs
        for (const measured of [floor, paid]) {
          const line = lineOf(measured, perSecond)
          lines.push(line)
          say(line)
        }
      }
    } finally {
      await market.close()
    }
    if (!json) process.stderr.write(`${tableOf(lines)}\nnats-server ${ground.nats.version}; lanes reserved and runs settled on the chain within the time\n`)
  })
}

const program = new Command('bench').description('Benchmarks of AIGEN beside what they stand on.').showHelpAfterError().exitOverride()
program.command('steps', { isDefault: true }).description('the paid step beside the raw-NATS floor')
  .option('--seconds <n>', 'how long each is measured', count, 10)
  .option('--steps <n>', 'steps of one run', count, 10)
  .option('--concurrency <list>', 'runs at once, like 1,32', counts, [1, 32])
  .option('--json', 'no table')
  .action(benchSteps)
program.command('durable').description('durable workflows of remote steps on our host, Restate and DBOS beside the raw-NATS floor')
  .option('--runs <n>', 'runs of each, in turn', count, 5)
  .option('--seconds <n>', 'how long one run of a system aims to be', count, 3)
  .option('--workflows <n>', 'workflows of one run, instead of as many as fit into the time', count)
  .option('--steps <n>', 'steps of one workflow', count, 50)
  .option('--concurrency <list>', 'workflows at once, like 1,32', counts, [1, 32, 128])
  .option('--systems <list>', `some of ${SYSTEMS.join(',')}`, names, [...USUAL])
  .option('--json', 'JSON lines only')
  .action(({ json, ...options }: { runs: number; seconds: number; workflows?: number; steps: number; concurrency: number[]; systems: string[]; json?: boolean }) =>
    on(openBroker, (broker) => measureDurable(broker, { ...options, say, tell: tellUnless(json) })))
program.command('actors').description('durable events on our host beside raw appends, an actor\'s memory and recovery')
  .option('--seconds <n>', 'how long each is measured', count, 5)
  .option('--concurrency <list>', 'events at once, like 1,32', counts, [1, 32, 256])
  .option('--actors <n>', 'idle actors that are counted and recovered', count, 100_000)
  .option('--million', 'a million that sleep, and nothing else')
  .option('--json', 'no prose')
  .action(({ json, million, ...options }: { seconds: number; concurrency: number[]; actors: number; million?: boolean; json?: boolean }) => {
    const told = { say, tell: tellUnless(json) }
    return on(openBroker, (broker) => (million ? measureMillion(broker, { actors: 1_000_000, ...told }) : measureActors(broker, { ...options, ...told })))
  })
program.command('growth').description('what a step costs as runs pile up, and the memory a finished run keeps')
  .option('--runs <n>', 'runs in all', count, 1_000)
  .option('--steps <n>', 'steps of one run', count, 3)
  .option('--concurrency <n>', 'runs at once', count, 8)
  .option('--json', 'no prose')
  .action(({ json, ...options }: { runs: number; steps: number; concurrency: number; json?: boolean }) =>
    onGround(async (ground) => measureGrowth(ground, { ...options, say, tell: tellUnless(json) })))
program.command('pipelines').description('check and plan of documents, and whole runs in memory, by their number of steps')
  .option('--steps <list>', 'steps of a document, like 10,1000', counts, [10, 100, 1_000, 10_000])
  .option('--rounds <n>', 'how often each is measured, in turns', count, 3)
  .option('--json', 'no prose')
  .action(async ({ json, ...options }: { steps: number[]; rounds: number; json?: boolean }) => {
    const told = { ...options, say, tell: tellUnless(json) }
    await measurePipelines(told)
    await measureRuns(told)
  })
program.command('start-up').description('how long a node takes to replay its journal')
  .option('--records <n>', 'records in the journal', count, 10_000)
  .option('--json', 'no prose')
  .action(({ json, ...options }: { records: number; json?: boolean }) =>
    onGround(async (ground) => measureStartUp(ground, { ...options, say, tell: tellUnless(json) })))
program.command('payments').description('vouchers signed and verified beside stock viem, the gas of claims alone and in batches, paid steps beside unpaid ones')
  .option('--seconds <n>', 'how long each kind of signature is measured', count, 4)
  .option('--concurrency <list>', 'runs at once of the steps, like 1,32', counts, [1, 32])
  .option('--steps', 'only the steps')
  .option('--json', 'JSON lines only')
  .action(async ({ json, concurrency, steps, ...options }: { seconds: number; concurrency: number[]; steps?: boolean; json?: boolean }) => {
    const told = { ...options, say, tell: tellUnless(json) }
    if (!steps) await on(openChain, (chain) => measurePayments(chain, told))
    await onGround((ground) => measureUnpaid(ground, { ...told, concurrency }))
  })

try {
  await program.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2
  else fail(error as Error)
}

function fail(error: Error): void {
  process.stderr.write(`${error.stack ?? error.message}\n`)
  process.exitCode = 1
}
