// A service provider that streams its answer piece by piece and is paid by the word. On a running
// `aigen dev`:  npx aigen provide examples/programs/provider.js
import { defineProvider } from 'aigen'

export default defineProvider({
  name: 'slow-reader',
  capability: {
    id: 'text.backwards@1', title: 'Backwards', description: 'Gives the words of a text in reverse order, one by one.', unit: 'word',
    estimate: { expression: '1.0 + input.text.size() / 2' },
    input: { type: 'object', required: ['text'], properties: { text: { type: 'string', minLength: 1, maxLength: 2000 } } },
    output: { type: 'object', required: ['text'], properties: { text: { type: 'string' } } },
    chunk: { type: 'object', required: ['word'], properties: { word: { type: 'string' } } },
  },
  price: { list: '0.0002', floor: '0.0001' },
  latencyMs: 2_000,
  concurrency: 8,
  queue: 32,
  rate: { perMinute: 600, perCaller: 60 },
  health: async () => true,
  handler: async ({ text }, { emit, signal }) => {
    const told = []
    for (const word of text.split(/\s+/).filter(Boolean).reverse()) {
      if (signal.aborted) break // the caller gave up: what was told so far is delivered and paid
      await emit({ word })
      told.push(word)
    }
    return { output: { text: told.join(' ') }, units: { word: told.length } }
  },
})
