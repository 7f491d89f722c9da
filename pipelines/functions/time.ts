/**
 * Functions of times and durations, all in UTC. The only time an expression can know is that of its
 * run, `run.startedAt`, in milliseconds: `fromMillis(run.startedAt)`. See `declared.ts`.
 */
import { whole, type Declared } from './declared.ts'

const DAY_MS = 86_400_000
const parts = ['getFullYear', 'getMonth', 'getDate', 'getDayOfMonth', 'getDayOfWeek'] as const
const clock = ['getHours', 'getMinutes', 'getSeconds', 'getMilliseconds'] as const

export const time: readonly Declared[] = [
  { name: 'timestamp', signatures: ['timestamp(string): timestamp', 'timestamp(int): timestamp'], cost: 'constant', says: 'of RFC 3339 text, or of seconds since 1970', native: true, run: (seconds: number) => atMost(new Date(whole(seconds) * 1_000)) },
  { name: 'duration', signatures: ['duration(string): duration'], cost: 'constant', says: 'of text like "1h30m"' },
  { name: 'fromMillis', signatures: ['fromMillis(number): timestamp'], cost: 'constant', says: 'the time of milliseconds since 1970, like run.startedAt', run: (ms: number | bigint) => atMost(new Date(whole(ms))) },
  { name: 'toMillis', signatures: ['timestamp.toMillis(): int', 'duration.toMillis(): int'], cost: 'constant', says: 'in milliseconds', run: (at: Date | { valueOf(): number }) => BigInt(Math.trunc(Number(at.valueOf()))) },
  ...parts.map((name): Declared => ({ name, signatures: [`timestamp.${name}(): int`], cost: 'constant', says: name === 'getMonth' || name === 'getDayOfMonth' ? 'from 0, as CEL counts' : 'as CEL counts' })),
  ...clock.map((name): Declared => ({ name, signatures: [`timestamp.${name}(): int`, `duration.${name}(): int`], cost: 'constant', says: 'of a time; of a duration, all of it in that unit' })),
  { name: 'formatTime', signatures: ['timestamp.formatTime(string): string'], cost: 'linear', grows: 2, says: 'its %Y %m %d %H %M %S %L %j %F %T replaced', run: formatTime },
]

function atMost(at: Date): Date {
  if (!Number.isFinite(at.getTime()) || at.getUTCFullYear() < 1 || at.getUTCFullYear() > 9_999) throw new Error('the time is beyond the years 1 to 9999')
  return at
}

function formatTime(at: Date, pattern: string): string {
  const iso = at.toISOString()
  const day = String(Math.floor((at.getTime() - Date.UTC(at.getUTCFullYear(), 0, 1)) / DAY_MS) + 1).padStart(3, '0')
  const known: Readonly<Record<string, string>> = {
    Y: iso.slice(0, 4), m: iso.slice(5, 7), d: iso.slice(8, 10), H: iso.slice(11, 13), M: iso.slice(14, 16), S: iso.slice(17, 19), L: iso.slice(20, 23), j: day, F: iso.slice(0, 10), T: iso.slice(11, 19), '%': '%',
  }
  return pattern.replace(/%(.?)/gs, (_all, verb: string) => {
    if (!Object.hasOwn(known, verb)) throw new Error(`formatTime() knows no %${verb}`)
    return known[verb]!
  })
}
