/**
 * A guardian's memory and clock (D9): what its probes found, and the end of each epoch, at which it
 * starts to close it. One actor per guardian. Every wait is a stored deadline (I5); a node that was
 * down for some epochs closes the one that just ended and lets the others go.
 */
import { assign, createMachine, enqueueActions } from 'xstate'
import { defineActor } from '../../runtime/actors/actor.ts'
import type { Address, GuardianSet } from '../../schemas/documents.gen.ts'
import type { EpochInput } from './epoch.ts'
import { epochActor } from './epoch.machine.ts'
import { probeActor, type Probe, type Sample } from './probe.machine.ts'

/** Samples kept of a provider and capability, and pairs remembered; the one heard of longest ago goes first. */
const SAMPLES_MAX = 32
const PAIRS_MAX = 512

export interface GuardianContext {
  readonly self: Address
  readonly set: GuardianSet
  /** The epoch that is being measured. */
  readonly epoch: number
  /** By provider and capability, oldest first. */
  readonly samples: Readonly<Record<string, readonly Sample[]>>
}

export const GUARDIAN = 'guardian'

type Event = { at: number } & (
  | { type: 'guardian.plan.done'; probes: readonly Probe[] }
  | { type: 'guardian.plan.failed' }
  | { type: 'set'; set: GuardianSet }
  | { type: 'sample'; provider: Address; capability: string; sample: Sample | null }
)

const remember = assign<GuardianContext, any, undefined, any, never>({
  samples: ({ context, event }) => {
    if (event.sample === null) return context.samples
    const key = `${event.provider} ${event.capability}`
    const { [key]: known = [], ...rest } = context.samples
    const others: Record<string, readonly Sample[]> = rest
    const keys = Object.keys(others)
    if (keys.length >= PAIRS_MAX) delete others[keys[0]!]
    return { ...others, [key]: [...known, event.sample].slice(-SAMPLES_MAX) }
  },
})

/** Starts to close the epoch that ended, when there is still time for it, and goes on with the present one. */
const turn: any = enqueueActions(({ context, event, enqueue }: any) => {
  const { self, set, epoch } = context as GuardianContext
  const now = Math.max(epoch + 1, Math.floor(event.at / set.epochMs))
  const input: EpochInput = { epoch: now - 1, self, set }
  enqueue({ type: 'tell', params: { to: epochActor(now - 1), event: { type: 'start', input } } })
  enqueue.assign({ epoch: now })
})

const machine = createMachine({
  id: 'guardian',
  types: {} as { context: GuardianContext; events: Event; input: { self: Address; set: GuardianSet; at: number } },
  context: ({ input }) => ({ self: input.self, set: input.set, epoch: Math.floor(input.at / input.set.epochMs), samples: {} }),
  initial: 'measuring',
  on: {
    sample: { actions: remember },
    // The same participant in another network of guardians: it begins there anew.
    set: { target: '.measuring', reenter: true, actions: assign({ set: ({ event }) => event.set, epoch: ({ event }) => Math.floor(event.at / event.set.epochMs) }) },
  },
  states: {
    measuring: {
      entry: { type: 'guardian.plan', params: ({ context }: any) => ({ epoch: context.epoch, until: (context.epoch + 1) * context.set.epochMs }) } as any,
      on: {
        'guardian.plan.done': {
          actions: enqueueActions(({ event, enqueue }) => {
            for (const probe of event.probes) enqueue({ type: 'tell', params: { to: probeActor(probe.id), event: { type: 'start', input: probe } } } as any)
          }),
        },
      },
      after: { end: { target: 'measuring', reenter: true, actions: turn } },
    },
  },
}, { delays: { end: ({ context, event }: any) => Math.max(0, (context.epoch + 1) * context.set.epochMs - (event.at ?? event.input?.at ?? 0)) } })

export const guardian = defineActor(GUARDIAN, '1', machine, { pays: [], holds: [] })
