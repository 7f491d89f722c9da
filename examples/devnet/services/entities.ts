/**
 * Provider `name-finder`: people, places, organisations, dates and amounts in English text
 * (`text.entities@1`). Dates and amounts from wink-nlp, names from compromise: rules and word lists,
 * no guessing model, so the same text always gives the same answer.
 */
import { setImmediate } from 'node:timers/promises'
import nlp from 'compromise'
import model from 'wink-eng-lite-web-model'
import winkNLP from 'wink-nlp'
import type { ItemEntity, WinkMethods } from 'wink-nlp'
import { defineProvider } from '../../../agents/provider/define.ts'
import type { Capability } from '../../../schemas/documents.gen.ts'
import { AigenError } from '../../../schemas/error.ts'
import capability from '../../../schemas/capabilities/text.entities@1.json' with { type: 'json' }
import { isoDay } from './day.ts'
import { amountOf } from './amount.ts'

export interface Mention {
  readonly name: string
  readonly start: number
  readonly end: number
}

const MENTIONS_MAX = 1_000
const NAME_MAX = 500
const PART = 1_000
/** What the libraries leave at the ends of a name. */
const EDGES = /^[\s,.;:()"']+|[\s,.;:()"']+$/g
/** No word is so long, and the tokenizer takes time in the square of one: blanked out. */
const RUN = /\S{200,}/g
/** A place that compromise does not know, by the words it ends or begins with. */
const AIRPORT = /\b(?:[A-Z][\w'’.]*\s+){1,4}(?:International|Regional|Municipal|Airport|Airfield|Air Force Base)(?:\s+Airport)?\b/g

let wink: WinkMethods | undefined

export default defineProvider({
  name: 'name-finder',
  capability: capability as Capability,
  price: { list: '0.003', floor: '0.002' },
  latencyMs: 3_000,
  concurrency: 2,
  start() {
    wink = winkNLP(model, ['sbd', 'pos', 'ner'])
    nlp('Warm up in Chicago.').places()
    return Promise.resolve()
  },
  async handler({ text }: { text: string }, { signal }) {
    if (!wink) throw new AigenError('step.failed', 'The model is not loaded.')
    const doc = wink.readDoc(text.replaceAll(RUN, (run) => ' '.repeat(run.length)))
    const found = new Finder(text)
    doc.entities().each((entity: ItemEntity) => {
      const name = String(entity.out())
      const type = String(entity.out(wink!.its.type))
      found.add(type === 'DATE' ? 'dates' : type === 'MONEY' ? 'money' : 'other', name)
    })
    const people: string[] = []
    const places: string[] = []
    const organisations: string[] = []
    for (const part of parts(text)) {
      if (signal.aborted) throw new AigenError('step.cancelled')
      const names = nlp(part)
      people.push(...(names.people().out('array') as string[]))
      places.push(...(names.places().out('array') as string[]), ...Array.from(part.matchAll(AIRPORT), (match) => match[0]))
      organisations.push(...(names.organizations().out('array') as string[]))
      await setImmediate() // lets the node answer others between two parts
    }
    return {
      output: {
        people: found.list(people),
        places: found.list(places),
        organisations: found.list(organisations),
        dates: found.of('dates').map((mention) => ({ ...mention, iso: isoDay(mention.name) })),
        money: found.of('money').map((mention) => ({ ...mention, ...amountOf(mention.name) })),
        sentences: doc.sentences().length(),
      },
      units: { kchar: Math.max(1, Math.ceil(text.length / 1_000)) },
    }
  },
})

/**
 * The text in parts of about a thousand characters, each ending at a full stop or, where there is
 * none, at a space: compromise takes time in the square of a sentence's length. A line break inside
 * a sentence hides names from it, so it becomes a space.
 */
function* parts(text: string): Generator<string> {
  const prose = text.replaceAll(/(?<=[^\n.:;!?])\n(?=[^\n])/g, ' ')
  for (let at = 0; at < prose.length;) {
    let end = Math.min(prose.length, at + PART)
    if (end < prose.length) {
      const window = prose.slice(at, end)
      const stop = Math.max(window.lastIndexOf('. '), window.lastIndexOf('\n'))
      const space = window.lastIndexOf(' ')
      end = at + (stop > 0 ? stop + 1 : space > 0 ? space + 1 : PART)
    }
    yield prose.slice(at, end)
    at = end
  }
}

/** Finds again where a name stands: the libraries give names in order, not offsets into our text. */
class Finder {
  readonly #flat: string
  readonly #lists = new Map<string, Mention[]>()
  #at = 0

  constructor(text: string) {
    this.#flat = text.replaceAll(/\s/g, ' ').replaceAll('’', "'")
  }

  /** Adds the next place, in text order, where `name` stands. */
  add(kind: string, name: string): void {
    const mention = this.#find(name, this.#at)
    if (!mention) return
    this.#at = mention.end
    const list = this.#lists.get(kind) ?? []
    this.#lists.set(kind, list)
    if (list.length < MENTIONS_MAX) list.push(mention)
  }

  of(kind: string): readonly Mention[] {
    return this.#lists.get(kind) ?? []
  }

  /** The names at their places, the longest name where two overlap, in text order. */
  list(names: readonly string[]): Mention[] {
    const taken = new Uint8Array(this.#flat.length)
    const last = new Map<string, number>()
    const mentions: Mention[] = []
    const clean = names.slice(0, 4 * MENTIONS_MAX).map((raw) => raw.replace(EDGES, '').replace(/^(?:the|to|from|at)\s+/i, ''))
    for (const name of clean.sort((a, b) => b.length - a.length)) {
      let mention = name === '' ? undefined : this.#find(name, last.get(name) ?? 0)
      while (mention && taken[mention.start]) mention = this.#find(name, mention.end)
      last.set(name, mention?.end ?? this.#flat.length)
      if (!mention) continue
      taken.fill(1, mention.start, mention.end)
      mentions.push(mention)
    }
    return mentions.sort((a, b) => a.start - b.start).slice(0, MENTIONS_MAX)
  }

  #find(name: string, from: number): Mention | undefined {
    const wanted = name.replaceAll(/\s/g, ' ').replaceAll('’', "'")
    if (wanted.length > NAME_MAX) return undefined
    const start = this.#flat.indexOf(wanted, from)
    return start < 0 ? undefined : { name: wanted, start, end: start + wanted.length }
  }
}
