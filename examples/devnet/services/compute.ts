/**
 * Provider `plain-engine`: runs strangers' JavaScript in a sandbox (`compute.run@1`). The sandbox
 * itself is compute-worker.ts; this side holds the deadline.
 */
import { defineProvider } from '../../../agents/provider/define.ts'
import type { Capability } from '../../../schemas/documents.gen.ts'
import { AigenError } from '../../../schemas/error.ts'
import capability from '../../../schemas/capabilities/compute.run@1.json' with { type: 'json' }
import { Workshop, workerFile } from './workshop.ts'

const WORKERS = 2
const DEADLINE_MS = 5_000
const INPUT_CHARS_MAX = 4_000_000
/** The same program on the same input gives the same: there is no clock, no chance and no network in the sandbox. A month, in ms. */
const CACHE_MS = 30 * 86_400_000

let workshop: Workshop | undefined

export default defineProvider({
  name: 'plain-engine',
  capability: capability as Capability,
  price: { list: '0.004', floor: '0.003' },
  latencyMs: 6_000,
  cacheMs: CACHE_MS,
  concurrency: WORKERS,
  async start() {
    workshop = new Workshop(workerFile('compute-worker', import.meta.url), {
      workers: WORKERS,
      deadlineMs: DEADLINE_MS,
      limits: { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 32, stackSizeMb: 4 },
    })
    await workshop.open()
  },
  async stop() {
    await workshop?.close()
    workshop = undefined
  },
  async handler(input: { source: string; input?: unknown }, { signal }) {
    if (!workshop) throw new AigenError('step.failed', 'The engine is not started.')
    if ((JSON.stringify(input.input) ?? '').length > INPUT_CHARS_MAX) {
      throw new AigenError('step.input', `The input is over ${INPUT_CHARS_MAX} characters.`, { path: 'input' })
    }
    return { output: await workshop.run({ source: input.source, input: input.input }, signal), units: { job: 1 } }
  },
})
