/**
 * What a watcher actor is made of: its input, its context, its events, its report. The machine is in
 * `watcher.machine.ts`, its effects in `watcher-effects.ts`. Amounts are atomic decimal strings (D7).
 */
import type { ActorId } from '../../runtime/actors/actor.ts'
import { lastTime, nextTime, type Schedule } from '../../runtime/actors/schedule.ts'
import type { Watcher } from '../../schemas/documents.gen.ts'
import type { ErrorBody } from '../../schemas/error.ts'
import type { Settled } from './keyed-run.ts'

/** A watcher's numbers, read from its document once. */
export interface WatcherTerms {
  readonly budget: string
  readonly lookPrice: string
  /** Worst case of the pipeline when it was checked at the start. */
  readonly runWorst: string
  /** When it looks. The grid of an interval begins with the watcher. */
  readonly when: { readonly everyMs: number } | { readonly cron: string; readonly timeZone?: string }
  readonly cooldownMs: number
  readonly expiresMs: number
  readonly lookMs: number
  readonly runsMax: number
  readonly edge: boolean
}

export interface WatcherInput {
  /** Actor id, `watcher/<id>`. */
  readonly self: ActorId
  readonly document: Watcher
  readonly terms: WatcherTerms
  readonly at: number
}

/** One time that it fired. */
export interface Fired {
  readonly at: number
  readonly run: string | null
  readonly worst: string
  readonly charged: string
  readonly state: 'open' | 'done' | 'failed' | 'unknown'
  readonly error: ErrorBody | null
}

/** Why it ended. */
export type WatcherEnd = 'budget' | 'runs' | 'expired' | 'stopped'

export interface WatcherContext extends Omit<WatcherInput, 'at'> {
  readonly startedAt: number
  readonly endedAt: number
  readonly nextAt: number
  /** Paid calls begun, looks and runs: the number in their keys. */
  readonly calls: number
  readonly looks: number
  readonly fires: number
  /** Whether the condition held at the last look that could tell, and has fired since it does. */
  readonly held: boolean
  /** Of the last look and of the last one that fired, on the grid: a call that took longer moves no cooldown. */
  readonly lookedAt: number
  readonly firedAt: number
  /** Output of the look under way, and of the one before it. */
  readonly seen: unknown
  readonly last: unknown
  readonly inputs: Readonly<Record<string, unknown>>
  readonly open: { readonly key: string; readonly purpose: 'look' | 'run'; readonly worst: string } | null
  readonly spent: string
  /** The last times it fired, newest last; at most 100. */
  readonly fired: readonly Fired[]
  /** What went wrong last, and when: a look that failed, a condition that could not be evaluated. */
  readonly problem: { readonly at: number; readonly error: ErrorBody } | null
  readonly ended: WatcherEnd | null
}

export type WatcherEvent = { at: number } & (
  | ({ type: 'watcher.call.done' } & Settled)
  | { type: 'watcher.call.failed'; error: ErrorBody }
  | { type: 'watcher.weigh.done'; holds: boolean; inputs: Readonly<Record<string, unknown>>; worst: string }
  | { type: 'watcher.weigh.failed'; error: ErrorBody }
  | { type: 'stop' }
)

/** What is left to spend once `worst` were spent too; negative when it does not fit. */
export function leftAfter({ terms, spent, open }: Pick<WatcherContext, 'terms' | 'spent' | 'open'>, worst: bigint): bigint {
  return BigInt(terms.budget) - BigInt(spent) - BigInt(open?.worst ?? '0') - worst
}

const scheduleOf = ({ startedAt, terms }: Pick<WatcherContext, 'startedAt' | 'terms'>): Schedule => ('cron' in terms.when ? terms.when : { ...terms.when, from: startedAt })

/** The time of the watcher's schedule that `at` belongs to. */
export function slotOf(watcher: Pick<WatcherContext, 'startedAt' | 'terms'>, at: number): number {
  return lastTime(scheduleOf(watcher), at) ?? at
}

/** The first time of the schedule after `at`, looks that were missed are not made up for; where none comes any more, when the watcher expires. */
export function nextLook(watcher: Pick<WatcherContext, 'startedAt' | 'terms'>, at: number): number {
  return nextTime(scheduleOf(watcher), at) ?? Math.max(at, watcher.startedAt + watcher.terms.expiresMs)
}
