/** What a benchmark says: one JSON line a system on stdout, a table for people on stderr. */
import Table from 'cli-table3'
import { percentile, rounded } from './samples.ts'

/** One system at one concurrency, as it was measured. */
export interface Measured {
  readonly system: 'floor' | 'aigen'
  readonly concurrency: number
  /** Runs that ended while it was measured; for the floor its workers. */
  readonly workflows: number
  readonly steps: number
  /** Milliseconds of each step. */
  readonly latencies: readonly number[]
  readonly wallMs: number
  /** Of both sides' processes; server and chain have their own. */
  readonly cpuMs: number
  readonly natsCpuMs?: number | undefined
  readonly chainCpuMs?: number | undefined
  /** Milliseconds from a run's last step to its close, claims on the chain included. */
  readonly settleMs?: readonly number[]
  readonly stepsPerRun?: number
}

/** A line of `npm run bench`; `durable` has its own (comparison.ts). */
export interface Line {
  readonly bench: 'steps'
  readonly system: Measured['system']
  readonly workflows: number
  readonly steps: number
  readonly concurrency: number
  readonly stepsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly cpuMsPerStep: number
  readonly ratioToFloor: number
  readonly natsCpuMsPerStep?: number
  readonly chainCpuMsPerStep?: number
  readonly stepsPerRun?: number
  readonly settleP50Ms?: number
}

/** The line of `measured` beside the floor's steps a second at the same concurrency. */
export function lineOf(measured: Measured, floorPerSecond: number): Line {
  const { system, workflows, steps, concurrency, latencies, wallMs, cpuMs, natsCpuMs, chainCpuMs, settleMs, stepsPerRun } = measured
  const perSecond = (steps * 1_000) / wallMs
  const each = (ms: number): number => rounded(ms / Math.max(1, steps), 3)
  return {
    bench: 'steps', system, workflows, steps, concurrency,
    stepsPerSecond: rounded(perSecond, 1), p50Ms: rounded(percentile(latencies, 0.5)), p99Ms: rounded(percentile(latencies, 0.99)),
    cpuMsPerStep: each(cpuMs), ratioToFloor: rounded(perSecond / floorPerSecond, 4),
    ...(natsCpuMs === undefined ? {} : { natsCpuMsPerStep: each(natsCpuMs) }),
    ...(chainCpuMs === undefined ? {} : { chainCpuMsPerStep: each(chainCpuMs) }),
    ...(stepsPerRun === undefined ? {} : { stepsPerRun }),
    ...(settleMs === undefined ? {} : { settleP50Ms: rounded(percentile(settleMs, 0.5)) }),
  }
}

/** Two halves of one measurement, taken before and after another, as one. */
export function together(one: Measured, other: Measured): Measured {
  const sum = (a: number | undefined, b: number | undefined): number | undefined => (a === undefined || b === undefined ? undefined : a + b)
  return {
    ...one, steps: one.steps + other.steps, latencies: [...one.latencies, ...other.latencies],
    wallMs: one.wallMs + other.wallMs, cpuMs: one.cpuMs + other.cpuMs, natsCpuMs: sum(one.natsCpuMs, other.natsCpuMs),
  }
}

/** The lines as a table. */
export function tableOf(lines: readonly Line[]): string {
  const table = new Table({
    head: ['system', 'at once', 'steps/s', 'p50 ms', 'p99 ms', 'CPU ms/step', 'of the floor', 'steps', 'settled in ms'],
    colAligns: ['left', ...Array.from({ length: 8 }, () => 'right' as const)], style: { head: [], border: [] },
  })
  for (const line of lines) {
    table.push([
      line.system, line.concurrency, line.stepsPerSecond, line.p50Ms, line.p99Ms, line.cpuMsPerStep, `${rounded(line.ratioToFloor * 100, 1)} %`, line.steps, line.settleP50Ms ?? '',
    ])
  }
  return table.toString()
}
