import { describe, expect, it } from 'vitest'
import { canonicalBytes } from '../../schemas/canonical.ts'
import { virtualClock } from '../memory/clock.ts'
import { ALIVE_MS, makeLiveness } from './liveness.ts'

const node = (name: string): string => name.repeat(42) + 'A'
const beat = (of: string, partitions: readonly string[] = ['p0']): Uint8Array => canonicalBytes({ node: node(of), partitions })

describe('signs of life', () => {
  const open = () => {
    const clock = virtualClock()
    const liveness = makeLiveness(clock, 2)
    return { clock, ...liveness }
  }

  it('are believed for six seconds, and everybody is until they could have come', async () => {
    const { clock, hear, isAlive } = open()
    expect(isAlive('0xa')).toBe(true)
    await clock.advance(ALIVE_MS)
    expect(isAlive('0xa')).toBe(false)
    hear('0xa', beat('x'))
    await clock.advance(ALIVE_MS - 1)
    expect(isAlive('0xa')).toBe(true)
    await clock.advance(1)
    expect(isAlive('0xa')).toBe(false)
  })

  it('keep a participant alive while one of its nodes is, and a goodbye ends that node only', () => {
    const { hear, isAlive } = open()
    hear('0xa', beat('x'))
    hear('0xa', beat('y'))
    hear('0xa', beat('x', []))
    expect(isAlive('0xa')).toBe(true)
    hear('0xa', beat('y', []))
    expect(isAlive('0xa')).toBe(false)
    hear('0xa', beat('y'))
    expect(isAlive('0xa')).toBe(true)
  })

  it('who fell silent may return for a minute, who said goodbye may not', async () => {
    const { clock, hear, mayReturn } = open()
    hear('0xa', beat('x'))
    hear('0xb', beat('y'))
    hear('0xb', beat('y', []))
    await clock.advance(59_999)
    expect([mayReturn('0xa'), mayReturn('0xb')]).toEqual([true, false])
    await clock.advance(1)
    expect(mayReturn('0xa')).toBe(false)
  })

  it.each([
    ['no JSON', new Uint8Array([0])],
    ['nothing', new Uint8Array(0)],
    ['another document', canonicalBytes({ node: node('x') })],
    ['a key that is none', canonicalBytes({ node: 'x', partitions: ['p0'] })],
    ['more than is said', canonicalBytes({ node: node('x'), partitions: ['p0'], load: 1 })],
    ['a partition twice', canonicalBytes({ node: node('x'), partitions: ['p0', 'p0'] })],
    ['too much', canonicalBytes({ node: node('x'), partitions: Array.from({ length: 64 }, (_, i) => `${'p'.repeat(30)}${i % 10}`) })],
    ['too long', new TextEncoder().encode(' '.repeat(5_000) + '{}')],
  ])('are ignored when they are %s', async (_what, data) => {
    const { clock, hear, isAlive } = open()
    hear('0xa', beat('y'))
    hear('0xa', data)
    expect(isAlive('0xa')).toBe(true)
    await clock.advance(ALIVE_MS)
    hear('0xa', data)
    expect(isAlive('0xa')).toBe(false)
  })

  it('are remembered of so many participants and so many nodes', async () => {
    const { clock, hear, isAlive } = open()
    await clock.advance(ALIVE_MS)
    for (const participant of ['0xa', '0xb', '0xc']) hear(participant, beat('x'))
    expect(['0xa', '0xb', '0xc'].map(isAlive)).toEqual([true, true, false])
    const letters = [...'abcdefghijklmnopqrstuvwyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_']
    for (const letter of letters) hear('0xa', beat(letter))
    hear('0xa', canonicalBytes({ node: `${'ab'.repeat(21)}A`, partitions: ['p0'] }))
    for (const letter of ['x', ...letters]) hear('0xa', beat(letter, []))
    expect(isAlive('0xa')).toBe(false)
    hear('0xa', beat('x'))
    expect(isAlive('0xa')).toBe(true)
  })
})
