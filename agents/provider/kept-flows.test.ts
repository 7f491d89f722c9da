/** What is kept of streams that have ended: until the call is over, for a time, and within a bound. */
import { expect, it } from 'vitest'
import type { Host } from '../../runtime/actors/host.ts'
import { virtualClock } from '../../runtime/memory/clock.ts'
import { KeptFlows } from './kept-flows.ts'

function shelf() {
  const clock = virtualClock()
  const done = new Set<string>()
  const watchers: ((entry: { id: string; snapshot: { status: string } }) => void)[] = []
  const host = { peek: (id: string) => ({ snapshot: { status: done.has(id) ? 'done' : 'active' } }), watch: (watcher: never) => watchers.push(watcher) }
  const flows = new KeptFlows({ clock, host: () => host as unknown as Host })
  const closed: string[] = []
  const keep = (id: string, held = 100, until = clock.now() + 10_000): void => flows.keep(id, { held, send: () => undefined, end: () => undefined, close: async () => { closed.push(id) } }, until)
  const end = (id: string): void => {
    done.add(id)
    for (const watcher of watchers) watcher({ id, snapshot: { status: 'done' } })
  }
  return { clock, flows, closed, keep, end, done, watchers }
}

it('lets a flow go when its call is over, and keeps the others', () => {
  const { flows, closed, keep, end, watchers } = shelf()
  for (const id of ['a', 'b']) keep(id)
  end('a')
  end('unheard of')
  expect([closed, flows.size, watchers.length]).toEqual([['a'], 1, 1])
})

it('keeps none of a call that was over before its work was', () => {
  const { flows, closed, keep, done } = shelf()
  done.add('a')
  keep('a')
  expect([closed, flows.size]).toEqual([['a'], 0])
})

it('lets it go five minutes past the deadline', async () => {
  const { clock, flows, closed, keep } = shelf()
  keep('a', 100, clock.now() + 10_000)
  await clock.advance(309_000)
  expect(flows.size).toBe(1)
  await clock.advance(2_000)
  expect([closed, flows.size]).toEqual([['a'], 0])
})

it('keeps 512 of them, and 64 MB, the newest', () => {
  const many = shelf()
  for (let number = 0; number < 600; number++) many.keep(String(number))
  expect([many.flows.size, many.closed[0], many.closed.length]).toEqual([512, '0', 88])
  const large = shelf()
  for (let number = 0; number < 30; number++) large.keep(String(number), 4 * 2 ** 20)
  expect([large.flows.size, large.closed.length]).toEqual([16, 14])
})
