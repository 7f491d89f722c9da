/** Durations as documents write them: "500ms", "20s", "5m", "1h", "7d". Used by price and plan. */
import { AigenError } from '../schemas/error.ts'

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Milliseconds of a duration. Error `input.invalid` for another text. @example parseDuration('20s') // 20000 */
export function parseDuration(text: string): number {
  const match = /^(0|[1-9][0-9]{0,8})(ms|s|m|h|d)$/.exec(text)
  if (!match) throw new AigenError('input.invalid', `${JSON.stringify(text.slice(0, 32))} is not a duration like 20s.`)
  return Number(match[1]) * UNITS[match[2]!]!
}

/** The shortest exact text of a duration. @example formatDuration(90_000) // '90s' */
export function formatDuration(ms: number): string {
  const unit = Object.keys(UNITS).reverse().find((name) => ms > 0 && ms % UNITS[name]! === 0) ?? 'ms'
  return `${ms / UNITS[unit]!}${unit}`
}
