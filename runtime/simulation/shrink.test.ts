import { describe, expect, it } from 'vitest'
import { shrink } from './shrink.ts'

const all = Array.from({ length: 40 }, (_, n) => n)
const needs = (...wanted: number[]) => async (some: readonly number[]): Promise<boolean> => wanted.every((one) => some.includes(one))

describe('shrink', () => {
  it.each([[[17]], [[0, 39]], [[3, 4, 5]], [[1, 12, 23, 34]]])('finds %j among forty', async (wanted) => {
    expect([...await shrink(all, needs(...wanted))]).toEqual(wanted)
  })

  it('finds that nothing was needed', async () => {
    expect(await shrink(all, async () => true)).toEqual([])
  })

  it('asks no more often than it may, and what it gives still fails', async () => {
    let asked = 0
    const fails = needs(2, 20, 38)
    const found = await shrink(all, async (some) => { asked++; return fails(some) }, 7)
    expect(asked).toBeLessThanOrEqual(7)
    expect(await fails(found)).toBe(true)
  })
})
