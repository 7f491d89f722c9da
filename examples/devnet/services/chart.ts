/**
 * Provider `fine-lines`: draws Vega-Lite charts as SVG (`chart.render@1`). The drawing itself is
 * chart-worker.ts; this side holds the deadline and stores the picture.
 */
import { defineProvider } from '../../../agents/provider/define.ts'
import type { Capability } from '../../../schemas/documents.gen.ts'
import { AigenError } from '../../../schemas/error.ts'
import capability from '../../../schemas/capabilities/chart.render@1.json' with { type: 'json' }
import { Workshop, workerFile } from './workshop.ts'

const WORKERS = 1
const DEADLINE_MS = 8_000
const INPUT_CHARS_MAX = 4_000_000

let workshop: Workshop | undefined

export default defineProvider({
  name: 'fine-lines',
  capability: capability as Capability,
  price: { list: '0.006', floor: '0.005' },
  latencyMs: 9_000,
  concurrency: WORKERS,
  async start() {
    workshop = new Workshop(workerFile('chart-worker', import.meta.url), {
      workers: WORKERS,
      deadlineMs: DEADLINE_MS,
      limits: { maxOldGenerationSizeMb: 384, maxYoungGenerationSizeMb: 64, stackSizeMb: 4 },
    })
    await workshop.open()
  },
  async stop() {
    await workshop?.close()
    workshop = undefined
  },
  async handler(input: { spec: object; data?: object }, { signal, store }) {
    if (!workshop) throw new AigenError('step.failed', 'The drawing table is not set up.')
    if (JSON.stringify(input).length > INPUT_CHARS_MAX) throw new AigenError('step.input', `The input is over ${INPUT_CHARS_MAX} characters.`)
    const drawn = (await workshop.run(input, signal)) as { svg: string; width: number; height: number; marks: number }
    const image = await store(new TextEncoder().encode(drawn.svg), 'image/svg+xml')
    return { output: { image, width: drawn.width, height: drawn.height, marks: drawn.marks }, units: { chart: 1 } }
  },
})
