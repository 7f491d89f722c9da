import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { lastTime, nextTime } from './schedule.ts'

const at = (text: string): number => Date.parse(text)
const iso = (time: number | undefined): string | undefined => (time === undefined ? undefined : new Date(time).toISOString())

describe('a schedule', () => {
  it('of an interval keeps to its grid, whenever it is asked', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 10_000_000 }), fc.integer({ min: 0, max: 2e12 }), fc.integer({ min: 0, max: 1e9 }), (everyMs, from, later) => {
      const schedule = { everyMs, from }
      const next = nextTime(schedule, from + later)!
      const last = lastTime(schedule, from + later)!
      expect([(next - from) % everyMs, next - last]).toEqual([0, everyMs])
      expect(next).toBeGreaterThan(from + later)
      expect(last).toBeLessThanOrEqual(from + later)
    }))
    expect(lastTime({ everyMs: 10, from: 100 }, 99)).toBeUndefined()
  })

  it('of a cron expression names the times of its place, through the change of the clocks', () => {
    const nine = { cron: '0 9 * * 1-5', timeZone: 'Europe/Berlin' }
    expect(iso(nextTime(nine, at('2026-03-27T12:00:00Z')))).toBe('2026-03-30T07:00:00.000Z')
    expect(iso(nextTime(nine, at('2026-03-30T07:00:00Z')))).toBe('2026-03-31T07:00:00.000Z')
    expect(iso(lastTime(nine, at('2026-03-30T07:00:00Z'))), 'a time is its own last').toBe('2026-03-30T07:00:00.000Z')
    expect(iso(lastTime(nine, at('2026-03-30T06:59:59Z')))).toBe('2026-03-27T08:00:00.000Z')
    expect(iso(nextTime({ cron: '*/15 * * * *' }, at('2026-01-01T00:14:59.999Z')))).toBe('2026-01-01T00:15:00.000Z')
    expect(nextTime({ cron: '0 0 30 2 *' }, at('2026-01-01T00:00:00Z'))).toBeUndefined()
  })

  it('goes forward: between a time and the next there is none', () => {
    fc.assert(fc.property(fc.constantFrom('* * * * *', '*/7 3-5 * * *', '30 12 1 * *', '0 0 * * 0', '15 */2 * * * *'), fc.integer({ min: at('2020-01-01T00:00:00Z'), max: at('2030-01-01T00:00:00Z') }), (cron, time) => {
      const next = nextTime({ cron }, time)!
      expect(next).toBeGreaterThan(time)
      expect(lastTime({ cron }, next)).toBe(next)
      expect(lastTime({ cron }, next - 1)!).toBeLessThanOrEqual(time)
    }))
  })

  it.each(['', 'now', '* * *', '61 * * * *', '* * * * * * *', 'x'.repeat(300)])('refuses %j', (cron) => {
    expect(() => nextTime({ cron }, 0)).toThrow(expect.objectContaining({ code: 'input.invalid' }))
  })

  it('refuses a time zone that is none', () => {
    expect(() => nextTime({ cron: '* * * * *', timeZone: 'Mars/Base' }, 0)).toThrow(expect.objectContaining({ code: 'input.invalid' }))
  })
})
