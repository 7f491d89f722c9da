/**
 * The settler: a payee's claims on the chain, batched (payments.md), one for the lanes of each
 * partition. Asked by payers at the end of a run, by its own clock and when its node starts, so that a payer who never asks
 * costs the provider nothing. What is asked while a batch is under way, or a moment after it, goes into the next
 * one: runs that close one by one do not make a transaction each.
 * Claiming again pays nothing twice (I1), so what a chain that lost blocks has forgotten is claimed again.
 */
import { assign, createMachine, enqueueActions } from 'xstate'
import type { Hex32, LaneClaim } from '../../schemas/documents.gen.ts'
import type { ErrorBody } from '../../schemas/error.ts'
import { defineActor } from '../actors/actor.ts'

/** How often unclaimed vouchers are looked for when nobody asks, in ms. */
const SWEEP_MS = 60_000
/** Between the end of a batch and the next, in ms. */
const REST_MS = 250
/** Claims of one transaction. */
const BATCH_MAX = 100
/** Results kept for those who ask again. */
const RESULTS_MAX = 1_000

export interface SettlerContext {
  /** Lanes to claim with the next batch. */
  readonly next: readonly Hex32[]
  readonly claiming: readonly Hex32[]
  readonly batches: number
  /** Last claim of each lane. */
  readonly claims: Readonly<Record<string, LaneClaim>>
  /** Why the last batch failed. */
  readonly error: ErrorBody | null
}

export type SettlerEvent =
  | { type: 'settle'; lanes: readonly Hex32[] }
  | { type: 'sweep' }
  | { type: 'chain.write.lost'; hash: Hex32 }
  | { type: 'lanes.claim.done'; key: string; claims: readonly LaneClaim[]; seen?: readonly { readonly lane: Hex32; readonly claimed: string }[]; refused: readonly { readonly lane: Hex32; readonly reason: string }[]; rest?: true }
  | { type: 'lanes.claim.failed'; error: ErrorBody }
  | { type: 'lanes.unclaimed.done'; lanes: readonly Hex32[] }
  | { type: 'lanes.unclaimed.failed' }

/** What was claimed, seen or refused is told to the tills, and kept for those who ask again. */
const claimed: any = enqueueActions(({ context, event, enqueue }: any) => {
  for (const claim of event.claims) enqueue({ type: 'tell', params: { to: `till/${claim.lane}`, event: { type: 'claimed', claimed: claim.claimed } } } as any)
  for (const { lane, claimed } of event.seen ?? []) enqueue({ type: 'tell', params: { to: `till/${lane}`, event: { type: 'claimed', claimed } } } as any)
  for (const { lane, reason } of event.refused) if (reason === 'expired') enqueue({ type: 'tell', params: { to: `till/${lane}`, event: { type: 'expired' } } } as any)
  const claims: Record<string, LaneClaim> = { ...context.claims }
  for (const claim of event.claims) {
    delete claims[claim.lane]
    claims[claim.lane] = claim
  }
  for (const lane of Object.keys(claims).slice(0, Math.max(0, Object.keys(claims).length - RESULTS_MAX))) delete claims[lane]
  enqueue.assign({ claims, claiming: [] })
})

const machine = createMachine({
  id: 'settler',
  types: {} as { context: SettlerContext; events: SettlerEvent },
  context: { next: [], claiming: [], batches: 0, claims: {}, error: null },
  initial: 'idle',
  on: {
    'chain.write.lost': {
      actions: enqueueActions(({ context, event, enqueue }) => {
        const lanes = Object.values(context.claims).filter(({ hash }) => hash === event.hash).map(({ lane }) => lane)
        for (const lane of lanes) enqueue({ type: 'tell', params: { to: `till/${lane}`, event: { type: 'unclaimed' } } } as any)
        enqueue.assign({ next: merge(context.next, lanes) })
      }),
    },
  },
  states: {
    idle: {
      always: { guard: ({ context }) => context.next.length > 0, target: 'claiming' },
      // Told when its node starts: a clock that was set back must not keep it from looking for hours.
      on: { settle: { actions: assign({ next: ({ context, event }) => merge(context.next, event.lanes) }) }, sweep: 'sweeping' },
      after: { [SWEEP_MS]: 'sweeping' },
    },
    sweeping: {
      entry: { type: 'lanes.unclaimed', params: () => ({}) } as any,
      on: {
        settle: { actions: assign({ next: ({ context, event }) => merge(context.next, event.lanes) }) },
        'lanes.unclaimed.done': { target: 'idle', actions: assign({ next: ({ context, event }) => merge(context.next, event.lanes) }) },
        'lanes.unclaimed.failed': 'idle',
      },
    },
    claiming: {
      entry: enqueueActions(({ context, enqueue }) => {
        const claiming = context.next.slice(0, BATCH_MAX)
        enqueue.assign({ claiming, next: context.next.slice(BATCH_MAX), batches: context.batches + 1, error: null })
        enqueue({ type: 'lanes.claim', params: { key: `claim.${context.batches}`, lanes: claiming } } as any)
      }),
      on: {
        settle: { actions: assign({ next: ({ context, event }) => merge(context.next, event.lanes) }) },
        // One that an earlier version was told claims again at once.
        'lanes.claim.done': [{ guard: ({ event }) => event.rest === true, target: 'resting', actions: claimed }, { target: 'idle', actions: claimed }],
        'lanes.claim.failed': { target: 'idle', actions: assign({ claiming: [], error: ({ event }) => event.error }) },
      },
    },
    resting: {
      on: { settle: { actions: assign({ next: ({ context, event }) => merge(context.next, event.lanes) }) } },
      always: { guard: ({ context }) => context.next.length >= BATCH_MAX, target: 'claiming' },
      after: { [REST_MS]: 'idle' },
    },
  },
})

function merge(next: readonly Hex32[], lanes: readonly Hex32[]): Hex32[] {
  return [...new Set([...next, ...lanes])]
}

/** The settler of a partition. @example settlerActor(0) // 'settler/0' */
export function settlerActor(partition: number): string {
  return `settler/${partition}`
}

export const settler = defineActor('settler', '5', machine, { pays: [], holds: [] }, {
  perPartition: true,
  // The version before claimed again at once.
  migrate: (state, machine) => (machine.startsWith('settler@4:') ? state : undefined),
})
