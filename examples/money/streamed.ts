/**
 * Paid piece by piece as it comes: whoever stops, or cheats, at whichever piece costs the other side one
 * part, here a word at 0.01.
 */
import { defineProvider, type Capability, type ProviderDefinition } from 'aigen'
import { ask, play, PRICE, type Row } from './books.ts'
import { keepsBack } from './crooked.ts'
import type { Stage } from './stage.ts'

const TELL: Capability = {
  id: 'money.tell@1', title: 'Tell', description: 'Tells a story word by word.', unit: 'word', estimate: { expression: '1.0 * input.words.size()' },
  input: { type: 'object', required: ['words'], properties: { words: { type: 'array', items: { type: 'string' } } } },
  output: { type: 'object', required: ['text'], properties: { text: { type: 'string' } } },
  chunk: { type: 'object', additionalProperties: false, required: ['word'], properties: { word: { type: 'string' } } },
}
const STORY = ['once', 'upon', 'a', 'time']

/** A part is one word; `breaksOff` after so many it says no more. */
const teller = (name: string, breaksOff = Infinity): ProviderDefinition => defineProvider({
  name, capability: TELL, price: { list: PRICE }, latencyMs: 500, stream: { every: 1 },
  handler: async ({ words }: { words: string[] }, { emit }) => {
    for (const [nth, word] of words.entries()) {
      if (nth === breaksOff) throw new Error('that is all')
      await emit({ word }, 1)
    }
    return { output: { text: words.join(' ') }, units: { word: words.length } }
  },
})

export async function streamed(stage: Stage): Promise<Row[]> {
  const mode = 'streamed'
  const nothing = { payer: '0', provider: '0' }
  const [honest, short, alice, mallory, trudy] = await Promise.all([
    stage.provider(teller('stream-honest')), stage.provider(teller('stream-short', 2)),
    stage.user('stream-alice'), stage.user('stream-mallory', keepsBack('pay')), stage.user('stream-trudy', keepsBack('pay', 2)),
  ])
  /** Words that came, each of which is as good as agreed. */
  const words = async (user: typeof alice, payee: `0x${string}`): Promise<number> => {
    let heard = 0
    await ask(stage, user, payee, { capability: TELL.id, input: { words: STORY }, expect: 'output.text != ""', maxPrice: '0.04', settle: mode, timeoutMs: 120_000, onChunk: () => void heard++ })
    return heard
  }
  const scene = async (cheat: Row['cheat'], does: string, most: Row['most'], user: typeof alice, provider: typeof honest): Promise<Row> =>
    play(stage, { mode, cheat, does, most }, provider, async (payee) => {
      const heard = await words(user, payee)
      return { outputs: heard, worked: heard }
    })
  return [
    await scene('nobody', 'four words, as agreed', nothing, alice, honest),
    await scene('provider', 'says two words of four and breaks off', { payer: PRICE, provider: '0' }, alice, short),
    await scene('payer', 'pays for none', { payer: '0', provider: PRICE }, mallory, honest),
    await scene('payer', 'pays for two, and for no more', { payer: '0', provider: PRICE }, trudy, honest),
  ]
}
