/** The word that was meant: close ones are found, others are not guessed. */
import { expect, it } from 'vitest'
import { nearest } from './nearest.ts'

it.each([
  ['pirce', 'price'], ['bugdet', 'budget'], ['Steps', 'steps'], ['vision.ocr@1', 'vision.ocr@1'], ['forEach ', 'forEach'], ['neds', 'needs'], ['x', undefined],
  ['completely', undefined], ['', undefined], ['p'.repeat(1000), undefined],
])('%.20s means %s', (found, meant) => {
  expect(nearest(found, ['price', 'budget', 'steps', 'vision.ocr@1', 'forEach', 'needs'])).toBe(meant)
})
