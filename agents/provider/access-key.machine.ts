/**
 * One access key at the provider that issued it: what was promised, what its uses add up to, whether
 * it was revoked. Calls ask it before they work and tell it how they ended, each in the record of
 * its own event, so a kill at any moment neither loses nor doubles a use (I4). The key itself is not
 * kept: it is made from the provider's root key and can be checked without a look-up.
 */
import { assign, createMachine, enqueueActions } from 'xstate'
import type { AccessCaveat, AccessGrant } from '../../schemas/documents.gen.ts'
import { ERRORS } from '../../schemas/error.ts'
import { defineActor } from '../../runtime/actors/actor.ts'
import { endUse, objection, reserveUse, type KeyCounts, type Use } from './key-use.ts'

export interface AccessKeyInput {
  readonly grant: AccessGrant
  /** For people: who it is for. */
  readonly label: string
  /** The caveats it was issued with. */
  readonly caveats: readonly AccessCaveat[]
}

export interface AccessKeyContext extends AccessKeyInput, KeyCounts {
  /** Calls served, and what they cost together; atomic. */
  readonly served: number
  readonly charged: string
  /** Number of the next call. */
  readonly next: number
  readonly revokedAt: number | null
}

export type AccessKeyEvent = { at: number } & (
  | ({ type: 'use' } & Omit<Use, 'at'>)
  | { type: 'settle'; call: string; amount: string }
  | { type: 'free'; call: string }
  | { type: 'revoke' }
)

export const accessKeyActor = (id: string): string => `access-key/${id}`

const refuse = (enqueue: any, call: string, error: unknown): void => enqueue({ type: 'tell', params: { to: call, event: { type: 'key.refused', error } } })

const ending = {
  settle: {
    guard: ({ context, event }: any) => context.open[event.call] !== undefined,
    actions: assign(({ context, event }: any) => ({
      ...endUse(context, event.call, event.amount), served: context.served + 1, charged: (BigInt(context.charged) + BigInt(event.amount)).toString(),
    })),
  },
  free: { actions: assign(({ context, event }: any) => endUse(context, event.call, null)) },
}

const machine = createMachine({
  id: 'access-key',
  types: {} as { context: AccessKeyContext; events: AccessKeyEvent; input: AccessKeyInput },
  context: ({ input }) => ({ ...input, counters: {}, open: {}, served: 0, charged: '0', next: 0, revokedAt: null }),
  initial: 'valid',
  states: {
    valid: {
      on: {
        use: {
          actions: enqueueActions(({ context, event, enqueue }) => {
            const error = objection(context, context.grant.body.rates, event)
            if (error) return refuse(enqueue, event.call, error)
            enqueue.assign({ ...reserveUse(context, event), next: context.next + 1 })
            enqueue({ type: 'tell', params: { to: event.call, event: { type: 'key.granted', number: context.next } } } as any)
          }),
        },
        ...(ending as any),
        revoke: { target: 'revoked', actions: assign({ revokedAt: ({ event }) => event.at }) },
      },
    },
    // Kept for good: an attenuated copy may turn up at any time, and what is under way still ends.
    revoked: {
      on: {
        use: { actions: enqueueActions(({ event, enqueue }) => refuse(enqueue, event.call, { code: 'key.revoked', message: ERRORS['key.revoked'].says })) },
        ...(ending as any),
      },
    },
  },
})

export const accessKey = defineActor('access-key', '1', machine, { pays: [], holds: [], rests: { valid: 'asked by calls', revoked: 'asked by calls' } })
