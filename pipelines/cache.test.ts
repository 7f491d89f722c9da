/** The index of what may be used again: bounded, and what goes first is what is of least use. */
import { expect, it } from 'vitest'
import { advance } from '../runtime/actors/transition.ts'
import { hashOf } from '../schemas/canonical.ts'
import { cache, ENTRIES_MAX, type CacheContext } from './cache.machine.ts'
import { cacheActor, cacheKey } from './cache.ts'

type Snapshot = NonNullable<Parameters<typeof advance>[1]>
const begin = (): Snapshot => advance(cache, undefined, { type: 'start', input: {}, at: 0 }).snapshot
const keep = (snapshot: Snapshot, key: string, until: number, at = 1): Snapshot => advance(cache, snapshot, { type: 'keep', key, entry: { step: `step/r/${key}`, made: at, until }, at }).snapshot
const keys = (snapshot: Snapshot): string[] => Object.keys((snapshot.context as CacheContext).entries)

it('what expires first makes room', () => {
  let snapshot = begin()
  for (let n = 0; n < ENTRIES_MAX; n++) snapshot = keep(snapshot, `k${n}`, 1_000 + (n === 7 ? 0 : n + 10))
  snapshot = keep(snapshot, 'more', 5_000)
  expect(keys(snapshot)).toHaveLength(ENTRIES_MAX)
  expect([keys(snapshot).includes('k7'), keys(snapshot).includes('k0'), keys(snapshot).includes('more')]).toEqual([false, true, true])
})

it('what has expired is gone, and a later delivery counts for an earlier one', () => {
  let snapshot = keep(keep(begin(), 'old', 100), 'new', 900)
  snapshot = keep(snapshot, 'new', 1_000, 200)
  expect((snapshot.context as CacheContext).entries).toEqual({ new: { step: 'step/r/new', made: 200, until: 1_000 } })
})

it('keys are spread over the parts, the same key always to the same one', () => {
  const parts = new Set<string>()
  for (let n = 0; n < 1_000; n++) {
    const key = cacheKey(hashOf('capability'), hashOf(n))
    expect(cacheActor(key)).toBe(cacheActor(cacheKey(hashOf('capability'), hashOf(n))))
    parts.add(cacheActor(key))
  }
  expect(parts.size).toBe(64)
  expect(cacheKey(hashOf('capability'), hashOf(1))).not.toBe(cacheKey(hashOf('another'), hashOf(1)))
})
