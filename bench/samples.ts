/** Times of single steps, and what is said of them. Used by every benchmark. */
import { readdirSync, readFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** The value below which `share` of the samples lie; 0 without samples. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((one, other) => one - other)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}

/** The middle of the samples; of an even number the mean of the two in the middle; 0 without samples. */
export function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((one, other) => one - other)
  const half = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[half]! : ((sorted[half - 1] ?? 0) + (sorted[half] ?? 0)) / 2
}

/** Two or three digits after the point, as figures for people are read. */
export function rounded(value: number, digits = 2): number {
  return Number(value.toFixed(digits))
}

/** Bytes of live objects. */
export function heapBytes(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  collect()
  return process.memoryUsage().heapUsed
}

/** Clock ticks a second of /proc: fixed in Linux's interface to programs. */
const TICKS = 100

/** Processor time of another process in ms, from /proc; undefined where there is none. */
export function cpuMsOf(pid: number): number | undefined {
  const fields = statOf(pid)
  return fields && ((Number(fields[11]) + Number(fields[12])) * 1_000) / TICKS
}

/** The same of a process with its descendants, those that have ended included; undefined where there is no /proc. */
export function cpuMsOfTree(root: number): number | undefined {
  if (!statOf(root)) return undefined
  const children = new Map<number, number[]>()
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    const parent = Number.isInteger(pid) ? statOf(pid)?.[1] : undefined
    if (parent !== undefined) children.set(Number(parent), [...(children.get(Number(parent)) ?? []), pid])
  }
  let ticks = 0
  for (const queue = [root]; queue.length > 0; ) {
    const pid = queue.pop()!
    for (const field of statOf(pid)?.slice(11, 15) ?? []) ticks += Number(field)
    queue.push(...(children.get(pid) ?? []))
  }
  return (ticks * 1_000) / TICKS
}

/** The fields of /proc/<pid>/stat after the command's name: 0 is the state, 1 the parent, 11 to 14 the times. */
function statOf(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    return undefined
  }
}
