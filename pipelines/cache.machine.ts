/**
 * The index of deliveries that may be used again (`cache.ts`): by key, the step that paid for one and
 * until when its provider's card lets it stand in. The outputs and receipts themselves stay with their
 * steps. Told by steps in the record that pays, or from another partition through the outbox, so a
 * crash leaves both or neither. A part of the index is bounded: what has expired goes, then what
 * expires first. It moves no money.
 */
import { assign, createMachine } from 'xstate'
import { defineActor } from '../runtime/actors/actor.ts'

/** Deliveries that one part of the index knows; 8,192 with all 64 of them. */
export const ENTRIES_MAX = 128

export interface CacheEntry {
  /** Actor id of the step that paid for it. */
  readonly step: string
  /** When it was delivered, and until when it may be used, in ms since the epoch. */
  readonly made: number
  readonly until: number
}

export interface CacheContext {
  readonly entries: Readonly<Record<string, CacheEntry>>
}

export interface CacheEvent {
  readonly type: 'keep'
  readonly at: number
  readonly key: string
  readonly entry: CacheEntry
}

/** The entries with one more, those that have expired left out; a later delivery replaces an earlier one. */
function kept(entries: CacheContext['entries'], { at, key, entry }: CacheEvent): CacheContext['entries'] {
  const others = Object.entries(entries).filter(([other, { until }]) => other !== key && until > at)
  if (others.length >= ENTRIES_MAX) {
    const [first] = others.reduce((soonest, one) => (one[1].until < soonest[1].until ? one : soonest))
    return Object.fromEntries([...others.filter(([other]) => other !== first), [key, entry]])
  }
  return Object.fromEntries([...others, [key, entry]])
}

const machine = createMachine({
  id: 'cache',
  types: {} as { context: CacheContext; events: CacheEvent },
  context: { entries: {} },
  initial: 'learning',
  states: { learning: { on: { keep: { actions: assign({ entries: ({ context, event }) => kept(context.entries, event) }) } } } },
})

export const cache = defineActor('cache', '1', machine, { pays: [], holds: [], rests: { learning: 'told by steps' } })
