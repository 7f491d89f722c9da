/**
 * Provider `quick-eye`: reads a page as it comes (`vision.ocr@1`), with tesseract's integer model
 * and one threshold for the whole page. Cheap, and good on clean scans; shade and noise defeat it,
 * which its confidence says.
 */
import { defineProvider } from '../../../agents/provider/define.ts'
import type { BlobRef } from '../../../agents/provider/define.ts'
import type { Capability } from '../../../schemas/documents.gen.ts'
import capability from '../../../schemas/capabilities/vision.ocr@1.json' with { type: 'json' }
import { checkPicture } from './picture.ts'
import { PageReader } from './reader.ts'

const reader = new PageReader('4.0.0_best_int', { thresholding_method: '0' } as object)

export default defineProvider({
  name: 'quick-eye',
  capability: capability as Capability,
  price: { list: '0.009', floor: '0.008' },
  latencyMs: 8_000,
  concurrency: 1,
  start: () => reader.start(),
  stop: () => reader.stop(),
  async handler(input: { image: BlobRef }, { load, signal }) {
    const bytes = await load(input.image)
    checkPicture(bytes)
    return { output: await reader.read(bytes, signal), units: { page: 1 } }
  },
})
