/**
 * A step's way through a hub (payments.md): stands for the purse in the step's hiring, which asks it for a
 * lane to the chosen provider and gets one of a hub's, granted for this call. Nothing is reserved or
 * signed for by it: what the hub is paid is hired by the step when the provider has delivered. Given
 * back, it forgets the grant, and the hub frees its lane by its own time. Started by a step.
 */
import { assign, createMachine } from 'xstate'
import type { Address, Hex32, LaneGrant } from '../schemas/documents.gen.ts'
import { ERRORS, type ErrorBody } from '../schemas/error.ts'
import { defineActor, effect } from '../runtime/actors/actor.ts'
import type { HubWish } from '../runtime/market/hubs.ts'
import type { LaneRequest } from '../runtime/payments/lane.ts'

/** Longest that it stands, in ms: far beyond any hiring. */
const STAND_MS = 3_600_000

export interface PassageInput {
  readonly self: string
  readonly through: HubWish
  /** Time until the delivery, in ms, hiring not included. */
  readonly forMs: number
}

export interface PassageContext extends PassageInput {
  readonly request: LaneRequest | null
  readonly grant: LaneGrant | null
  readonly asked: number
}

export type PassageEvent =
  | { type: 'acquire'; request: LaneRequest }
  | { type: 'release' | 'doubt' }
  | { type: 'hub.route.done'; grant: LaneGrant; route: string }
  | { type: 'hub.route.failed'; error: ErrorBody }

const take = { guard: ({ event }: any) => !event.request.spare, target: 'asking', actions: assign({ request: ({ event }: any) => event.request, asked: ({ context }: any) => context.asked + 1, grant: null }) } as any
const forget = assign<PassageContext, any, undefined, any, never>({ request: null, grant: null })
const abort = { type: 'abort', params: { kind: 'hub.route' } } as any

const machine = createMachine({
  id: 'passage',
  types: {} as { context: PassageContext; events: PassageEvent; input: PassageInput },
  context: ({ input: { self, through, forMs } }) => ({ self, through, forMs, request: null, grant: null, asked: 0 }),
  initial: 'idle',
  states: {
    idle: { on: { acquire: take }, after: { [STAND_MS]: 'closed' } },
    asking: {
      entry: effect<PassageContext, any>('hub.route', ({ context: { self, through, forMs, request, asked } }) => ({ self, through, forMs, asked, payee: request!.payee, amount: request!.amount })),
      on: {
        'hub.route.done': {
          target: 'granted',
          actions: [
            assign({ grant: ({ event }) => event.grant }),
            {
              type: 'tell',
              params: ({ context, event: { grant, route } }: any) => {
                const { lane: id, number, vault, voucherKey } = grant.body as { lane: Hex32; number: number; vault: Hex32; voucherKey: Address }
                return { to: context.request.for, event: { type: 'lane.ready', key: `${grant.body.payee}.${number}`, id, number, vault, voucherKey, from: context.self, route, grant } }
              },
            } as any,
          ],
        },
        'hub.route.failed': {
          target: 'idle',
          actions: [{ type: 'tell', params: ({ context, event }: any) => ({ to: context.request.for, event: { type: 'lane.refused', error: event.error } }) } as any, forget],
        },
        release: { target: 'idle', actions: [abort, forget] },
        doubt: { target: 'idle', actions: [abort, forget] },
      },
    },
    granted: {
      on: { acquire: take, release: { target: 'idle', actions: forget }, doubt: { target: 'idle', actions: forget } },
      after: { [STAND_MS]: 'closed' },
    },
    closed: { type: 'final' },
  },
})

export const passage = defineActor('passage', '1', machine, { pays: [], holds: [] }, { passivates: 'ended' })

/** Why no hub took it. */
export const NO_HUB: ErrorBody = { code: 'hub.none', message: ERRORS['hub.none'].says }
