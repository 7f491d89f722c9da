/**
 * What `careful-eye` sells by the single page (`vision.ocr@1`). Twice the price of `quick-eye` and
 * slower, and it reads scans that the other cannot.
 */
import { defineProvider } from '../../../agents/provider/define.ts'
import type { BlobRef } from '../../../agents/provider/define.ts'
import type { Capability } from '../../../schemas/documents.gen.ts'
import capability from '../../../schemas/capabilities/vision.ocr@1.json' with { type: 'json' }
import { carefulReader, readCarefully } from './careful-reading.ts'

const reader = carefulReader()

export default defineProvider({
  name: 'careful-eye',
  capability: capability as Capability,
  price: { list: '0.018', floor: '0.016' },
  latencyMs: 15_000,
  concurrency: 1,
  start: () => reader.start(),
  stop: () => reader.stop(),
  async handler(input: { image: BlobRef }, { load, signal }) {
    return { output: await readCarefully(reader, await load(input.image), signal), units: { page: 1 } }
  },
})
