/**
 * What `durable` says of its systems: of each the median of its runs, and ratios that are the median
 * of the ratios within each run, since systems of one run shared the machine's load.
 */
import Table from 'cli-table3'
import { median, percentile, rounded } from './samples.ts'

/** One system at one concurrency in one run. */
export interface Sample {
  readonly system: string
  readonly concurrency: number
  readonly run: number
  readonly workflows: number
  readonly stepsPerRun: number
  readonly wallMs: number
  /** Milliseconds of each workflow. */
  readonly latencies: readonly number[]
  /** Of the worker and the responder; the servers have their own. Undefined without /proc. */
  readonly cpuMs: number | undefined
  readonly serverCpuMs: number | undefined
}

/** A line of `npm run bench -- durable` (DESIGN, Command line). */
export interface ComparisonLine {
  readonly bench: 'durable'
  readonly system: string
  /** Of all runs together. */
  readonly workflows: number
  readonly steps: number
  readonly concurrency: number
  readonly stepsPerSecond: number
  /** Of a workflow, all runs together. */
  readonly p50Ms: number
  readonly p99Ms: number
  readonly cpuMsPerStep?: number
  readonly serverCpuMsPerStep?: number
  /** Absent where the floor was not measured. */
  readonly ratioToFloor?: number
  /** How many times its steps a second ours are; absent on our own and the floor's line. */
  readonly aigenRatio?: number
  readonly stepsPerRun: number
  readonly runs: number
  /** Steps a second of the slowest and the fastest run. */
  readonly spread: readonly [number, number]
}

/** A line for each system and concurrency of `samples`, in the order they first came. */
export function linesOf(samples: readonly Sample[]): ComparisonLine[] {
  const groups = new Map<string, Sample[]>()
  for (const sample of samples) {
    const key = `${sample.concurrency} ${sample.system}`
    groups.set(key, [...(groups.get(key) ?? []), sample])
  }
  return [...groups.values()].map((group) => lineOf(group, samples))
}

const perSecond = ({ workflows, stepsPerRun, wallMs }: Sample): number => (workflows * stepsPerRun * 1_000) / wallMs

function lineOf(group: readonly Sample[], samples: readonly Sample[]): ComparisonLine {
  const { system, concurrency, stepsPerRun } = group[0]!
  const speeds = group.map(perSecond)
  const latencies = group.flatMap((one) => one.latencies)
  const workflows = group.reduce((sum, one) => sum + one.workflows, 0)
  const each = (what: (sample: Sample) => number | undefined): number | undefined => {
    const values = group.map((one) => what(one)).filter((ms) => ms !== undefined)
    return values.length === 0 ? undefined : rounded(median(group.map((one) => (what(one) ?? 0) / (one.workflows * one.stepsPerRun))), 3)
  }
  /** Median over the runs of `over` divided by `under`, where a run has both. */
  const ratio = (over: string, under: string): number | undefined => {
    const of = (name: string, run: number): Sample | undefined => samples.find((one) => one.system === name && one.run === run && one.concurrency === concurrency)
    const ratios = group.flatMap(({ run }) => {
      const [top, bottom] = [of(over, run), of(under, run)]
      return top && bottom ? [perSecond(top) / perSecond(bottom)] : []
    })
    return ratios.length === 0 ? undefined : rounded(median(ratios), 3)
  }
  const [cpu, serverCpu] = [each((one) => one.cpuMs), each((one) => one.serverCpuMs)]
  const toFloor = ratio(system, 'floor')
  const aigenRatio = system === 'floor' || system === 'aigen' ? undefined : ratio('aigen', system)
  return {
    bench: 'durable', system, workflows, steps: workflows * stepsPerRun, concurrency,
    stepsPerSecond: rounded(median(speeds), 1), p50Ms: rounded(percentile(latencies, 0.5)), p99Ms: rounded(percentile(latencies, 0.99)),
    ...(cpu === undefined ? {} : { cpuMsPerStep: cpu }), ...(serverCpu === undefined ? {} : { serverCpuMsPerStep: serverCpu }),
    ...(toFloor === undefined ? {} : { ratioToFloor: toFloor }), ...(aigenRatio === undefined ? {} : { aigenRatio }),
    stepsPerRun, runs: group.length, spread: [rounded(Math.min(...speeds), 1), rounded(Math.max(...speeds), 1)],
  }
}

/** The lines as a table. */
export function comparisonTable(lines: readonly ComparisonLine[]): string {
  const table = new Table({
    head: ['system', 'at once', 'steps/s', 'slowest to fastest run', 'workflow p50 ms', 'p99 ms', 'CPU ms/step', 'servers', 'of the floor', 'aigen is'],
    colAligns: ['left', ...Array.from({ length: 9 }, () => 'right' as const)], style: { head: [], border: [] },
  })
  for (const line of lines) {
    table.push([
      line.system, line.concurrency, line.stepsPerSecond, `${line.spread[0]} to ${line.spread[1]}`, line.p50Ms, line.p99Ms, line.cpuMsPerStep ?? '',
      line.serverCpuMsPerStep ?? '', line.ratioToFloor === undefined ? '' : rounded(line.ratioToFloor), line.aigenRatio === undefined ? '' : `${rounded(line.aigenRatio)} ×`,
    ])
  }
  return table.toString()
}
