/**
 * What can go wrong in a simulated network (D10), as data: a fault names where it strikes by counting,
 * so that a list of them can be drawn from a seed, printed, cut down and struck again. Machines, ports
 * and agents know nothing of them. Drawn by scenarios, struck by `plan`.
 */
import type { Random } from '../ports/random.ts'

/** Where a process can die or stop: around each append, each chain write, each message. */
export const POINTS = ['append.before', 'append.after', 'receive', 'send', 'rail.before', 'rail.after'] as const
export type Point = (typeof POINTS)[number]

export type Fault =
  /** The nth message since the faults began (signs of life not counted), or a copy of it. */
  | { readonly kind: 'drop' | 'duplicate' | 'garble'; readonly hop: number }
  /** It comes `ms` later, and so after others; `replay` brings the same bytes again by somebody else. */
  | { readonly kind: 'delay' | 'replay'; readonly hop: number; readonly ms: number }
  /** Two participants do not hear each other. */
  | { readonly kind: 'cut'; readonly between: readonly [string, string]; readonly from: number; readonly ms: number }
  /** The process is gone at the nth time it comes to a point, and is started again on its disk. */
  | { readonly kind: 'crash'; readonly process: string; readonly point: Point; readonly nth: number; readonly downMs: number }
  /** The same, and the last records of its journal, though acknowledged, are gone too: a disk that lied, or an old store that was put back. */
  | { readonly kind: 'forget'; readonly process: string; readonly point: Point; readonly nth: number; readonly downMs: number; readonly records: number }
  /** The process stands still (SIGSTOP); with `taken`, another one has been started on its disk when it moves again. */
  | { readonly kind: 'pause'; readonly process: string; readonly point: Point; readonly nth: number; readonly ms: number; readonly taken: boolean }
  /** No answer to the nth append: it was stored, or it was not. */
  | { readonly kind: 'unacknowledged'; readonly process: string; readonly nth: number; readonly stored: boolean }
  /** The chain gives no answer to the nth broadcast: it has it, or it has not. */
  | { readonly kind: 'unheard'; readonly process: string; readonly nth: number; readonly stored: boolean }
  /** The chain cannot be reached. */
  | { readonly kind: 'chain-away'; readonly process: string; readonly from: number; readonly ms: number }
  /** The chain loses its newest blocks, and what was in them is nowhere any more. */
  | { readonly kind: 'reorg'; readonly from: number; readonly blocks: number }
  /** What a process reads of the chain is as it was so many blocks ago. */
  | { readonly kind: 'chain-lags'; readonly process: string; readonly from: number; readonly ms: number; readonly blocks: number }
  /** The clock of a process is wrong by `ms` from the time `from` on. */
  | { readonly kind: 'skew'; readonly process: string; readonly from: number; readonly ms: number }

export type FaultKind = Fault['kind']

/** What faults are drawn from; times in ms of virtual time since the faults began. */
export interface FaultRange {
  readonly processes: readonly string[]
  /** Faults begin within this time. */
  readonly spanMs: number
  /** Messages, and times that a process comes to one point, among which faults strike. */
  readonly hops: number
  readonly times: number
  /** Longest time that a process is away or a cut lasts. */
  readonly awayMs: number
  /** Largest error of a clock either way. */
  readonly skewMs: number
  /** Kinds that may be drawn. */
  readonly kinds: readonly FaultKind[]
}

/** Records that an old store lacks which was put back in place of the true one, at most. */
const OLD_STORE = 60

/** Blocks that a chain loses, or lags behind, at most. */
export const BLOCKS_MAX = 6

/** How many of a kind are drawn at most. */
const MOST: Readonly<Record<FaultKind, number>> = {
  drop: 24, duplicate: 16, garble: 8, delay: 24, replay: 8, cut: 3, crash: 4, forget: 2, pause: 2, unacknowledged: 4, unheard: 3, 'chain-away': 2, skew: 3, reorg: 3, 'chain-lags': 2,
}

export const FAULT_KINDS = Object.keys(MOST) as FaultKind[]

/**
 * Faults from a seed. Each kind is left out half of the time: a run with few kinds goes further into
 * each than one with all of them (Groce and others, "Swarm Testing", ISSTA 2012).
 */
export function drawFaults(random: Random, range: FaultRange): Fault[] {
  const upTo = (most: number): number => 1 + Math.floor(random.fraction() * most)
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random.fraction() * from.length)]!
  const moment = (): number => Math.floor(random.fraction() * range.spanMs)
  // early ones more often: what a run does first, every run does
  const nth = (): number => upTo(random.fraction() < 0.5 ? Math.ceil(range.times / 4) : range.times)
  const draw = (kind: FaultKind): Fault => {
    const process = pick(range.processes)
    const point = pick(POINTS)
    switch (kind) {
      case 'drop': case 'duplicate': case 'garble': return { kind, hop: upTo(range.hops) }
      case 'delay': return { kind, hop: upTo(range.hops), ms: upTo(random.fraction() < 0.7 ? 400 : 8_000) }
      case 'replay': return { kind, hop: upTo(range.hops), ms: upTo(20_000) }
      case 'cut': {
        const other = pick(range.processes.filter((name) => name !== process))
        return { kind, between: [process, other], from: moment(), ms: upTo(range.awayMs) }
      }
      case 'crash': return { kind, process, point, nth: nth(), downMs: upTo(range.awayMs) }
      case 'forget': return { kind, process, point, nth: nth(), downMs: upTo(range.awayMs), records: upTo(random.fraction() < 0.3 ? OLD_STORE : 4) }
      case 'pause': return { kind, process, point, nth: nth(), ms: upTo(range.awayMs), taken: random.fraction() < 0.5 }
      case 'unacknowledged': return { kind, process, nth: nth(), stored: random.fraction() < 0.5 }
      case 'unheard': return { kind, process, nth: upTo(6), stored: random.fraction() < 0.5 }
      case 'chain-away': return { kind, process, from: moment(), ms: upTo(range.awayMs) }
      case 'reorg': return { kind, from: moment(), blocks: upTo(BLOCKS_MAX) }
      case 'chain-lags': return { kind, process, from: moment(), ms: upTo(range.awayMs), blocks: upTo(BLOCKS_MAX) }
      case 'skew': return { kind, process, from: moment(), ms: Math.floor((random.fraction() * 2 - 1) * range.skewMs) }
    }
  }
  return range.kinds.filter(() => random.fraction() < 0.5).flatMap((kind) => Array.from({ length: upTo(MOST[kind]) }, () => draw(kind)))
}

/** Whether the disks of a process may lie in this list: what holds then is less. */
export function forgetful(faults: readonly Fault[]): ReadonlySet<string> {
  return new Set(faults.flatMap((fault) => (fault.kind === 'forget' ? [fault.process] : [])))
}

/** A fault in one line, for people. */
export function describeFault(fault: Fault): string {
  const { kind, ...rest } = fault
  return `${kind} ${Object.entries(rest).map(([name, value]) => `${name}=${Array.isArray(value) ? value.join('/') : String(value)}`).join(' ')}`
}
