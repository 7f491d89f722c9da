/**
 * One call by access key: asks the key, works, ends as a signed delivery or a failure. The actor is
 * the stored answer that a repeated request gets, so the work is done once and counted once (I1).
 * Started by the provider's door; nothing is charged for what was not delivered.
 */
import { assign, createMachine } from 'xstate'
import type { AccessCaveat, Delivery, Hash } from '../../schemas/documents.gen.ts'
import type { ErrorBody } from '../../schemas/error.ts'
import { defineActor, effect } from '../../runtime/actors/actor.ts'
import { accessKeyActor } from './access-key.machine.ts'

export interface KeyedCallInput {
  readonly self: string
  readonly key: string
  readonly caveats: readonly AccessCaveat[]
  readonly marks: readonly string[]
  readonly capability: string
  readonly input: unknown
  readonly inputHash: Hash
  /** Atomic: most that it can cost. */
  readonly worst: string
  /** Time to work, in ms. */
  readonly deadlineMs: number
}

export interface KeyedCallContext extends Omit<KeyedCallInput, 'input'> {
  readonly input: unknown
  readonly number: number
  readonly startedAt: number
  readonly until: number
  readonly output: unknown
  readonly delivery: Delivery | null
  readonly error: ErrorBody | null
}

export type KeyedCallEvent = { at: number } & (
  | { type: 'key.granted'; number: number }
  | { type: 'key.refused'; error: ErrorBody }
  | { type: 'service.keyed.done'; output: unknown; delivery: Delivery }
  | { type: 'service.keyed.failed'; error: ErrorBody }
  | { type: 'service.keyed.unknown' }
  | { type: 'cancel' }
)

const toKey = (event: (context: KeyedCallContext) => object): any => ({
  type: 'tell', params: ({ context }: any) => ({ to: accessKeyActor(context.key), event: event(context) }),
})
const abort = { type: 'abort', params: { kind: 'service.keyed' } } as any
const fail = (error: ErrorBody): any => assign<KeyedCallContext, any, undefined, any, never>({ error })

const machine = createMachine({
  id: 'keyed-call',
  types: {} as { context: KeyedCallContext; events: KeyedCallEvent; input: KeyedCallInput & { at: number } },
  context: ({ input: { at, ...input } }) => ({ ...input, number: 0, startedAt: at, until: at + input.deadlineMs, output: null, delivery: null, error: null }),
  initial: 'asking',
  states: {
    asking: {
      entry: toKey(({ self, capability, worst, caveats, marks }) => ({ type: 'use', call: self, capability, worst, caveats, marks })),
      on: {
        'key.granted': { target: 'working', actions: assign({ number: ({ event }) => event.number }) },
        'key.refused': { target: 'refused', actions: assign({ error: ({ event }) => event.error, input: null }) },
      },
      // The key answers in the same record; one that does not exist any more answers never.
      after: { 10_000: { target: 'refused', actions: fail({ code: 'key.revoked', message: 'The access key was never issued here.' }) } },
    },
    working: {
      entry: effect<KeyedCallContext, any>('service.keyed', ({ context }) => ({ capability: context.capability })),
      on: {
        'service.keyed.done': { target: 'delivered', actions: assign({ output: ({ event }) => event.output, delivery: ({ event }) => event.delivery, input: null }) },
        'service.keyed.failed': { target: 'failed', actions: assign({ error: ({ event }) => event.error, input: null }) },
        'service.keyed.unknown': { target: 'failed', actions: fail({ code: 'step.failed', message: 'The provider stopped while it worked, and the work must not be done twice.' }) },
        cancel: { target: 'failed', actions: [abort, fail({ code: 'step.cancelled', message: 'The call was cancelled.' })] },
      },
      after: { late: { target: 'failed', actions: [abort, fail({ code: 'step.timeout', message: 'The call missed its deadline.' })] } },
    },
    delivered: { type: 'final', entry: toKey(({ self, delivery }) => ({ type: 'settle', call: self, amount: delivery!.body.amount })) },
    failed: { type: 'final', entry: toKey(({ self }) => ({ type: 'free', call: self })) },
    refused: { type: 'final' },
  },
}, { delays: { late: ({ context }) => context.deadlineMs } })

export const keyedCall = defineActor('keyed-call', '1', machine, { pays: [], holds: [{ what: 'use of its key', taken: ['on key.granted'], returned: ['tell access-key settle', 'tell access-key free'] }] }, { passivates: 'ended' })
