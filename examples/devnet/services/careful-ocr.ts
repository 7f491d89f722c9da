/**
 * Provider `careful-eye`: cleans the scan first (even light, no specks, larger type), then reads it
 * with tesseract's full model and a local threshold (`vision.ocr@1`). Twice the price of `quick-eye`
 * and slower, and it reads scans that the other cannot.
 */
import { defineProvider } from '../../../agents/provider/define.ts'
import type { BlobRef } from '../../../agents/provider/define.ts'
import type { Capability } from '../../../schemas/documents.gen.ts'
import capability from '../../../schemas/capabilities/vision.ocr@1.json' with { type: 'json' }
import { checkPicture } from './picture.ts'
import { decodePng, encodePng } from './png.ts'
import { PageReader } from './reader.ts'
import { restore } from './restore.ts'

/** 2 is Sauvola: a threshold for each neighbourhood. The resolution is that of the restored page. */
const reader = new PageReader('4.0.0', { thresholding_method: '2', user_defined_dpi: '200' } as object)

export default defineProvider({
  name: 'careful-eye',
  capability: capability as Capability,
  price: { list: '0.018', floor: '0.016' },
  latencyMs: 15_000,
  concurrency: 1,
  start: () => reader.start(),
  stop: () => reader.stop(),
  async handler(input: { image: BlobRef }, { load, signal }) {
    const bytes = await load(input.image)
    const image = checkPicture(bytes) === 'png' ? decodePng(bytes) : undefined
    return { output: await reader.read(image ? encodePng(restore(image)) : bytes, signal), units: { page: 1 } }
  },
})
