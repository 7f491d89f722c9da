/** A list that grows: the same as an array, and what it was before stays as it was. */
import { expect, it } from 'vitest'
import { growing, grown, itemAt, itemsOf } from './growing.ts'

it('has what an array would have, however the items come, lists among them', () => {
  for (const step of [1, 3, 127, 128, 129, 300]) {
    let [list, plain] = [growing<unknown>([]), [] as unknown[]]
    while (plain.length < 1_000) {
      const fresh = Array.from({ length: step }, (_, at) => [plain.length + at])
      const before = itemsOf(list)
      const next = grown(list, fresh)
      expect(itemsOf(list)).toEqual(before)
      ;[list, plain] = [next, [...plain, ...fresh]]
      expect(list.length).toBe(plain.length)
      expect(list).toEqual(growing(plain))
    }
    expect(itemsOf(list)).toEqual(plain)
    for (const at of [0, 1, 127, 128, 999]) expect(itemAt(list, at)).toEqual([at])
    expect(itemAt(list, list.length)).toBeUndefined()
    expect(grown(list, [])).toEqual(list)
  }
})

it('copies a block for the next item, and shares the others', () => {
  const before = growing(Array.from({ length: 1_000 }, (_, at) => at))
  const { blocks } = grown(before, [1_000])
  expect(blocks.filter((block, at) => block !== before.blocks[at])).toHaveLength(1)
})
