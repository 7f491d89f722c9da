/**
 * When something that comes again and again comes next (DESIGN I5): every so long, or at the times of
 * a cron expression. Pure, so a machine may ask it for the delay of an `after`; what was missed while
 * nobody was there is not made up for. Used by machines that wait for a time of day.
 */
import { Cron } from 'croner'
import { AigenError } from '../../schemas/error.ts'

/** `from` is a time on the grid, in ms since the epoch. `cron` has five fields, or six with seconds; `timeZone` is an IANA name, default UTC. */
export type Schedule = { readonly everyMs: number; readonly from: number } | { readonly cron: string; readonly timeZone?: string }

const FIELDS_MAX = 200

/** Expressions are read once; a process meets few. */
const read = new Map<string, Cron>()
const READ_MAX = 1_000

function cronOf(cron: string, timeZone = 'UTC'): Cron {
  const key = `${timeZone} ${cron}`
  let one = read.get(key)
  if (!one) {
    if (cron.length > FIELDS_MAX || !/^\S+(\s+\S+){4,5}$/.test(cron)) throw new AigenError('input.invalid', 'expected the five fields of a cron expression, or six with seconds')
    try {
      one = new Cron(cron, { paused: true, timezone: timeZone })
      one.nextRun(new Date(0))
    } catch (cause) {
      throw new AigenError('input.invalid', (cause as Error).message, { cause })
    }
    if (read.size >= READ_MAX) read.clear()
    read.set(key, one)
  }
  return one
}

/**
 * The first time of `schedule` after `after`, in ms since the epoch; undefined when there is none any
 * more. Error `input.invalid` for an expression or a time zone that is none.
 * @example nextTime({ cron: '0 9 * * 1-5', timeZone: 'Europe/Berlin' }, Date.UTC(2026, 2, 27, 12)) // Monday 9:00 in Berlin
 */
export function nextTime(schedule: Schedule, after: number): number | undefined {
  if ('cron' in schedule) return cronOf(schedule.cron, schedule.timeZone).nextRun(new Date(after))?.getTime()
  const { everyMs, from } = schedule
  return from + (Math.floor((after - from) / everyMs) + 1) * everyMs
}

/** The last time of `schedule` that is not after `at`; undefined when there was none. */
export function lastTime(schedule: Schedule, at: number): number | undefined {
  // Whole seconds are what a cron expression knows: two before the next one include the last.
  if ('cron' in schedule) return cronOf(schedule.cron, schedule.timeZone).previousRuns(2, new Date(at + 1_000)).map((one) => one.getTime()).find((time) => time <= at)
  const { everyMs, from } = schedule
  return at < from ? undefined : from + Math.floor((at - from) / everyMs) * everyMs
}
