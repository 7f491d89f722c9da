/** Times of single steps, and what is said of them. Used by every benchmark. */
import { readFileSync } from 'node:fs'

/** The value below which `share` of the samples lie; 0 without samples. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((one, other) => one - other)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}

/** Two or three digits after the point, as figures for people are read. */
export function rounded(value: number, digits = 2): number {
  return Number(value.toFixed(digits))
}

/** Clock ticks a second of /proc: fixed in Linux's interface to programs. */
const TICKS = 100

/** Processor time of another process in ms, from /proc; undefined where there is none. */
export function cpuMsOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return ((Number(fields[11]) + Number(fields[12])) * 1_000) / TICKS
  } catch {
    return undefined
  }
}
