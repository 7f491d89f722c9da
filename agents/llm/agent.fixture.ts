/** A world for agents in tests: a model that says what a script says, a shop, an owner with `agentRooms`. */
import type { LiveActor } from '../../runtime/actors/fold.ts'
import type { MemoryJournalHooks } from '../../runtime/memory/journal.ts'
import { evaluateHere, type MemoryWorld, SHOUT, shouter } from '../memory-network.fixture.ts'
import type { ProviderDefinition } from '../provider/define.ts'
import { agentRooms } from './agent-effects.ts'
import type { Message } from './agent-prompt.ts'
import { chatProvider } from './chat-provider.fixture.ts'

export interface Asked {
  readonly messages: readonly Message[]
  /** Whether it is asked to judge. */
  readonly judge: boolean
  /** Number of this call at this provider, from 1. */
  readonly call: number
}

/** Says what the script says; each call counts 1,000 tokens, 0.001 by default, so that tests can add up. */
export function scriptedModel(name: string, script: (asked: Asked, signal: AbortSignal) => unknown, change: Partial<ProviderDefinition> = {}): ProviderDefinition & { readonly heard: Asked[] } {
  const heard: Asked[] = []
  let signalOf = new AbortController().signal
  const model = chatProvider(name, async ({ messages }) => {
    const asked = { messages: messages as Message[], judge: messages[0]!.content.startsWith('You judge'), call: heard.length + 1 }
    heard.push(asked)
    const said = await script(asked, signalOf)
    return typeof said === 'string' ? said : JSON.stringify(said)
  }, { latencyMs: 100, ...change })
  return {
    ...model, heard,
    handler: async (input, context) => {
      signalOf = context.signal
      return { ...(await model.handler(input, context)), units: { token: 1_000 } }
    },
  }
}

/** A plan of one shout. */
export const shoutPlan = (text: string, change: object = {}, step: object = {}): object => ({
  name: 'shout', version: '1.0.0',
  steps: { shout: { uses: SHOUT.id, with: { text }, price: { max: '0.02' }, sla: { deadline: '5s', grace: '1s' }, ...step } },
  output: '${steps.shout.text}', ...change,
})

export const YES = { met: true, reason: 'it says so' }
export const NO = { met: false, reason: 'too quiet' }

const inner = ({ value }: LiveActor['snapshot']): unknown => (value as { pursuing?: unknown })['pursuing']
/** Whether an agent waits for its owner's word, and whether its plan runs: for `Host.until`. */
export const isAsking = (snapshot: LiveActor['snapshot']): boolean => inner(snapshot) === 'asking'
export const isRunning = (snapshot: LiveActor['snapshot']): boolean => inner(snapshot) === 'running'

/** Opens alice with agents on her node. */
export const owner = (world: MemoryWorld, hooks: MemoryJournalHooks = {}): ReturnType<MemoryWorld['user']> =>
  world.user('alice', { rooms: agentRooms({ evaluate: evaluateHere }) }, hooks)

export const shop = (change: Partial<ProviderDefinition> = {}): ProviderDefinition => shouter('p1', '0.01', 90, change)
