import { beforeAll, describe, expect, it } from 'vitest'
import embed from './embed.ts'
import { testContext } from './test-context.ts'

const vectors = async (texts: string[], signal?: AbortSignal): Promise<number[][]> => {
  const { output, units } = await embed.handler({ texts }, testContext({ signal }))
  expect(units).toEqual({ text: texts.length })
  return (output as { vectors: number[][] }).vectors
}
const near = (a: number[], b: number[]): number => a.reduce((sum, value, at) => sum + value * b[at]!, 0)

describe('text.embed', () => {
  const listeners = process.listenerCount('uncaughtException') + process.listenerCount('unhandledRejection')
  beforeAll(() => embed.start?.(), 60_000)

  it('puts like texts near', async () => {
    const [goose, geese, pigeon, engine] = await vectors(['Canada goose', 'Canada geese', 'Rock pigeon', 'the engine was repaired'])
    expect(goose).toHaveLength(512)
    expect(near(goose!, goose!)).toBeCloseTo(1, 2)
    expect(near(goose!, geese!)).toBeGreaterThan(near(goose!, pigeon!))
    expect(near(goose!, pigeon!)).toBeGreaterThan(near(goose!, engine!))
  })

  it('gives the same whatever stands beside, in order', async () => {
    const alone = await vectors(['Herring gull'])
    const among = await vectors(['one', 'two', 'three', 'four', 'Herring gull', 'six'])
    expect(among[4]).toEqual(alone[0])
  })

  it('takes empty, long and strange texts', async () => {
    for (const vector of await vectors(['', ' ', '🙂'.repeat(500), 'word '.repeat(400), '\u0000'])) {
      expect(vector).toHaveLength(512)
      expect(vector.every(Number.isFinite)).toBe(true)
    }
  }, 30_000)

  it('stops when cancelled', async () => {
    await expect(vectors(['a'], AbortSignal.abort())).rejects.toMatchObject({ code: 'step.cancelled' })
  })

  it('leaves no error handler in the process', () => {
    expect(process.listenerCount('uncaughtException') + process.listenerCount('unhandledRejection')).toBe(listeners)
  })
})
