/** What a fan decides: who agrees in a quorum, when no more can, and what the end of a stream means. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { closed, quorumOf, type Answer, type FanContext } from './fan.ts'
import { growing } from './growing.ts'

const answer = (member: number): Answer => ({ member, provider: '0xaa', outputHash: 'sha256-aa' }) as Answer

describe('a quorum', () => {
  it('is the largest group that agrees pairwise, of several the one of the lowest places', () => {
    const answers = [2, 0, 1, 3].map(answer)
    expect(quorumOf(answers, [[0, 1], [2, 3]], 0)).toEqual({ group: [0, 1], most: 2 })
    expect(quorumOf(answers, [[0, 1], [1, 2], [2, 3], [1, 3]], 0)).toEqual({ group: [1, 2, 3], most: 3 })
    expect(quorumOf(answers, [], 0).group).toHaveLength(1)
    expect(quorumOf([], [], 3)).toEqual({ group: [], most: 3 })
  })

  it('never names two who do not agree, finds no smaller group than there is, and is the same in any order', () => {
    const pairs = fc.uniqueArray(fc.tuple(fc.nat(5), fc.nat(5)).filter(([a, b]) => a < b), { selector: String })
    fc.assert(fc.property(pairs, fc.shuffledSubarray([0, 1, 2, 3, 4, 5], { minLength: 1 }), fc.nat(3), (agreeing, members, pending) => {
      const agree = (a: number, b: number): boolean => agreeing.some(([one, other]) => one === Math.min(a, b) && other === Math.max(a, b))
      const { group, most } = quorumOf(members.map(answer), agreeing, pending)
      expect(group.every((a) => members.includes(a) && group.every((b) => a === b || agree(a, b)))).toBe(true)
      const largest = Math.max(...Array.from({ length: 2 ** members.length }, (_, mask) => members.filter((_member, at) => mask & (1 << at)))
        .map((some) => (some.every((a) => some.every((b) => a === b || agree(a, b))) ? some.length : 0)))
      expect([group.length, most]).toEqual([largest, largest + pending])
      expect(quorumOf(members.toReversed().map(answer), agreeing.map(([a, b]) => [b, a]), pending).group).toEqual(group)
    }))
  })
})

describe('the end of a stream', () => {
  const fan = { state: 'running', list: ['a', 'b'], started: 1, items: 2, error: null, plan: { chunksOf: 'told' } } as unknown as FanContext
  it('leaves a whole one alone, and fails one that is not', () => {
    expect(closed(fan, 'done', 2)).toEqual({ open: false })
    expect(closed(fan, 'done', 3)).toMatchObject({ open: false, state: 'failed', items: 1 })
    expect(closed(fan, 'failed', 2)).toMatchObject({ state: 'failed', error: { code: 'step.failed', message: expect.stringContaining('told') } })
    expect(closed({ ...fan, list: growing([]) }, 'skipped', 0)).toEqual({ open: false, state: 'skipped' })
    expect(closed({ ...fan, state: 'cancelled' }, 'failed', 2)).toEqual({ open: false })
  })
})
