/**
 * One blind probe (D9): waits for its moment, hires the provider like anybody, and tells the guardian
 * how it went. The call's key is in the journal, so a probe is paid once however often this node dies.
 */
import { createMachine } from 'xstate'
import { defineActor, effect, tell } from '../../runtime/actors/actor.ts'
import type { Address } from '../../schemas/documents.gen.ts'

/** One measurement of one call. */
export interface Sample {
  /** When it was done, in ms since the epoch. */
  readonly at: number
  /** Whether anything was delivered, and whether that was right. */
  readonly delivered: boolean
  readonly right: boolean
  /** From invoke to delivery, in ms; null where nothing was delivered. */
  readonly latencyMs: number | null
  /** Later than promised. */
  readonly late: boolean
}

export interface Probe {
  readonly id: string
  readonly provider: Address
  readonly capability: string
  /** When it is due, in ms since the epoch. */
  readonly due: number
  /** 32 hex digits from which the input and the known answer are made. */
  readonly seed: string
  /** Most that the call may cost, decimal string. */
  readonly maxPrice: string
  /** What the card promises, in ms. */
  readonly promisedMs: number
}

/** @example probeActor('7.0') // 'probe/7.0' */
export const probeActor = (id: string): string => `probe/${id}`

/** A probe that a dead node left waiting is still made when it is not later than this, in ms. */
const LATE_MS = 60_000

type Event = { at: number } & ({ type: 'probe.call.done'; sample: Sample | null } | { type: 'probe.call.failed' })

const machine = createMachine({
  id: 'probe',
  types: {} as { context: Probe; events: Event; input: Probe & { at: number } },
  context: ({ input: { at: _at, ...probe } }) => probe,
  initial: 'waiting',
  states: {
    waiting: { after: { due: [{ guard: ({ context, event }: any) => (event.at ?? 0) <= context.due + LATE_MS, target: 'calling' }, { target: 'ended' }] } },
    calling: {
      entry: effect<Probe, any>('probe.call', ({ context }) => ({ ...context })),
      on: {
        'probe.call.done': {
          target: 'ended',
          actions: tell<Probe, any>(() => 'guardian', ({ context, event }) => ({ type: 'sample', provider: context.provider, capability: context.capability, sample: event.sample })) as any,
        },
        'probe.call.failed': 'ended',
      },
    },
    ended: { type: 'final' },
  },
}, { delays: { due: ({ context, event }: any) => Math.max(0, context.due - (event.at ?? event.input?.at ?? 0)) } })

export const probe = defineActor('probe', '1', machine, { pays: [], holds: [] }, { passivates: true })
