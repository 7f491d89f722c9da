/** The guardians' standard probes against the devnet's own services: the known answers are right. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { chanceFrom } from '../../../agents/guardian/probe-book.ts'
import { STANDARD_BOOK } from '../../../agents/guardian/standard-book.ts'
import type { ProviderDefinition } from '../../../agents/provider/define.ts'
import careful from './careful-ocr.ts'
import compute from './compute.ts'
import entities from './entities.ts'
import query from './query.ts'
import quick from './quick-ocr.ts'
import { testContext } from './test-context.ts'

describe.each<[string, ProviderDefinition, number]>([
  ['name-finder', entities, 60], ['plain-engine', compute, 30], ['paper-trail', query, 30], ['quick-eye', quick, 8], ['careful-eye', careful, 4],
])('probes of %s', (_name, provider, count) => {
  beforeAll(() => provider.start?.(), 60_000)
  afterAll(() => provider.stop?.())

  it('are answered right by an honest provider, and the units are bounded', async () => {
    const kind = STANDARD_BOOK[provider.capability.id]!
    for (let seed = 0; seed < count; seed++) {
      const { input, blobs = [], right } = kind.make(chanceFrom(`${provider.name} ${seed}`))
      const context = testContext()
      for (const { bytes, mediaType } of blobs) context.put(bytes, mediaType)
      const { output, units } = await provider.handler(input, context)
      expect(right(output), JSON.stringify({ input, output })).toBe(true)
      expect(units[provider.capability.unit]).toBeLessThanOrEqual(kind.units)
    }
  }, 60_000)
})
