/**
 * What `careful-eye` sells by the document (`vision.pages@1`): its pages in their order, each sent
 * ahead as soon as it is read, so that whoever takes them works while the next one is being read.
 * Who gives up gets the pages read so far, and pays for those.
 */
import { defineProvider } from '../../../agents/provider/define.ts'
import type { BlobRef } from '../../../agents/provider/define.ts'
import type { Capability } from '../../../schemas/documents.gen.ts'
import { AigenError, asError } from '../../../schemas/error.ts'
import capability from '../../../schemas/capabilities/vision.pages@1.json' with { type: 'json' }
import { carefulReader, readCarefully } from './careful-reading.ts'

/** Of a page's text: sixteen of them fit an answer. */
const TEXT_MAX = 12_000

interface Page { readonly page: number; readonly text: string; readonly confidence: number; readonly words: number }

/** Loaded at the first call: a second engine costs memory, and few documents come. */
const reader = carefulReader()

export default defineProvider({
  name: 'careful-eye',
  capability: capability as Capability,
  price: { list: '0.016', floor: '0.015' },
  meter: { by: 'items', of: [{ path: 'output.pages' }] },
  latencyMs: 60_000,
  concurrency: 1,
  stream: { every: 1 },
  stop: () => reader.stop(),
  async handler(input: { pages: BlobRef[] }, { emit, load, signal }) {
    const pages: Page[] = []
    const result = () => ({ output: { pages, whole: pages.length === input.pages.length }, units: { page: pages.length } })
    for (const [index, ref] of input.pages.entries()) {
      try {
        const { text, confidence, words } = await readCarefully(reader, await load(ref), signal)
        const read = { page: index + 1, text: text.slice(0, TEXT_MAX), confidence, words }
        await emit(read, 1)
        pages.push(read)
      } catch (thrown) {
        const error = asError(thrown)
        if (error.code === 'step.cancelled' && pages.length > 0) return result()
        throw error.code === 'step.input' ? new AigenError('step.input', `Page ${index + 1}: ${error.message}`, { path: `pages[${index}]`, cause: error }) : error
      }
    }
    return result()
  },
})
