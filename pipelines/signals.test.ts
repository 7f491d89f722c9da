/** A signal counts once: for who waits, or for who comes to wait; what nobody takes is bounded. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { awaited, signalled, SIGNALS_MAX, takes, type RunSignal, type Told } from './signals.ts'

const signal = (id: string, name: string): RunSignal => ({ id, name, data: id, at: 1 })

it('goes to whoever waits, first come first served, else to the next who does', () => {
  let run: Told = { signals: [], waiters: [] }
  run = signalled(run, signal('1', 'go'))
  expect(run.tell).toBeUndefined()
  run = awaited(run, { name: 'go', to: 'gate/a' })
  expect(run.tell).toEqual({ to: 'gate/a', data: '1' })
  expect(run.signals).toEqual([{ id: '1', name: 'go', data: null, at: 1, taken: true }])
  run = awaited(awaited(run, { name: 'go', to: 'gate/b' }), { name: 'go', to: 'gate/c' })
  run = signalled(run, signal('2', 'go'))
  expect([run.tell, run.waiters]).toEqual([{ to: 'gate/b', data: '2' }, [{ name: 'go', to: 'gate/c' }]])
  expect(takes(run, signal('1', 'go'))).toBe(false)
})

it('is told once, whatever comes in whatever order, and never more are kept than there is room for', () => {
  const events = fc.array(fc.tuple(fc.boolean(), fc.nat(200), fc.constantFrom('go', 'stop')), { maxLength: 300 })
  fc.assert(fc.property(events, (all) => {
    let run: Told = { signals: [], waiters: [] }
    const heard: string[] = []
    const waited = new Set<string>()
    for (const [comes, number, name] of all) {
      if (comes && takes(run, { id: String(number), name })) run = signalled(run, signal(String(number), name))
      else if (!comes && !waited.has(`gate/${number}`)) run = awaited(run, { name, to: `gate/${waited.add(`gate/${number}`) && number}` })
      else continue
      if (run.tell) heard.push(String(run.tell.data))
      const { tell: _told, ...rest } = run
      run = rest
      expect(run.signals.filter(({ taken }) => !taken).length).toBeLessThanOrEqual(SIGNALS_MAX)
      // Nobody waits for what lies there.
      for (const waiter of run.waiters) expect(run.signals.some((one) => one.name === waiter.name && !one.taken)).toBe(false)
    }
    expect(new Set(heard).size).toBe(heard.length)
  }))
})
