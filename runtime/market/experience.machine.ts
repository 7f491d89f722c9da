/**
 * What a payer remembers of providers: deliveries and failures by capability. Steps tell it how
 * each attempt ended; `market.ask` reads it to rank offers. One actor per participant.
 */
import { assign, createMachine } from 'xstate'
import type { Address } from '../../schemas/documents.gen.ts'
import { defineActor, gathered } from '../actors/actor.ts'
import type { History } from './strategy.ts'

/** Pairs remembered; the one heard of longest ago is forgotten first. */
const PAIRS_MAX = 10_000

export interface ExperienceContext {
  readonly histories: Readonly<Record<string, History>>
}

export type ExperienceEvent = { type: 'delivered' | 'failed'; provider: Address; capability: string }

/** What is remembered of `provider` at `capability`; nothing yet counts as zero of both. */
export function historyOf(context: ExperienceContext | undefined, provider: Address, capability: string): History {
  return context?.histories[`${provider} ${capability}`] ?? { delivered: 0, failed: 0 }
}

const count = assign<ExperienceContext, ExperienceEvent, undefined, ExperienceEvent, never>({
  histories: ({ context, event }) => gathered(event).reduce(counted, context.histories),
})

function counted(histories: ExperienceContext['histories'], { type, provider, capability }: ExperienceEvent): ExperienceContext['histories'] {
  const key = `${provider} ${capability}`
  const { [key]: known = { delivered: 0, failed: 0 }, ...rest } = histories
  const others: Record<string, History> = rest
  const keys = Object.keys(others)
  if (keys.length >= PAIRS_MAX) delete others[keys[0]!]
  return { ...others, [key]: { ...known, [type]: known[type] + 1 } }
}

const machine = createMachine({
  id: 'experience',
  types: {} as { context: ExperienceContext; events: ExperienceEvent },
  context: { histories: {} },
  initial: 'learning',
  states: { learning: { on: { delivered: { actions: count }, failed: { actions: count } } } },
})

export const experience = defineActor('experience', '1', machine, { pays: [], holds: [], rests: { learning: 'told by steps' } }, { gathers: () => true })
