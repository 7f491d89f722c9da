/** What every clock does; run against the system's and the virtual one (DESIGN D10). */
import { describe, expect, test, vi } from 'vitest'
import type { Clock } from './clock.ts'

export interface ClockSetup {
  readonly clock: Clock
  /** Lets `ms` go by (virtual clock), or nothing where time goes by itself. */
  pass(ms: number): Promise<void>
}

/** Registers the conformance tests of a clock. */
export function clockContract(name: string, setUp: () => ClockSetup): void {
  describe(`${name} is a clock`, () => {
    test('timers fire once, in the order of their time, not before it, and not inside the call', async () => {
      const { clock, pass } = setUp()
      const fired: string[] = []
      const start = clock.now()
      const note = (what: string, at: number) => (): void => {
        expect(clock.now()).toBeGreaterThanOrEqual(at)
        fired.push(what)
      }
      clock.timer(start + 30, note('30', start + 30))
      clock.timer(start + 10, note('10', start + 10))
      clock.timer(start - 5, note('past', start - 5))
      expect(fired).toEqual([])
      await pass(40)
      await vi.waitFor(() => expect(fired).toEqual(['past', '10', '30']))
    })

    test('a cancelled timer never fires', async () => {
      const { clock, pass } = setUp()
      let fired = false
      const timer = clock.timer(clock.now() + 5, () => { fired = true })
      const past = clock.timer(clock.now() - 5, () => { fired = true })
      timer.cancel()
      timer.cancel()
      past.cancel()
      const later = clock.sleep(15)
      await pass(15)
      await later
      expect(fired).toBe(false)
    })

    test('sleep takes its time by the monotonic clock, and ends early by its signal', async () => {
      const { clock, pass } = setUp()
      const start = clock.monotonic()
      const slept = clock.sleep(20)
      await pass(20)
      await slept
      expect(clock.monotonic() - start).toBeGreaterThanOrEqual(19)
      const abort = new AbortController()
      const never = expect(clock.sleep(1e6, abort.signal)).rejects.toThrow('enough')
      abort.abort(new Error('enough'))
      await never
      await expect(clock.sleep(1, abort.signal)).rejects.toThrow('enough')
    })
  })
}
